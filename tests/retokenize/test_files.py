"""Which files a corpus is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lexigraft.errors import CorpusError
from lexigraft.retokenize.files import find_files, require_unchanged


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def names(folder: Path, *given: str | Path, without: Path | None = None) -> list[str]:
    found = find_files(given, without).files
    return [Path(file.name).relative_to(folder).as_posix() for file in found]


def test_a_folder_is_walked_in_order_and_unknown_files_are_told(tmp_path: Path) -> None:
    make(tmp_path, "b.txt", "a/2.jsonl.gz", "a/1.TXT", "c.parquet", "d.ndjson.zst", "e.md")
    make(tmp_path, ".hidden/x.txt", ".y.txt", "z.parquet.gz", "tar.gz")
    assert names(tmp_path, tmp_path) == [
        "b.txt", "c.parquet", "d.ndjson.zst", "a/1.TXT", "a/2.jsonl.gz",
    ]  # fmt: skip
    skipped = find_files([tmp_path]).skipped
    assert [Path(name).name for name in skipped] == ["e.md", "tar.gz", "z.parquet.gz"]


def test_globs_files_and_folders_keep_the_order_given_and_repeat_nothing(tmp_path: Path) -> None:
    make(tmp_path, "b.txt", "a.txt", "sub/c.txt", "sub/deep/d.txt", "e.bin")
    last = tmp_path / "sub"
    assert names(tmp_path, last, tmp_path / "*.txt", tmp_path / "b.txt") == [
        "sub/c.txt", "sub/deep/d.txt", "a.txt", "b.txt",
    ]  # fmt: skip
    assert names(tmp_path, str(tmp_path / "**" / "*.txt")) == [
        "a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt",
    ]  # fmt: skip
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    assert names(tmp_path, tmp_path / "a.txt", tmp_path / "link.txt") == ["a.txt"]


def test_a_name_with_magic_characters_is_a_file_first(tmp_path: Path) -> None:
    make(tmp_path, "a[1].txt", "a1.txt", "new\nline.txt", "слово \x1b.txt")
    assert names(tmp_path, tmp_path / "a[1].txt") == ["a[1].txt"]
    assert "new\nline.txt" in names(tmp_path, tmp_path)


def test_a_name_that_is_no_utf8_is_shown_escaped(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    assert names(tmp_path, tmp_path) == ["caf\\xe9.txt"]


def test_the_output_folder_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "out/part-00000.parquet", "outer/b.txt")
    assert names(tmp_path, tmp_path, without=tmp_path / "out") == ["a.txt", "outer/b.txt"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("none.txt", "There is no file or folder"),
        ("*.nothing", "No file matches"),
        ("e.md", "of an unknown kind. Known: .txt"),
        ("only", r"nothing to read in .*only \(found: .*x\.md\)"),
        ("empty", "nothing to read in"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, given: str, told: str) -> None:
    make(tmp_path, "e.md", "only/x.md")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=told):
        find_files([tmp_path / given])
    with pytest.raises(CorpusError, match="nothing to read in no path"):
        find_files([])


def test_a_pipe_is_refused_and_a_changed_file_noticed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.txt")
    with pytest.raises(CorpusError, match="no regular file"):
        find_files([tmp_path / "p.txt"])
    make(tmp_path, "a.txt")
    (file,) = find_files([tmp_path / "a.txt"]).files
    require_unchanged(file)
    (tmp_path / "a.txt").write_text("xy")
    with pytest.raises(CorpusError, match="changed while it was read"):
        require_unchanged(file)
