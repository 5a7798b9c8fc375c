"""Documents from text, JSONL and Parquet files, streamed: a file is never held whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lexigraft.errors import CorpusError
from lexigraft.retokenize.blocks import Utf8, blocks
from lexigraft.retokenize.files import require_unchanged
from lexigraft.retokenize.requirements import pyarrow, pyarrow_parquet
from lexigraft.retokenize.values import CorpusFile, Options, Split

__all__ = ["LONGEST", "Reader", "Texts"]

LONGEST = 1_000_000
"""Characters of a document at most; a longer one becomes several."""
_LONGEST_LINE = 64_000_000  # bytes of a JSONL line
_ROWS = 64  # of a Parquet file at once

_BLANK_LINES = re.compile(r"\n(?:[ \t\r\f\v]*\n)+")
_BLANK_START = re.compile(r"(?:[ \t\r\f\v]*\n)+")

Texts = tuple[list[str], int]
"""Some documents, and how many bytes of the file have been read for them and those before."""


class _Bad(Exception):
    """What is wrong with one line or row."""


class Reader:
    """Reads files one after the other; counts what it had to leave out."""

    def __init__(self, options: Options, longest: int = LONGEST) -> None:
        self.skipped = 0
        self.replaced = 0
        self._options = options
        self._longest = longest

    def read(self, file: CorpusFile) -> Iterator[Texts]:
        """The documents of `file`, some at a time; no empty ones.

        Raises CorpusError with the file and the line for what cannot be read; with `skip_bad`
        bad lines are counted and left out instead, and bad bytes of a text replaced.
        """
        kinds = {"text": self._text, "jsonl": self._jsonl, "parquet": self._parquet}
        for texts, position in kinds[file.format](file):
            yield [part for text in texts for part in self._parts(text)], position
        require_unchanged(file)

    def _parts(self, text: str) -> list[str]:
        """The document, or what it is cut into; white space alone is no document."""
        if len(text) <= self._longest:
            return [text] if text and not text.isspace() else []
        parts, rest = _cut(text, self._longest)
        return [part for part in (*parts, rest) if part and not part.isspace()]

    def _bad(self, file: CorpusFile, number: int, what: object, unit: str = "line") -> None:
        if not self._options.skip_bad:
            place = f"{file.name}:{number}" if unit == "line" else f"{file.name}, {unit} {number}"
            raise CorpusError(f"{place}: {what}. Mend it, or pass such {unit}s over by --skip-bad.")
        self.skipped += 1

    # --- text ---

    def _text(self, file: CorpusFile) -> Iterator[Texts]:
        decoder = Utf8(file.name, replace=self._options.skip_bad)
        cutter = _Cutter(self._options.split, self._longest)
        for data, position in blocks(file):
            yield cutter.take(decoder.decode(data)), position
        yield cutter.take(decoder.decode(b"", last=True)) + cutter.rest(), file.size
        self.replaced += decoder.replaced

    # --- JSONL ---

    def _jsonl(self, file: CorpusFile) -> Iterator[Texts]:
        number = 0
        for lines, position in _lines(file):
            texts = []
            for line in lines:
                number += 1
                try:
                    texts.append(_json_text(line, self._options.field, first=number == 1))
                except _Bad as bad:
                    self._bad(file, number, bad)
            yield texts, position

    # --- Parquet ---

    def _parquet(self, file: CorpusFile) -> Iterator[Texts]:
        opened = _open_parquet(file, self._options.field)
        rows, done = opened.metadata.num_rows, 0
        chosen = opened.iter_batches(batch_size=_ROWS, columns=[self._options.field])
        while True:
            try:
                batch = next(chosen, None)
            except (OSError, pyarrow().ArrowException) as error:
                raise CorpusError(f"{file.name} is damaged: {_first_line(error)}.") from error
            if batch is None:
                return
            texts = []
            for number, value in enumerate(_values(batch.column(0)), start=done + 1):
                try:
                    texts.append(value.decode("utf-8") if isinstance(value, bytes) else value or "")
                except UnicodeDecodeError:
                    self._bad(file, number, "not UTF-8", "row")
            done += batch.num_rows
            yield texts, file.size * done // max(1, rows)


class _Cutter:
    """Cuts the text of one file into documents, block by block."""

    def __init__(self, split: Split, longest: int) -> None:
        self._split = split
        self._longest = longest
        self._kept = ""
        self._begins = True  # what is kept begins a document, and not the rest of a long one

    def take(self, text: str) -> list[str]:
        """Documents that are complete now."""
        text = self._kept + text
        if self._begins and self._split == "paragraph":
            text = text[_end_of(_BLANK_START.match(text)) :]
        *whole, kept = self._pieces(text)
        self._begins = self._begins or bool(whole)
        parts, self._kept = _cut(kept, self._longest)
        self._begins = self._begins and not parts
        return [piece.rstrip() for piece in (*whole, *parts)]

    def rest(self) -> list[str]:
        """The last document."""
        kept, self._kept = self._kept, ""
        return [kept.rstrip()]

    def _pieces(self, text: str) -> list[str]:
        if self._split == "file":
            return [text]
        return text.split("\n") if self._split == "line" else _BLANK_LINES.split(text)


def _end_of(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end()


def _cut(text: str, longest: int) -> tuple[list[str], str]:
    """Pieces of at most `longest` characters, cut behind a line or a space, and the last one."""
    parts, start = [], 0
    while len(text) - start > longest:
        middle, limit = start + longest // 2, start + longest
        end = text.rfind("\n", middle, limit) + 1 or text.rfind(" ", middle, limit) + 1 or limit
        parts.append(text[start:end])
        start = end
    return parts, text[start:]


def _lines(file: CorpusFile) -> Iterator[tuple[list[bytes], int]]:
    """Complete lines; of one that is too long only its beginning, too long itself."""
    waiting: list[bytes] = []
    held = 0
    for data, position in blocks(file):
        first, *others = data.split(b"\n")
        if held <= _LONGEST_LINE:
            waiting.append(first)
            held += len(first)
        if not others:
            continue
        *whole, last = others
        yield [b"".join(waiting), *whole], position
        waiting, held = [last], len(last)
    yield [b"".join(waiting)] if held else [], file.size


def _json_text(line: bytes, field: str, *, first: bool) -> str:
    """The text of a line; "" for a blank one and for null."""
    if len(line) > _LONGEST_LINE:
        raise _Bad(f"longer than {_LONGEST_LINE // 10**6} MB")
    try:
        text = line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise _Bad(f"not UTF-8 (byte 0x{byte:02X} at column {error.start + 1})") from error
    if not text or text.isspace():
        return ""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise _Bad(f"no JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _Bad(f"no JSON that can be read: {_first_line(error)}") from error
    return _field(value, field)


def _field(value: Any, field: str) -> str:
    if not isinstance(value, dict):
        raise _Bad(f"a JSON object was expected, not {_kind_of(value)}")
    if field not in value:
        has = ", ".join(map(repr, list(value)[:5])) or "nothing"
        raise _Bad(f"no field {field!r} (it has: {has}); name another one with --field")
    text = value[field]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _Bad(f"the field {field!r} holds {_kind_of(text)}, not a text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Bad(f"the field {field!r} holds half of a surrogate pair") from error
    return text


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")


def _open_parquet(file: CorpusFile, field: str) -> Any:
    try:
        # A buffer makes it read page by page and not a column of a whole row group at once.
        opened = pyarrow_parquet().ParquetFile(file.path, buffer_size=1 << 20, pre_buffer=False)
    except (OSError, pyarrow().ArrowException) as error:
        raise CorpusError(f"{file.name} is no Parquet file: {_first_line(error)}.") from error
    schema = opened.schema_arrow
    if field not in schema.names:
        has = ", ".join(map(repr, schema.names[:10])) or "none"
        raise CorpusError(
            f"{file.name} has no column {field!r} (it has: {has}). Name one with --field."
        )
    kind = schema.field(field).type
    types = pyarrow().types
    inner = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(inner) or types.is_large_string(inner) or types.is_null(inner)):
        raise CorpusError(f"The column {field!r} of {file.name} holds {kind}, not text.")
    return opened


def _values(column: Any) -> list[Any]:
    """Texts, or where one of them is no UTF-8, bytes."""
    try:
        texts: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        arrow = pyarrow()
        plain = column.dictionary_decode() if arrow.types.is_dictionary(column.type) else column
        kinds = {arrow.string(): arrow.binary(), arrow.large_string(): arrow.large_binary()}
        texts = plain.cast(kinds[plain.type]).to_pylist()
    return texts


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200].rstrip(".") if text else type(error).__name__
