"""How much of a definition a model says by itself: the words of it that its answers hold.

Rankings near their ceiling hide what a reader sees at once: a model may rank the right definition
first among ten and still call a miner's lamp a fish. Copied words are no understanding, so this
decides nothing; it stands beside the checks that do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean

from lexigraft.checks.results import Answer, Said

__all__ = ["said", "share_said"]

_WORD = re.compile(r"\w+")
_SHORTEST = 4
_COMMONEST = """
about after also another because been before being between both does each else ever every from have
into made makes many more most much must nobody nothing often only other others over same some
someone something such than that their them then there these they thing this those through under
until used very were what when where which while whose will with without
без более больше будто была были быть весь всегда всего всех даже другие другого другой если
есть ещё зачем здесь иначе каждый какой когда котором которого которое которой которую которые
который которых лишь между менее может можно надо него нечто никто ничто обычно один около очень
перед после потому почти просто самый свой свою себе себя сразу также такой того тоже только
через чего чтобы этого этой этом этот
"""
_COMMON = frozenset(_COMMONEST.split())


def _words(text: str) -> set[str]:
    found = {word.casefold() for word in _WORD.findall(text)}
    return {word for word in found if len(word) >= _SHORTEST} - _COMMON


def _alike(one: str, other: str) -> bool:
    """Whether two words are forms of one, by their beginnings: lamp and lamps, лампа and лампой."""
    shorter = min(len(one), len(other))
    beginning = max(_SHORTEST, shorter - 2)
    return abs(len(one) - len(other)) <= 3 and one[:beginning] == other[:beginning]


def share_said(answer: str, definitions: Sequence[str]) -> float:
    """The share of a definition's words of meaning that `answer` holds: of that it holds most of.

    Words of four letters or more but for the commonest, in any inflection that leaves the
    beginning; 0 where a definition has none.
    """
    there = _words(answer)
    shares = [0.0]
    for definition in definitions:
        wanted = _words(definition)
        if wanted:
            shares.append(fmean(any(_alike(w, t) for t in there) for w in wanted))
    return max(shares)


def said(
    definitions: Mapping[str, Sequence[str]], answers: Mapping[str, Sequence[Answer]]
) -> Said | None:
    """The mean over all terms and answers, before and after and with the definition in the prompt.

    `definitions` and `answers` are by term. None where nothing was answered.
    """
    shares: dict[str, list[float]] = {"floor": [], "taught": [], "ceiling": []}
    for term, given in answers.items():
        for answer in given:
            texts = {"floor": answer.before, "taught": answer.after, "ceiling": answer.ceiling}
            for condition, text in texts.items():
                if text is not None:
                    shares[condition].append(share_said(text, definitions[term]))
    if not all(shares.values()):
        return None
    return Said(**{condition: fmean(values) for condition, values in shares.items()})
