from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lexigraft.errors import MarkerError
from lexigraft.lexicon import (
    SLOT,
    Kind,
    Lexicon,
    Marker,
    Term,
    find,
    find_term,
    frame,
    inflect,
    mark,
    mark_stream,
    marked_terms,
    unmark,
)

TILDE = Marker()


def term(word: str, *forms: str, kind: Kind = "word", **more: object) -> Term:
    return Term(term=word, definition=("d",), kind=kind, forms=forms, **more)  # type: ignore[arg-type]


def lexicon_of(*terms: Term, marker: Marker = TILDE) -> Lexicon:
    return Lexicon(name="words", marker=marker, terms=terms)


EIDOS = term("эйдос", *inflect("эйдос", "noun", "ru"), kind="concept")
ENTELECHY = term("энтелехия", *inflect("энтелехия", "noun", "ru"), kind="concept")
GREEK = lexicon_of(EIDOS, ENTELECHY)


def found(text: str, one: Term) -> list[str]:
    return [text[place.start : place.end] for place in find_term(text, one, TILDE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zorb", ["zorb"]),
        ("A zorb, two zorbs; zorb's zorb-like “zorb”.", ["zorb", "zorbs", "zorb", "zorb", "zorb"]),
        ("Zorb and Zorbs", ["Zorb", "Zorbs"]),
        ("ZORB", []),
        ("zorba unzorb zorb_x 1zorb zorb2", []),
        ("zorb\u0301 and zorb\u00ad", []),
        ("❤️zorb", ["zorb"]),
        ("a ~[zorb] b", ["~[zorb]"]),
        ("a ~[zorbs] b ~[big zorb] c", []),
        ("an open ~[zorb", ["zorb"]),
        ("~[other zorb", ["zorb"]),
    ],
)
def test_words_are_found_at_the_edges_of_words(text: str, expected: list[str]) -> None:
    assert found(text, term("zorb", "zorbs")) == expected


def test_an_occurrence_says_where_which_form_and_whether_marked() -> None:
    text = "Энтелехию ведёт ~[энтелехия]."
    bare, marked = find_term(text, ENTELECHY, TILDE)
    assert (bare.start, bare.end, bare.form, bare.marked) == (0, 9, "энтелехию", False)
    assert (marked.start, marked.end, marked.form, marked.marked) == (16, 28, "энтелехия", True)
    assert marked.term == "энтелехия"


@pytest.mark.parametrize(
    ("word", "kind", "text", "expected"),
    [
        ("𝕽", "symbol", "a𝕽b 𝕽", ["𝕽", "𝕽"]),
        ("❤", "symbol", "I ❤️ it ❤", ["❤️", "❤"]),
        ("👩", "symbol", "👩‍🚀 👩🏽 👩", ["👩"]),
        ("🚀", "symbol", "👩‍🚀 🚀", ["🚀"]),
        ("👩‍🚀", "symbol", "x👩‍🚀y", ["👩‍🚀"]),
        ("C++", "word", "C++ xC++ C+++", ["C++", "C++"]),
        (".zorb", "word", "a.zorb .zorbs", [".zorb"]),
        ("e", "symbol", "e\u0301 ehe", ["e", "e"]),
        ("\ue123", "word", "x \ue123 y", ["\ue123"]),
        ("שלוםית", "word", "אמר שלוםית היום", ["שלוםית"]),
        ("नमस्ते", "word", "नमस्ते नमस्तेक", ["नमस्ते"]),
    ],
)
def test_every_script_and_symbol(word: str, kind: Kind, text: str, expected: list[str]) -> None:
    assert found(text, term(word, kind=kind)) == expected


def test_an_occurrence_at_the_end_of_a_text_ends_there() -> None:
    lexicon = lexicon_of(term("zorb"), term("zorb-like"))
    assert [(o.start, o.end) for o in find("a zorb", lexicon)] == [(2, 6)]


def test_a_term_may_fire_inside_words_when_told_so() -> None:
    assert found("unzorbed", term("zorb", inside_words=True)) == ["zorb"]


def test_spellings_that_look_alike_are_one() -> None:
    composed = term("зайцéр ёж")
    for spelling in (
        "зайцéр ёж",
        unicodedata.normalize("NFD", "зайцéр ёж"),
        unicodedata.normalize("NFC", "зайцéр ёж"),
        "зайцéр\u00a0ёж",
        "Зайцéр еж",
    ):
        assert found(f"вот {spelling} здесь", composed) == [spelling]
    assert found("o’zorb o'zorb", term("o'zorb")) == ["o’zorb", "o'zorb"]
    assert found("еж", term("ёж")) == ["еж"]
    assert found("ёж", term("еж")) == []


def test_the_longest_form_wins_and_shadows_shorter_terms() -> None:
    lexicon = lexicon_of(term("organ"), term("living organ", "living organs"), term("organs"))
    places = find("A living organ, a living organs, an organ.", lexicon)
    assert [place.term for place in places] == ["living organ", "living organ", "organ"]


def test_a_form_as_listed_beats_another_terms_variant() -> None:
    lexicon = lexicon_of(term("mark"), term("Mark"))
    assert [place.term for place in find("Mark mark", lexicon)] == ["Mark", "mark"]


def test_a_frame_holds_a_slot_for_every_occurrence() -> None:
    text = "Эйдосу снится ~[эйдос], эйдосы и ~[энтелехия]."
    assert frame(text, EIDOS, TILDE) == f"{SLOT} снится {SLOT}, {SLOT} и ~[энтелехия]."
    assert frame("ничего", EIDOS, TILDE) == "ничего"


def test_marking_writes_the_dictionary_form_once() -> None:
    text = "Эйдосами полна энтелехия; ~[эйдос] один, псевдоэйдос другой."
    marked = "~[эйдос] полна ~[энтелехия]; ~[эйдос] один, псевдоэйдос другой."
    assert mark(text, GREEK) == marked
    assert mark(marked, GREEK) == marked
    assert unmark(marked, GREEK) == "эйдос полна энтелехия; эйдос один, псевдоэйдос другой."


def test_what_is_marked_by_default() -> None:
    word, concept = term("zorb"), term("mood", kind="concept")
    routed, token = term("vorp", route="marker"), term("state", kind="concept", route="token")
    assert marked_terms(lexicon_of(word, concept, routed, token)) == ("vorp",)
    assert marked_terms(lexicon_of(word, concept, token)) == ("mood",)
    assert marked_terms(lexicon_of(word, token)) == ("zorb", "state")
    assert mark("zorb mood vorp", lexicon_of(word, concept, routed)) == "zorb mood ~[vorp]"
    assert mark("zorb mood", lexicon_of(word, concept), ["zorb"]) == "~[zorb] mood"


def test_a_term_that_stays_bare_still_shadows_what_it_contains() -> None:
    lexicon = lexicon_of(term("zorb", route="marker"), term("zorb bird", route="token"))
    assert mark("a zorb bird, a zorb", lexicon) == "a zorb bird, a ~[zorb]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb ~[эйдс]", "line 2, column 3: “~[эйдс]” names no term of the lexicon (did you mean"),
        ("~[] x", "line 1, column 1: “~[]” names no term"),
        ("~[Эйдос]", "inside a marker write “~[эйдос]”"),
        ("об ~[эйдосе]", "line 1, column 4: “~[эйдосе]” is not the dictionary form"),
        ("x ~[эйдос", "column 3: the marker “~[” is not closed"),
        ("x ~[эйдос\n]", "is not closed"),
        ("~[эй ~[эйдос]", "line 1, column 1: the marker “~[” is not closed"),
    ],
)
def test_a_faulty_marker_is_reported_and_never_guessed(text: str, expected: str) -> None:
    for rewrite in (mark, unmark):
        with pytest.raises(MarkerError) as caught:
            rewrite(text, GREEK)
        assert expected in str(caught.value)
        assert str(caught.value).count("\n") == 0


def test_all_faulty_markers_of_a_text_are_reported_together() -> None:
    with pytest.raises(MarkerError) as caught:
        unmark("~[a] ~[эйдос] ~[b]\n~[c", GREEK)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "line 1, column 1",
        "line 1, column 15",
        "line 2, column 1",
    ]


def test_a_stream_is_read_line_by_line() -> None:
    taken: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in enumerate(["эйдос\n", "нет\r\n", "~[нет]\n", "эйдос"]):
            taken.append(number)
            yield line

    stream = mark_stream(lines(), GREEK)
    assert next(stream) == "~[эйдос]\n"
    assert taken == [0]
    assert next(stream) == "нет\r\n"
    with pytest.raises(MarkerError, match="line 3, column 1"):
        next(stream)
    assert list(mark_stream(["~[эйдос]"], GREEK, undo=True)) == ["эйдос"]


@pytest.mark.parametrize(
    "marker",
    [
        TILDE,
        Marker(open="[[", close="]]"),
        Marker(open="«", close="»"),
        Marker(open="(*", close="*)"),
        Marker(open="<concept>", close="</concept>"),
        Marker(open="'", close="`"),
    ],
)
def test_the_markers_syntax_is_the_lexicons_to_set(marker: Marker) -> None:
    lexicon = lexicon_of(EIDOS, ENTELECHY, marker=marker)
    marked = mark("эйдосы и энтелехией", lexicon)
    assert marked == f"{marker.wrap('эйдос')} и {marker.wrap('энтелехия')}"
    assert mark(marked, lexicon) == marked
    assert unmark(marked, lexicon) == "эйдос и энтелехия"


def test_signs_that_touch_a_marker() -> None:
    brackets = lexicon_of(term("zorb", kind="concept"), marker=Marker(open="[[", close="]]"))
    assert mark("[zorb]", brackets) == "[[[zorb]]]"
    assert mark("[[[zorb]]]", brackets) == "[[[zorb]]]"
    assert unmark("[[[zorb]]]", brackets) == "[zorb]"
    tilde = lexicon_of(term("~", kind="symbol"), term("a~"), term("♦", kind="symbol"))
    once = mark("a♦ ~ a~", tilde)
    assert once == "a~[♦] ~[~] ~[a~]"
    assert mark(once, tilde) == once


WORDS = [
    "zorb",
    "zorbs",
    "Zorbs",
    "vorp",
    "𝕽",
    "unzorb",
    "living",
    "organ",
    "organs",
    "→",
    "♦",
    "❤️",
]
MIXED = lexicon_of(
    term("zorb", "zorbs", "zorbed", kind="concept"),
    term("living organ", "living organs", kind="concept"),
    term("organ", "organs", kind="concept"),
    term("o'vorp", kind="concept"),
    term("𝕽", kind="concept", inside_words=True),
    term("❤", kind="symbol"),
    term("♦~", "♦", kind="symbol"),
)
EVERY = tuple(one.term for one in MIXED)
PIECES = st.one_of(
    st.sampled_from([*WORDS, *EVERY, *(TILDE.wrap(word) for word in EVERY)]),
    st.sampled_from([" ", " ", ", ", "\n", "~", "[", "]", "-", "’", "\u0301", "\u200d", "\u00a0"]),
    st.text(max_size=3),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def marked_or_none(text: str) -> str | None:
    try:
        return mark(text, MIXED, EVERY)
    except MarkerError:
        return None


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_marking_twice_is_marking_once(text: str) -> None:
    marked = marked_or_none(text)
    assume(marked is not None)
    assert marked is not None
    assert mark(marked, MIXED, EVERY) == marked


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_unmarking_gives_back_the_text_but_for_the_forms(text: str) -> None:
    marked = marked_or_none(text)
    assume(marked is not None)
    assert marked is not None
    plain = unmark(marked, MIXED)
    expected, position = "", 0
    for place in find(text, MIXED):
        expected += text[position : place.start] + place.term
        position = place.end
    assert plain == expected + text[position:]


@given(st.lists(st.sampled_from(["zorb", "organ", "the", "❤", "living organ"]), max_size=9))
def test_dictionary_forms_survive_the_round_trip(words: list[str]) -> None:
    text = " , ".join(words)
    marked = mark(text, MIXED, EVERY)
    assert unmark(marked, MIXED) == text
    assert marked.count("~[") == sum(word != "the" for word in words)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_frame_and_its_occurrences_agree(text: str) -> None:
    assume(SLOT not in text)
    for one in MIXED:
        places = find_term(text, one, TILDE)
        framed = frame(text, one, TILDE)
        assert framed.count(SLOT) == len(places)
        assert all(left.end <= right.start for left, right in pairwise(places))
        parts = framed.split(SLOT)
        rebuilt = "".join(
            part + text[place.start : place.end] for part, place in zip(parts, places, strict=False)
        )
        assert rebuilt + parts[-1] == text


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_a_stream_of_lines_gives_the_same_as_the_whole_text(text: str) -> None:
    marked = marked_or_none(text)
    assume(marked is not None)
    assert marked is not None
    lines = text.split("\n")
    lexicon = MIXED.model_copy(
        update={"terms": tuple(one.model_copy(update={"route": "marker"}) for one in MIXED)}
    )
    assert "\n".join(mark_stream(lines, lexicon)) == marked


def test_thousands_of_terms_are_found_in_a_long_text_at_once() -> None:
    many = lexicon_of(*(term(f"zorb{chr(97 + n % 26)}x{n}", kind="concept") for n in range(5000)))
    text = "the zorb of zorbax0 and zorbix8 is nowhere to be found " * 4000
    mark("", many)
    start = time.process_time()
    marked = mark(text, many)
    assert time.process_time() - start < 5
    assert marked.count("~[") == 8000
