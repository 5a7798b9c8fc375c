"""A model as the battery sees it: weights, its own tokenizer, and how terms are written to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.portions import portions
from lexigraft.likelihood import Pair, sum_log_probabilities
from lexigraft.spelling import Spelling

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """One model under judgement, untaught or taught. Nothing in the battery changes it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    spelling: Spelling | None = None
    """None: untaught. Terms are written on existing pieces, marker terms in their marker."""

    _known: dict[tuple[int, ...], float] = field(default_factory=dict, repr=False, compare=False)

    def log_probabilities(
        self, pairs: Sequence[Pair], advance: Callable[[int], None] | None = None
    ) -> list[float]:
        """Summed log-probability (nats) of each continuation. What was asked before is remembered.

        Floor and ceiling are one model, and ask it about the same untaught words. Products may be
        rough where that is faster (`likelihood.rough_products`). Tells `advance`
        its progress in `portions.PARTS` parts.
        """
        keys = [(*p.prefix, -1, *p.continuation) for p in pairs]
        fresh = {k: p for k, p in zip(keys, pairs, strict=True) if k not in self._known}
        tell = portions(advance, len(fresh))
        values = sum_log_probabilities(self.model, list(fresh.values()), rough=True, advance=tell)
        self._known.update(zip(fresh, values, strict=True))
        tell(0 if fresh else 1)
        return [self._known[key] for key in keys]

    @property
    def new_ids(self) -> tuple[int, ...]:
        """Ids that this model has and its base has not, ascending; empty for an untaught model."""
        return () if self.spelling is None else tuple(sorted(self.spelling.new_ids))
