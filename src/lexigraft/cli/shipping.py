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
        Literal["merged", "adapter", "served"],
        typer.Option(
            help="merged: a plain checkpoint; adapter: for PEFT, on top of the base; served: the "
            "base with the new rows, and a plain LoRA, for vLLM."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="A new folder; left out, in RUN.", metavar="DIR"),
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(help="Of an adapter's numbers; auto: the base's, if that changes little."),
    ] = "auto",
) -> None:
    """Write what was taught so that it loads without lexigraft.

    \b
      lexigraft export runs/words --to merged --output words-model
      lexigraft export runs/words --to adapter
      lexigraft export runs/words --to served --output words-served

    What was written is loaded by a process without lexigraft and compared, before it is kept.
    """
    import lexigraft
    from lexigraft.console import Bars, show_path

    show_path(lexigraft.export(run, to, output, dtype=dtype, progress=Bars()))
