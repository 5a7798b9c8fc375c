"""The matrix of terms and definitions, with chosen scores."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from lexigraft.checks.alignment import alignment, best_assignment
from lexigraft.checks.ranking import Ranking


def rankings(*rows: tuple[float, ...]) -> list[Ranking]:
    names = "abcdef"[: len(rows)]
    return [
        Ranking(t, "?", t, dict(zip(names, map(float, row), strict=True)))
        for t, row in zip(names, rows, strict=True)
    ]


def test_rows_columns_and_assignment_differ() -> None:
    # b's definition is liked by every term, and still c knows its own
    found = alignment({"taught": rankings((2, 3, 0), (0, 9, 0), (0, 5, 6))})
    assert found is not None
    assert found.chance == pytest.approx(1 / 3)
    assert found.floor is None
    assert found.taught is not None
    assert found.taught.rows == pytest.approx(2 / 3)
    assert (found.taught.columns, found.taught.assignment) == (1.0, 1.0)
    turned = alignment({"taught": rankings((2, 0, 0), (3, 9, 5), (0, 0, 6))})
    assert turned is not None
    assert turned.taught is not None
    assert turned.taught.rows == 1.0
    assert turned.taught.columns == pytest.approx(2 / 3)


def test_several_prompts_are_one_matrix_by_their_mean() -> None:
    good, bad = rankings((5, 0), (0, 5)), rankings((0, 1), (1, 0))
    found = alignment({"floor": bad, "taught": [*good, *bad]})
    assert found is not None
    assert found.floor is not None
    assert found.taught is not None
    assert (found.floor.rows, found.floor.assignment) == (0, 0)
    assert (found.taught.rows, found.taught.assignment) == (1, 1)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_model_that_tells_nothing_apart_matches_nothing(value: float) -> None:
    found = alignment({"floor": rankings(*[(value,) * 4] * 4)})
    assert found is not None
    assert found.floor is not None
    assert (found.floor.rows, found.floor.columns) == (0, 0)
    assert found.floor.assignment <= 0.5, "ties count against"


def test_one_term_cannot_be_matched() -> None:
    assert alignment({"floor": rankings((1.0,))}) is None
    assert alignment({"floor": []}) is None


def test_the_best_assignment_is_the_best_of_all() -> None:
    random = np.random.default_rng(1)
    for size in range(1, 6):
        for draw in range(40):
            scores = random.normal(size=(size, size))
            if draw % 2:
                scores = scores.round()  # ties
            found = best_assignment(scores)
            assert sorted(found) == list(range(size))
            best = max(sum(scores[i, p[i]] for i in range(size)) for p in permutations(range(size)))
            assert scores[np.arange(size), found].sum() == pytest.approx(best)
