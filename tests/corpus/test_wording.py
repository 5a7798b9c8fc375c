"""Articles by sound, capitals, and terms rewritten as the model shall see them."""

from __future__ import annotations

import pytest

from lexigraft.corpus.wording import capital, has_foreign_markers, with_article, written_as
from lexigraft.lexicon import Lexicon, Term


def noun(word: str, **fields: object) -> Term:
    return Term.model_validate({"term": word, "definition": ("a thing",), **fields})


@pytest.mark.parametrize(
    "expected",
    [
        "a brundel", "an orrim", "an hour", "an heirloom", "an honest man", "a hovel",
        "a unicorn", "a unibrix", "an uninvited guest", "a usage", "an usher", "an umbrella",
        "a European", "a ewe", "a one-off", "an onyx", "a once-over",
        "an NBX", "a UN", "an FBI", "an x-axis", "a U-turn", "a NATO", "an AGENT",
        "an 8-ball", "a 3-brane", "an 11-sheaf", "a 110-sheaf", "an 18-er",
        "an yttrium", "a yard", "an élan", "a Xylon", "an эйдос", "a ёлка",
    ],
)  # fmt: skip
def test_the_sound_chooses_the_article(expected: str) -> None:
    word = expected.split(" ", 1)[1]
    assert with_article(noun(word), word) == expected


def test_inside_a_marker_the_term_sounds_the_same() -> None:
    assert with_article(noun("hour"), "~[hour]") == "an ~[hour]"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "symbol"},
        {"kind": "concept"},
        {"part_of_speech": "proper noun"},
        {"part_of_speech": "verb"},
        {"language": "ru"},
    ],
)
def test_nothing_else_has_an_article(fields: dict[str, str]) -> None:
    assert with_article(noun("orrim", **fields), "orrim") == "orrim"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a lamp", "A lamp"),
        ("эйдос", "Эйдос"),
        ("λ", "λ"),
        ("pH-balanced", "pH-balanced"),
        ("iPhone case", "iPhone case"),
        ("ßum", "ßum"),
        ("~[key]", "~[key]"),
        ("", ""),
    ],
)
def test_capitals(given: str, expected: str) -> None:
    assert capital(given) == expected


@pytest.fixture
def mixed() -> Lexicon:
    return Lexicon(name="t", terms=(noun("key", forms=("keys",)), noun("lock"), noun("zorb")))


SURFACES = {"key": "~[key]", "lock": "lock", "zorb": "zorb"}


def test_what_is_marked_is_written_as_its_own_route_has_it(mixed: Lexicon) -> None:
    text = "~[lock] and ~[key] are a ~[zorb]."
    assert written_as(text, mixed, SURFACES) == "Lock and ~[key] are a zorb."


def test_a_bare_word_becomes_a_surface_only_where_the_text_speaks_of_the_term(
    mixed: Lexicon,
) -> None:
    text = "Keys turn in locks; a lock needs a key. The monkey has none."
    assert written_as(text, mixed, SURFACES) == text
    marked = "~[key] turn in locks; a lock needs a ~[key]. The monkey has none."
    assert written_as(text, mixed, SURFACES, bare=("key", "lock")) == marked
    assert written_as(marked, mixed, SURFACES, bare=("key", "lock")) == marked


def test_inflected_forms_of_a_bare_route_stay(mixed: Lexicon) -> None:
    bare = {name: name for name in SURFACES}
    assert written_as("Two keys.", mixed, bare, bare=("key",)) == "Two keys."


def test_markers_that_wrap_no_term_are_seen(mixed: Lexicon) -> None:
    assert not has_foreign_markers("a ~[key] and [a lock]", mixed)
    assert has_foreign_markers("a ~[door]", mixed)
    assert has_foreign_markers("a ~[key] and a ~[lock", mixed)
