from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexigraft.report.chart import MOST_POINTS, chart, thin, ticks


def write(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
)
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    high = low + span
    if high <= low:
        return
    marks = ticks(low, high)
    assert len(marks) <= 6
    slack = span * 1e-6 + 1e-9
    assert all(low - slack <= mark <= high + slack for mark in marks)
    assert list(marks) == sorted(set(marks))


def test_ticks_of_a_common_range() -> None:
    assert ticks(0, 3) == (0, 1, 2, 3)
    assert ticks(0, 0.05) == (0, 0.01, 0.02, 0.03, 0.04, 0.05)


@pytest.mark.parametrize("size", [1, 2, MOST_POINTS, MOST_POINTS + 1, 10_000])
def test_thinning_keeps_the_ends_and_the_order(size: int) -> None:
    points = [(float(i), math.sin(i)) for i in range(size)]
    kept = thin(points)
    assert len(kept) <= MOST_POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    xs = [x for x, _ in kept]
    assert xs == sorted(xs)


def test_every_point_lies_inside_the_axes() -> None:
    points = [(float(i), 3.0 / (i + 1)) for i in range(500)]
    made = chart("Loss", "falls", ("step", "loss"), [("train", "train", points)], write)
    assert made is not None
    for pair in made.lines[0].points.split():
        x, y = map(float, pair.split(","))
        assert made.left <= x <= made.right
        assert made.top <= y <= made.bottom


def test_the_limit_stays_inside_the_axes() -> None:
    points = [(1.0, 0.01), (2.0, 0.02)]
    made = chart("Drift", "", ("step", "nats"), [("d", "drift", points)], write, (0.5, "limit"))
    assert made is not None
    assert made.limit is not None
    assert made.top <= made.limit.at <= made.bottom


def test_a_lower_loss_stands_lower() -> None:
    made = chart("L", "", ("s", "l"), [("t", "train", [(1.0, 3.0), (2.0, 1.0)])], write)
    assert made is not None
    (_, first), (_, last) = made.lines[0].marks
    assert last > first


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)]])
def test_one_point_is_no_line(points: list[tuple[float, float]]) -> None:
    assert chart("L", "", ("s", "l"), [("t", "train", points)], write) is None


def test_a_flat_line_is_drawn() -> None:
    assert chart("L", "", ("s", "l"), [("t", "t", [(1.0, 0.0), (2.0, 0.0)])], write) is not None
