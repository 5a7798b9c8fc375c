"""Worker processes and what they are given: never more batches at once than there are hands.

Not `multiprocessing`: its workers wait for ever once their parent is killed, and it needs a guard
in the caller's script. These are plain processes on pipes, which end with their stdin.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import lexigraft
from lexigraft.errors import RunError
from lexigraft.retokenize.answers import result
from lexigraft.retokenize.batches import Batch
from lexigraft.retokenize.encoding import Encoder, Setup
from lexigraft.retokenize.values import BatchRecord

__all__ = ["Pool", "Task", "available_workers"]

Task = tuple[Batch, frozenset[str] | None]
Done = tuple[Batch, BatchRecord]


def available_workers() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """A context manager; one worker is this process itself."""

    def __init__(self, setup: Setup, workers: int) -> None:
        self._setup = setup
        self._count = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        if self._count > 1:
            try:
                for _ in range(self._count):
                    self._workers.append(_Worker(self._setup))
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """Each batch with its record, in the order in which they are finished.

        Takes the next task when a worker is free, and one more, so that none waits.
        """
        if not self._workers:
            encoder = Encoder(self._setup)
            for batch, wanted in tasks:
                yield batch, encoder.encode(batch, wanted)
            return
        free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            free.put(worker)

        def ask(task: Task) -> Done:
            worker = free.get()
            try:
                return task[0], worker.ask(task)
            finally:
                free.put(worker)

        threads = ThreadPoolExecutor(self._count)
        try:
            yield from _bounded(threads, ask, tasks, self._count + 1)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _bounded(threads: ThreadPoolExecutor, ask: Any, tasks: Iterable[Task], most: int
             ) -> Iterator[Done]:  # fmt: skip
    pending: set[Future[Done]] = set()
    for task in tasks:
        pending.add(threads.submit(ask, task))
        if len(pending) >= most:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in finished)


class _Worker:
    """One process."""

    def __init__(self, setup: Setup) -> None:
        here = str(Path(lexigraft.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths, "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, "-P", "-m", "lexigraft.retokenize.worker"]
        self._setup: Setup | None = setup
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def _send(self, value: object) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            pickle.dump(value, stdin, pickle.HIGHEST_PROTOCOL)
            stdin.flush()

    def ask(self, task: Task) -> BatchRecord:
        """The record of a batch. Raises what went wrong there, RunError for a dead worker."""
        try:
            if self._setup is not None:  # not at once: it would wait until the process is up
                self._send(self._setup)
                self._setup = None
            self._send(task)
            answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise RunError(self._last_words()) from error
        record: BatchRecord = result(answer)
        return record

    def _last_words(self) -> str:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        memory = " The system may have been short of memory: give fewer --workers." * (code == -9)
        return f"A worker process ended by itself ({how}).{memory} Go on with --resume."

    def end(self) -> None:
        """Ends the process; what it was working on is lost."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was not sent has no reader any more
