"""What was taught, for others to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lexigraft.cli.app import app
from lexigraft.options import (
    RunFolder,
)

__all__ = ["export"]


@app.command()
def export(
    run: RunFolder,
    to: Annotated[
        Literal["merged", "adapter"],
        typer.Option(help="merged: a plain checkpoint; adapter: for PEFT, on top of the base."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="A new folder; left out, in RUN.", metavar="DIR"),
    ] = None,
) -> None:
    """Write what was taught so that it loads without lexigraft.

    \b
      lexigraft export runs/words --to merged --output words-model
      lexigraft export runs/words --to adapter
    """
    import lexigraft
    from lexigraft.console import Bars, show_path

    show_path(lexigraft.export(run, to, output, progress=Bars()))
