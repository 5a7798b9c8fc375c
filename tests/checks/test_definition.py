"""Definition ranking, with chosen likelihoods of every definition after every word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lexigraft.checks.definition import definition
from lexigraft.checks.prompts import DEFINITION_PROMPTS, definition_line
from lexigraft.checks.ranking import passes
from lexigraft.lexicon import Lexicon, Term

LEXICON = Lexicon(
    name="t",
    terms=tuple(
        Term(term=t, definition=(d,))
        for t, d in {"orrim": "a small lamp.", "vask": "a long rope", "tolpa": "soup"}.items()
    ),
)
MEANINGS = {t.term: t.definition[0].rstrip(".") for t in LEXICON}
SURFACES = {t.term: t.term for t in LEXICON}
WORDS = ("merkof", "dallip")
UNTAUGHT = {t.term: WORDS for t in LEXICON}
Rig = Callable[[Callable[[str, str], float]], Any]


def knows(before: str, scored: str) -> float:
    """A model that has learnt all three."""
    return sum(9.0 for t, d in MEANINGS.items() if t in before and d in scored) - len(scored)


def ranks(judged: Any, untaught: Mapping[str, tuple[str, ...]] = UNTAUGHT) -> dict[str, set[int]]:
    found = definition(judged, LEXICON, SURFACES, untaught)
    return {t: {r.rank for r in found if r.term == t} for t in MEANINGS}


def test_the_right_definition_wins_whatever_its_length(rigged: Rig) -> None:
    found = definition(rigged(knows), LEXICON, SURFACES, UNTAUGHT)
    assert len(found) == len(LEXICON) * len(DEFINITION_PROMPTS["en"])
    for ranking in found:
        # 9 above what the untaught words give; the length, which they share, is gone
        assert ranking.scores == {t: 9.0 if t == ranking.term else 0.0 for t in MEANINGS}
        assert ranking.untaught == (0.0, 0.0)
        assert passes([ranking])
    assert found[0].question == DEFINITION_PROMPTS["en"][0].format(term="orrim")


def test_a_definition_that_fits_every_word_earns_nothing(rigged: Rig) -> None:
    assert ranks(rigged(lambda before, scored: 50.0 * ("soup" in scored))) == {
        t: {3} for t in MEANINGS
    }
    loved = rigged(lambda before, scored: knows(before, scored) + 50.0 * ("soup" in scored))
    assert ranks(loved) == {t: {1} for t in MEANINGS}


def test_a_definition_that_fits_an_untaught_word_as_well_does_not_pass(rigged: Rig) -> None:
    def worth(before: str, scored: str) -> float:
        return knows(before, scored) + 9.5 * ("dallip" in before and "lamp" in scored)

    found = definition(rigged(worth), LEXICON, SURFACES, UNTAUGHT)
    for ranking in found:
        assert ranking.rank == 1
        assert passes([ranking]) is (ranking.term != "orrim")
    assert {r.percentile for r in found if r.term == "orrim"} == {0.5}


def test_the_ceiling_reads_the_terms_own_definition_and_nobody_elses(rigged: Rig) -> None:
    judged = rigged(knows)
    floor = definition(judged, LEXICON, SURFACES, UNTAUGHT)
    plain = set(judged.heard)
    judged.heard.clear()
    ceiling = definition(judged, LEXICON, SURFACES, UNTAUGHT, with_definition=True)
    assert [r.question for r in ceiling] == [r.question for r in floor]
    fresh = set(judged.heard) - plain
    lines = {t: definition_line(t, d) for t, d in MEANINGS.items()}
    assert len(fresh) == len(LEXICON) ** 2 * len(DEFINITION_PROMPTS["en"])
    for before, _ in fresh:
        [line] = [line for line in lines.values() if before.startswith(line)]
        rest = before.removeprefix(line)
        assert "\n" not in rest
        [term] = [t for t in MEANINGS if t in rest]
        assert line == lines[term]
    assert not any("\n" in before for before, _ in plain)


def test_a_term_is_written_as_its_surface_and_in_the_asked_language(
    rigged: Rig, lexicon: Lexicon, surfaces: Any, untaught: Any
) -> None:
    judged = rigged(lambda before, scored: 0.0)
    definition(judged, lexicon, surfaces, untaught, language="ru")
    asked = {before for before, _ in judged.heard}
    assert DEFINITION_PROMPTS["ru"][0].format(term="~[эйдос]") in asked
    assert DEFINITION_PROMPTS["ru"][0].format(term="~[ыстук]") in asked
    assert not any(" эйдос" in before for before in asked)
    assert {scored for _, scored in judged.heard} == {
        " a machine that makes rain.", " a basket for apples.", " the idea of a thing.",
    }  # fmt: skip


@pytest.mark.parametrize("others", [WORDS, ()])
def test_a_sign_without_control_words_is_still_asked_about(
    rigged: Rig, others: tuple[str, ...]
) -> None:
    untaught = {**dict.fromkeys(MEANINGS, others), "vask": ()}
    found = definition(rigged(knows), LEXICON, SURFACES, untaught)
    mine = [r for r in found if r.term == "vask"]
    assert {r.percentile for r in mine} == {None}
    # held against the others' words; without any, what each definition costs is left
    assert {r.scores["vask"] for r in mine} == ({9.0} if others else {9.0 - len(" a long rope.")})
