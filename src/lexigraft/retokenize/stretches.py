"""The batches of a corpus, laid out file by file: any file can then be read without those before.

A first reading counts the documents of each file, all files at once and on any machine. Their
lengths tell where each batch begins, so that a second reading gives the very batches that one
process makes which reads the files in turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lexigraft.retokenize.batches import Batch, Start, batches, is_full
from lexigraft.retokenize.documents import Reader
from lexigraft.retokenize.values import CorpusFile, Options

__all__ = ["Counted", "Stretch", "count", "groups", "located", "read", "stretches"]

# What one counting task reads, in bytes and in files: small files share the cost of a task.
_GROUP = 256_000_000
_MOST = 1000


class Counted(NamedTuple):
    """One file, read through."""

    lengths: array[int]
    """characters of each document"""
    skipped: int
    """bad lines that were left out"""
    replaced: int
    """bytes that were no UTF-8"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches that begin in one file and follow each other."""

    files: tuple[CorpusFile, ...]
    """that file, and those into which its last batch goes on"""
    start: Start
    until: int
    """the number after that of the last batch"""

    @property
    def numbers(self) -> range:
        """Of its batches."""
        return range(self.start.number, self.until)

    def is_done(self, done: Collection[int]) -> bool:
        """Whether all of its batches are in `done`."""
        return all(number in done for number in self.numbers)


def located(files: Iterable[CorpusFile]) -> tuple[CorpusFile, ...]:
    """The files with absolute paths: a process elsewhere may work in another folder."""
    return tuple(
        file.model_copy(update={"path": str(Path(file.path).absolute())}) for file in files
    )


def groups(files: Sequence[CorpusFile]) -> Iterator[tuple[CorpusFile, ...]]:
    """Files that are counted by one task; in order."""
    group: list[CorpusFile] = []
    for file in files:
        group.append(file)
        if len(group) >= _MOST or sum(one.size for one in group) >= _GROUP:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def count(file: CorpusFile, options: Options) -> Counted:
    """The lengths of the documents of `file`.

    Raises CorpusError for what cannot be read, as reading it for its documents does.
    """
    reader = Reader(options)
    lengths = array("i")
    for texts, _ in reader.read(file):
        lengths.extend(map(len, texts))
    return Counted(lengths, reader.skipped, reader.replaced)


def stretches(
    files: Iterable[CorpusFile], counted: Iterable[Iterable[int]], characters: int
) -> Iterator[Stretch]:
    """Where each file's batches begin; `counted` are the lengths of the documents of each file.

    Files in which no batch begins have no stretch.
    """
    layout = _Layout(characters)
    for file, lengths in zip(files, counted, strict=True):
        yield from layout.add(file, lengths)
    yield from layout.rest()


class _Layout:
    """The batches of the files so far, and the stretch whose last batch is not full yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._number = self._first = 0  # of the batch that is being filled, or is next
        self._characters = self._documents = 0  # that it holds
        self._open: tuple[list[CorpusFile], Start] | None = None

    def add(self, file: CorpusFile, lengths: Iterable[int]) -> Iterator[Stretch]:
        """Stretches that are complete with this file."""
        if self._open is not None:
            self._open[0].append(file)
        begins: Start | None = None
        for place, length in enumerate(lengths):
            if not self._documents and begins is None:
                yield from self.rest()
                begins = Start(self._number, self._first, place)
            self._characters += length
            self._documents += 1
            if is_full(self._characters, self._documents, self._most):
                self._number += 1
                self._first += self._documents
                self._characters = self._documents = 0
        if begins is not None:
            self._open = ([file], begins)
        if not self._documents:
            yield from self.rest()

    def rest(self) -> Iterator[Stretch]:
        """The stretch that was waiting for the end of its last batch, if there is one."""
        if self._open is not None:
            files, start = self._open
            self._open = None
            until = self._number + bool(self._documents)
            yield Stretch(tuple(files), start, until)


def read(
    stretch: Stretch, options: Options, characters: int, done: Collection[int] = ()
) -> Iterator[Batch]:
    """The batches of `stretch` that are not in `done`.

    Raises CorpusError for what cannot be read, and for a file that has changed since it was found.
    """
    for batch in batches(stretch.files, Reader(options), characters, stretch.start):
        if batch.number not in done:
            yield batch
        if batch.number + 1 >= stretch.until:
            return
