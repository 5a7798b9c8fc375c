"""What a command raises becomes a few lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["DEBUG", "EXIT_CODES", "Commands"]

EXIT_CODES = """\b
Exit codes:
  0    done
  1    `verify --require` asked for more than the model reached
  2    a wrong option, lexicon, recipe, marker or pack
  3    a model that is missing, damaged or unsupported; a writer or a hub that fails
  4    a run folder that is taken, foreign or incomplete; a full disk; too little memory
  5    an export that did not reload equal to the run
  70   a fault of lexigraft itself; LEXIGRAFT_DEBUG=1 shows the traceback
  130  stopped by Ctrl-C; what was finished is kept"""

DEBUG = "LEXIGRAFT_DEBUG"
"""The environment variable that asks for tracebacks."""
_MOST_LINES = 60  # of an error: a lexicon lists all of its problems
_RESUMABLE = ("teach", "retokenize")


class Commands(TyperGroup):
    """Turns what a command raises into a few lines on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with _explained(lambda: ctx.invoked_subcommand):
            result = super().invoke(ctx)
            # Here, and not when the interpreter ends: a closed pipe is then still quiet.
            sys.stdout.flush()
            return result


@contextmanager
def _explained(command: Any) -> Iterator[None]:
    from lexigraft.errors import Interrupted, LexigraftError
    from lexigraft.memory import ran_short
    from lexigraft.processes import ElsewhereError, launched_rank

    rank = launched_rank()
    try:
        yield
    except LexigraftError as error:
        # What stops all processes is said once, by the one that leads.
        if rank and isinstance(error, ElsewhereError | Interrupted):
            raise typer.Exit(error.exit_code) from error
        message = f"Process {rank} of the run: {error}" if rank else str(error)
        raise _exit(message, error.exit_code) from error
    except KeyboardInterrupt as error:
        more = " with --resume to go on" if command() in _RESUMABLE else ""
        raise _exit(f"Stopped. Run the same command again{more}.", 130) from error
    except BrokenPipeError as error:
        # What is still buffered has no reader; the interpreter must not try again at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from error
    except Exception as error:
        if _is_typers(error):
            raise
        if ran_short(error):
            message = f"There is not enough memory ({error}).\nFree some, or take a smaller model."
            raise _exit(message, 4) from error
        hint = f"Run again with {DEBUG}=1 for the traceback."
        raise _exit(f"{type(error).__name__}: {error}\n{hint}", 70) from error


def _is_typers(error: Exception) -> bool:
    """Usage errors and exits, which typer prints and turns into exit codes itself."""
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "format_message")


def _exit(message: str, code: int) -> typer.Exit:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()
    from lexigraft.console import visible

    lines = message.splitlines() or [""]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"… and {len(lines) - _MOST_LINES} more lines"]
    with suppress(BrokenPipeError):
        for line in lines:
            sys.stderr.write(visible(line, 500) + "\n")
    return typer.Exit(code)
