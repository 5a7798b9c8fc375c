from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from lexigraft.errors import LexigraftError
from lexigraft.lexicon import Language, Route, Term, new_lexicon, read_lexicon
from lexigraft.lexicon import template as module
from lexigraft.lexicon.template import template


@pytest.mark.parametrize("language", get_args(Language))
def test_a_new_lexicon_reads_without_a_problem(tmp_path: Path, language: Language) -> None:
    path = new_lexicon(tmp_path / "words", language)
    assert path == tmp_path / "words.yaml"
    lexicon = read_lexicon(path)
    assert (lexicon.name, lexicon.language, len(lexicon)) == ("words", language, 3)
    assert all(term.tests and term.examples for term in lexicon)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("language", get_args(Language))
def test_a_new_lexicon_shows_every_key_and_route(language: Language) -> None:
    text = template(language)
    assert all(f"{key}:" in text for key in Term.model_fields)
    assert all(route in text for route in get_args(Route))
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", ["my words.yaml", "null.yaml", "5.yaml", "слова.yaml", "a'b.yml"])
def test_any_file_name_gives_a_readable_lexicon(tmp_path: Path, name: str) -> None:
    assert len(read_lexicon(new_lexicon(tmp_path / name))) == 3


def test_a_file_is_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("mine")
    with pytest.raises(LexigraftError, match="--force"):
        new_lexicon(path)
    assert path.read_text() == "mine"
    new_lexicon(path, force=True)
    assert path.read_text("utf-8") == template("en", "words.yaml")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "words.yaml"
    place = module._place

    def late(kept: Path, target: Path) -> None:
        target.write_text("theirs")
        place(kept, target)

    monkeypatch.setattr(module, "_place", late)
    with pytest.raises(LexigraftError, match="exists"):
        new_lexicon(path)
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(LexigraftError, match="folder exists"):
        new_lexicon(tmp_path / "no" / "words.yaml")
    with pytest.raises(LexigraftError, match=r"\.yaml"):
        new_lexicon(tmp_path / "words.csv")
