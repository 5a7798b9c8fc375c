"""Cells to a table and a drawing: means over seeds, intervals by a bootstrap over terms."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cells import Cell

__all__ = ["show"]

COLUMNS = {
    "definition": "definition",
    "cloze": "cloze",
    "cloze_pairs": "cloze in pairs",
    "near_terms": "near terms",
    "use": "use",
}
DRAWS = 2000
BEGIN, END = "<!-- teaching table -->\n", "<!-- /teaching table -->"
Cells = list[dict[str, Any]]


def show(folder: Path, is_current: Callable[[Cell], bool]) -> None:
    """Writes the table into the READMEs between their markers, and results.svg.

    `is_current` says whether a cell was measured with the defaults as they are.
    """
    files = sorted((folder / "cells").glob("*.json"))
    cells = [json.loads(path.read_text("utf-8")) for path in files]
    if not cells:
        return
    groups: dict[tuple[Any, ...], Cells] = {}
    for cell in cells:
        c = cell["cell"]
        fields = (c["lexicon"], c["terms"], c["way"], c["method"], c["seed"])
        cell["current"] = is_current(Cell(*fields))
        groups.setdefault((c["lexicon"], c["terms"], c["way"], c["method"]), []).append(cell)
    whole = _table(groups)
    english = {key: cells for key, cells in groups.items() if key[0] == "english"}
    short = [line for line in _table(english) if line.startswith("|")]
    project = folder.parent.parent
    for readme, lines in (
        (folder / "README.md", whole),
        (project / "README.md", short),
        (project / "README.ru.md", short),
    ):
        before, _, rest = readme.read_text("utf-8").partition(BEGIN)
        body, after = "\n".join(lines), rest.partition(END)[2]
        readme.write_text(f"{before}{BEGIN}{body}\n{END}{after}", encoding="utf-8")
    (folder / "results.svg").write_text(_svg(groups), encoding="utf-8")


def gap(rows: Iterable[Sequence[float | None]]) -> float | None:
    """(taught - floor) / (ceiling - floor) over terms; None where the ceiling shows nothing."""
    rows = [r for r in rows if None not in r]
    if not rows:
        return None
    floor, taught, ceiling = (statistics.fmean(column) for column in zip(*rows, strict=True))  # type: ignore[arg-type]
    return None if ceiling - floor < 0.05 else (taught - floor) / (ceiling - floor)


def interval(cells: Cells, check: str) -> tuple[float, float] | None:
    """95% of a bootstrap over terms, each with its scores in all seeds."""
    tables = [cell["checks"][check]["terms"] for cell in cells if check in cell["checks"]]
    names = sorted(set.intersection(*(set(t) for t in tables))) if tables else []
    if len(names) < 2:
        return None
    chance = random.Random(0)
    found = []
    for _ in range(DRAWS):
        drawn = chance.choices(names, k=len(names))
        value = gap(table[name] for table in tables for name in drawn)
        if value is not None:
            found.append(value)
    found.sort()
    if not found:
        return None
    return found[round(0.025 * (len(found) - 1))], found[round(0.975 * (len(found) - 1))]


def _gap_cell(cells: Cells, check: str) -> str:
    with_it = [c["checks"][check] for c in cells if check in c["checks"]]
    if not with_it:
        return "–"
    value = gap(row for c in with_it for row in c["terms"].values())
    if value is None:
        return "no gap"
    star = "" if all(c["measurable"] for c in with_it) else "\\*"
    around = interval(cells, check)
    return f"{value:.2f}{star}" + (f" ({around[0]:.2f}–{around[1]:.2f})" if around else "")


def _mean(cells: Cells, key: str, form: Callable[[float], str]) -> str:
    values = [cell[key] for cell in cells if cell.get(key) is not None]
    return form(statistics.fmean(values)) if values else "–"


def _table(groups: dict[tuple[Any, ...], Cells]) -> list[str]:
    lines = []
    for lexicon, terms in sorted({key[:2] for key in groups}):
        mine = {key[2:]: cells for key, cells in groups.items() if key[:2] == (lexicon, terms)}
        lines += [f"**{lexicon}, {terms} terms**", ""]
        names = " | ".join(COLUMNS.values())
        lines.append(
            f"| route | method | seeds | {names} | said | drift | leakage | selective "
            "| seconds | MB |"
        )
        lines.append("|" + " --- |" * (9 + len(COLUMNS)))
        for (way, method), cells in mine.items():
            if method == "permuted":
                continue
            older = "" if all(cell["current"] for cell in cells) else "‡"
            row = [way, method + older, str(len(cells))]
            row += [_gap_cell(cells, check) for check in COLUMNS]
            row += [
                _mean([c["said"] for c in cells if c.get("said")], "taught", "{:.2f}".format),
                _mean(cells, "drift", "{:.3f}".format),
                _mean(cells, "leakage", "{:.1f}".format),
                _mean(cells, "selectivity", "{:.2f}".format),
                _mean(cells, "seconds", "{:.0f}".format) + ("" if _comparable(cells) else "†"),
                _mean(cells, "peak_mb", "{:.0f}".format),
            ]
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
        if any("†" in line for line in lines):
            lines += [
                "† On a processor that does not multiply in bfloat16, or beside other work: the "
                "other seconds do not compare with these.",
                "",
            ]
        if any("‡" in line for line in lines):
            lines += ["‡ Measured with defaults of the recipe that are no longer those.", ""]
        lines += _conditions(mine, lines)
    return lines


def _comparable(cells: Cells) -> bool:
    """Whether the cells had a machine with bfloat16 to themselves, as far as they tell."""
    machines = [cell["machine"] for cell in cells if "machine" in cell]
    return all(
        m["bfloat16"] and m["load"] < 0.5 and m.get("threads", m["cores"]) == m["cores"]
        for m in machines
    )


def _conditions(groups: dict[tuple[Any, ...], Cells], lines_so_far: list[str]) -> list[str]:
    """Floor and ceiling as plain scores, and the permuted control."""
    first = next(
        (c for (_, method), cells in groups.items() for c in cells if method != "permuted"), None
    )
    lines = []
    if first is not None:
        parts = [
            f"{COLUMNS[n]} {c['floor']:.2f} and {c['ceiling']:.2f} (chance {c['chance']:.2f})"
            for n, c in first["checks"].items()
            if n in COLUMNS and c["floor"] is not None and c["ceiling"] is not None
        ]
        lines += ["Floor and definition in the prompt: " + "; ".join(parts) + ".", ""]
        if any("\\*" in line for line in lines_so_far):
            lines += [
                "\\* The ceiling is within 3 standard errors of chance: so few terms measure "
                "little here, and the verdict would not count the check.",
                "",
            ]
    for (_, method), cells in groups.items():
        if method != "permuted":
            continue
        true = cells[0]["checks"]["definition"]
        other = cells[0]["permuted"]["checks"]["definition"]
        lines += [
            f"Permuted control: the true definition first for {true['taught']:.2f} of the terms "
            f"(chance {true['chance']:.2f}), the one that was taught for {other['taught']:.2f}.",
            "",
        ]
    return lines


def _svg(groups: dict[tuple[Any, ...], Cells]) -> str:
    """Gap closed in definition and cloze, a pair of bars each row."""
    rows = [(key, cells) for key, cells in groups.items() if key[3] != "permuted"]
    left, width, scale, high = 330, 900, 420, 40
    height = 60 + high * len(rows)
    parts = [
        '<text x="10" y="20">Gap closed: 0 is the untaught model, 1 the definition in its '
        'prompt</text><text x="10" y="40" fill="#1f6f8b">definition</text>'
        '<text x="90" y="40" fill="#c8642b">cloze</text>'
    ]
    for place, ((lexicon, terms, way, method), cells) in enumerate(rows):
        top = 55 + place * high
        label = f"{lexicon} {terms}, {way}: {method}"
        parts.append(f'<text x="{left - 8}" y="{top + 18}" text-anchor="end">{label}</text>')
        for turn, (check, colour) in enumerate((("definition", "#1f6f8b"), ("cloze", "#c8642b"))):
            values = (
                r for c in cells for r in c["checks"].get(check, {"terms": {}})["terms"].values()
            )
            value = gap(values)
            if value is None:
                continue
            long, y = max(0.0, min(value, 1.2)) * scale, top + 4 + turn * 13
            parts.append(
                f'<rect x="{left}" y="{y}" width="{long:.1f}" height="11" fill="{colour}"/>'
            )
            parts.append(f'<text x="{left + long + 5:.1f}" y="{y + 10}">{value:.2f}</text>')
    parts.append(f'<path d="M{left + scale} 50V{height - 5}" stroke="#333" stroke-dasharray="4"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" '
        'fill="#fff"/>' + "".join(parts) + "</svg>\n"
    )
