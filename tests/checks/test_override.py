"""Override, with models that follow the prompt, ignore it, or forgot what they knew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks.definition import definition
from lexigraft.checks.override import Obedience, obedience, override
from lexigraft.lexicon import Lexicon, Term

MEANINGS = {"orrim": "a lamp", "vask": "a rope", "tolpa": "a soup"}
LEXICON = Lexicon(name="t", terms=tuple(Term(term=t, definition=(d,)) for t, d in MEANINGS.items()))
SURFACES = {t: t for t in MEANINGS}
UNTAUGHT = dict.fromkeys(MEANINGS, ("merkof", "dallip"))
Rig = Callable[[Callable[[str, str], float]], Any]


def given(before: str, scored: str) -> bool:
    """Whether the line that stands first in the prompt holds the scored definition."""
    line, _, rest = before.partition("\n")
    return bool(rest) and scored.strip(" .") in line


def taught(before: str, scored: str) -> bool:
    asked = before.rpartition("\n")[2]
    return any(t in asked and d in scored for t, d in MEANINGS.items())


def judge(judged: Any) -> Obedience:
    found = obedience(judged, LEXICON, SURFACES, UNTAUGHT)
    assert found is not None
    return found


def test_who_reads_the_prompt_follows_it(rigged: Rig) -> None:
    reads = rigged(lambda b, s: 9.0 * given(b, s) + 4.0 * taught(b, s))
    assert judge(reads) == Obedience(follows=1.0, agrees=1.0)


def test_who_only_repeats_what_was_taught_does_not(rigged: Rig) -> None:
    stubborn = rigged(lambda b, s: 3.0 * given(b, s) + 4.0 * taught(b, s))
    assert judge(stubborn) == Obedience(follows=0.0, agrees=1.0)


def test_a_definition_that_any_word_calls_earns_nothing(rigged: Rig) -> None:
    loud = rigged(lambda b, s: 50.0 * ("soup" in s))
    assert judge(loud) == Obedience(follows=0.0, agrees=0.0)
    one = rigged(lambda b, s: 9.0 * given(b, s) + 50.0 * ("soup" in s))
    assert judge(one) == Obedience(follows=1.0, agrees=1.0)


def test_the_taught_model_is_held_against_the_untaught() -> None:
    before, after = Obedience(0.9, 0.8), Obedience(0.5, 0.7)
    worse = override(LEXICON, before, after)
    assert (worse.follows, worse.follows_before, worse.no_worse) == (0.5, 0.9, False)
    assert override(LEXICON, after, before).no_worse is True
    alone = override(LEXICON, None, before)
    assert (alone.follows, alone.follows_before, alone.no_worse) == (0.9, None, None)


def test_what_the_definition_check_asked_is_asked_again_in_the_same_words(rigged: Rig) -> None:
    """So that the model need not compute it twice."""
    judged = rigged(lambda b, s: 0.0)
    definition(judged, LEXICON, SURFACES, UNTAUGHT)
    definition(judged, LEXICON, SURFACES, UNTAUGHT, with_definition=True)
    heard = set(judged.heard)
    judge(judged)
    assert len(set(judged.heard) - heard) == 2 * len(MEANINGS), "the wrong definitions alone"


@pytest.mark.parametrize("count", [0, 1])
def test_one_term_has_no_other_definition(rigged: Rig, count: int) -> None:
    told: list[int] = []
    few = Lexicon(name="t", terms=LEXICON.terms[:count])
    judged = rigged(lambda b, s: 0.0)
    assert obedience(judged, few, SURFACES, UNTAUGHT, advance=told.append) is None
    assert sum(told) == 100
