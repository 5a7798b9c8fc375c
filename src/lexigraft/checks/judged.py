"""A model as the battery sees it: weights, its own tokenizer, and how terms are written to it."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.spelling import Spelling

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """One model under judgement, untaught or taught. Nothing in the battery changes it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    spelling: Spelling | None = None
    """None: untaught. Terms are written on existing pieces, marker terms in their marker."""

    @property
    def new_ids(self) -> tuple[int, ...]:
        """Ids that this model has and its base has not, ascending; empty for an untaught model."""
        return () if self.spelling is None else tuple(sorted(self.spelling.new_ids))
