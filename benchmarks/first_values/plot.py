"""The results as a table and as a drawing; nothing is computed but percentages."""

from __future__ import annotations

import statistics
from typing import Any

WIDTH, ROW, LEFT, TOP = 760, 44, 160, 50
SCALE = 12.0
"""Pixels for one per cent."""
MOST = 25.0
"""Per cent at which a bar is cut."""


def change(value: float, original: float) -> float:
    """Per cent by which `value` is above the original."""
    return 100 * (value / original - 1)


def table(original: dict[str, float], methods: dict[str, Any]) -> str:
    """Markdown: nats per byte as per cent of the original's, mean and half range over seeds."""
    lines = [
        "| rows | step 0 | en | ru | leak | after the budget | en | ru | leak |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in methods.items():
        cells = [f"`{name}`"]
        for stage in ("start", "after"):
            for key in ("all", "en", "ru"):
                values = [change(x[key], original[key]) for x in found[stage]]
                spread = (max(values) - min(values)) / 2
                more = f" ± {spread:.2f}" if spread >= 0.005 else ""
                cells.append(f"{statistics.fmean(values):+.2f}%{more}")
            cells.append(f"{statistics.fmean(x['leak'] for x in found[stage]):.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    exact = ", ".join(f"{key} {value:.4f}" for key, value in original.items())
    return "\n".join(lines) + f"\n\nThe original tokenisation, in nats per byte: {exact}.\n"


def svg(original: dict[str, float], means: dict[str, Any]) -> str:
    """Two bars a method, from the original tokenisation's loss (the line) to left or right."""
    zero = LEFT + 260
    parts = [
        f'<text x="{LEFT}" y="20">Loss per byte against the original tokenisation, per cent '
        "(left is better)</text>",
        f'<text x="{LEFT}" y="38" fill="#9aa5b1">light: step 0</text>'
        f'<text x="{LEFT + 110}" y="38" fill="#1f6f8b">dark: after the budget</text>',
    ]
    for row, (name, stages) in enumerate(means.items()):
        top = TOP + row * ROW
        parts.append(f'<text x="{LEFT - 10}" y="{top + 22}" text-anchor="end">{name}</text>')
        for place, (stage, colour) in enumerate((("start", "#b8c4ce"), ("after", "#1f6f8b"))):
            value = change(stages[stage]["all"], original["all"])
            long = min(abs(value), MOST) * SCALE
            x = zero - long if value < 0 else zero
            y = top + 6 + place * 15
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="12" fill="{colour}"/>'
            )
            anchor, at = ("end", x - 5) if value < 0 else ("start", x + long + 5)
            parts.append(
                f'<text x="{at:.1f}" y="{y + 10}" text-anchor="{anchor}">{value:+.1f}</text>'
            )
    height = TOP + len(means) * ROW + 10
    parts.append(f'<path d="M{zero} {TOP}V{height - 10}" stroke="#333"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>' + "".join(parts) + "</svg>\n"
    )
