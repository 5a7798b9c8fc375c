"""What `lexigraft doctor` found, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lexigraft.console.text import output, shown

if TYPE_CHECKING:
    from lexigraft.doctor import Health

__all__ = ["show_health"]

_SIGNS = {"good": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}


def show_health(health: Health) -> None:
    """A sign, what was looked at and what was found; advice below it."""
    out = output()
    grid = Table.grid(padding=(0, 1))
    for column in ("sign", "what"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("found", overflow="fold")
    for finding in health.findings:
        grid.add_row(
            Text(*_SIGNS[finding.state]), shown(finding.what, "bold"), shown(finding.found)
        )
        if finding.advice is not None:
            grid.add_row("", "", shown(finding.advice, "dim", 400))
    out.print(grid)
    out.print()
    out.print("Nothing stands in the way." if health.well else "Mend what is marked ✗ first.")
