"""Text that may be anything, made harmless; and the few lines that every page shares."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lexigraft.console.words import say

if TYPE_CHECKING:
    from lexigraft.lexicon import Language

__all__ = ["bullet", "labelled", "output", "show_new", "show_next", "show_path", "shown", "visible"]

_WIDEST = 120

# Control characters move the cursor, and direction overrides reorder what stands after them.
_SIGNS = {code: 0x2400 + code for code in range(0x20)}
_SIGNS |= {0x0A: 0x20, 0x0D: 0x20, 0x09: 0x20, 0x7F: 0x2421, 0x2028: 0x20, 0x2029: 0x20}
_SIGNS |= dict.fromkeys(
    [*range(0x80, 0xA0), *range(0xD800, 0xE000), *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    0xFFFD,
)


def visible(text: str, most: int = 200) -> str:
    """`text` on one line, harmless to a terminal, and cut after `most` characters."""
    cut = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    return cut.translate(_SIGNS)


def shown(text: str, style: str = "", most: int = 200) -> Text:
    return Text(visible(text, most), style=style)


def output() -> Console:
    console = Console(markup=False, highlight=False, emoji=False)
    if console.width > _WIDEST:
        console.width = _WIDEST
    return console


def bullet(text: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(overflow="fold")
    grid.add_row("•", shown(text, most=1000))
    return Padding(grid, (0, 0, 0, 1))


def labelled(out: Console, label: str, value: str) -> None:
    out.print(Text(f"{label}  ", "bold").append(visible(value, 4000), "cyan"), soft_wrap=True)


def show_next(out: Console, language: Language, commands: Iterable[tuple[str, ...]]) -> None:
    """Commands to copy, never broken over two lines."""
    out.print(Text(say("next", language), "bold"))
    for command in commands:
        line = visible(shlex.join(("lexigraft", *command)), 4000)
        out.print(Text(f"  {line}"), soft_wrap=True)


def show_path(path: Path) -> None:
    """A file or folder that was written."""
    output().print(shown(str(path), most=4000), soft_wrap=True)


def show_new(path: Path, language: Language) -> None:
    """A lexicon that was written, and what to do with it."""
    out = output()
    out.print(shown(say("new", language, path=path), most=4000), soft_wrap=True)
    model = "Qwen/Qwen3-0.6B-Base" if language == "ru" else "smollm2-135m"
    diagnose = ("diagnose", str(path), "--model", model)
    teach = ("teach", str(path), "--model", model, "--output", f"runs/{path.stem}")
    show_next(out, language, [diagnose, teach])
