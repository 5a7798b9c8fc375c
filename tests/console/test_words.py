"""Both languages say everything, with the same values."""

from __future__ import annotations

from string import Formatter

import pytest

from lexigraft.console.words import WORDS, say


@pytest.mark.parametrize("key", WORDS)
def test_every_sentence_is_in_both_languages_with_the_same_values(key: str) -> None:
    sentences = WORDS[key]
    assert set(sentences) == {"en", "ru"}
    fields = {
        language: {name for _, name, _, _ in Formatter().parse(text) if name}
        for language, text in sentences.items()
    }
    assert fields["en"] == fields["ru"]
    assert not any("а" <= letter <= "я" for letter in sentences["en"].lower())


def test_values_are_filled_in() -> None:
    assert say("limit", "ru", limit="0,05") == " (предел 0,05)"
