"""Reading: every format and compression gives the same documents, and faults are told exactly."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as some

from lexigraft.errors import CorpusError
from lexigraft.retokenize import blocks as blocks_module
from lexigraft.retokenize.documents import Reader, _Cutter
from lexigraft.retokenize.files import find_files
from lexigraft.retokenize.values import Options

TEXTS = ["The zorblax is here.", "Вот эйдос.\nДве строки.", "third 🙂"]
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
each_packing = pytest.mark.parametrize("suffix", PACK)


def read(path: Path, longest: int = 1_000_000, **options: Any) -> list[str]:
    return read_with(Reader(Options(**options), longest), path)


def read_with(reader: Reader, path: Path) -> list[str]:
    (file,) = find_files([path]).files
    texts: list[str] = []
    last = 0
    for some_texts, position in reader.read(file):
        assert last <= position <= file.size
        last = position
        texts += some_texts
    assert last == file.size
    return texts


def jsonl(texts: list[Any], field: str = "text") -> bytes:
    return "".join(json.dumps({field: t}, ensure_ascii=False) + "\n" for t in texts).encode()


@each_packing
def test_text_and_jsonl_read_the_same_however_packed(tmp_path: Path, suffix: str) -> None:
    text = tmp_path / f"a.txt{suffix}"
    text.write_bytes(PACK[suffix]("\n\n".join(TEXTS).encode()))
    lines = tmp_path / f"b.jsonl{suffix}"
    lines.write_bytes(PACK[suffix](jsonl(TEXTS)))
    assert read(text) == TEXTS
    assert read(lines) == TEXTS


@each_packing
def test_what_is_cut_short_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    whole = PACK[suffix](bytes(str(list(range(9999))), "utf-8"))
    path.write_bytes(whole[: len(whole) // 2])
    if suffix:
        with pytest.raises(CorpusError, match=r"a\.txt.*damaged"):
            read(path)
        path.write_bytes(b"this is no archive at all")
        with pytest.raises(CorpusError, match=r"a\.txt"):
            read(path)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_several_members_are_read_on(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACK[suffix](b"one\n\ntwo") + PACK[suffix](b" more\n\nthree"))
    assert read(path) == ["one", "two more", "three"]


@pytest.mark.parametrize(
    ("split", "wanted"),
    [
        ("paragraph", ["  one\nline", "two", "three"]),
        ("line", ["  one", "line", "two", "three"]),
        ("file", ["\r\n\n  one\nline\n \t\n\n\ntwo\r\n\r\nthree"]),
    ],
)
def test_what_a_document_is(tmp_path: Path, split: str, wanted: list[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf\r\n\n  one\nline\n \t\n\n\ntwo\r\n\r\nthree\n\n")
    assert read(path, split=split) == wanted


@given(
    text=some.text(alphabet="aé🙂 \n\r\t.", max_size=60),
    cuts=some.lists(some.integers(0, 60), max_size=5),
    split=some.sampled_from(["paragraph", "line", "file"]),
)
def test_where_blocks_end_changes_nothing(text: str, cuts: list[int], split: Any) -> None:
    def cut_at(places: list[int]) -> list[str]:
        cutter = _Cutter(split, 10**6)
        ends = [0, *sorted(min(p, len(text)) for p in places), len(text)]
        found = [t for a, b in pairwise(ends) for t in cutter.take(text[a:b])]
        return [t for t in (*found, *cutter.rest()) if t and not t.isspace()]

    assert cut_at(cuts) == cut_at([])
    if split != "file":
        assert "".join("".join(cut_at([])).split()) == "".join(text.split())


@given(some.text(alphabet="ab \n", max_size=80), some.integers(1, 12))
def test_a_long_document_is_cut_and_nothing_lost(text: str, longest: int) -> None:
    reader = Reader(Options(), longest)
    parts = reader._parts(text)
    assert all(len(part) <= longest for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_long_document_is_cut_at_a_line_or_a_space(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one two three\nfour five sixseveneight")
    assert read(path, longest=10) == ["one two", "three", "four five", "sixsevenei", "ght"]
    (tmp_path / "a.jsonl").write_bytes(jsonl(["x" * 25]))
    assert list(map(len, read(tmp_path / "a.jsonl", longest=10))) == [10, 10, 5]


def test_bytes_that_are_no_utf8_are_placed_or_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK", 7)
    path = tmp_path / "a.txt"
    path.write_bytes("одна строка\n".encode() + b"caf\xe9 here\n")
    with pytest.raises(CorpusError, match=r"a\.txt:2: not UTF-8 \(byte 0xE9 at offset 25\)"):
        read(path)
    reader = Reader(Options(skip_bad=True))
    assert read_with(reader, path) == ["одна строка\ncaf\ufffd here"]
    assert (reader.replaced, reader.skipped) == (1, 0)
    path.write_bytes("cut in a лист".encode()[:-1])
    with pytest.raises(CorpusError, match=r"a\.txt:1: not UTF-8"):
        read(path)


BAD_LINES = {
    b'{"text": "a"': r"no JSON: .* at column \d+",
    b"[1]": "a JSON object was expected, not a list",
    b'{"body": "a"}': r"no field 'text' \(it has: 'body'\); name another one with --field",
    b'{"text": 3}': "the field 'text' holds a number, not a text",
    b'{"text": "\\ud83d"}': "the field 'text' holds half of a surrogate pair",
    b'{"text": "caf\xe9"}': r"not UTF-8 \(byte 0xE9 at column 14\)",
    b"[" * 100_000: "no JSON that can be read",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:12].decode("latin-1"))
def test_a_bad_line_is_told_or_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "good"}\n\n' + line + b'\n{"text": null}\n{"text": "end"}')
    with pytest.raises(CorpusError, match=r"a\.jsonl:3: " + BAD_LINES[line]):
        read(path)
    reader = Reader(Options(skip_bad=True))
    assert read_with(reader, path) == ["good", "end"]
    assert reader.skipped == 1


def test_a_line_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexigraft.retokenize.documents._LONGEST_LINE", 2_000_000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(["x" * 5_000_000, "y" * 1_500_000, "z"]))
    with pytest.raises(CorpusError, match=r"a\.jsonl:1: longer than 2 MB"):
        read(path)
    reader = Reader(Options(skip_bad=True))
    assert list(map(len, read_with(reader, path))) == [1_000_000, 500_000, 1]
    assert reader.skipped == 1


def test_another_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + jsonl(TEXTS, "body"))
    assert read(path, field="body") == TEXTS


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_parquet(tmp_path: Path, kind: str) -> None:
    column = arrow.array([*TEXTS, None, "", *map(str, range(200))])
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(kind)
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"n": range(205), "text": column}), path, row_group_size=90)
    assert read(path) == [*TEXTS, *map(str, range(200))]
    with pytest.raises(CorpusError, match=r"no column 'body' \(it has: 'n', 'text'\)"):
        read(path, field="body")
    with pytest.raises(CorpusError, match=r"The column 'n' of .* holds int64, not text"):
        read(path, field="n")


def test_damaged_parquet_and_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and nothing")
    with pytest.raises(CorpusError, match=r"a\.parquet is no Parquet file"):
        read(path)
    bad = arrow.array([b"good", b"caf\xe9", None]).view(arrow.string())
    parquet.write_table(arrow.table({"text": bad}), path)
    with pytest.raises(CorpusError, match=r"a\.parquet, row 2: not UTF-8"):
        read(path)
    reader = Reader(Options(skip_bad=True))
    assert read_with(reader, path) == ["good"]
    assert reader.skipped == 1


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = tmp_path / "a.txt.zst"
    path.write_bytes(PACK[".zst"](b"x"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CorpusError, match=r"zstandard is not.*pip install 'lexigraft\[corpus\]'"):
        read(path)
