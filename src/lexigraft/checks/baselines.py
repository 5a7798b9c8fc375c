"""What is reached without any model: an accuracy near one of these is no knowledge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from lexigraft.checks.ranking import Ranking

__all__ = ["baselines"]

_WORD = re.compile(r"\w+")
# Shorter words carry grammar; longer ones are alike when they begin alike: lamp, lamps; шахта,
# шахтой.
_LEAST = 4
_STEM = 5


def baselines(
    rankings: Sequence[Ranking], options: Mapping[str, str], meanings: Mapping[str, str]
) -> dict[str, float]:
    """The accuracy of three rules on these questions. Options that tie share the answer.

    Args:
        rankings: questions under any one condition.
        options: each candidate as it is offered, whose length is looked at.
        meanings: each candidate's definition, whose words are looked for in the question.
    """
    if not rankings:
        return {}
    right = Counter(ranking.right for ranking in rankings)
    sizes = {candidate: float(len(text)) for candidate, text in options.items()}
    stems = {candidate: _stems(text) for candidate, text in meanings.items()}
    return {
        "majority": max(right.values()) / len(rankings),
        "longest": fmean(_credit(r, sizes) for r in rankings),
        "overlap": fmean(_credit(r, _shared(r.question, stems)) for r in rankings),
    }


def _credit(ranking: Ranking, values: Mapping[str, float]) -> float:
    best = max(values[candidate] for candidate in ranking.scores)
    tied = [candidate for candidate in ranking.scores if values[candidate] == best]
    return (ranking.right in tied) / len(tied)


def _shared(question: str, stems: Mapping[str, set[str]]) -> dict[str, float]:
    asked = _stems(question)
    return {candidate: float(len(asked & some)) for candidate, some in stems.items()}


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.casefold()) if len(word) >= _LEAST}
