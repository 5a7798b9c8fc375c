"""The processes of a run: usually one, several where a launcher started them. No torch here.

All of them go through the same stages in the same order. Where a stage's work is large, each does a
part of it and all receive the whole; the one that leads alone writes to the run's folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from lexigraft.errors import LexigraftError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ALONE",
    "ElsewhereError",
    "Processes",
    "alone",
    "current",
    "launched_processes",
    "launched_rank",
    "started_by_accelerate",
    "using",
]

T = TypeVar("T")


class ElsewhereError(LexigraftError):
    """What another process of the run has failed at, and has said."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Processes:
    """One process by itself; `distributed.Launched` is several."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of `items`, which all have."""
        return items[self.rank :: self.count]

    def gather(self, part: Sequence[T]) -> list[T]:
        """The parts of all, in the order of what `mine` took them from."""
        return list(part)

    def same(self, value: T) -> T:
        """The leader's `value`, for all."""
        return value

    def add(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over all processes of each tensor; all have the same names and shapes."""
        return dict(tensors)

    def wait(self) -> None:
        """Until all have come here."""

    def lead(self, work: Callable[[], T]) -> T:
        """What `work` gives to the leader, who alone does it; its error is everyone's."""
        return work()

    def first(self, work: Callable[[], T]) -> T:
        """Done by the leader, and after it by the others; its error is everyone's.

        `work` shares nothing: the others are not there yet.
        """
        return work()


ALONE = Processes()
_current = ALONE


def current() -> Processes:
    """The processes that share the work at hand."""
    return _current


@contextmanager
def using(processes: Processes) -> Iterator[Processes]:
    """Work inside is shared among `processes`."""
    global _current
    before, _current = _current, processes
    try:
        yield processes
    finally:
        _current = before


@contextmanager
def alone() -> Iterator[None]:
    """Work inside is done by this process, and not shared."""
    with using(ALONE):
        yield


def launched_processes() -> int:
    """How many processes a launcher started; 1 without one."""
    size = os.environ.get("WORLD_SIZE", "1")
    return int(size) if size.isdigit() else 1


def launched_rank() -> int:
    """This process's number among them, from 0."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if launched_processes() > 1 and rank.isdigit() else 0


def started_by_accelerate() -> bool:
    """Whether `accelerate launch` started this process, and no other beside it.

    On a CPU it does so whatever number was asked for, and says nothing.
    """
    return launched_processes() == 1 and "ACCELERATE_MIXED_PRECISION" in os.environ
