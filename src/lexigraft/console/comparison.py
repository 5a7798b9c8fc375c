"""Two models' answers side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import output, shown
from lexigraft.console.words import say

if TYPE_CHECKING:
    from lexigraft.compare import Comparison
    from lexigraft.lexicon import Language

__all__ = ["show_comparison"]


def show_comparison(found: Comparison) -> None:
    """One prompt, and what each model makes of it, side by side."""
    out = output()
    out.print(shown(found.prompt, "bold", 1000))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, expand=True)
    language: Language = "ru" if _is_russian(found.prompt) else "en"
    for name, style in (("before", "dim"), ("now", "")):
        table.add_column(say(name, language), ratio=1, overflow="fold", style=style)
    table.add_row(_answer(found.before), _answer(found.after))
    out.print(table)
    out.print()


def _answer(text: str) -> Text:
    """Several lines stay several lines."""
    return Text("\n").join(shown(line, most=2000) for line in text.strip().splitlines() or ["…"])


def _is_russian(text: str) -> bool:
    return any("а" <= letter <= "я" for letter in text.lower())
