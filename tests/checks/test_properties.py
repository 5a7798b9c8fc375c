"""Properties, with chosen likelihoods of true and untrue sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lexigraft.checks.prompts import definition_line
from lexigraft.checks.properties import properties
from lexigraft.checks.ranking import passes
from lexigraft.lexicon import Lexicon, Property, Term

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="orrim",
            definition=("a small lamp",),
            forms=("orrims",),
            properties=(
                Property(right="An orrim needs oil.", wrong="An orrim needs a very long sleep."),
                Property(right="Orrims shine.", wrong="Orrims bite."),
                Property(right="One orrim.", wrong="One orrims."),
            ),
        ),
        Term(term="vask", definition=("a rope",)),
    ),
)
SURFACES = {"orrim": "~[orrim]", "vask": "vask"}
UNTAUGHT = {"orrim": ("~[merkof]", "~[dallip]"), "vask": ("merkof",)}
Rig = Callable[[Callable[[str, str], float]], Any]


def knows(before: str, scored: str) -> float:
    lamp = "orrim" in scored and ("oil" in scored or "shine" in scored)
    return 5.0 * lamp - len(scored)


def ranked(judged: Any, **options: Any) -> Any:
    return properties(judged, LEXICON, SURFACES, UNTAUGHT, **options)


def test_the_true_sentence_wins_whatever_its_length(rigged: Rig) -> None:
    found = ranked(rigged(knows))
    assert [r.item("taught").right for r in found] == ["An ____ needs oil.", "____ shine."]
    assert passes(found)
    for ranking in found:
        assert (ranking.scores[ranking.right], ranking.chance) == (5.0, 0.5)
        assert ranking.untaught[0] == -ranking.untaught[1]
        assert passes([ranking])
    # without the untaught words the length alone would have decided, and a shorter untruth won
    shorter = ranked(rigged(lambda b, s: 1.0 * ("bite" in s) + 3.0 * ("sleep" in s)))
    assert {r.scores[r.right] for r in shorter} == {0.0}
    assert {r.rank for r in shorter} == {2}


def test_an_untruth_that_the_model_believes_fails(rigged: Rig) -> None:
    found = ranked(rigged(lambda b, s: knows(b, s) + 9.0 * ("orrim" in s and "bite" in s)))
    assert [r.rank for r in found] == [1, 2]
    assert [r.item("taught").chosen for r in found] == ["An ____ needs oil.", "____ bite."]


def test_a_truth_of_any_word_is_no_knowledge(rigged: Rig) -> None:
    found = ranked(rigged(lambda b, s: knows(b, s) + 8.0 * ("dallip" in s and "oil" in s)))
    assert [passes([r]) for r in found] == [False, True]


def test_the_ceiling_reads_the_definition_before_both_sentences(rigged: Rig) -> None:
    judged = rigged(knows)
    found = ranked(judged, with_definition=True)
    line = definition_line("~[orrim]", "a small lamp")
    with_line = {scored for before, scored in judged.heard if before == line}
    assert with_line == {
        "An ~[orrim] needs oil.", "An ~[orrim] needs a very long sleep.",
        "~[orrim] shine.", "~[orrim] bite.",
    }  # fmt: skip
    assert {before for before, _ in judged.heard} == {"", line}
    assert {r.untaught for r in found} == {()}
    assert {r.rank for r in found} == {1}
