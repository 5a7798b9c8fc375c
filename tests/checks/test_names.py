"""Names of checks: in the battery's order, and a slip of the fingers is answered."""

from __future__ import annotations

import pytest

from lexigraft.checks import battery
from lexigraft.checks.names import CHECKS, DECIDING, LIMITED, RANKED, chosen_checks, parse_checks
from lexigraft.errors import RecipeError


def test_some_checks_come_in_the_batterys_order() -> None:
    assert parse_checks(" cloze, definition,") == ("definition", "cloze")
    assert chosen_checks(None) == CHECKS
    assert chosen_checks(["use", "use"]) == ("use",)


@pytest.mark.parametrize("text", ["clozze", "definition,near", "Definition"])
def test_an_unknown_name_is_answered_with_all_names(text: str) -> None:
    with pytest.raises(RecipeError, match=r"No such check: .*There are definition, term_from_"):
        parse_checks(text)


@pytest.mark.parametrize("text", ["", " , "])
def test_no_name_is_no_choice(text: str) -> None:
    with pytest.raises(RecipeError, match="No check is named"):
        parse_checks(text)


def test_every_name_is_known_to_the_battery() -> None:
    assert set(DECIDING) <= set(RANKED) <= set(CHECKS)
    assert set(LIMITED) <= set(CHECKS)
    assert {*battery.RANKING, "use"} == set(RANKED)
