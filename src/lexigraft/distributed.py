"""Several processes of one run, joined by torch.distributed: gloo on CPUs, NCCL beside it on GPUs.

Every process reads the same files, so all of them need the run's folder at the same path.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from lexigraft.errors import LexigraftError, RunError
from lexigraft.processes import (
    ALONE,
    ElsewhereError,
    Processes,
    alone,
    launched_processes,
    started_by_accelerate,
    using,
)

__all__ = ["Launched", "Terminated", "joined"]

T = TypeVar("T")
# A lost process is seen at once, by its closed connection; a slow one may merge a large model.
_PATIENCE = timedelta(hours=6)


class Terminated(KeyboardInterrupt):
    """The launcher stops this process, as it does when another one has ended."""


class Launched(Processes):
    """The processes that a launcher started, joined."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.count = dist.get_world_size()

    def gather(self, part: Sequence[T]) -> list[T]:
        """The parts of all, in the order of what `mine` took them from."""
        parts: list[Any] = [None] * self.count
        with _explained():
            dist.all_gather_object(parts, list(part))
        total = sum(map(len, parts))
        return [parts[i % self.count][i // self.count] for i in range(total)]

    def same(self, value: T) -> T:
        """The leader's `value`, for all."""
        box = [value]
        with _explained():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def add(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over all processes of each tensor; all have the same names and shapes."""
        flat = torch.cat([value.float().flatten() for value in tensors.values()])
        with _explained():
            dist.all_reduce(flat)
        parts = flat.split([value.numel() for value in tensors.values()])
        return {
            n: part.reshape(t.shape) for (n, t), part in zip(tensors.items(), parts, strict=True)
        }

    def wait(self) -> None:
        """Until all have come here."""
        self.gather([None])

    def lead(self, work: Callable[[], T]) -> T:
        """What `work` gives to the leader, who alone does it; its error is everyone's."""
        error: LexigraftError | None = None
        value: T | None = None
        if self.leads:
            value, error = _tried(work)
        value, told = self.same((value, None if error is None else (str(error), error.exit_code)))
        if error is not None:
            raise error
        if told is not None:
            raise ElsewhereError(*told)
        return cast(T, value)

    def first(self, work: Callable[[], T]) -> T:
        """Done by the leader, and after it by the others; its error is everyone's."""
        mine: list[T] = []
        self.lead(lambda: mine.append(work()))
        return mine[0] if self.leads else work()


def _tried(work: Callable[[], T]) -> tuple[T | None, LexigraftError | None]:
    try:
        with alone():
            return work(), None
    except LexigraftError as error:
        return None, error


@contextmanager
def _explained() -> Iterator[None]:
    """A lost connection becomes an error that says how to go on."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            "Another process of this run has ended. Nothing that was finished is lost: start the "
            "same command again with --resume."
        ) from error


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes of this run, joined where a launcher started several, and parted at the end.

    Raises:
        RunError: `accelerate launch` started one process where several may have been meant; or the
            others cannot be reached.
    """
    if started_by_accelerate():
        raise RunError(
            "accelerate launch started one process, whatever number it was asked for: on a CPU it "
            "does not start more. For N processes: torchrun --nproc-per-node N -m lexigraft "
            "teach …; for one, leave the launcher out."
        )
    if launched_processes() == 1:
        yield ALONE
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(_device())
    with _explained():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        with _terminating(), using(Launched()) as processes:
            yield processes
    finally:
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def _terminating() -> Iterator[None]:
    """The launcher's SIGTERM ends a run as Ctrl-C does: with a checkpoint and a message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
