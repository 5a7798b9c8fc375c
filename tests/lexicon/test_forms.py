from __future__ import annotations

import builtins
from typing import Any

import pytest

from lexigraft.errors import LexigraftError
from lexigraft.lexicon import forms, inflect


def test_a_russian_noun_has_every_case_and_number() -> None:
    assert inflect("эйдос", "noun", "ru") == (
        "эйдоса", "эйдосу", "эйдосом", "эйдосе",
        "эйдосы", "эйдосов", "эйдосам", "эйдосами", "эйдосах",
    )  # fmt: skip
    assert {"энтелехии", "энтелехию", "энтелехией", "энтелехий"} <= set(
        inflect("энтелехия", "noun", "ru")
    )


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("зорблакс", "зорблаксами"),
        ("мурвель", "мурвелью"),
        ("брелоша", "брелошами"),
        ("ножницы", "ножницами"),
    ],
)
def test_invented_and_plural_russian_nouns_are_predicted(term: str, expected: str) -> None:
    found = inflect(term, "noun", "ru")
    assert expected in found
    assert term not in found


def test_russian_capitals_are_kept() -> None:
    assert inflect("Зорбия", "proper noun", "ru") == ("Зорбии", "Зорбию", "Зорбией")


def test_a_russian_phrase_inflects_its_head_and_what_agrees_with_it() -> None:
    assert "живым организмам" in inflect("живой организм", "noun", "ru")
    assert "живого организма" in inflect("живой организм", "noun", "ru")
    assert "сияющую мурвель" in inflect("сияющая мурвель", "noun", "ru")
    assert "вещью в себе" in inflect("вещь в себе", "noun", "ru")
    assert all(form.endswith(" цели") for form in inflect("форма цели", "noun", "ru"))
    assert "бьёт баклуши" in inflect("бить баклуши", "verb", "ru")


@pytest.mark.parametrize("verb", ["квазить", "зорбать", "флюмкаться", "фликнуть"])
def test_russian_verbs_are_finite_and_have_no_participles(verb: str) -> None:
    found = inflect(verb, "verb", "ru")
    past = verb.replace("ться", "лся").replace("ть", "л")
    assert past in found
    assert len(found) > 10
    assert not any(form.endswith(("вший", "вшего", "вшийся")) for form in found)


def test_a_russian_adjective_has_gender_case_and_number() -> None:
    assert {"глюкавая", "глюкавого", "глюкавыми"} <= set(inflect("глюкавый", "adjective", "ru"))


@pytest.mark.parametrize(
    ("term", "part_of_speech", "expected"),
    [
        ("zorblax", "noun", ("zorblaxes",)),
        ("vorpy", "noun", ("vorpies",)),
        ("zorblas", "noun", ("zorblases",)),
        ("mother of pearl", "noun", ("mothers of pearl",)),
        ("mood-lag", "noun", ("mood-lags",)),
        ("Brindle", "proper noun", ("Brindles",)),
        ("glim", "verb", ("glims", "glimming", "glimmed")),
        ("snorbel", "verb", ("snorbels", "snorbeling", "snorbeled")),
        ("vorpe", "verb", ("vorpes", "vorping", "vorped")),
        ("drizzify", "verb", ("drizzifies", "drizzifying", "drizzified")),
        ("quip", "verb", ("quips", "quipping", "quipped")),
        ("glim out", "verb", ("glims out", "glimming out", "glimmed out")),
    ],
)
def test_english_is_regular(term: str, part_of_speech: Any, expected: tuple[str, ...]) -> None:
    assert inflect(term, part_of_speech, "en") == expected


@pytest.mark.parametrize(
    ("term", "part_of_speech", "language"),
    [
        ("𝕽", "noun", "ru"),
        ("👩‍🚀", "noun", "en"),
        ("NATO", "noun", "en"),
        ("НАТО", "noun", "ru"),
        ("x", "noun", "en"),
        ("zorb", "noun", "ru"),
        ("зорб", "noun", "en"),
        ("C++", "noun", "en"),
        ("quickly", "adverb", "en"),
        ("to zorb or not", "phrase", "en"),
        ("ни рыба ни мясо", "phrase", "ru"),
        ("", "noun", "en"),
    ],
)
def test_what_cannot_be_inflected_has_no_forms(
    term: str, part_of_speech: Any, language: Any
) -> None:
    assert inflect(term, part_of_speech, language) == ()


@pytest.mark.parametrize(("library", "language"), [("pymorphy3", "ru"), ("inflect", "en")])
def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, library: str, language: Any
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == library:
            raise ImportError(name)
        return real(name, *rest, **more)

    forms._morphology.cache_clear()
    forms._plurals.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LexigraftError, match=f"pip install {library}"):
        inflect("зорб" if language == "ru" else "zorb", "noun", language)
