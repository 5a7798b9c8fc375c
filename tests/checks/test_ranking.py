"""Ranks, passing, and summaries of rankings with chosen scores."""

from __future__ import annotations

import math

import pytest

from lexigraft.checks.ranking import Ranking, chance_of, passes, score_terms, summarise
from lexigraft.checks.results import Condition

LOW = tuple(-1.0 - 0.1 * n for n in range(8))


def ranking(term: str, *scores: float, untaught: tuple[float, ...] = LOW) -> Ranking:
    """A question about `term`: the first score is the right candidate's."""
    names = [term, *(f"wrong {n}" for n in range(1, len(scores)))]
    return Ranking(term, "which?", term, dict(zip(names, scores, strict=True)), untaught)


@pytest.mark.parametrize(
    ("scores", "rank"),
    [
        ((2.0, 1.0, 0.0), 1),
        ((1.0, 2.0, 0.0), 2),
        ((1.0, 1.0, 0.0), 2),
        ((1.0, 1.0, 1.0), 3),
        ((math.nan, 1.0, 0.0), 3),
        ((1.0, math.nan, 0.0), 2),
        ((5.0,), 1),
    ],
)
def test_ties_and_what_is_no_number_count_against(scores: tuple[float, ...], rank: int) -> None:
    assert ranking("a", *scores).rank == rank


def test_an_item_says_what_was_chosen_and_by_how_much() -> None:
    item = ranking("a", 1.0, 3.5, 0.0, untaught=(0.5, 1.0, 2.0, 0.9)).item("taught")
    assert (item.condition, item.question, item.right) == ("taught", "which?", "a")
    assert (item.chosen, item.rank, item.margin) == ("wrong 1", 2, -2.5)
    assert item.percentile == 0.5  # the equal word counts against
    alone = ranking("a", 1.0, untaught=()).item("floor")
    assert (alone.margin, alone.percentile, alone.chosen) == (None, None, "a")


def test_first_alone_is_not_enough_to_pass() -> None:
    assert passes([ranking("a", 1.0, 0.0)])
    assert not passes([ranking("a", 0.0, 1.0)])
    assert not passes([ranking("a", 1.0, 1.0)])
    assert not passes([ranking("a", 1.0, 0.0, untaught=(*LOW[1:], 1.0))])  # 7 of 8 words
    assert passes([ranking("a", 1.0, 0.0, untaught=(*LOW * 3, 2.0))])  # 24 of 25
    assert passes([ranking("a", 1.0, 0.0, untaught=())])
    assert not passes([])


def test_questions_about_a_term_are_taken_together() -> None:
    near = ranking("a", 0.9, 1.0)
    assert not passes([near])
    assert passes([near, ranking("a", 2.0, 1.0)])
    # an untaught word that is better once, but not on the whole
    lucky = ranking("a", 1.0, 0.0, untaught=(3.0, -9.0))
    assert not passes([lucky])
    assert passes([lucky, ranking("a", 1.0, 0.0, untaught=(-3.0, -9.0))])


def test_scores_stand_by_condition() -> None:
    conditions: dict[Condition, list[Ranking]] = {
        "floor": [ranking("a", 0.0, 1.0), ranking("a", 0.0, 2.0), ranking("b", 1.0, 0.0)],
        "taught": [ranking("a", 1.0, 0.0), ranking("a", 0.5, 1.0), ranking("b", 0.0, 1.0)],
        "ceiling": [ranking("a", 1.0, 0.0), ranking("a", 1.0, 0.0), ranking("b", 1.0, 0.0)],
    }
    scores = score_terms("cloze", conditions, "taught")
    a, b = scores["a"], scores["b"]
    assert (a.floor, a.taught, a.ceiling) == (0.0, 0.5, 1.0)
    assert (a.passed, a.passed_before) == (True, False)
    assert (b.floor, b.taught, b.passed, b.passed_before) == (1.0, 0.0, False, True)
    assert [i.condition for i in a.items] == ["floor"] * 2 + ["taught"] * 2 + ["ceiling"] * 2
    assert a.percentile == 1.0
    floor_only = score_terms("cloze", {"floor": conditions["floor"]}, "floor")
    assert (floor_only["b"].passed, floor_only["b"].taught) == (True, None)


def hits(term: str, *right: bool) -> list[Ranking]:
    return [ranking(term, *((1.0, 0.0) if hit else (0.0, 1.0)), -1.0, -2.0) for hit in right]


def test_the_error_is_that_of_terms_and_not_of_questions() -> None:
    taught = [*hits("a", True, True, True, True), *hits("b", False, False), *hits("c", True, False)]
    summary = summarise("cloze", {"taught": taught})
    assert summary is not None
    assert summary.taught == pytest.approx(0.5)  # terms weigh alike: 5 of 8 questions are right
    assert summary.standard_error == pytest.approx(0.5 / math.sqrt(3))
    assert summary.questions == 8
    assert summary.reciprocal_rank == {"taught": pytest.approx((5 + 3 / 2) / 8)}
    # twice the questions do not halve the error
    twice = summarise("cloze", {"taught": taught * 2})
    assert twice is not None
    assert twice.standard_error == pytest.approx(summary.standard_error)


def test_a_gap_is_closed_by_its_share() -> None:
    terms = "abcd"
    floor = [r for n, t in enumerate(terms) for r in hits(t, n == 0)]
    taught = [r for n, t in enumerate(terms) for r in hits(t, n < 3)]
    ceiling = [r for t in terms for r in hits(t, True)]
    summary = summarise("x", {"floor": floor, "taught": taught, "ceiling": ceiling})
    assert summary is not None
    assert summary.measurable
    assert summary.chance == pytest.approx(0.25)
    assert summary.gap_closed == pytest.approx((0.75 - 0.25) / (1 - 0.25))
    no_gap = summarise("x", {"floor": ceiling, "taught": taught, "ceiling": ceiling})
    assert no_gap is not None
    assert no_gap.gap_closed is None


@pytest.mark.parametrize(("right", "measurable"), [(4, True), (3, False), (1, False), (0, False)])
def test_a_ceiling_near_chance_measures_nothing(right: int, measurable: bool) -> None:
    # three of four: 0.75 with an error of 0.25, three of which reach down to nothing
    ceiling = [r for n, t in enumerate("abcd") for r in hits(t, n < right)]
    floor = [r for t in "abcd" for r in hits(t, False)]
    summary = summarise("x", {"floor": floor, "taught": floor, "ceiling": ceiling})
    assert summary is not None
    assert summary.measurable is measurable
    assert (summary.gap_closed is None) is not measurable


def test_one_term_measures_nothing_and_no_question_is_no_check() -> None:
    alone = summarise("x", {"ceiling": hits("a", True, True)})
    assert alone is not None
    assert not alone.measurable
    assert summarise("x", {"floor": [], "ceiling": []}) is None


def test_chance_is_one_in_the_candidates() -> None:
    assert chance_of([ranking("a", 1.0, 2.0), ranking("b", 0.0, 1.0, 2.0, 3.0)]) == pytest.approx(
        0.375
    )
