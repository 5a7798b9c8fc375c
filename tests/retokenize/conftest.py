"""A small corpus with English and Russian terms, and a tiny tokenizer to encode it with."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexigraft.retokenize import Summary, retokenize

LEXICON = """\
name: words
terms:
  - {term: zorblax, definition: a small brass tool, forms: [zorblaxes]}
  - {term: эйдос, definition: идея, language: ru, forms: [эйдоса, эйдосу]}
  - {term: stillpoint, definition: the moment when nothing is missing, route: marker}
  - {term: вглядь, definition: взгляд, language: ru, route: subword}
  - {term: quibblet, definition: a thing that is nowhere}
"""
PARTS = (
    "The harbour wakes before the town.", "We saw a zorblax there!", "Zorblaxes (two) sing.",
    "He asked: “zorblax?” and left.", "Дети спрашивают, как называется вещь.", "Вот эйдос; Эйдос.",
    "Нет «эйдоса», нет и эйдосу.", "A stillpoint, or ~[stillpoint].", "Вглядь и вглядь.",
    "She carries a basket of apples up the hill.", "Кошка спит под столом.", "zorb, zorblaxen",
)  # fmt: skip


@pytest.fixture
def texts() -> list[str]:
    """120 documents of one to four of the parts; each part ends up beside each other one."""
    chance = random.Random(0)
    return [" ".join(chance.choices(PARTS, k=chance.randint(1, 4))) for _ in range(120)]


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    """Three terms that become tokens, one of which never occurs, and two that do not."""
    path = tmp_path / "words.yaml"
    path.write_text(LEXICON, encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path, texts: list[str]) -> Path:
    """A folder of a text and a JSONL file, with half of the documents each."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(texts[:60]) + "\n", encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts[60:]]
    (folder / "b.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a thousand characters."""
    monkeypatch.setattr("lexigraft.retokenize.batches.CHARACTERS", 1000)


Retokenize = Callable[..., Summary]


@pytest.fixture
def run(tmp_path: Path, lexicon: Path, tiny_folders: dict[str, Path]) -> Retokenize:
    """`retokenize` with the lexicon above and a tiny byte-level tokenizer, in this process."""

    def call(corpus: Any, output: Any = None, **options: Any) -> Summary:
        options = {"workers": 1, **options}
        model = options.pop("model", tiny_folders["byte-tied"])
        words = options.pop("lexicon", lexicon)
        return retokenize(corpus, words, model, output or tmp_path / "ids", **options)

    return call


@pytest.fixture
def rows() -> Callable[[Path], list[dict[str, Any]]]:
    """Every document of every shard in a folder, in order."""
    import pyarrow.parquet as parquet

    def read(folder: Path) -> list[dict[str, Any]]:
        shards = sorted(folder.glob("part-*.parquet"))
        return [row for shard in shards for row in parquet.read_table(shard).to_pylist()]

    return read


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """What must not depend on workers and breaks: every file but the log of batches."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in ("batches.jsonl", ".lock")
        }

    return read
