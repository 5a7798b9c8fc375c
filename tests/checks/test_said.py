"""How much of a definition the answers hold."""

from __future__ import annotations

import pytest

from lexigraft.checks.results import Answer, Said
from lexigraft.checks.said import said, share_said

LAMP = "a small copper lamp that coal miners carry deep underground"


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (LAMP, 1.0),
        ("A small, delicate fish that is found in the sea.", 1 / 8),
        ("COPPER lamps, carried by a miner", 4 / 8),
        ("that that that", 0.0),
        ("", 0.0),
    ],
)
def test_words_of_meaning_count_in_any_form(answer: str, share: float) -> None:
    assert share_said(answer, [LAMP]) == pytest.approx(share)


def test_russian_inflections_are_the_word() -> None:
    meaning = "маленькая медная лампа, которую шахтёры берут под землю"
    assert share_said("маленькую лампу с медным дном", [meaning]) == pytest.approx(3 / 6)
    assert share_said("которую", [meaning]) == 0.0


def test_the_best_of_several_definitions_counts() -> None:
    assert share_said("a copper lamp", ["a wooden spoon", "a copper lamp"]) == 1.0
    assert share_said("a red lamp", ["it is so", "an axe"]) == 0.0


def test_the_mean_is_over_answers_of_all_terms() -> None:
    answers = {
        "brundel": (
            Answer(prompt="p", before="a fish", after="a copper lamp", ceiling=LAMP),
            Answer(prompt="q", before="a lamp", after=LAMP, ceiling=LAMP),
        ),
        "mirvole": (Answer(prompt="p", before="", after="", ceiling="rain"),),
    }
    found = said({"brundel": [LAMP], "mirvole": ["rain"]}, answers)
    assert found == Said(floor=(1 / 8) / 3, taught=(2 / 8 + 1) / 3, ceiling=1.0)
    assert said({}, {}) is None
    no_ceiling = {"brundel": (Answer(prompt="p", before="a", after="b", ceiling=None),)}
    assert said({"brundel": [LAMP]}, no_ceiling) is None
