"""What every command shares: the application, its start and its output for scripts.

Everything but typer is imported inside the command that needs it, so that `--help` answers at once.
Results go to stdout; progress, messages and errors go to stderr.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from lexigraft.exits import DEBUG, EXIT_CODES, Commands

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["app", "main", "print_json"]

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


def print_json(value: BaseModel) -> None:
    """A result on stdout, for a script to read."""
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
