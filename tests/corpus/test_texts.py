"""What was examined is never trained on, and nothing is trained on twice."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lexigraft.corpus import Text, reject_seen
from lexigraft.corpus.texts import eight_grams, without_repeats


def text(words: str, **fields: object) -> Text:
    return Text.model_validate({"text": words, "kind": "written", **fields})


LONG = "Nine words stand in this one sentence about a brundel."


def test_eight_grams_ignore_case_and_punctuation() -> None:
    assert eight_grams("One, two; THREE four five six seven") == set()
    assert eight_grams("One, two; THREE four five six seven eight!") == {
        ("one", "two", "three", "four", "five", "six", "seven", "eight")
    }
    assert len(eight_grams(LONG)) == 3


def test_a_text_that_shares_eight_words_is_rejected() -> None:
    inside = text("He wrote: nine words, stand in this one sentence about nothing.")
    seven = text("Nine words stand in this one sentence, he said, and left.")
    assert reject_seen([inside, seven], [LONG]) == [seven]


def test_a_short_text_is_rejected_when_its_words_are_the_same() -> None:
    short = [text("A ~[brundel] glows!"), text("A brundel glows here.")]
    assert reject_seen(short, ["a brundel glows"]) == short[1:]


def test_signs_alone_are_equal_to_themselves_only() -> None:
    assert reject_seen([text("⟁"), text("!")], ["⟁"]) == [text("!")]


def test_the_first_of_equal_texts_stays() -> None:
    texts = [text("A lamp.", term="x"), text("a  lamp.", term="y"), text("A lamp")]
    assert without_repeats(texts) == [texts[0], texts[2]]


def test_a_text_is_frozen_and_knows_its_fields() -> None:
    with pytest.raises(ValidationError):
        text("a", colour="red")
    with pytest.raises(ValidationError):
        text("a").text = "b"  # type: ignore[misc]
