"""The common shape of checks in which the right candidate must come first among k.

A check asks questions about terms and scores candidates by likelihood; it also scores untaught
invented words where the term stood. A term passes when, over all questions about it, the right
candidate has the best mean score *and* the term scores above the 95th percentile of the untaught
words: the first alone is a prior's luck once in k, the second alone is mere exposure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lexigraft.checks.results import CheckSummary, Condition, Item, Score

__all__ = ["Paired", "Ranking", "chance_of", "passes", "right_or_wrong", "score_terms", "summarise"]

PASS_PERCENTILE = 0.95


@dataclass(frozen=True)
class Ranking:
    """One question about one term under one condition."""

    term: str
    question: str
    right: str
    scores: Mapping[str, float]
    """Candidate → score in nats; higher is better."""
    untaught: tuple[float, ...] = ()
    """The score that each untaught word reaches where the term stood."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """How candidates are shown in the verdict, where their names would tell nobody anything."""

    @property
    def rank(self) -> int:
        """Rank of the right candidate, 1 is best; ties count against it, and so does no number."""
        mine = self.scores[self.right]
        return 1 + sum(not mine > s for c, s in self.scores.items() if c != self.right)

    @property
    def worth(self) -> float:
        """What the answer counts, 0 to 1: whether the right candidate comes first."""
        return float(self.rank == 1)

    @property
    def chance(self) -> float:
        """What blind choice is worth."""
        return 1 / len(self.scores)

    @property
    def chosen(self) -> str:
        """The candidate with the best score."""
        return max(self.scores, key=lambda c: self.scores[c])

    @property
    def percentile(self) -> float | None:
        """Share of untaught words that the term scores above, 0 to 1."""
        if not self.untaught:
            return None
        mine = self.scores[self.right]
        return sum(mine > other for other in self.untaught) / len(self.untaught)

    def item(self, condition: Condition) -> Item:
        """This question as it is stored in the verdict."""
        others = [s for c, s in self.scores.items() if c != self.right]
        margin = self.scores[self.right] - max(others) if others else None
        return Item(
            condition=condition,
            question=self.question,
            chosen=self.shown.get(self.chosen, self.chosen),
            right=self.shown.get(self.right, self.right),
            rank=self.rank,
            percentile=self.percentile,
            margin=margin,
        )


@dataclass(frozen=True)
class Paired(Ranking):
    """A question whose right candidate meets every other one alone: a half is chance."""

    @property
    def worth(self) -> float:
        """Share of the other candidates that the right one beats."""
        return (len(self.scores) - self.rank) / (len(self.scores) - 1)

    @property
    def chance(self) -> float:
        """Of two, blind choice takes the right one every second time."""
        return 0.5


def right_or_wrong(
    term: str, question: str, right: str, wrong: str, margin: float, untaught: tuple[float, ...]
) -> Ranking:
    """A question with two answers of its own, by the margin of the right one (see `Ranking`)."""
    scores = {"right": margin, "wrong": 0.0}
    return Ranking(term, question, "right", scores, untaught, {"right": right, "wrong": wrong})


def _pooled(rankings: Sequence[Ranking]) -> Ranking:
    """All questions about one term as one, by mean scores."""
    first = rankings[0]
    shared = set.intersection(*(set(r.scores) for r in rankings))
    words = min(len(r.untaught) for r in rankings)
    return Ranking(
        term=first.term,
        question="",
        right=first.right,
        scores={c: fmean(r.scores[c] for r in rankings) for c in first.scores if c in shared},
        untaught=tuple(fmean(r.untaught[i] for r in rankings) for i in range(words)),
    )


def passes(rankings: Sequence[Ranking]) -> bool:
    """Whether the questions about one term, taken together, are answered rightly (see module)."""
    if not rankings:
        return False
    pooled = _pooled(rankings)
    percentile = pooled.percentile
    return pooled.rank == 1 and (percentile is None or percentile >= PASS_PERCENTILE)


def _by_term(rankings: Sequence[Ranking]) -> dict[str, list[Ranking]]:
    table: dict[str, list[Ranking]] = {}
    for ranking in rankings:
        table.setdefault(ranking.term, []).append(ranking)
    return table


def _accuracy(rankings: Sequence[Ranking]) -> float:
    return fmean(r.worth for r in rankings)


def score_terms(
    check: str, conditions: Mapping[Condition, Sequence[Ranking]], judged: Condition
) -> dict[str, Score]:
    """A Score for each term; `judged` is the condition whose passing counts as `passed`."""
    tables = {condition: _by_term(r) for condition, r in conditions.items()}
    out = {}
    for term in tables[judged]:
        values = {c: _accuracy(t[term]) for c, t in tables.items() if term in t}
        percentiles = [r.percentile for r in tables[judged][term]]
        known = [p for p in percentiles if p is not None]
        items = tuple(r.item(c) for c, t in tables.items() for r in t.get(term, ()))
        out[term] = Score(
            check=check,
            floor=values.get("floor"),
            taught=values.get("taught"),
            ceiling=values.get("ceiling"),
            percentile=fmean(known) if known else None,
            passed=passes(tables[judged][term]),
            passed_before=passes(tables["floor"].get(term, ())) if "floor" in tables else False,
            items=items,
        )
    return out


def chance_of(rankings: Sequence[Ranking]) -> float:
    """Accuracy of blind choice."""
    return fmean(r.chance for r in rankings)


def summarise(check: str, conditions: Mapping[Condition, Sequence[Ranking]]) -> CheckSummary | None:
    """One check over all terms; None when no question was asked.

    `measurable` is false when the ceiling lies within three standard errors of chance (clustered by
    term): then the check says nothing about this model.
    """
    asked = next((r for r in conditions.values() if r), None)
    if asked is None:
        return None
    chance = chance_of(asked)
    means = {c: _clustered(r) for c, r in conditions.items() if r}
    floor, taught, ceiling = (means.get(c) for c in ("floor", "taught", "ceiling"))
    measurable = ceiling is None or ceiling[0] - 3 * ceiling[1] > chance
    gap = None
    if floor and taught and ceiling and measurable and ceiling[0] - floor[0] > 1e-9:
        gap = (taught[0] - floor[0]) / (ceiling[0] - floor[0])
    return CheckSummary(
        check=check,
        chance=chance,
        floor=floor and floor[0],
        taught=taught and taught[0],
        ceiling=ceiling and ceiling[0],
        reciprocal_rank={c: fmean(1 / q.rank for q in r) for c, r in conditions.items() if r},
        # One term has none that can be told.
        standard_error=taught[1] if taught and math.isfinite(taught[1]) else None,
        measurable=measurable,
        gap_closed=gap,
        questions=len(asked),
    )


def _clustered(rankings: Sequence[Ranking]) -> tuple[float, float]:
    """Mean accuracy and its standard error over terms as clusters."""
    means = [_accuracy(r) for r in _by_term(rankings).values()]
    mean = fmean(means)
    if len(means) < 2:
        return mean, math.inf
    variance = sum((m - mean) ** 2 for m in means) / (len(means) - 1)
    return mean, math.sqrt(variance / len(means))
