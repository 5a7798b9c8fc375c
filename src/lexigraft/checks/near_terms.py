"""Check 5, near terms: two terms that are easily confused, each with a test sentence of its own.

Right is S(T, c) + S(T', c') > S(T, c') + S(T', c). What a word costs anywhere, and what a sentence
costs with any word, stand on both sides and cancel: whole likelihoods will do, those of cloze.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice

from lexigraft.checks.filling import Filling, blank, frames_of_tests
from lexigraft.checks.judged import Judged
from lexigraft.checks.ranking import Ranking, right_or_wrong
from lexigraft.lexicon import Language, Lexicon

__all__ = ["near_terms"]


def near_terms(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """A question for each two sentences of a contrast, once for each of its two terms.

    The scores are the margin of the right order and 0. The untaught words take the terms' places,
    two neighbours in their list at a time. `language` is for the sake of the others.
    """
    frames = frames_of_tests(lexicon)
    filled = Filling(judged, lexicon, surfaces, with_definition)
    questions = list(_questions(lexicon, frames))
    words = {t: () if with_definition else tuple(untaught[t]) for t in frames}
    for term, other, mine, others in questions:
        for word in (term, other, *words[term]):
            filled.ask(word, (mine, others))
    filled.read(advance)

    def margin(first: str, second: str, mine: str, others: str) -> float:
        straight = filled.whole(first, mine) + filled.whole(second, others)
        return straight - filled.whole(first, others) - filled.whole(second, mine)

    out = []
    for term, other, mine, others in questions:
        some = words[term] if len(words[term]) > 1 else ()
        pairs = zip(some, (*some[1:], *some[:1]), strict=True)
        out.append(
            right_or_wrong(
                term,
                f"{blank(mine)} / {blank(others)}",
                f"{term} / {other}",
                f"{other} / {term}",
                margin(term, other, mine, others),
                tuple(margin(a, b, mine, others) for a, b in pairs),
            )
        )
    return out


def _questions(
    lexicon: Lexicon, frames: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, str, str]]:
    """(term, other, a sentence of the term, one of the other), each pair of terms both ways."""
    contrasts = [(t.term, c.term) for t in lexicon for c in t.contrast]
    both = dict.fromkeys(pair for a, b in contrasts for pair in ((a, b), (b, a)))
    for term, other in both:
        mine, others = frames.get(term, ()), frames.get(other, ())
        if mine and others:
            count = max(len(mine), len(others))
            yield from (
                (term, other, *two)
                for two in zip(
                    islice(cycle(mine), count), islice(cycle(others), count), strict=True
                )
            )
