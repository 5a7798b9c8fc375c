"""Rules that need no model, on questions whose answers are known."""

from __future__ import annotations

import pytest

from lexigraft.checks.baselines import baselines
from lexigraft.checks.ranking import Ranking

MEANINGS = {"orrim": "a small lamp for miners", "vask": "a long rope", "tolpa": "шахтёрская лампа"}
OPTIONS = {"orrim": "orrim", "vask": "vask", "tolpa": "tolpa"}


def ask(right: str, question: str) -> Ranking:
    return Ranking(right, question, right, dict.fromkeys(MEANINGS, 0.0))


def test_each_rule_answers_in_its_own_way() -> None:
    found = baselines(
        [
            ask("orrim", "The ____ lit the miner's face."),
            ask("vask", "Ropes and more ropes: a ____ lasts longer."),
            ask("vask", "The ____ tore."),
            ask("tolpa", "Нужны ____ и шахтёрские сапоги."),
        ],
        OPTIONS,
        MEANINGS,
    )
    assert found["majority"] == 0.5
    # "orrim" and "tolpa" share the greatest length, so each is worth a half
    assert found["longest"] == pytest.approx((0.5 + 0.5) / 4)
    # miner's/miners, Ropes/rope is no stem of five letters; the third shares no word: a third
    assert found["overlap"] == pytest.approx((1 + 1 / 3 + 1 / 3 + 1) / 4)


def test_no_question_no_baseline() -> None:
    assert baselines([], OPTIONS, MEANINGS) == {}
