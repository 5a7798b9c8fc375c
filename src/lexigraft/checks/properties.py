"""Check 6, properties: of two sentences with the term, the true one is likelier.

The lexicon's `properties` say what follows from a meaning without being written in a definition.
The margin is ℓ(true sentence) - ℓ(untrue sentence) with the term in both, less the mean of the same
over untaught words: what makes one sentence likelier whatever its word is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from lexigraft.checks.filling import Filling, blank
from lexigraft.checks.judged import Judged
from lexigraft.checks.ranking import Ranking, right_or_wrong
from lexigraft.lexicon import Language, Lexicon, frame

__all__ = ["properties"]


def properties(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One question of two candidates for each property of each term: its margin against 0.

    `with_definition` puts the definition before both sentences. `language` is for the sake of the
    others.
    """
    filled = Filling(judged, lexicon, surfaces, with_definition)
    asked = [
        (t.term, *(frame(s, t, lexicon.marker) for s in (p.right, p.wrong)))
        for t in lexicon
        for p in t.properties
    ]
    # Two inflections of the term may be all that differs; then nothing is asked.
    asked = [(term, right, wrong) for term, right, wrong in asked if right != wrong]
    for term, right, wrong in asked:
        for word in (term, *untaught[term]):
            filled.ask(word, (right, wrong))
    filled.read(advance)

    def margin(word: str, right: str, wrong: str) -> float:
        return filled.whole(word, right) - filled.whole(word, wrong)

    out = []
    for term, right, wrong in asked:
        margins = [margin(word, right, wrong) for word in untaught[term]]
        usual = fmean(margins) if margins else 0.0
        others = () if with_definition else tuple(m - usual for m in margins)
        value = margin(term, right, wrong) - usual
        texts = blank(right), blank(wrong)
        out.append(right_or_wrong(term, " / ".join(texts), *texts, value, others))
    return out
