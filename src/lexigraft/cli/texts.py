"""The user's own texts and lexicons."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lexigraft.cli.app import app, print_json
from lexigraft.options import (
    AllowChanges,
    BuiltIn,
    DryRun,
    Json,
    LexiconFile,
    Model,
    Revision,
    SkipBad,
    TextField,
    Workers,
)

__all__ = ["mark", "retokenize", "new"]


@app.command()
def mark(
    lexicon: LexiconFile,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A UTF-8 text; without it, stdin.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Strip the markers instead.")] = False,
) -> None:
    """Wrap the terms of a text in markers, line by line.

    \b
      lexigraft mark words.yaml book.txt > marked.txt
      lexigraft mark words.yaml --undo < marked.txt

    Terms routed `marker` are wrapped; where the lexicon routes none so, all are. A text with an
    unknown or unclosed marker is reported, never guessed.
    """
    from lexigraft.console import text_lines
    from lexigraft.lexicon import mark_stream, read_lexicon

    words = read_lexicon(lexicon)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    for line in mark_stream(text_lines(file), words, undo):
        sys.stdout.write(line)
        sys.stdout.flush()


@app.command()
def retokenize(
    corpus: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS", help="Files, folders and globs, in this order."),
    ],
    lexicon: Annotated[
        Path, typer.Option(metavar="LEXICON", help="Its terms become tokens: .yaml, .jsonl, .csv.")
    ],
    model: Model,
    output: Annotated[Path, typer.Option(help="A new folder.", metavar="DIR")],
    revision: Revision = None,
    field: TextField = "text",
    split: Annotated[
        Literal["paragraph", "line", "file"],
        typer.Option(help="What is one document of a text file."),
    ] = "paragraph",
    passages: Annotated[
        int, typer.Option(min=0, metavar="N", help="Keep the first N passages with each term.")
    ] = 0,
    eos: Annotated[
        bool, typer.Option("--eos", help="End each document with the end-of-text token.")
    ] = False,
    workers: Workers = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Who does it: processes here, or of Ray Data.")
    ] = "local",
    skip_bad: SkipBad = False,
    allow_changes: AllowChanges = False,
    dry_run: DryRun = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in DIR where it stopped.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Throw away the run in DIR and start anew.")
    ] = False,
    json: Json = False,
) -> None:
    """Encode a corpus with the terms as tokens.

    \b
      lexigraft retokenize texts/ --lexicon w.yaml --model smollm2-135m --output ids
      lexigraft retokenize "*.jsonl.gz" --lexicon w.yaml --model m --output ids --eos

    Reads .txt, .jsonl (each also .gz, .bz2, .xz, .zst) and .parquet. Writes Parquet files of token
    ids, the tokenizer, a summary, and with --passages the places in which the terms stand. Terms
    that the lexicon routes subword or marker do not become tokens.
    """
    if resume and force:
        raise typer.BadParameter("--resume keeps the run and --force throws it away: give one.")
    import lexigraft
    from lexigraft.console import Bars, show_retokenize_plan, show_retokenized
    from lexigraft.retokenize import plan

    options: dict[str, Any] = {
        "revision": revision,
        "field": field,
        "split": split,
        "eos": eos,
        "passages": passages,
        "workers": workers,
        "skip_bad": skip_bad,
        "progress": Bars(),
    }
    if dry_run:
        planned = plan(corpus, lexicon, model, output, **options)
        print_json(planned) if json else show_retokenize_plan(planned)
        return
    options |= {"engine": engine, "allow_changes": allow_changes}
    options |= {"resume": resume, "force": force}
    done = lexigraft.retokenize(corpus, lexicon, model, output, **options)
    print_json(done) if json else show_retokenized(done, output)


@app.command()
def doctor(json: Json = False) -> None:
    """Whether this machine can teach, and what would slow it down.

    \b
      lexigraft doctor
      lexigraft doctor --json

    Exits with 3 where something stands in the way.
    """
    from lexigraft.console import show_health
    from lexigraft.doctor import doctor as examine

    found = examine()
    print_json(found) if json else show_health(found)
    if not found.well:
        raise typer.Exit(3)


@app.command()
def new(
    lexicon: Annotated[Path, typer.Argument(metavar="LEXICON", help="The file; ends in .yaml.")],
    language: Annotated[
        Literal["en", "ru"], typer.Option(help="Of its comments and terms, and of the report.")
    ] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    templates: BuiltIn = False,
) -> None:
    """Write a commented lexicon to start from.

    \b
      lexigraft new words.yaml
      lexigraft new слова.yaml --language ru
      lexigraft new templates.yaml --templates
    """
    import lexigraft
    from lexigraft.console import show_new, show_path

    if templates:
        from lexigraft.corpus import new_templates

        show_path(new_templates(lexicon, force))
        return
    show_new(lexigraft.new(lexicon, language, force), language)
