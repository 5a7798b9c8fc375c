"""Check 3, alignment: the matrix S(term, definition) that check 1 computed, read three ways.

A row asks which definition fits a term, a column which term fits a definition; the best assignment
matches all at once, so that one greedy definition cannot take every term. No model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from lexigraft.checks.ranking import Ranking
from lexigraft.checks.results import Aligned, Alignment, Condition

__all__ = ["alignment", "best_assignment"]


def alignment(conditions: Mapping[Condition, Sequence[Ranking]]) -> Alignment | None:
    """The matrix of each condition, summarised; None where there are not two terms.

    Args:
        conditions: what `definition` found, whose candidates are the terms themselves.
    """
    found = {c: _aligned(_matrix(rankings)) for c, rankings in conditions.items() if rankings}
    terms = {r.term for rankings in conditions.values() for r in rankings}
    return Alignment(chance=1 / len(terms), **found) if len(terms) > 1 else None


def _matrix(rankings: Sequence[Ranking]) -> NDArray[np.float64]:
    """Rows are terms, columns their definitions: the mean score over all prompts."""
    terms = list(dict.fromkeys(r.term for r in rankings))
    mine = {t: [r.scores for r in rankings if r.term == t] for t in terms}
    return np.array([[fmean(s[d] for s in mine[t]) for d in terms] for t in terms])


def _aligned(scores: NDArray[np.float64]) -> Aligned:
    scores = np.nan_to_num(scores, nan=-np.inf)
    right = scores.diagonal()
    others = scores.copy()
    np.fill_diagonal(others, -np.inf)
    # Ties count against, as everywhere: a model that tells nothing apart must not match by order.
    pulled = np.clip(scores, -1e6, 1e6) - 1e-6 * np.eye(len(scores))
    matched = best_assignment(pulled) == np.arange(len(scores))
    return Aligned(
        rows=float((right > others.max(axis=1)).mean()),
        columns=float((right > others.max(axis=0)).mean()),
        assignment=float(matched.mean()),
    )


def best_assignment(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The column of each row so that the sum of scores is greatest, each column used once.

    Shortest augmenting paths with potentials (Jonker and Volgenant 1987), for a square matrix of
    finite numbers; cubic in its size.
    """
    size = len(scores)
    costs = -scores
    row_potential, column_potential = np.zeros(size), np.zeros(size)
    row_of = np.full(size, -1)
    for start in range(size):
        shortest = np.full(size, np.inf)
        before = np.full(size, -1)
        done = np.zeros(size, dtype=bool)
        row, column, length = start, -1, 0.0
        while row >= 0:
            through = length + costs[row] - row_potential[row] - column_potential
            better = ~done & (through < shortest)
            shortest[better], before[better] = through[better], column
            column = int(np.where(done, np.inf, shortest).argmin())
            length = float(shortest[column])
            done[column] = True
            row = int(row_of[column])
        row_potential[start] += length
        for other in np.flatnonzero(done):
            if other != column:
                row_potential[row_of[other]] += length - shortest[other]
            column_potential[other] -= length - shortest[other]
        while column >= 0:
            previous = int(before[column])
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    columns = np.empty(size, dtype=np.intp)
    columns[row_of] = np.arange(size)
    return columns
