"""Check 4, cloze in unseen sentences: the sentence stays fixed, the term in it varies.

The score of a word in a sentence is ℓ(sentence with the word) - mean over neutral sentences of
ℓ(neutral sentence with the word): how much better it fits here than it fits anywhere.

In pairs: ℓ(rest of the sentence | its start with the term) against the same with each other term.
What a word costs to say is not even in it; a sentence that ends in its term asks nothing this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from lexigraft.checks.filling import BLANK, Filling, blank, frames_of_tests, rest_of
from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import NEUTRAL_FRAMES
from lexigraft.checks.ranking import Paired, Ranking
from lexigraft.lexicon import SLOT, Language, Lexicon

__all__ = ["BLANK", "cloze", "cloze_pairs"]


def cloze(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each test sentence of each term, over all terms that have test sentences.

    Under `with_definition` a candidate's definition stands before the sentence *and* before the
    neutral ones that it is compared with, so that its mere mention earns nothing.
    """
    frames = frames_of_tests(lexicon)
    words = {t: () if with_definition else tuple(untaught[t]) for t in frames}
    neutral = [f.format(term=SLOT) for f in NEUTRAL_FRAMES[language or lexicon.language]]
    filled = Filling(judged, lexicon, surfaces, with_definition)
    for term, sentences in frames.items():
        for word in (term, *words[term]):
            filled.ask(word, neutral)
        for word in (*frames, *words[term]):
            filled.ask(word, sentences, rests=True)
    filled.read(advance)

    def fit(word: str, sentence: str) -> float:
        return filled.whole(word, sentence) - fmean(filled.whole(word, n) for n in neutral)

    return [
        Ranking(
            term,
            blank(sentence),
            term,
            {other: fit(other, sentence) for other in frames},
            tuple(fit(word, sentence) for word in words[term]),
        )
        for term, sentences in frames.items()
        for sentence in sentences
    ]


def cloze_pairs(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One question for each test sentence that goes on behind its term; see module.

    After `cloze` the model is asked nothing more. `language` is for the sake of the others.
    """
    frames = frames_of_tests(lexicon)
    asked = {t: [s for s in some if rest_of(s)] for t, some in frames.items()}
    words = {t: () if with_definition else tuple(untaught[t]) for t in frames}
    filled = Filling(judged, lexicon, surfaces, with_definition)
    for term, sentences in asked.items():
        for word in (*frames, *words[term]):
            filled.ask(word, sentences, rests=True)
    filled.read(advance)
    if len(frames) < 2:
        return []
    return [
        Paired(
            term,
            blank(sentence),
            term,
            {other: filled.rest(other, sentence) for other in frames},
            tuple(filled.rest(word, sentence) for word in words[term]),
        )
        for term, sentences in asked.items()
        for sentence in sentences
    ]
