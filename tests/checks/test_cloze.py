"""Cloze, with chosen likelihoods of every word in every sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lexigraft.checks.cloze import BLANK, cloze, cloze_pairs
from lexigraft.checks.prompts import NEUTRAL_FRAMES, definition_line
from lexigraft.checks.ranking import passes
from lexigraft.lexicon import Lexicon, Term

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="orrim",
            definition=("a small lamp.",),
            forms=("orrims",),
            tests=("He lit the orrim.", "Orrims burn oil, and one orrim burns all night."),
        ),
        Term(term="vask", definition=("a long rope",), tests=("Tie the boat with a ~[vask].",)),
        Term(term="tolpa", definition=("a soup",)),
    ),
)
SURFACES = {"orrim": "orrim", "vask": "~[vask]", "tolpa": "tolpa"}
WORDS = ("merkof", "dallip")
UNTAUGHT = {"orrim": WORDS, "vask": ("~[brig]", "~[stol]"), "tolpa": WORDS}
Rig = Callable[[Callable[[str, str], float]], Any]
FITS = {"orrim": ("lit", "oil"), "vask": ("boat",)}


def knows(before: str, scored: str) -> float:
    """A model that has learnt both, and for which every letter costs."""
    fits = any(t in scored.casefold() and c in scored for t, some in FITS.items() for c in some)
    return 6.0 * fits - len(scored)


def ranked(judged: Any, **options: Any) -> list[Any]:
    return cloze(judged, LEXICON, SURFACES, UNTAUGHT, **options)


def test_the_right_word_wins_in_every_sentence(rigged: Rig) -> None:
    found = ranked(rigged(knows))
    assert [r.question for r in found] == [
        f"He lit the {BLANK}.",
        f"{BLANK} burn oil, and one {BLANK} burns all night.",
        f"Tie the boat with a {BLANK}.",
    ]
    for ranking in found:
        assert set(ranking.scores) == {"orrim", "vask"}, "only terms with sentences are offered"
        assert ranking.rank == 1
        assert passes([ranking])


def test_a_word_that_fits_everywhere_earns_nothing(rigged: Rig) -> None:
    def worth(before: str, scored: str) -> float:
        return knows(before, scored) + 70.0 * ("vask" in scored)

    assert [r.rank for r in ranked(rigged(worth))] == [1, 1, 1]
    liked = ranked(rigged(lambda before, scored: 70.0 * ("vask" in scored)))
    assert [r.rank for r in liked] == [2, 2, 2]


def test_a_sentence_that_any_word_fits_does_not_pass(rigged: Rig) -> None:
    def worth(before: str, scored: str) -> float:
        return knows(before, scored) + 6.5 * ("dallip" in scored and "lit" in scored)

    first, second, third = ranked(rigged(worth))
    assert (first.rank, first.percentile, passes([first])) == (1, 0.5, False)
    assert passes([second])
    assert passes([third])


def test_under_the_definition_a_mere_mention_earns_nothing(rigged: Rig) -> None:
    # this model repeats `vask` as soon as it has read it, and understands nothing
    def parrot(before: str, scored: str) -> float:
        return 8.0 * ("vask" in before.casefold() and "vask" in scored)

    assert [r.rank for r in ranked(rigged(parrot), with_definition=True)] == [2, 2, 2]

    def reads(before: str, scored: str) -> float:
        lamp = "lamp" in before and ("lit" in scored or "oil" in scored)
        return parrot(before, scored) + 2.0 * lamp + 2.0 * ("rope" in before and "boat" in scored)

    found = ranked(rigged(reads), with_definition=True)
    assert [r.rank for r in found] == [1, 1, 1]
    assert {r.percentile for r in found} == {None}


def test_the_ceilings_definition_is_the_candidates_own(rigged: Rig) -> None:
    judged = rigged(knows)
    ranked(judged, with_definition=True)
    lines = {
        definition_line("orrim", "a small lamp"): "orrim",
        definition_line("~[vask]", "a long rope"): "~[vask]",
    }
    whole = [(before, scored) for before, scored in judged.heard if before.endswith("\n")]
    assert {before for before, _ in whole} == set(lines)
    assert all(lines[before] in scored for before, scored in whole)
    neutral = {f.format(term=s) for f in NEUTRAL_FRAMES["en"] for s in lines.values()}
    assert neutral < {scored for _, scored in judged.heard}


def test_without_the_definition_nothing_stands_before(rigged: Rig) -> None:
    judged = rigged(knows)
    ranked(judged)
    assert {before for before, scored in judged.heard if scored != " burns all night."} == {""}
    assert len(set(judged.heard)) == len(judged.heard), "nothing is asked twice"
    assert ("", "Tie the boat with a ~[brig].") in judged.heard
    assert ("", "He lit the ~[vask].") in judged.heard


def test_no_sentences_no_questions(rigged: Rig) -> None:
    told: list[int] = []
    bare = Lexicon(name="t", terms=(Term(term="tolpa", definition=("a soup",)),))
    judged = rigged(knows)
    assert cloze(judged, bare, SURFACES, UNTAUGHT, advance=told.append) == []
    assert judged.heard == []
    assert sum(told) == 100


def test_in_pairs_what_a_word_costs_is_not_even_asked(rigged: Rig) -> None:
    def worth(before: str, scored: str) -> float:
        # the model hates to say `orrim`, and knows what burns all night
        dear = -50.0 * ("orrim" in scored)
        return dear + 4.0 * ("orrim" in before and "night" in scored) + 3.0 * ("dallip" in before)

    judged = rigged(worth)
    [found] = cloze_pairs(judged, LEXICON, SURFACES, UNTAUGHT)
    assert found.question == f"{BLANK} burn oil, and one {BLANK} burns all night."
    assert found.scores == {"orrim": 4.0, "vask": 0.0}
    assert (found.worth, found.chance, found.untaught) == (1.0, 0.5, (0.0, 3.0))
    assert {scored for before, scored in judged.heard if before} == {" burns all night."}
    [wrong] = cloze_pairs(
        rigged(lambda b, s: float("vask" in b and "night" in s)), LEXICON, SURFACES, UNTAUGHT
    )
    assert wrong.worth == 0.0


def test_in_pairs_nothing_is_asked_that_cloze_has_not_asked(rigged: Rig) -> None:
    for ceiling in (False, True):
        judged = rigged(knows)
        ranked(judged, with_definition=ceiling)
        heard = set(judged.heard)
        cloze_pairs(judged, LEXICON, SURFACES, UNTAUGHT, with_definition=ceiling)
        assert set(judged.heard) == heard
