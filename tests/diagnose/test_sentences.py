"""The sentences of a diagnosis: both languages say the same things, with the same numbers."""

from __future__ import annotations

import re
import string
from typing import get_args

import pytest

from lexigraft.diagnose.sentences import CHANGES, REASONS, byte_count, say, say_change, truths
from lexigraft.host import Family
from lexigraft.lexicon import Language


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", [*REASONS, *(f"change {key}" for key in CHANGES)])
def test_both_languages_have_the_same_fields(key: str) -> None:
    table = CHANGES[key[7:]] if key.startswith("change ") else REASONS[key]
    assert set(table) == set(get_args(Language))
    assert fields(table["en"]) == fields(table["ru"])
    assert re.search("[а-яё]", table["ru"])
    assert not re.search("[а-яё]", table["en"])


def test_sentences_are_filled_in() -> None:
    assert say("given", "en", route="token") == "The route was given, not chosen: token."
    assert say_change("marked", "ru", surface="~[эйдос]").startswith("Пишется ~[эйдос];")


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("family", get_args(Family))
def test_every_family_has_a_truth(family: Family, language: Language) -> None:
    whole = truths(language, family=family, vocabulary=9, rows=9, spare_rows=0, tied=True)
    assert len(whole) == 4
    unknown = truths(language, family=family, vocabulary=9, rows=None, spare_rows=None, tied=None)
    assert len(unknown) == 2
    assert unknown[0] == whole[0]


def qwen(language: Language, tied: bool = False) -> tuple[str, ...]:
    return truths(
        language,
        family="byte-level BPE",
        vocabulary=151_669,
        rows=151_936,
        spare_rows=267,
        tied=tied,
    )


def test_the_facts_about_qwen_are_right() -> None:
    family, rows, ties, _ = qwen("en")
    assert "not SentencePiece" in family
    assert "151,669 tokens, 151,936 rows, so 267 spare rows" in rows
    assert "two rows" in ties
    assert "one row" in qwen("en", tied=True)[2]
    assert "151\u00a0669, строк 151\u00a0936" in qwen("ru")[1]


@pytest.mark.parametrize(
    ("count", "english", "russian"),
    [
        (0, "0 bytes", "0 байт"),
        (999, "999 bytes", "999 байт"),
        (13_500, "13.5 kB", "13,5 КБ"),
        (999_960, "1.0 MB", "1,0 МБ"),
        (2_500_000_000_000, "2500.0 GB", "2500,0 ГБ"),
    ],
)
def test_bytes_for_a_reader(count: int, english: str, russian: str) -> None:
    assert byte_count(count, "en") == english
    assert byte_count(count, "ru") == russian
