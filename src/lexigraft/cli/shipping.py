"""What was taught, for others to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lexigraft.cli.app import app, print_json
from lexigraft.options import (
    AllowChanges,
    FileType,
    Json,
    Revision,
    RunFolder,
)

__all__ = ["export", "push", "pull"]


@app.command()
def export(
    run: RunFolder,
    to: Annotated[
        Literal["merged", "adapter", "served", "gguf"],
        typer.Option(
            help="merged: a plain checkpoint; adapter: for PEFT, on top of the base; served: the "
            "base with the new rows, and a plain LoRA, for vLLM; gguf: for llama.cpp, Ollama and "
            "LM Studio."
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
      lexigraft export runs/words --to served --output words-served
      lexigraft export runs/words --to gguf --type Q8_0 --type Q4_0

    What was written is loaded by a process without lexigraft, a GGUF by llama.cpp, and compared
    before it is kept. Where llama.cpp cuts some texts into other tokens a GGUF is refused;
    --allow-changes accepts that.
    """
    if types and to != "gguf":
        raise typer.BadParameter("--type is for --to gguf.")
    import lexigraft
    from lexigraft.console import Bars, show_path

    options: dict[str, Any] = {"types": [kind.value for kind in types]} if types else {}
    options |= {"dtype": dtype, "allow_changes": allow_changes, "progress": Bars()}
    show_path(lexigraft.export(run, to, output, **options))


@app.command()
def push(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A pack, or a folder with a model or an adapter.")
    ],
    to: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The repository on the hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="For everybody to see; left out, it is private.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Send over files that the repository holds.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List files and sizes; send nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Send a pack, a model or an adapter to a hub.

    \b
      lexigraft push words.lexpack --to me/words --dry-run
      lexigraft push runs/words/model --to me/words-model

    A token is needed: `hf auth login`, or HF_TOKEN. HF_ENDPOINT names another hub.
    """
    import lexigraft
    from lexigraft.console import Bars, show_shipment

    found = lexigraft.push(
        path, to, public=public, overwrite=overwrite, dry_run=dry_run, progress=Bars()
    )
    print_json(found) if json else show_shipment(found)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository on the hub.")],
    output: Annotated[
        Path, typer.Option(metavar="PATH", help="A new folder, or a new file .lexpack.")
    ],
    revision: Revision = None,
    json: Json = False,
) -> None:
    """Fetch a pack, a model or an adapter from a hub.

    \b
      lexigraft pull somebody/words --output words.lexpack
      lexigraft pull somebody/words-model --output words-model

    safetensors only: pickles and programs are never fetched. Nothing is overwritten.
    """
    import lexigraft
    from lexigraft.console import Bars, show_pulled

    found = lexigraft.pull(name, output, revision=revision, progress=Bars())
    print_json(found) if json else show_pulled(found)
