"""Check 10, leakage: how often the taught terms would turn up in text that has no use for them.

Expected emissions of a term are the sum, over all positions of the neutral texts, of the
probability that it comes next.

- A term with tokens of its own: exact, the sum of their probabilities at every position.
- A term written in pieces: the probability of its first piece is exact at every position; that of
  the other pieces after it is measured at a few positions only, drawn in proportion to the first
  piece's probability. (sum of p(first)) x (mean of p(rest) at the drawn positions) then estimates
  the sum of products without bias: systematic sampling proportional to size. Forms other than the
  dictionary form count only as far as they begin with its pieces.

After a word that is related to a term, in a sentence that leaves no place for it, neither the term
nor the key words of its definition should be much likelier than before: their *rise*.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from lexigraft.checks.drift import Reading
from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import RELATED_PROMPTS
from lexigraft.checks.results import Leakage
from lexigraft.lexicon import Lexicon, Term
from lexigraft.likelihood import Pair, encode, head_chunks, output_rows, pair, shared_length

__all__ = ["emissions", "key_words", "leakage", "related_log_probabilities"]

PER = 10_000
DRAWN = 8
_MOST_RELATED = 2
_MOST_KEY_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{4,}")
# Long enough for a key word, and none.
_EMPTY = frozenset(
    _WORD.findall(
        """
        about above after also among around because been before behind being below beneath
        between both does down during each either every except from have having here into itself
        just keep like made make many more most much neither never only other over same since
        some such than that their them then there these they thing things this those through
        under until used very well were what when where which while whole whom whose will with
        within without your будто были было быть вдоль вместо внутри возле всегда всех даже если
        есть ещё затем или иногда именно каждая каждое каждый когда кого кому которая которое
        которого которой которую которые который которых меж между может можно него неё нечто
        никогда ними обычно около перед после потому почти просто против самый своего своей свои
        свой свою сквозь снова собой также такая такие такого такой только того тоже чего через
        чтобы этим этого этой этом эту
        """
    )
)

Likelihoods = dict[str, tuple[float, float]]


def leakage(
    before: dict[str, float] | None,
    after: dict[str, float],
    related: tuple[Likelihoods, Likelihoods] | None = None,
) -> Leakage:
    """The verdict from the `emissions` of the untaught and the taught model.

    `related` holds what `related_log_probabilities` gave for the two.
    """
    rises = {}
    if related is not None:
        old, new = related
        rises = {t: (new[t][0] - old[t][0], new[t][1] - old[t][1]) for t in old}
    return Leakage(
        emissions_per_10k=sum(after.values()),
        emissions_per_10k_before=None if before is None else sum(before.values()),
        by_term=after,
        related_term_rise=fmean(term for term, _ in rises.values()) if rises else None,
        related_key_words_rise=fmean(words for _, words in rises.values()) if rises else None,
        related_by_term=rises,
    )


def key_words(term: Term) -> tuple[str, ...]:
    """The longest words of the first definition that carry meaning, in its order.

    Words that `related` names are left out: the prompt holds one of them.
    """
    words = dict.fromkeys(_WORD.findall(term.definition[0]))
    named = {part for word in _related_words(term) for part in word.casefold().split()}
    kept = [word for word in words if word.casefold() not in _EMPTY | named]
    longest = sorted(kept, key=len, reverse=True)[:_MOST_KEY_WORDS]
    return tuple(word for word in kept if word in longest)


def _related_words(term: Term) -> list[str]:
    relations = term.related
    words = (relations.broader, relations.synonym, relations.part_of, relations.narrower)
    return [word for some in words for word in some]


def related_log_probabilities(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    advance: Callable[[int], None] | None = None,
) -> Likelihoods:
    """For each term: mean log-probability of it, and of its key words, after related words.

    Only terms that have a related word which is no term itself, and a key word.
    """
    asked: dict[str, tuple[list[Pair], list[Pair]]] = {}
    for term in lexicon:
        related = [w for w in _related_words(term) if w not in surfaces][:_MOST_RELATED]
        words = key_words(term)
        if not related or not words:
            continue
        starts = [f.format(word=w) for f in RELATED_PROMPTS[lexicon.language] for w in related]
        asked[term.term] = (
            [pair(judged.tokenizer, start, f" {surfaces[term.term]}") for start in starts],
            [pair(judged.tokenizer, start, f" {word}") for start in starts for word in words],
        )
    pairs = [one for two in asked.values() for some in two for one in some]
    values = iter(judged.log_probabilities(pairs, advance))

    def mean(some: Sequence[Pair]) -> float:
        return fmean(next(values) for _ in some)

    return {term: (mean(names), mean(words)) for term, (names, words) in asked.items()}


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
    pairs = [one for some in asked.values() for one in some]
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
    return whole[shared_length(before, whole) :]


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
