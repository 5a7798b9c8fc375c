"""Check 1, definition ranking: after a prompt with the term, the right definition comes first.

S(T, d) = ℓ(d | prompt(T)) - mean over untaught words g of ℓ(d | prompt(g)). The second part removes
what makes a definition likely whatever the word (its length, its common words). Half of the eight
usual words do for that mean, which stands under every definition; all eight are held against the
term on its own definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import DEFINITION_PROMPTS, definition_line
from lexigraft.checks.ranking import Ranking
from lexigraft.lexicon import Language, Lexicon
from lexigraft.likelihood import Pair, pair

__all__ = ["NORMALISING", "definition"]

NORMALISING = 4
"""Untaught words whose mean likelihood normalises; asked about every definition."""


def definition(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    with_definition: bool = False,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each term and prompt, over the first definitions of all terms.

    `surfaces` says how each term is written, `untaught` gives its control words (already written
    the same way). `with_definition` puts the term's definition before the prompt: the ceiling.
    """
    language = language or lexicon.language
    definitions = {t.term: t.definition[0].rstrip(".") for t in lexicon}
    controls = {t.term: tuple(untaught[t.term]) for t in lexicon}
    words = list(dict.fromkeys(w for some in controls.values() for w in some[:NORMALISING]))
    own = [(w, t) for t, some in controls.items() for w in some if w not in words]
    asked: dict[tuple[str, str, str], int] = {}
    pairs: list[Pair] = []
    for prompt in DEFINITION_PROMPTS[language]:
        for term in lexicon:
            surface = surfaces[term.term]
            before = definition_line(surface, definitions[term.term]) if with_definition else ""
            for candidate, text in definitions.items():
                asked[prompt, term.term, candidate] = len(pairs)
                asking = before + prompt.format(term=surface)
                pairs.append(pair(judged.tokenizer, asking, f" {text}."))
        for word, candidate in [*((w, c) for w in words for c in definitions), *own]:
            asked[prompt, word, candidate] = len(pairs)
            text = f" {definitions[candidate]}."
            pairs.append(pair(judged.tokenizer, prompt.format(term=word), text))
    values = judged.log_probabilities(pairs, advance)

    def value(prompt: str, word: str, candidate: str) -> float:
        return values[asked[prompt, word, candidate]]

    def mean(prompt: str, some: Sequence[str], candidate: str) -> float:
        return fmean(value(prompt, word, candidate) for word in some) if some else 0.0

    out = []
    for prompt in DEFINITION_PROMPTS[language]:
        for term in lexicon:
            mine = controls[term.term]
            # A sign that nothing can be invented for is held against the words of the others.
            usual = {c: mean(prompt, mine[:NORMALISING] or words, c) for c in definitions}
            scores = {c: value(prompt, term.term, c) - usual[c] for c in definitions}
            others = tuple(value(prompt, w, term.term) - usual[term.term] for w in mine)
            question = prompt.format(term=surfaces[term.term])
            out.append(Ranking(term.term, question, term.term, scores, others))
    return out
