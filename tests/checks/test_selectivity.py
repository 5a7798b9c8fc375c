"""Selectivity, with chosen likelihoods: who rises, the marked word or the bare one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks.prompts import DEFINITION_PROMPTS
from lexigraft.checks.selectivity import selectivity, summary_of
from lexigraft.lexicon import Lexicon

Rig = Callable[[Callable[[str, str], float]], Any]
MARKED, IDEA = "~[эйдос]", "the idea of a thing"


def is_bare(before: str) -> bool:
    return "эйдос" in before.replace(MARKED, "")


def always(before: str, scored: str) -> float:
    return -20.0


def judge(rigged: Rig, taught: Callable[[str, str], float], about: Any) -> Any:
    return selectivity(rigged(always), rigged(taught), *about)


@pytest.fixture
def about(lexicon: Lexicon, surfaces: Any, untaught: Any) -> tuple[Any, ...]:
    return lexicon, surfaces, untaught


def test_a_marked_word_that_rises_alone_is_selective(rigged: Rig, about: Any) -> None:
    def taught(before: str, scored: str) -> float:
        return -20.0 + 6.0 * (MARKED in before and IDEA in scored)

    scores = judge(rigged, taught, about)
    assert list(scores) == ["эйдос"], "only terms in markers are asked about"
    score = scores["эйдос"]
    assert (score.passed, score.taught) == (True, 1.0)
    assert len(score.items) == len(DEFINITION_PROMPTS["en"])
    for item in score.items:
        assert (item.rank, item.chosen, item.margin) == (1, MARKED, 6.0)
        assert MARKED in item.question
    summary = summary_of(scores)
    assert summary is not None
    assert (summary.taught, summary.questions, summary.standard_error) == (1.0, 3, None)


@pytest.mark.parametrize(("bare", "passed"), [(2.9, True), (3.0, True), (3.1, False), (6.0, False)])
def test_a_bare_word_may_change_half_as_much(
    rigged: Rig, about: Any, bare: float, passed: bool
) -> None:
    def taught(before: str, scored: str) -> float:
        return -20.0 + 6.0 * (MARKED in before) + bare * is_bare(before)

    score = judge(rigged, taught, about)["эйдос"]
    assert score.passed is passed
    assert {i.chosen for i in score.items} == {MARKED if passed else "эйдос"}
    assert score.items[0].margin == pytest.approx(6.0 - bare)


def test_what_every_marked_word_gains_is_no_rise(rigged: Rig, about: Any) -> None:
    score = judge(rigged, lambda before, scored: -20.0 + 6.0 * ("~[" in before), about)["эйдос"]
    assert not score.passed
    assert score.items[0].margin == 0.0


def test_what_every_bare_word_gains_is_no_fault(rigged: Rig, about: Any) -> None:
    def taught(before: str, scored: str) -> float:
        return -20.0 + 6.0 * (MARKED in before) + 5.0 * ("~[" not in before)

    assert judge(rigged, taught, about)["эйдос"].passed


def test_an_untaught_model_is_not_selective(rigged: Rig, about: Any) -> None:
    score = judge(rigged, always, about)["эйдос"]
    assert (score.passed, score.taught) == (False, 0.0)


def test_without_markers_there_is_no_question(rigged: Rig, lexicon: Lexicon, untaught: Any) -> None:
    bare = {t.term: t.term for t in lexicon}
    assert judge(rigged, always, (lexicon, bare, untaught)) == {}
    assert summary_of({}) is None
