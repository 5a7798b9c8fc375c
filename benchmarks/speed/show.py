"""The tables of README.md, from results.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

__all__ = ["show"]

_BEGIN, _END = "<!-- speed tables -->\n", "<!-- /speed tables -->\n"


def show(folder: Path, results: dict[str, Any]) -> None:
    """Writes the tables between their marks."""
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    page.write_text(before + _BEGIN + "".join(_tables(results)) + _END + after, encoding="utf-8")


def _tables(results: dict[str, Any]) -> Iterator[str]:
    for name, kept in sorted(results.items()):
        where, found = kept["machine"], kept["found"]
        units = "with" if where["bfloat16"] else "without"
        place = where["gpu"] or f"{where['threads']} threads, {units} bfloat16 units"
        yield f"**{name}** ({place}; torch {where['torch']})\n\n"
        if name.startswith("rows"):
            yield from _rows(found)
        elif name.startswith("teach"):
            yield from _teach(found)
        else:
            yield from _terms(found)
        yield "\n"


def _rows(found: dict[str, Any]) -> Iterator[str]:
    ours = found["ours"]
    later = fmean(ours["pass_seconds"][1:])
    yield "| | teacher, s | passes, s | later passes against ours | peak MB | against ours |\n"
    yield "| --- | --- | --- | --- | --- | --- |\n"
    for name, one in found.items():
        passes = ", ".join(f"{s:.1f}" for s in one["pass_seconds"])
        mean = fmean(one["pass_seconds"][1:])
        once = f"{one['teacher_seconds']:.1f}" if "teacher_seconds" in one else "–"
        memory = one["peak_mb"] / ours["peak_mb"]
        yield f"| {name} | {once} | {passes} | {mean / later:.1f} | {one['peak_mb']} | "
        yield f"{memory:.2f} |\n"
    whole = ours["teacher_seconds"] + ours["pass_seconds"][0] + 5 * later
    others = []
    for name, one in found.items():
        if name != "ours":
            theirs = one["pass_seconds"][0] + 5 * fmean(one["pass_seconds"][1:])
            others.append(f"{theirs / whole:.1f} ({name})")
    yield f"\n{ours['texts']} texts, {ours['tokens']} tokens. Six passes, the teacher included, "
    yield f"against ours: {', '.join(others)}. "
    yield f"A later pass has the arithmetic of {_floor(ours, later)}.\n"


def _floor(ours: dict[str, Any], seconds: float) -> str:
    """What it comes to if nothing were saved: 2 FLOPs a weight and token forward, 2 backward."""
    flops = 4 * ours["weights"] * ours["tokens"]
    return f"{flops / seconds / 1e12:.2f} TFLOP a second, counted as if every token were read"


def _teach(found: dict[str, Any]) -> Iterator[str]:
    ours, usual = found["ours"], found["usual"]
    yield "| | seconds | cloze | drift |\n| --- | --- | --- | --- |\n"
    yield f"| ours | {ours['seconds']:.0f} | {ours['cloze']:.2f} | {ours['drift']:.3f} |\n"
    for mark in usual["marks"]:
        yield f"| usual, {mark['epochs']} epochs | {mark['seconds']:.0f} | {mark['cloze']:.2f} | "
        yield f"{mark['drift']:.3f} |\n"


def _terms(found: dict[str, Any]) -> Iterator[str]:
    yield "| terms | new rows | texts | lessons, ms a term | a pass, ms a term | peak MB |\n"
    yield "| --- | --- | --- | --- | --- | --- |\n"
    for count, one in found.items():
        lessons = 1000 * one["lesson_seconds"] / int(count)
        one_pass = 1000 * one["pass_seconds"] / int(count)
        yield f"| {count} | {one['rows']} | {one['texts']} | {lessons:.0f} | {one_pass:.0f} | "
        yield f"{one['peak_mb']} |\n"
