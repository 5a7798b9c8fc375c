"""Which pieces are wanted: every form, bare and spaced, capitalised where the script has case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.lexicon.schema import Lexicon, Route, Term
from lexigraft.spelling.plan import capitalised, fires_inside_words, is_unspaced, wanted_pieces

Make = Callable[..., Lexicon]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("zorb", "Zorb"), ("энтелехия", "Энтелехия"), ("Zorb", "Zorb"), ("iPhone", "IPhone"),
        ("ßum", "ßum"), ("ŉdem", "ŉdem"), ("ǆep", "ǅep"), ("ⅷth", "Ⅷth"), ("渡灵", "渡灵"),
        ("⟁", "⟁"), ("e\u0301tat", "E\u0301tat"), ("", ""),
    ],
)  # fmt: skip
def test_capitals_that_come_back(form: str, expected: str) -> None:
    assert capitalised(form) == expected


def test_scripts_without_spaces() -> None:
    assert is_unspaced("渡灵")
    assert is_unspaced("กระ")
    assert not is_unspaced("zorb")
    assert not is_unspaced("배")


@pytest.mark.parametrize(
    ("word", "fields", "fires"),
    [
        ("zorb", {}, False),
        ("zorb", {"inside_words": True}, True),
        ("zorb", {"kind": "symbol"}, True),
        ("zorb", {"kind": "symbol", "inside_words": False}, False),
        ("⟁", {}, True),
        ("渡灵", {}, True),
        ("C++", {}, False),
    ],
)
def test_where_a_token_may_fire(word: str, fields: dict[str, Any], fires: bool) -> None:
    assert fires_inside_words(Term(term=word, definition=("a thing",), **fields)) is fires


def test_every_form_is_wanted_twice_and_capitals_come_last(lexicon: Make) -> None:
    terms = lexicon(Term(term="март", definition=("month",), forms=("марта",)), "Март", "x")
    routes: dict[str, Route] = {"март": "token", "Март": "token", "x": "marker"}
    wanted = wanted_pieces(terms, routes)
    assert [w.content for w in wanted] == [
        "март", " март", "марта", " марта", "Март", " Март", "Марта", " Марта"
    ]  # fmt: skip
    owners = {w.content: w.term for w in wanted}
    assert owners["Март"] == "Март"
    assert owners["Марта"] == "март"
