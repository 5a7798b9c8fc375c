"""How long work tells its watcher how far it is; the command line draws bars from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

__all__ = ["Advance", "Progress", "Silent"]

Advance = Callable[[int], None]
"""Called with the number of units finished since the last call."""


@runtime_checkable
class Progress(Protocol):
    """What `teach`, `verify` and `export` report to. All texts are English, for the terminal."""

    def say(self, message: str) -> None:
        """One line that stays on the screen."""
        ...

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Advance]:
        """A piece of work of `total` units (None: unknown), begun on entering, over on leaving."""
        ...


class Silent:
    """Reports to nobody."""

    def say(self, message: str) -> None:
        """Nothing is said."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """Nothing is drawn."""
        yield lambda count: None
