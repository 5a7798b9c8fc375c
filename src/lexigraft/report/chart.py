"""Geometry of a line chart: numbers in, positions in a fixed view box out. No drawing here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Chart", "Line", "Tick", "chart", "ticks"]

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 18, 52
MOST_POINTS = 240

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """One mark on an axis: its position in the view box and what is written beside it."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """One series. `style` is the CSS class; `points` is what SVG's polyline takes."""

    name: str
    style: str
    points: str
    marks: tuple[Point, ...]
    end: Point


@dataclass(frozen=True)
class Chart:
    """A chart ready to be drawn."""

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    limit: Tick | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """At most `most + 1` round numbers (1, 2 or 5 times a power of ten) from low to high."""
    if high <= low:
        return (low,)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: means over equal runs, the first and the last kept as they are."""
    if len(points) <= most:
        return list(points)
    size = len(points) / (most - 2)
    runs = [points[int(i * size) : int((i + 1) * size)] for i in range(most - 2)]
    means = [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs if r]
    return [points[0], *means[1:-1], points[-1]]


def chart(
    title: str,
    description: str,
    labels: tuple[str, str],
    series: Sequence[tuple[str, str, Sequence[Point]]],
    write: Callable[[float, int], str],
    limit: tuple[float, str] | None = None,
) -> Chart | None:
    """A chart of `series` (name, style, points); None where no series has two points.

    `labels` name the x and the y axis; `write(value, decimals)` writes a number in the report's
    language; `limit` is a horizontal line and its label.
    """
    series = [(name, style, points) for name, style, points in series if points]
    if not any(len(points) > 1 for _, _, points in series):
        return None
    every = [point for _, _, points in series for point in points]
    xs = [x for x, _ in every]
    ys = [y for _, y in every] + ([limit[0]] if limit else [])
    low_x, high_x = min(xs), max(xs)
    low_y, high_y = min(0.0, *ys), max(ys)
    if high_y - low_y < 1e-9:
        high_y = low_y + 1
    y_values = ticks(low_y, high_y + (high_y - low_y) * 0.05)
    high_y = max(high_y, y_values[-1])

    def across(x: float) -> float:
        return round(LEFT + (x - low_x) / ((high_x - low_x) or 1) * (WIDTH - LEFT - RIGHT), 1)

    def down(y: float) -> float:
        span = HEIGHT - TOP - BOTTOM
        return round(HEIGHT - BOTTOM - (y - low_y) / (high_y - low_y) * span, 1)

    decimals = _decimals(y_values)
    x_values = [x for x in ticks(low_x, high_x) if x == int(x)]
    return Chart(
        title=title,
        description=description,
        x_label=labels[0],
        y_label=labels[1],
        x_ticks=tuple(Tick(across(x), write(x, 0)) for x in x_values),
        y_ticks=tuple(Tick(down(y), write(y, decimals)) for y in y_values),
        lines=tuple(_line(name, style, points, across, down) for name, style, points in series),
        limit=Tick(down(limit[0]), limit[1]) if limit else None,
    )


def _line(
    name: str,
    style: str,
    points: Sequence[Point],
    across: Callable[[float], float],
    down: Callable[[float], float],
) -> Line:
    placed = [(across(x), down(y)) for x, y in thin(points)]
    drawn = " ".join(f"{x:g},{y:g}" for x, y in placed)
    # Marks only where there are few points: on a long curve they would hide it.
    marks = tuple(placed) if len(placed) <= 40 else ()
    return Line(name, style, drawn, marks, placed[-1])


def _decimals(values: Sequence[float]) -> int:
    for decimals in range(6):
        if all(abs(v - round(v, decimals)) < 1e-9 for v in values):
            return decimals
    return 6
