"""What was taught, for others to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lexigraft.cli.app import app
from lexigraft.options import (
    AllowChanges,
    FileType,
    RunFolder,
)

__all__ = ["export"]


@app.command()
def export(
    run: RunFolder,
    to: Annotated[
        Literal["merged", "adapter", "gguf"],
        typer.Option(
            help="merged: a plain checkpoint; adapter: for PEFT, on top of the base; gguf: for "
            "llama.cpp, Ollama and LM Studio."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="A new folder; left out, in RUN.", metavar="DIR"),
    ] = None,
    types: Annotated[
        list[FileType] | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Of a GGUF: F16, BF16, Q8_0 (used if none is named), Q4_0, Q4_1; repeatable.",
        ),
    ] = None,
    allow_changes: AllowChanges = False,
) -> None:
    """Write what was taught so that it loads without lexigraft.

    \b
      lexigraft export runs/words --to merged --output words-model
      lexigraft export runs/words --to adapter
      lexigraft export runs/words --to gguf --type Q8_0 --type Q4_0

    A GGUF is loaded by llama.cpp and compared before it is kept. Where llama.cpp cuts some texts
    into other tokens it is refused; --allow-changes accepts that.
    """
    if types and to != "gguf":
        raise typer.BadParameter("--type is for --to gguf.")
    import lexigraft
    from lexigraft.console import Bars, show_path

    options: dict[str, Any] = {"types": [kind.value for kind in types]} if types else {}
    options |= {"allow_changes": allow_changes, "progress": Bars()}
    show_path(lexigraft.export(run, to, output, **options))
