"""Near terms, with chosen likelihoods of two lamps in each other's sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks.cloze import cloze
from lexigraft.checks.near_terms import near_terms
from lexigraft.checks.ranking import passes, summarise
from lexigraft.lexicon import Contrast, Lexicon, Term

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="orrim",
            definition=("a small lamp",),
            tests=("Take the orrim down the mine.", "An orrim lit the pit."),
            contrast=(Contrast(term="vask", difference="size"),),
        ),
        Term(term="vask", definition=("a tall lamp",), tests=("The vask swung over the deck.",)),
        Term(term="tolpa", definition=("a soup",), tests=("Eat the tolpa.",)),
        Term(
            term="brig", definition=("a knife",), contrast=(Contrast(term="orrim", difference="x"),)
        ),
    ),
)
SURFACES = {t.term: t.term for t in LEXICON}
UNTAUGHT = dict.fromkeys(SURFACES, ("merkof", "dallip"))
Rig = Callable[[Callable[[str, str], float]], Any]


def ranked(judged: Any, **options: Any) -> Any:
    return near_terms(judged, LEXICON, SURFACES, UNTAUGHT, **options)


def knows(before: str, scored: str) -> float:
    below = "mine" in scored or "pit" in scored
    return 2.0 * ("orrim" in scored.casefold() and below) + ("vask" in scored and "deck" in scored)


def test_each_contrast_is_asked_from_both_sides_with_all_sentences(rigged: Rig) -> None:
    found = ranked(rigged(knows))
    # a contrast with a term that has no sentences asks nothing
    assert [r.term for r in found] == ["orrim", "orrim", "vask", "vask"]
    assert found[1].question == "An ____ lit the pit. / The ____ swung over the deck."
    for ranking in found:
        assert (ranking.rank, ranking.chance) == (1, 0.5)
        assert ranking.scores[ranking.right] == 3.0, "2 + 1 - 0 - 0"
        assert passes([ranking])
    assert passes(found[:2])
    item = found[0].item("taught")
    assert (item.right, item.chosen) == ("orrim / vask",) * 2


def test_what_a_word_or_a_sentence_costs_cancels(rigged: Rig) -> None:
    """A model that likes one word everywhere, and one sentence with any word, knows nothing."""
    liking = ranked(rigged(lambda b, s: 30.0 * ("vask" in s) + 20.0 * ("deck" in s)))
    assert {r.scores[r.right] for r in liking} == {0.0}
    assert {r.rank for r in liking} == {2}, "a tie is no answer"
    both = ranked(rigged(lambda b, s: knows(b, s) + 30.0 * ("vask" in s) + 20.0 * ("deck" in s)))
    assert {r.scores[r.right] for r in both} == {3.0}


def test_terms_that_were_exchanged_fail(rigged: Rig) -> None:
    def exchanged(before: str, scored: str) -> float:
        return -knows(before, scored)

    summary = summarise("near_terms", {"taught": ranked(rigged(exchanged))})
    assert summary is not None
    assert (summary.taught, summary.chance) == (0.0, 0.5)


def test_untaught_words_that_do_as_well_do_not_pass(rigged: Rig) -> None:
    def worth(before: str, scored: str) -> float:
        taken = 4.0 * ("merkof" in scored and ("mine" in scored or "pit" in scored))
        return knows(before, scored) + taken

    found = ranked(rigged(worth))
    assert [r.untaught for r in found[:1]] == [(4.0, -4.0)]
    assert not any(passes([r]) for r in found)


@pytest.mark.parametrize("ceiling", [False, True])
def test_after_cloze_nothing_new_is_asked_of_words_that_are_shared(
    rigged: Rig, ceiling: bool
) -> None:
    judged = rigged(knows)
    cloze(judged, LEXICON, SURFACES, UNTAUGHT, with_definition=ceiling)
    heard = set(judged.heard)
    ranked(judged, with_definition=ceiling)
    assert set(judged.heard) == heard


def test_without_a_contrast_there_is_no_question(rigged: Rig) -> None:
    judged = rigged(knows)
    plain = LEXICON.model_copy(update={"terms": LEXICON.terms[1:3]})
    assert near_terms(judged, plain, SURFACES, UNTAUGHT) == []
    assert judged.heard == []
