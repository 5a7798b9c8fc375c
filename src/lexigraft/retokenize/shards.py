"""The files of one batch: a Parquet shard, and the passages found in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexigraft.retokenize.batches import Batch
from lexigraft.retokenize.requirements import pyarrow, pyarrow_parquet
from lexigraft.retokenize.values import Passage
from lexigraft.workspace import Workspace

__all__ = ["PASSAGES", "passages_path", "read_passages", "shard_path", "write_passages",
           "write_shard"]  # fmt: skip

PASSAGES = ".passages"


def shard_path(folder: Path, number: int) -> Path:
    """Where the shard of batch `number` is."""
    return folder / f"part-{number:05d}.parquet"


def passages_path(folder: Path, number: int) -> Path:
    """Where the passages of batch `number` wait until all are found."""
    return folder / PASSAGES / f"{number:05d}.jsonl"


def write_shard(
    folder: Path, batch: Batch, ids: NDArray[np.int32], lengths: NDArray[np.int64]
) -> None:
    """Writes the documents of `batch` as Parquet, whole or not at all.

    Columns: `source` (dictionary of strings), `document` (int64), `ids` (list of int32).
    """
    path = shard_path(folder, batch.number)
    with Workspace(folder).writing_file(path) as partial:
        # Ids in a dictionary of ids take more time and more space.
        pyarrow_parquet().write_table(
            _table(batch, ids, lengths), partial, compression="zstd", use_dictionary=["source"]
        )


def _table(batch: Batch, ids: NDArray[np.int32], lengths: NDArray[np.int64]) -> Any:
    arrow = pyarrow()
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    numbers = np.arange(batch.first, batch.first + len(lengths), dtype=np.int64)
    sources = arrow.DictionaryArray.from_arrays(
        arrow.array(batch.sources, arrow.int32()), arrow.array(batch.names, arrow.string())
    )
    listed = arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(ids, arrow.int32()))
    return arrow.table({"source": sources, "document": numbers, "ids": listed})


def write_passages(path: Path, passages: Iterable[Passage]) -> None:
    """Writes one JSON object a line, whole or not at all."""
    Workspace(path.parent).write_lines(path, passages)


def read_passages(path: Path) -> list[Passage]:
    """What `write_passages` wrote."""
    return [Passage.model_validate(line) for line in Workspace(path.parent).read_lines(path)]
