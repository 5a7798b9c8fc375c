"""The command line: each command parses, calls one function and prints. No logic, no torch.

Everything but typer is imported inside the command that needs it, so that `--help` answers at once.
Results go to stdout; progress, messages and errors go to stderr.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lexigraft.exits import DEBUG, EXIT_CODES, Commands
from lexigraft.options import (
    AllowChanges,
    BuiltIn,
    Corpus,
    DryRun,
    GivenRoute,
    Json,
    LexiconFile,
    Model,
    RecipeFile,
    Replace,
    Revision,
    Route,
    RunFolder,
    SkipBad,
    Templates,
    TextField,
    Tune,
    Workers,
    Writer,
    WriterModel,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lexigraft.plan import Plan
    from lexigraft.recipe import Recipe

__all__ = ["app", "main"]

_HELP_WIDTH = 100

_HELP = """Teach a language model words that it does not know, and prove that it knows them.

\b
  lexigraft new words.yaml
  lexigraft diagnose words.yaml --model smollm2-135m
  lexigraft teach words.yaml --model smollm2-135m --output runs/words
  lexigraft compare runs/words

MODEL is a folder, a hub id, a GGUF file, a run, or smollm2-135m, a small model that is fetched
once. RUN is the folder that `teach` wrote."""

app = typer.Typer(
    cls=Commands,
    help=_HELP,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": _HELP_WIDTH,
    },
)


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"lexigraft {version('lexigraft')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of lexigraft itself."""


@app.command()
def diagnose(
    lexicon: LexiconFile,
    model: Model,
    revision: Revision = None,
    route: Route = "auto",
    json: Json = False,
) -> None:
    """How the model sees each term, and the route that fits it.

    \b
      lexigraft diagnose words.yaml --model smollm2-135m
      lexigraft diagnose words.yaml --model Qwen/Qwen3-0.6B-Base --json

    Nothing is written. A folder that holds only a tokenizer is enough.
    """
    import lexigraft
    from lexigraft.console import Bars, show_diagnosis
    from lexigraft.model_source import resolve_model

    words = lexigraft.read_lexicon(lexicon)
    bars = Bars()
    resolve_model(model, bars.say)  # fetches the embedded base, saying so
    with bars.stage(f"Looking at {len(words)} terms", None):
        found = lexigraft.diagnose(
            words,
            model,
            revision,
            route=None if route == "auto" else route,
            adapter_rank=lexigraft.Recipe().training.rank,
        )
    if json:
        _print_json(found)
    else:
        show_diagnosis(found, lexicon=lexicon, model=model)


@app.command()
def teach(
    lexicon: LexiconFile,
    model: Model,
    output: Annotated[Path, typer.Option(help="A new folder for the run.", metavar="RUN")],
    revision: Revision = None,
    route: GivenRoute = None,
    tune: Tune = None,
    recipe: RecipeFile = None,
    writer: Writer = None,
    writer_model: WriterModel = None,
    templates: Templates = None,
    corpus: Corpus = None,
    field: TextField = "text",
    skip_bad: SkipBad = False,
    allow_changes: AllowChanges = False,
    replace: Replace = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", metavar="N")] = 0,
    dry_run: DryRun = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in RUN where it stopped.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Throw away the run in RUN and start anew.")
    ] = False,
) -> None:
    """Teach the terms to the model, verify, and write the report.

    \b
      lexigraft teach words.yaml --model smollm2-135m --output runs/words
      lexigraft teach words.yaml --model smollm2-135m --output runs/words --resume
      lexigraft teach more.yaml --model runs/words --output runs/more

    With a run as MODEL its terms are kept and verified again; --replace TERM corrects one. Ctrl-C
    stops at any moment; --resume goes on where it stopped. RUN/model is the taught model.
    """
    if resume and force:
        raise typer.BadParameter("--resume keeps the run and --force throws it away: give one.")
    import lexigraft
    from lexigraft.console import Bars, show_run

    options: dict[str, Any] = {
        "recipe": _recipe(recipe, tune=tune, route=route),
        "writer": writer,
        "writer_model": writer_model,
        "templates": templates,
        "corpus": corpus or (),
        "replace": replace or (),
        "revision": revision,
    }
    if dry_run:
        _show_plan(model, lexicon, output=output, **options)
        return
    space = lexigraft.teach(
        model,
        lexicon,
        output,
        **options,
        field=field,
        skip_bad=skip_bad,
        allow_changes=allow_changes,
        seed=seed,
        resume=resume,
        force=force,
        progress=Bars(),
    )
    show_run(space.root)


def _recipe(path: Path | None, **given: str | None) -> Recipe:
    """The recipe in the file at `path`, what was given on the command line over it."""
    from lexigraft.recipe import Recipe, read_recipe

    recipe = Recipe() if path is None else read_recipe(path)
    return recipe.model_copy(update={name: value for name, value in given.items() if value})


def _show_plan(model: str, lexicon: Path, **options: Any) -> None:
    from lexigraft.console import Bars, show_plan
    from lexigraft.plan import plan

    found: Plan = plan(model, lexicon, progress=Bars(), **options)
    show_plan(found)


@app.command()
def verify(
    target: Annotated[
        Path, typer.Argument(metavar="RUN|LEXICON", help="A run; with --model, a lexicon.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Judge this model, untaught or not, on LEXICON.", metavar="MODEL"),
    ] = None,
    revision: Revision = None,
    checks: Annotated[
        str | None,
        typer.Option(help="Run these alone; RUN keeps its whole verdict.", metavar="NAMES"),
    ] = None,
    require: Annotated[
        str | None,
        typer.Option(help='Exit 1 if it falls short: "knows=0.8,drift=0.05".', metavar="WHAT"),
    ] = None,
    json: Json = False,
) -> None:
    """What a model knows of the terms, and what teaching has harmed.

    \b
      lexigraft verify runs/words
      lexigraft verify runs/words --checks properties --require "properties=0.8"
      lexigraft verify words.yaml --model Qwen/Qwen3-0.6B-Base
    """
    if model is None and revision is not None:
        raise typer.BadParameter("--revision needs --model.")
    import lexigraft
    from lexigraft import requirements, verdict
    from lexigraft.checks.names import parse_checks
    from lexigraft.console import Bars, show_verdict

    # A slip of the fingers shall not cost the judging.
    chosen = None if checks is None else parse_checks(checks)
    if require is not None:
        requirements.parse_requirements(require)
    bars = Bars()
    if model is None:
        found = verdict.verify(target, checks=chosen, progress=bars)
    else:
        words = lexigraft.read_lexicon(target)
        found = verdict.verify_model(model, words, revision=revision, checks=chosen, progress=bars)
    if json:
        _print_json(found)
    else:
        show_verdict(found, run=target if model is None else None)
    if require is not None:
        requirements.require(found, require)


@app.command()
def compare(
    run: RunFolder,
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="Texts to go on with.")
    ] = None,
) -> None:
    """What the model says before and after, side by side.

    \b
      lexigraft compare runs/words "A zorblax is"
      lexigraft compare runs/words              asks for prompts; an empty line ends

    Without a prompt and with a pipe on stdin, each of its lines is one.
    """
    import lexigraft
    from lexigraft.compare import Comparer
    from lexigraft.console import Bars, is_typed, show_comparison, typed_lines, visible

    if prompts:
        for found in lexigraft.compare(run, prompts, progress=Bars()):
            show_comparison(found)
        return
    comparer = Comparer(run, progress=Bars())
    if is_typed():
        print("Begin a text; both models go on with it. An empty line ends.", file=sys.stderr)
    for prompt in typed_lines():
        try:
            show_comparison(comparer.ask(prompt))
        except lexigraft.MarkerError as error:
            if not is_typed():
                raise
            # A slip of the fingers: the models stay loaded.
            print(visible(str(error), 500), file=sys.stderr)


@app.command()
def report(run: RunFolder) -> None:
    """Write RUN/report.html and the model card anew.

    \b
      lexigraft report runs/words
    """
    from lexigraft.console import show_path
    from lexigraft.report import write_model_card, write_report

    for path in (write_report(run), write_model_card(run)):
        show_path(path)


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
        _print_json(planned) if json else show_retokenize_plan(planned)
        return
    options |= {"allow_changes": allow_changes, "resume": resume, "force": force}
    done = lexigraft.retokenize(corpus, lexicon, model, output, **options)
    _print_json(done) if json else show_retokenized(done, output)


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


def _print_json(value: BaseModel) -> None:
    print(value.model_dump_json(indent=2))


def main() -> None:
    """The command `lexigraft`."""
    _quiet()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows its code; nothing fails over it.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="lexigraft")


def _quiet() -> None:
    """Keeps the warnings and bars of other libraries off the screen, unless asked for."""
    if os.environ.get(DEBUG):
        return
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }.items():
        os.environ.setdefault(name, value)
    import logging
    import warnings

    logging.disable(logging.WARNING)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
