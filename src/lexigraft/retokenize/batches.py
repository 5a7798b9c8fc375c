"""A corpus in batches: the unit of work, of progress and of what a break can cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lexigraft.retokenize.documents import Reader
from lexigraft.retokenize.values import CorpusFile

__all__ = ["CHARACTERS", "DOCUMENTS", "START", "Batch", "Start", "batches", "is_full"]

# One batch is one shard, and a break costs at most one of them for each worker.
CHARACTERS = 3_000_000
DOCUMENTS = 50_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents that are encoded together."""

    number: int
    first: int
    """the running number of its first document"""
    texts: list[str]
    names: tuple[str, ...]
    """the files that it has documents of"""
    sources: list[int]
    """for each document its place in `names`"""
    read: int
    """bytes of the files that were read for it"""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the first batch begins that files are read for."""

    number: int
    """of the batch"""
    first: int
    """the running number of its first document"""
    skip: int
    """documents at the beginning of the files that belong to the batch before it"""


START = Start(0, 0, 0)


def is_full(characters: int, documents: int, most: int) -> bool:
    """Whether a batch of so many characters and documents ends here."""
    return characters >= most or documents >= DOCUMENTS


class _Filling:
    """The batch that is being filled."""

    def __init__(self, number: int, first: int) -> None:
        self.number = number
        self.first = first
        self.texts: list[str] = []
        self.names: dict[str, int] = {}
        self.sources: list[int] = []
        self.characters = 0

    def add(self, text: str, name: str) -> None:
        self.texts.append(text)
        self.sources.append(self.names.setdefault(name, len(self.names)))
        self.characters += len(text)

    def is_full(self, most: int) -> bool:
        return is_full(self.characters, len(self.texts), most)

    def close(self, read: int) -> Batch:
        names = tuple(self.names)
        return Batch(self.number, self.first, self.texts, names, self.sources, read)


def batches(
    files: Iterable[CorpusFile],
    reader: Reader,
    characters: int | None = None,
    start: Start = START,
) -> Iterator[Batch]:
    """The corpus in batches of `characters` characters or a little more; the last one has less.

    Where a batch ends depends on the files and the reader's options alone. With `start` `files` are
    the rest of a corpus, from the file on in which the batch `start.number` begins.
    """
    most = characters or CHARACTERS
    filling = _Filling(start.number, start.first)
    skip = start.skip
    told = before = 0
    for file in files:
        position = 0
        for texts, position in reader.read(file):
            for text in texts[skip:]:
                filling.add(text, file.name)
                if filling.is_full(most):
                    yield filling.close(before + position - told)
                    told = before + position
                    filling = _Filling(filling.number + 1, filling.first + len(filling.texts))
            skip = max(0, skip - len(texts))
        before += file.size
    if filling.texts:
        yield filling.close(before - told)
