"""What goes to a hub and what came from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import bullet, labelled, output, shown
from lexigraft.disk import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lexigraft.sharing import Pulled, Shipment
    from lexigraft.sharing.files import SharedFile

__all__ = ["show_pulled", "show_shipment"]

_MOST_FILES = 40


def show_shipment(found: Shipment) -> None:
    """The files with their sizes, who will see them, and where they are or would be."""
    out = output()
    seen = "only you and whom you let in" if found.private else "everybody"
    out.print(shown(f"{found.kind} → {found.repository}, seen by {seen}", "bold"))
    _show_files(out, found.files, found.left_out)
    for note in found.notes:
        out.print(bullet(note))
    if found.url is None:
        out.print(Text("Nothing was sent.", "dim"))
    else:
        labelled(out, "Sent to", found.url)


def show_pulled(found: Pulled) -> None:
    """The files with their sizes, and where they are."""
    out = output()
    out.print(shown(f"{found.kind} ← {found.repository} at {found.revision[:12]}", "bold"))
    _show_files(out, found.files, found.left_out)
    labelled(out, "Written", found.path)


def _show_files(out: Console, files: Sequence[SharedFile], left_out: Sequence[str]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for file in files[:_MOST_FILES]:
        table.add_row(shown(file.name), size_text(file.size))
    if len(files) > _MOST_FILES:
        table.add_row(f"… and {len(files) - _MOST_FILES} more", "")
    table.add_row(Text("together", "dim"), size_text(sum(file.size for file in files)))
    out.print(table)
    if left_out:
        names = ", ".join(left_out[:8]) + (", …" if len(left_out) > 8 else "")
        out.print(bullet(f"Left out: {names}"))
