"""From a look at the terms to the report of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lexigraft.cli.app import app, print_json
from lexigraft.options import (
    AllowChanges,
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
    Writer,
    WriterModel,
)

if TYPE_CHECKING:
    from lexigraft.plan import Plan
    from lexigraft.recipe import Recipe

__all__ = ["diagnose", "teach", "verify", "compare", "report"]


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

    words, usual = lexigraft.read_lexicon(lexicon), lexigraft.Recipe().training
    bars = Bars()
    resolve_model(model, bars.say)  # fetches the embedded base, saying so
    with bars.stage(f"Looking at {len(words)} terms", None):
        found = lexigraft.diagnose(
            words,
            model,
            revision,
            route=None if route == "auto" else route,
            adapter_rank=usual.rank,
            adapter_layers=usual.layers,
        )
    if json:
        print_json(found)
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
    from lexigraft.processes import launched_rank

    options: dict[str, Any] = {
        "recipe": _recipe(recipe, tune=tune, route=route),
        "writer": writer,
        "writer_model": writer_model,
        "templates": templates,
        "corpus": corpus or (),
        "replace": replace or (),
        "revision": revision,
    }
    if dry_run and launched_rank() == 0:
        _show_plan(model, lexicon, output=output, **options)
    if dry_run:
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
    if launched_rank() == 0:
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
        print_json(found)
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
