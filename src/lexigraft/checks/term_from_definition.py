"""Check 2, term from definition: after a sentence with the definition, the right term comes first.

S(T, d) = ℓ(T | sentence that gives d) - mean over neutral sentences of ℓ(T | neutral sentence): how
much the definition calls the term, beyond how readily the model says it anywhere. Readiness to say
a word grows with how often and in how many pieces it was taught, so only *peers* are compared:
terms of one route and one token count under the taught model. A term without a peer is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import NEUTRAL_FRAMES, TERM_PROMPTS, definition_line
from lexigraft.checks.ranking import Ranking
from lexigraft.lexicon import SLOT, Language, Lexicon, Route
from lexigraft.likelihood import Pair, encode, pair

__all__ = ["peers_of", "term_from_definition"]


def peers_of(
    judged: Judged, lexicon: Lexicon, surfaces: Mapping[str, str], routes: Mapping[str, Route]
) -> dict[str, tuple[str, ...]]:
    """For each term the terms of its route and of its token count under `judged`, itself included.

    `judged` is the taught model: there a term on the `token` route is one token, whatever it was.
    """
    groups: dict[tuple[str, int], list[str]] = {}
    for term in lexicon:
        size = len(encode(judged.tokenizer, " " + surfaces[term.term]))
        groups.setdefault((routes[term.term], size), []).append(term.term)
    return {member: tuple(group) for group in groups.values() for member in group}


def term_from_definition(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    peers: Mapping[str, Sequence[str]],
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each prompt and each term that has a peer, over its peers.

    Under `with_definition` a candidate's own definition stands before the sentence *and* before the
    neutral ones, so that its mere mention earns nothing.
    """
    language = language or lexicon.language
    meant = {t.term: t.definition[0].rstrip(".") for t in lexicon}
    asked: dict[tuple[str, str], int] = {}
    pairs: list[Pair] = []
    neutral = [f.format(term=SLOT).split(SLOT)[0].rstrip() for f in NEUTRAL_FRAMES[language]]

    def ask(word: str, surface: str, start: str) -> None:
        if (word, start) in asked:
            return
        known = with_definition and word in meant
        before = definition_line(surface, meant[word]) if known else ""
        asked[word, start] = len(pairs)
        pairs.append(pair(judged.tokenizer, before + start, f" {surface}"))

    questions = [
        (term.term, prompt.format(definition=meant[term.term]))
        for prompt in TERM_PROMPTS[language]
        for term in lexicon
        if len(peers[term.term]) > 1
    ]
    words = {t: () if with_definition else tuple(untaught[t]) for t, _ in questions}
    for term, question in questions:
        offered = [(other, surfaces[other]) for other in peers[term]]
        for word, surface in [*offered, *((w, w) for w in words[term])]:
            for start in (question, *neutral):
                ask(word, surface, start)
    values = judged.log_probabilities(pairs, advance)

    def called(word: str, question: str) -> float:
        return values[asked[word, question]] - fmean(values[asked[word, n]] for n in neutral)

    return [
        Ranking(
            term,
            question,
            term,
            {other: called(other, question) for other in peers[term]},
            tuple(called(word, question) for word in words[term]),
        )
        for term, question in questions
    ]
