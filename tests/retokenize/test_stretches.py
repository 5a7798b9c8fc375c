"""Files read apart give the batches of files read in turn."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from lexigraft.errors import CorpusError
from lexigraft.retokenize import stretches as rooms
from lexigraft.retokenize.batches import Batch, batches
from lexigraft.retokenize.documents import Reader
from lexigraft.retokenize.files import find_files
from lexigraft.retokenize.stretches import count, groups, located, read, stretches
from lexigraft.retokenize.values import Options

OPTIONS = Options()


def shape(batch: Batch) -> tuple[object, ...]:
    """All of a batch but the bytes that were read for it."""
    return batch.number, batch.first, batch.texts, batch.names, batch.sources


def written(folder: Path, chance: random.Random) -> None:
    folder.mkdir()
    for number in range(chance.randint(1, 7)):
        texts = ["x" * chance.randint(1, 40) for _ in range(chance.choice([0, 1, 2, 5, 30]))]
        (folder / f"{number}.txt").write_text("\n\n".join(texts) + "\n")


@pytest.mark.parametrize("documents", [3, 50_000])
def test_the_batches_are_those_of_one_reader(
    documents: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexigraft.retokenize.batches.DOCUMENTS", documents)
    chance = random.Random(0)
    for trial in range(60):
        written(tmp_path / str(trial), chance)
        files = find_files(tmp_path / str(trial)).files
        expected = list(batches(files, Reader(OPTIONS), 60))
        laid = list(stretches(files, [count(f, OPTIONS).lengths for f in files], 60))
        found = [batch for stretch in laid for batch in read(stretch, OPTIONS, 60)]
        assert [*map(shape, found)] == [*map(shape, expected)]
        assert [n for stretch in laid for n in stretch.numbers] == [b.number for b in expected]


def test_what_is_done_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n\nthree\n\nfour")
    (tmp_path / "b.txt").write_text("five\n\nsix")
    files = find_files(tmp_path).files
    first, second = stretches(files, [count(f, OPTIONS).lengths for f in files], 1)
    assert [first.numbers, second.numbers] == [range(4), range(4, 6)]
    assert [b.number for b in read(first, OPTIONS, 1, {1, 2})] == [0, 3]
    assert second.is_done({4, 5})
    assert not second.is_done({4})


def test_bad_lines_are_counted_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n{]\n{"text": "three"}\n')
    (file,) = find_files(path).files
    counted = count(file, Options(skip_bad=True))
    assert (list(counted.lengths), counted.skipped, counted.replaced) == ([3, 5], 1, 0)
    with pytest.raises(CorpusError, match=r"a\.jsonl:2: no JSON"):
        count(file, OPTIONS)


def test_small_files_share_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("a", 10), ("b", 10), ("c", 30), ("d", 5)):
        (tmp_path / f"{name}.txt").write_text("x" * size)
    files = find_files(tmp_path).files
    monkeypatch.setattr(rooms, "_GROUP", 20)
    assert [[f.size for f in group] for group in groups(files)] == [[10, 10], [30], [5]]
    monkeypatch.setattr(rooms, "_MOST", 1)
    assert [len(group) for group in groups(files)] == [1, 1, 1, 1]


def test_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    (file,) = located(find_files("a.txt").files)
    assert (file.name, file.path) == ("a.txt", os.path.realpath("a.txt"))
