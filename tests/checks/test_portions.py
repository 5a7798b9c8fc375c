"""Progress in parts: never too few, never too many."""

from __future__ import annotations

import pytest

from lexigraft.checks.portions import PARTS, portions


@pytest.mark.parametrize(
    ("total", "steps"), [(7, [1] * 7), (1000, [300, 300, 400]), (3, [2, 2]), (1, [1, 1, 1])]
)
def test_all_parts_are_told_once(total: int, steps: list[int]) -> None:
    told: list[int] = []
    tell = portions(told.append, total)
    for step in steps:
        tell(step)
    assert sum(told) == PARTS
    assert all(count > 0 for count in told)


def test_parts_come_as_they_are_reached() -> None:
    told: list[int] = []
    tell = portions(told.append, 8, parts=4)
    sums = []
    for _ in range(8):
        tell(1)
        sums.append(sum(told))
    assert sums == [0, 1, 1, 2, 2, 3, 3, 4]


def test_nothing_to_do_is_done_at_the_first_word() -> None:
    told: list[int] = []
    tell = portions(told.append, 0)
    tell(0)
    tell(1)
    assert told == [PARTS]
    portions(None, 5)(5)
