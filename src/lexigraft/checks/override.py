"""Check 8, override: a definition in the prompt still counts after teaching.

With another term's definition in the prompt, the model prefers it to the one it was taught; with
the right one, it is no worse than the untaught model. Scores are those of check 1: the likelihood
of a definition after a prompt with the term, less its mean after untaught words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lexigraft.checks.definition import NORMALISING
from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import portions
from lexigraft.checks.prompts import DEFINITION_PROMPTS, definition_line
from lexigraft.checks.results import Override
from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import Pair, pair

__all__ = ["Obedience", "obedience", "override"]


@dataclass(frozen=True)
class Obedience:
    """What one model makes of definitions in its prompt, as shares of the terms."""

    follows: float
    agrees: float


def override(lexicon: Lexicon, before: Obedience | None, after: Obedience) -> Override:
    """The verdict from the `obedience` of the untaught and the taught model."""
    return Override(
        terms=len(lexicon),
        follows=after.follows,
        follows_before=before and before.follows,
        agrees=after.agrees,
        agrees_before=before and before.agrees,
        no_worse=None if before is None else after.agrees >= before.agrees,
    )


def obedience(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    advance: Callable[[int], None] | None = None,
) -> Obedience | None:
    """One question of each kind about each term; None where there are not two terms.

    The other definition is the next term's. What `definition` asked is not asked again.
    """
    names = [t.term for t in lexicon]
    if len(names) < 2:
        portions(advance, 1)(1)
        return None
    prompt = DEFINITION_PROMPTS[lexicon.language][0]
    words = {t: tuple(untaught[t])[:NORMALISING] for t in names}
    meant = {t.term: t.definition[0].rstrip(".") for t in lexicon}
    next_one = dict(zip(names, (*names[1:], names[0]), strict=True))
    asked: dict[tuple[str, str | None, str], int] = {}
    pairs: list[Pair] = []

    def ask(word: str, given: str | None, candidate: str) -> None:
        surface = surfaces.get(word, word)
        before = "" if given is None else definition_line(surface, meant[given])
        asking = before + prompt.format(term=surface)
        asked.setdefault((word, given, candidate), len(pairs))
        if asked[word, given, candidate] == len(pairs):
            pairs.append(pair(judged.tokenizer, asking, f" {meant[candidate]}."))

    for term in names:
        for candidate in names:
            ask(term, term, candidate)
            for word in words[term]:
                ask(word, None, candidate)
        for candidate in (term, next_one[term]):
            ask(term, next_one[term], candidate)
    values = judged.log_probabilities(pairs, advance)

    def score(term: str, given: str, candidate: str) -> float:
        usual = [values[asked[word, None, candidate]] for word in words[term]]
        return values[asked[term, given, candidate]] - (fmean(usual) if usual else 0.0)

    follows, agrees = [], []
    for term in names:
        other = next_one[term]
        follows.append(score(term, other, other) > score(term, other, term))
        rest = [score(term, term, candidate) for candidate in names if candidate != term]
        agrees.append(score(term, term, term) > max(rest))
    return Obedience(fmean(follows), fmean(agrees))
