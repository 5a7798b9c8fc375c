"""Check 10, leakage: how often the taught terms would turn up in text that has no use for them.

Expected emissions of a term are the sum, over all positions of the neutral texts, of the
probability that it comes next.

- A term with tokens of its own: exact, the sum of their probabilities at every position.
- A term written in pieces: the probability of its first piece is exact at every position; that of
  the other pieces after it is measured at a few positions only, drawn in proportion to the first
  piece's probability. (sum of p(first)) x (mean of p(rest) at the drawn positions) then estimates
  the sum of products without bias: systematic sampling proportional to size. Forms other than the
  dictionary form count only as far as they begin with its pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from lexigraft.checks.drift import Reading
from lexigraft.checks.judged import Judged
from lexigraft.checks.results import Leakage
from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import Pair, encode, head_chunks, output_rows

__all__ = ["emissions", "leakage"]

PER = 10_000
DRAWN = 8


def leakage(before: dict[str, float] | None, after: dict[str, float]) -> Leakage:
    """The verdict from the `emissions` of the untaught and the taught model."""
    return Leakage(
        emissions_per_10k=sum(after.values()),
        emissions_per_10k_before=None if before is None else sum(before.values()),
        by_term=after,
    )


def emissions(
    judged: Judged,
    reading: Reading,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    advance: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Expected emissions of every term per 10,000 tokens of `reading` (see module)."""
    count = len(reading.states)
    own = {t.term: _own_ids(judged, t.term) for t in lexicon}
    pieces = {t.term: _pieces(judged, surfaces[t.term]) for t in lexicon}
    first = {term: own[term] or pieces[term][:1] for term in own}
    starts = _probabilities(judged, reading, list(first.values()))
    asked: dict[str, list[Pair]] = {}
    for term, chances in zip(first, starts, strict=True):
        if own[term] or len(pieces[term]) < 2:
            continue
        contexts = [_context(reading, place) for place in _drawn(chances)]
        asked[term] = [Pair([*c, pieces[term][0]], pieces[term][1:]) for c in contexts]
    pairs = [pair for some in asked.values() for pair in some]
    values = iter(judged.log_probabilities(pairs, advance))
    out = {}
    for term, chances in zip(first, starts, strict=True):
        rest = [math.exp(next(values)) for _ in asked.get(term, ())]
        share = fmean(rest) if rest else 1.0
        out[term] = float(chances.sum()) * share * PER / max(1, count)
    return out


def _own_ids(judged: Judged, term: str) -> list[int]:
    if judged.spelling is None:
        return []
    return [token.id for token in judged.spelling.tokens_of(term)]


def _pieces(judged: Judged, surface: str) -> list[int]:
    """The ids of `surface` in the middle of a text, leading space included."""
    before = encode(judged.tokenizer, "a")
    whole = encode(judged.tokenizer, f"a {surface}")
    shared = 0
    while shared < min(len(before), len(whole)) and before[shared] == whole[shared]:
        shared += 1
    return whole[shared:]


@torch.inference_mode()
def _probabilities(
    judged: Judged, reading: Reading, groups: Sequence[Sequence[int]]
) -> Float[Tensor, "groups tokens"]:
    """At every position, the summed probability of each group of ids."""
    out = torch.zeros(len(groups), len(reading.states), dtype=torch.float64)
    for some, logits in head_chunks(reading.states, output_rows(judged.model)):
        chances = logits.softmax(-1)
        for row, ids in enumerate(groups):
            out[row, some] = chances[:, list(ids)].sum(-1).double().cpu()
    return out


def _drawn(chances: Float[Tensor, " tokens"], count: int = DRAWN) -> list[int]:
    """`count` positions, drawn systematically in proportion to `chances`; none if all are zero."""
    total = chances.cumsum(0)
    if not len(total) or float(total[-1]) <= 0:
        return []
    points = (torch.arange(count, dtype=total.dtype) + 0.5) / count * total[-1]
    places: list[int] = torch.searchsorted(total, points).clamp(max=len(total) - 1).tolist()
    return places


def _context(reading: Reading, place: int) -> tuple[int, ...]:
    """The ids of the text up to and with the position whose next token is predicted."""
    for span, ids in zip(reading.spans, reading.ids, strict=True):
        if span.start <= place < span.stop:
            return ids[: place - span.start + 1]
    raise IndexError(place)
