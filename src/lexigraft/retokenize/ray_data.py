"""The same work by the processes of Ray Data, on one machine or many.

Nothing here knows what is done with a batch. Readers cut files into the batches that one process
would make (`stretches`), workers take each batch as it comes, and answers come back in any order.
What a lost process was at is done again, which changes nothing: it depends on the files alone.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from lexigraft.errors import RunError
from lexigraft.progress import Progress
from lexigraft.retokenize import batches
from lexigraft.retokenize.answers import Answer, answered, result
from lexigraft.retokenize.batches import Batch
from lexigraft.retokenize.requirements import ray
from lexigraft.retokenize.stretches import Stretch, count, groups, located, read, stretches
from lexigraft.retokenize.values import CorpusFile, Options

__all__ = ["Layout", "Make", "joined", "layout", "work"]

Make = Callable[[], Callable[[Batch], Any]]
"""Called once in each process; what it gives is called for each batch."""

# Of a core. Reading takes a small part of the time of encoding; unequal shares also keep Ray Data
# from making one process of both, in which a single large file would have a single worker.
_READER, _WORKER = 0.1, 0.9
_ADDRESS, _DEBUG = "RAY_ADDRESS", "LEXIGRAFT_DEBUG"
_KEY = "pickle"
Row = dict[str, bytes]


@dataclass(frozen=True)
class Layout:
    """Where the batches of a corpus begin, and what reading it left out."""

    stretches: tuple[Stretch, ...]
    batches: int
    """in all, those that are done included"""
    skipped: int
    """bad lines"""
    replaced: int
    """bytes that were no UTF-8"""
    characters: int
    """of a batch"""


@contextmanager
def joined(workers: int | None) -> Iterator[int]:
    """A Ray to work on, and its number of workers: `workers`, or else one for each of its cores.

    It is the one that this process has joined already, or the one at RAY_ADDRESS, or one of
    `workers` cores on this machine; only what was begun here is ended here. Raises CorpusError
    where Ray is not installed, RunError where none can be reached or started, or one ends.
    """
    library = ray()
    lost = (library.exceptions.RayError, library.data.exceptions.ExecutionTimeoutError)
    with ExitStack() as stack:
        if not library.is_initialized():
            stack.enter_context(redirect_stdout(_Stdout(sys.stdout)))
            stack.callback(library.shutdown)
            _join(library, workers)
        try:
            yield workers or max(1, int(library.cluster_resources().get("CPU", 1)))
        except lost as error:
            raise RunError(_lost(error)) from error


class _Stdout:
    """Standard output, kept for what is asked for: threads of Ray tell there what it has lost."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write(self, text: str) -> int:
        stream = self._real
        if threading.current_thread().name.startswith("ray_"):
            if not _debugging():
                return len(text)
            stream = sys.stderr
        written: int = stream.write(text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _debugging() -> bool:
    return bool(os.environ.get(_DEBUG))


def _join(library: Any, workers: int | None) -> None:
    # No usage statistics; and no word on settings of accelerators, which are not used.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    debug = _debugging()
    options: dict[str, Any] = {"address": os.environ.get(_ADDRESS) or "local"}
    if options["address"] == "local":
        options |= {"num_cpus": workers, "include_dashboard": False}
    level = logging.INFO if debug else logging.ERROR
    try:
        library.init(**options, log_to_driver=debug, logging_level=level)
    except (OSError, RuntimeError, ValueError) as error:
        where = options["address"]
        what = "start on this machine" if where == "local" else f"be reached at {_ADDRESS}={where}"
        raise RunError(f"Ray cannot {what}: {error}") from error


def _lost(error: Exception) -> str:
    told = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"Ray could not go on: {told[0][:200]} Its machines may be gone or short of memory; if so, "
        "give fewer --workers. Go on with --resume."
    )


def layout(
    files: Iterable[CorpusFile],
    options: Options,
    progress: Progress,
    *,
    characters: int | None = None,
    done: Collection[int] = (),
) -> Layout:
    """Reads every file once, to lay out the batches; `done` are those that need no reading again.

    `characters` are those of a batch, as for `batches`.

    Raises CorpusError, of the first bad file in their order, for what cannot be read.
    """
    found = located(files)
    stage = progress.stage("Counting documents, MB", max(1, sum(f.size for f in found) // 10**6))
    skipped = replaced = 0

    def lengths() -> Iterator[array[int]]:
        nonlocal skipped, replaced
        told = 0
        tasks = _dataset(groups(found), 1, ordered=True).map(partial(_count, options=options))
        for file, answer in zip(found, _flat(_unpacked(tasks)), strict=True):
            counted = result(answer)
            skipped += counted.skipped
            replaced += counted.replaced
            yield counted.lengths
            told += file.size
            advance(told // 10**6 - (told - file.size) // 10**6)

    most = characters or batches.CHARACTERS
    with stage as advance:
        laid = tuple(stretches(found, lengths(), most))
    return Layout(
        stretches=tuple(s for s in laid if not s.is_done(done)),
        batches=laid[-1].until if laid else 0,
        skipped=skipped,
        replaced=replaced,
        characters=most,
    )


def work(
    laid: Layout, options: Options, make: Make, workers: int, done: Collection[int] = ()
) -> Iterator[Any]:
    """What the workers answer for each batch that is not `done`, as they come.

    Raises what went wrong there.
    """
    if not laid.stretches:
        return
    items = ((s, frozenset(n for n in s.numbers if n in done)) for s in laid.stretches)
    reading = partial(_read, options=options, characters=laid.characters)
    # What is needed for every batch is sent to each machine once.
    working = partial(_work, made=ray().put(make), key=uuid4().hex)
    # Blocks of one batch, so that each goes to the worker that is free.
    read_ = _dataset(items, laid.characters).flat_map(reading, num_cpus=_READER)
    tasks = read_.map(working, num_cpus=_WORKER, concurrency=workers)
    yield from map(result, _unpacked(tasks))


def _dataset(items: Iterable[Any], block: int, *, ordered: bool = False) -> Any:
    """A row and a block for each item; blocks of about `block` bytes for what is made of them.

    `ordered` keeps what is made of them in the order of the items.
    """
    data = ray().data
    context = data.DataContext.get_current().copy()
    context.execution_options.preserve_order = ordered
    if ordered:  # nothing comes of a large file until it has been read
        context.execution_no_progress_timeout_s = -1
    context.target_max_block_size = block
    if not _debugging():
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [_row(item) for item in items]
    with data.DataContext.current(context):
        return data.from_items(rows, override_num_blocks=len(rows))


def _row(value: object) -> Row:
    return {_KEY: pickle.dumps(value, pickle.HIGHEST_PROTOCOL)}


def _unpacked(dataset: Any) -> Iterator[Any]:
    for row in dataset.iter_rows():
        yield pickle.loads(row[_KEY])


def _flat(lists: Iterable[list[Answer]]) -> Iterator[Answer]:
    for items in lists:
        yield from items


# --- in the processes of Ray ---


def _count(row: Row, *, options: Options) -> Row:
    """Files -> an answer for each."""
    return _row([answered(partial(count, file, options)) for file in pickle.loads(row[_KEY])])


def _read(row: Row, *, options: Options, characters: int) -> Iterator[Row]:
    """A stretch -> answers with its batches; with an error they end."""
    stretch, done = pickle.loads(row[_KEY])
    found = read(stretch, options, characters, done)
    while True:
        answer = answered(partial(next, found, None))
        if answer == ("result", None):
            return
        yield _row(answer)
        if answer[0] != "result":
            return


def _work(row: Row, *, made: Any, key: str) -> Row:
    """An answer with a batch -> the answer of the work on it."""
    answer: Answer = pickle.loads(row[_KEY])
    if answer[0] == "result":
        answer = answered(lambda: _worker(made, key)(answer[1]))
    return _row(answer)


_workers: dict[str, Callable[[Batch], Any]] = {}


def _worker(made: Any, key: str) -> Callable[[Batch], Any]:
    """What takes batches; made once in each process."""
    if key not in _workers:
        # As in the local pool: a worker has one core.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        make: Make = ray().get(made)
        _workers.clear()
        _workers[key] = make()
    return _workers[key]
