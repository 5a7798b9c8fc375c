"""Taught terms as small files: made, looked at, put into a model and taken out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lexigraft.cli.app import app, print_json
from lexigraft.options import Json, Revision, RunFolder

__all__ = ["pack", "inspect", "install", "uninstall"]


@app.command()
def pack(
    run: RunFolder,
    output: Annotated[Path, typer.Option(help="A new file.", metavar="NAME.lexpack")],
    licence: Annotated[
        str | None, typer.Option("--license", metavar="TEXT", help='Of the pack: "CC-BY-4.0".')
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Who is to be named for it.")
    ] = None,
) -> None:
    """Write what a run taught as one small file to share.

    \b
      lexigraft pack runs/words --output words.lexpack
      lexigraft pack runs/words --output words.lexpack --license CC-BY-4.0

    It holds the rows and the adapter, the lexicon and the verdict, and says which base it is for.
    """
    import lexigraft
    from lexigraft.console import Bars, show_pack

    made = lexigraft.pack(run, output, licence=licence, author=author, progress=Bars())
    show_pack(lexigraft.inspect(made), made)


@app.command()
def inspect(
    pack: Annotated[Path, typer.Argument(metavar="PACK", help="A .lexpack file.")],
    json: Json = False,
) -> None:
    """What a pack holds; no model is loaded.

    \b
      lexigraft inspect words.lexpack
      lexigraft inspect words.lexpack --json

    A pack that is damaged or unsafe is refused with the reason.
    """
    from lexigraft.console import show_pack
    from lexigraft.pack.reading import read_pack
    from lexigraft.pack.summary import summary

    found = read_pack(pack)
    if json:
        print_json(summary(found))
    else:
        show_pack(found, pack)


@app.command()
def install(
    packs: Annotated[list[Path], typer.Argument(metavar="PACK", help="One or several packs.")],
    model: Annotated[str, typer.Option(help="The base that they were taught on.", metavar="BASE")],
    output: Annotated[Path, typer.Option(help="A new folder for the model.", metavar="DIR")],
    revision: Revision = None,
    prefer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACK",
            help="Where a form stands in two packs, take this one's; may be given several times.",
        ),
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not ask each pack's terms again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Whether the packs fit; write nothing.")
    ] = False,
) -> None:
    """Put packs into the model that they were taught on.

    \b
      lexigraft install words.lexpack --model smollm2-135m --output words-model
      lexigraft install words.lexpack more.lexpack --model smollm2-135m --output both
      lexigraft install words.lexpack --model smollm2-135m --output new --dry-run

    DIR loads with plain transformers. Several packs are spelled together; what each of them knew
    is asked again, and DIR/packs-verdict.json says what is left.
    """
    import lexigraft
    from lexigraft.console import Bars, show_installed

    show_installed(
        lexigraft.install(
            packs,
            model,
            output,
            prefer=prefer or (),
            revision=revision,
            verify=not no_verify,
            dry_run=dry_run,
            progress=Bars(),
        )
    )


@app.command()
def uninstall(
    names: Annotated[
        list[str], typer.Argument(metavar="TERM|PACK", help="Terms; or packs, NAME.lexpack.")
    ],
    model: Annotated[
        Path, typer.Option(help="A folder that `install` wrote, or a run.", metavar="TAUGHT")
    ],
    output: Annotated[Path, typer.Option(help="A new folder for the model.", metavar="DIR")],
    base: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="Where the base is, if a pack with an adapter asks."),
    ] = None,
    revision: Revision = None,
) -> None:
    """Take terms or packs out of a model again.

    \b
      lexigraft uninstall zorblax --model words-model --output fewer-words
      lexigraft uninstall more.lexpack --model both --output words-model

    Where rows alone were installed, the model is again what it was, bit for bit.
    """
    import lexigraft
    from lexigraft.console import Bars, show_removed

    bars = Bars()
    show_removed(
        lexigraft.uninstall(names, model, output, base=base, revision=revision, progress=bars)
    )
