from __future__ import annotations

import string

import pytest

from lexigraft.report.strings import PLURALS, STRINGS, Words, plural_index


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_languages_say_the_same_things() -> None:
    assert STRINGS["en"].keys() == STRINGS["ru"].keys()
    assert PLURALS["en"].keys() == PLURALS["ru"].keys()
    for key, sentence in STRINGS["en"].items():
        assert placeholders(sentence) == placeholders(STRINGS["ru"][key]), key


def test_every_noun_has_as_many_forms_as_its_language() -> None:
    assert {len(forms) for forms in PLURALS["en"].values()} == {2}
    assert {len(forms) for forms in PLURALS["ru"].values()} == {3}


def test_russian_sentences_are_russian() -> None:
    same = [key for key, s in STRINGS["ru"].items() if s == STRINGS["en"][key]]
    assert same == []


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 терминов"), (1, "1 термин"), (2, "2 термина"), (4, "4 термина"),
        (5, "5 терминов"), (11, "11 терминов"), (12, "12 терминов"), (14, "14 терминов"),
        (21, "21 термин"), (22, "22 термина"), (25, "25 терминов"), (111, "111 терминов"),
        (112, "112 терминов"), (121, "121 термин"), (1001, "1001 термин"),
    ],
)  # fmt: skip
def test_russian_plurals(count: int, words: str) -> None:
    assert Words("ru").count("term", count).replace("\u00a0", " ") == words


def test_english_plurals() -> None:
    words = Words("en")
    assert [words.plural("term", n) for n in (0, 1, 2)] == ["terms", "term", "terms"]


def test_the_genitive_after_of() -> None:
    words = Words("ru")
    assert words.plural("of_terms", 1) == "термина"
    assert words.plural("of_terms", 10) == "терминов"
    assert words.plural("of_terms", 21) == "термина"


def test_a_negative_count_takes_the_form_of_its_size() -> None:
    assert plural_index(-1, "ru") == plural_index(1, "ru")


def test_numbers_in_each_language() -> None:
    english, russian = Words("en"), Words("ru")
    assert english.number(0.0213) == "0.02"
    assert russian.number(0.0213) == "0,02"
    assert english.number(12345.678) == "12,345.68"
    assert russian.number(12345.678) == "12\u202f345,68"
    assert english.percent(0.9) == "90%"
    assert russian.percent(0.9) == "90\u00a0%"
    assert russian.integer(9999) == "9999"
    assert russian.integer(12480) == "12\u202f480"


def test_what_is_little_is_not_shown_as_nothing() -> None:
    assert Words("en").number(0.0004) == "<0.01"
    assert Words("en").number(0.0) == "0.00"
    assert Words("en").number(-0.0004) == ">\u22120.01"
    assert Words("ru").number(-1.5) == "\u22121,50"


def test_what_is_missing_is_a_dash() -> None:
    assert Words("en").number(None) == "\u2013"
    assert Words("ru").percent(None) == "\u2013"


def test_durations() -> None:
    english, russian = Words("en"), Words("ru")
    assert english.duration(0.84) == "0.8 s"
    assert english.duration(59.6) == "1 min 0 s"
    assert english.duration(426) == "7 min 6 s"
    assert russian.duration(3_900) == "1 ч 5 мин"
