"""Where terms stand: the quick way finds what the slow one finds; passages are bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from lexigraft.lexicon import Lexicon, Term, find
from lexigraft.lexicon.occurrences import Finder
from lexigraft.retokenize import spotting
from lexigraft.retokenize.spotting import Sieve, Spotter, passage


def term(word: str, **fields: Any) -> Term:
    return Term(term=word, definition=("a thing",), **fields)


LEXICON = Lexicon(
    name="words",
    terms=(
        term("zorb"),
        term("zorb-like", forms=("zorb-likes",)),
        term("ёлочка", language="ru"),
        term("∇", kind="symbol"),
        term("don't"),
        term("lin", inside_words=True),
        term("two words"),
        term("é"),
    ),
)
FINDER = Finder(LEXICON.terms, LEXICON.marker)
ALPHABET = [
    "zorb", "Zorb", "zorb-like", "ёлочка", "Елочка", "∇", "don’t", "don't", "lin", "two", "words",
    "two\u00a0words", "e\u0301", "é", "~[", "]", "~[zorb]", "_", "'", "-", "\u0301", "x", "ʼ",
]  # fmt: skip
texts = some.lists(some.sampled_from([*ALPHABET, " ", " ", "\n", ". "]), max_size=12).map("".join)


@given(texts)
def test_the_sieve_loses_nothing(text: str) -> None:
    found = {occurrence.term for occurrence in find(text, LEXICON)}
    assert Sieve(FINDER).may_hold(text) or not found
    for name in ("zorb", "∇", "lin", "don't", "ёлочка"):
        assert Sieve(FINDER, {name}).may_hold(text) or name not in found


def test_the_sieve_rules_out() -> None:
    sieve = Sieve(FINDER, {"zorb", "ёлочка"})
    assert not sieve.may_hold("zorblax and lin, ∇ and ёлка: don't")
    assert sieve.may_hold("a Zorb")


@given(some.lists(texts, max_size=4).map("\n".join))
def test_line_by_line_is_the_same(text: str) -> None:
    spotter = Spotter(LEXICON, {"zorb"})
    wanted = [(found.start, found.end, found.term) for found in find(text, LEXICON)]
    limit, spotting._LONG = spotting._LONG, 0
    try:
        assert [(a, b, found.term) for a, b, found in spotter.occurrences(text)] == wanted
    finally:
        spotting._LONG = limit


def around(text: str, word: str) -> str:
    start = text.index(word)
    return passage(text, start, start + len(word))


def test_a_passage_is_the_sentence() -> None:
    long = "A sentence that is long enough to stand alone with the zorb in its very middle."
    assert around(f"Something before it. {long} Something after it.", "zorb") == long
    assert around(f"Before.\n\n{long}\n\nAfter.", "zorb") == long
    wrapped = long.replace(" enough", "\n  enough")
    assert around(f"x. {wrapped}", "zorb") == long


def test_a_short_sentence_takes_its_neighbours_in() -> None:
    text = (
        "The first sentence is here. A zorb! It is a brass thing that few miners do not know well."
    )
    assert around(text, "zorb") == text.partition(". ")[2]
    text = "The sentence before the last one is long enough for the two of them. A zorb!"
    assert around(text, "zorb") == text
    assert around("zorb", "zorb") == "zorb"


def test_abbreviations_before_small_letters_end_nothing() -> None:
    text = "Это вещь, т. е. предмет, который называется «ёлочка» и стоит в углу комнаты. Конец."
    assert around(text, "ёлочка") == text.removesuffix(" Конец.")


@given(some.text(alphabet="a .\n", max_size=900), some.text(alphabet="a .\n", max_size=900))
def test_a_passage_is_bounded_and_holds_its_term(before: str, after: str) -> None:
    text = f"{before} zorb {after}"
    start = len(before) + 1
    found = passage(text, start, start + 4)
    assert "zorb" in found
    assert len(found) <= 404
    assert found == " ".join(found.split())
    assert found in " ".join(text.split())
