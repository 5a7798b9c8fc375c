"""What is typed or piped in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lexigraft.errors import LexigraftError

__all__ = ["is_typed", "text_lines", "typed_lines"]


def is_typed() -> bool:
    """Whether stdin is a keyboard."""
    return sys.stdin.isatty()


def typed_lines() -> Iterator[str]:
    """Lines from the keyboard or from a pipe, until an empty one or the end."""
    if is_typed():
        with suppress(ImportError):
            import readline  # noqa: F401 -- input() then edits lines and remembers them
    while True:
        try:
            line = input("> " if is_typed() else "")
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def text_lines(file: Path | None) -> Iterator[str]:
    """The lines of a UTF-8 text, or of stdin, their ends kept as they are.

    Raises:
        LexigraftError: it cannot be read, or is not UTF-8.
    """
    try:
        if file is None:
            sys.stdin.reconfigure(  # type: ignore[union-attr]
                encoding="utf-8", errors="strict", newline="\n"
            )
            yield from sys.stdin
        else:
            with file.open(encoding="utf-8", newline="\n") as lines:
                yield from lines
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02X}"
        raise LexigraftError(
            f"{file or 'stdin'} is not UTF-8 (byte {byte}). Save it as UTF-8."
        ) from error
    except OSError as error:
        raise LexigraftError(f"{file} cannot be read: {error.strerror or error}.") from error
