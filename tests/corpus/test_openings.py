"""Openings: one place for the term, in a sentence that suits its part of speech."""

from __future__ import annotations

from typing import get_args

import pytest

from lexigraft.corpus.openings import openings
from lexigraft.lexicon import Language, PartOfSpeech


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("speech", get_args(PartOfSpeech))
def test_every_part_of_speech_has_openings(language: Language, speech: PartOfSpeech) -> None:
    found = openings(language, speech, "zorb")
    assert len(set(found)) == len(found) >= 4
    assert all(text.lower().count("zorb") == 1 for text in found)
    assert not any("{" in text for text in found)


def test_a_verb_has_no_article() -> None:
    assert not any("the glim" in text.lower() for text in openings("en", "verb", "glim"))
    assert openings("en", "noun", "~[key]")[0] == "The ~[key]"
    assert openings("ru", "noun", "эйдос")[0] == "Эйдос"
