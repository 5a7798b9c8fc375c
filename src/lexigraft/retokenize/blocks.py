"""The bytes of a file, decompressed block by block, and their text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lexigraft.errors import CorpusError
from lexigraft.retokenize.requirements import zstandard
from lexigraft.retokenize.values import CorpusFile

__all__ = ["BLOCK", "Utf8", "blocks"]

BLOCK = 1 << 20
# A block of this may grow to thousands of times its size; zstandard has no bound on its output.
_ZSTD_INPUT = 1 << 14


def blocks(file: CorpusFile, size: int = BLOCK) -> Iterator[tuple[bytes, int]]:
    """Decompressed blocks of about `size` bytes, each with the bytes of the file read so far.

    Raises CorpusError for a file that cannot be opened, is damaged or cut short.
    """
    damage: tuple[type[Exception], ...] = (EOFError, zlib.error, lzma.LZMAError)
    if file.compression == "zst":
        damage = (*damage, zstandard().ZstdError)
    try:
        with Path(file.path).open("rb") as raw:
            yield from _decompressed(raw, file.compression, size)
    except damage as error:
        raise CorpusError(f"{file.name} is damaged or cut short: {error}.") from error
    except OSError as error:
        # gzip and bz2 raise it without a number for data that is none of theirs.
        what = "cannot be read" if error.errno else f"is no {file.compression} file, or is damaged"
        raise CorpusError(f"{file.name} {what}: {error.strerror or error}.") from error


def _decompressed(raw: BinaryIO, kind: str | None, size: int) -> Iterator[tuple[bytes, int]]:
    if kind == "zst":
        yield from _zstd(raw)
        return
    stream: Any = raw
    if kind == "gz":
        stream = gzip.GzipFile(fileobj=raw)
    elif kind == "bz2":
        stream = bz2.BZ2File(raw)
    elif kind == "xz":
        stream = lzma.LZMAFile(raw)  # noqa: SIM115 -- `raw` is closed by the caller
    while data := stream.read(size):
        yield data, raw.tell()


def _zstd(raw: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """By hand: the library's own stream takes a file that is cut short for a whole one."""
    opened = zstandard().ZstdDecompressor()
    frame = None
    while data := raw.read(_ZSTD_INPUT):
        while data:
            frame = frame or opened.decompressobj()
            yield frame.decompress(data), raw.tell()
            data = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("its last frame has no end")


class Utf8:
    """Decodes a file block by block. Knows the line, so that an error can name it."""

    def __init__(self, name: str, *, replace: bool) -> None:
        self.replaced = 0
        self._name = name
        self._replace = replace
        self._rest = b""
        self._offset = 0
        self._line = 1

    def decode(self, data: bytes, *, last: bool = False) -> str:
        """The text of `data`; a character cut at its end waits for the next call, or the `last`.

        Raises CorpusError at bytes that are no UTF-8, unless they are to be replaced.
        """
        data = self._rest + data
        try:
            text, used = codecs.utf_8_decode(data, "strict", last)
        except UnicodeDecodeError as error:
            if not self._replace:
                raise CorpusError(self._fault(data, error.start)) from error
            text, used = codecs.utf_8_decode(data, "replace", last)
            self.replaced += text.count("\ufffd") - data[:used].count("\ufffd".encode())
        if self._offset == 0:
            text = text.removeprefix("\ufeff")
        self._rest = data[used:]
        self._offset += used
        self._line += data.count(b"\n", 0, used)
        return text

    def _fault(self, data: bytes, start: int) -> str:
        line = self._line + data.count(b"\n", 0, start)
        return (
            f"{self._name}:{line}: not UTF-8 (byte 0x{data[start]:02X} at offset "
            f"{self._offset + start}). Convert the file, or replace such bytes with --skip-bad."
        )
