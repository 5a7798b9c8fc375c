"""Check 4, cloze in unseen sentences: the sentence stays fixed, the term in it varies.

The score of a word in a sentence is ℓ(sentence with the word) - mean over neutral sentences of
ℓ(neutral sentence with the word): how much better it fits here than it fits anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import NEUTRAL_FRAMES, definition_line
from lexigraft.checks.ranking import Ranking
from lexigraft.lexicon import SLOT, Language, Lexicon, frame
from lexigraft.likelihood import Pair, pair

__all__ = ["BLANK", "cloze"]

BLANK = "____"


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
    language = language or lexicon.language
    terms = [t for t in lexicon if t.tests]
    frames = {t.term: [frame(s, t, lexicon.marker) for s in t.tests] for t in terms}
    meant = {t.term: t.definition[0].rstrip(".") for t in terms}
    asked: dict[tuple[str, str], int] = {}
    pairs: list[Pair] = []

    def ask(word: str, surface: str, sentence: str) -> None:
        key = (word, sentence)
        if key in asked:
            return
        known = with_definition and word in meant
        before = definition_line(surface, meant[word]) if known else ""
        asked[key] = len(pairs)
        pairs.append(pair(judged.tokenizer, before, sentence.replace(SLOT, surface)))

    neutral = [f.format(term=SLOT) for f in NEUTRAL_FRAMES[language]]
    for term in terms:
        for word, surface in [(term.term, surfaces[term.term])] + [
            (w, w) for w in (() if with_definition else untaught[term.term])
        ]:
            for sentence in neutral:
                ask(word, surface, sentence)
        for sentence in frames[term.term]:
            for other in terms:
                ask(other.term, surfaces[other.term], sentence)
            for word in () if with_definition else untaught[term.term]:
                ask(word, word, sentence)
    values = judged.log_probabilities(pairs, advance)

    def fit(word: str, sentence: str) -> float:
        usual = fmean(values[asked[word, n]] for n in neutral)
        return values[asked[word, sentence]] - usual

    out = []
    for term in terms:
        words = () if with_definition else untaught[term.term]
        for sentence in frames[term.term]:
            scores = {other.term: fit(other.term, sentence) for other in terms}
            others = tuple(fit(w, sentence) for w in words)
            question = sentence.replace(SLOT, BLANK)
            out.append(Ranking(term.term, question, term.term, scores, others))
    return out
