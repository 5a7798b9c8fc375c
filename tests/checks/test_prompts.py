"""The line that holds a definition, and prompts that no two checks share."""

from __future__ import annotations

import pytest

from lexigraft.checks.prompts import (
    ANSWER_PROMPTS,
    DEFINITION_PROMPTS,
    NEUTRAL_FRAMES,
    RELATED_PROMPTS,
    TERM_PROMPTS,
    USE_STARTS,
    definition_line,
)
from lexigraft.corpus.wording import capital


@pytest.mark.parametrize(
    ("surface", "shown"),
    [
        ("zorblax", "Zorblax"),
        ("эйдос", "Эйдос"),
        ("λ", "λ"),
        ("pH-balanced", "pH-balanced"),
        ("ßum", "ßum"),
        ("~[эйдос]", "~[эйдос]"),
        ("ice cream", "Ice cream"),
    ],
)
def test_a_capital_leaves_a_symbol_the_same(surface: str, shown: str) -> None:
    assert definition_line(surface, "a thing.") == f"{shown}: a thing.\n"
    assert capital(surface) == shown, "as the training texts have it"


@pytest.mark.parametrize("table", [ANSWER_PROMPTS, DEFINITION_PROMPTS, NEUTRAL_FRAMES, USE_STARTS])
def test_every_prompt_has_a_place_for_the_term_in_both_languages(table: object) -> None:
    assert isinstance(table, dict)
    assert set(table) == {"en", "ru"}
    assert len(table["en"]) == len(table["ru"])
    for frame in (*table["en"], *table["ru"]):
        assert "{term}" in frame
        assert frame == frame.strip(), "no tokenizer likes a prompt that ends in a space"


@pytest.mark.parametrize(
    ("table", "slot"), [(TERM_PROMPTS, "definition"), (RELATED_PROMPTS, "word")]
)
def test_other_prompts_have_their_own_place(table: dict[str, tuple[str, ...]], slot: str) -> None:
    assert set(table) == {"en", "ru"}
    for frame in (*table["en"], *table["ru"]):
        assert f"{{{slot}}}" in frame
        assert frame == frame.strip()
