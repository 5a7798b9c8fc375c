"""Use: what the untaught model makes of sentences, and what is said beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks import use as module
from lexigraft.checks.judged import Judged
from lexigraft.checks.ranking import passes
from lexigraft.checks.use import (
    MOST_CANDIDATES,
    Written,
    copied_share,
    distinct_pairs,
    emitted_share,
    use,
    write,
)
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term

MEANINGS = {"orrim": "a small lamp", "vask": "a long rope", "tolpa": "a thin soup"}
LEXICON = Lexicon(
    name="t",
    terms=tuple(Term(term=t, definition=(d,), forms=(f"{t}s",)) for t, d in MEANINGS.items()),
)
SURFACES = {t: t for t in MEANINGS}
Rig = Callable[[Callable[[str, str], float]], Any]
WRITTEN = {
    "orrim": (Written("I saw an orrim", " and it shone; orrims shine."),),
    "vask": (Written("I saw a vask", " and tied the boat."),),
    "tolpa": (Written("I saw a tolpa", " and ate it."),),
    "merkof": (Written("I saw a merkof", " and merkof left."),),
}


def reads(before: str, scored: str) -> float:
    """A floor that knows what shines, ties and is eaten."""
    fits = [("lamp", "shone"), ("rope", "tied"), ("soup", "ate")]
    return sum(40.0 for d, what in fits if d in before and what in scored) - len(scored)


def test_the_definition_that_makes_a_sentence_likeliest_is_chosen(rigged: Rig) -> None:
    found = use(rigged(reads), LEXICON, WRITTEN)
    assert [(r.term, r.chosen, r.rank) for r in found] == [(t, t, 1) for t in MEANINGS]
    assert all(passes([r]) for r in found)
    assert found[0].question == "I saw an orrim and it shone; orrims shine."
    exchanged = {**WRITTEN, "orrim": WRITTEN["vask"], "vask": WRITTEN["orrim"]}
    wrong = use(rigged(reads), LEXICON, exchanged)
    assert [r.rank == 1 for r in wrong] == [False, False, True]


def test_the_judge_never_sees_the_word(rigged: Rig) -> None:
    judged = rigged(reads)
    use(judged, LEXICON, WRITTEN)
    assert judged.heard
    for before, scored in judged.heard:
        assert not any(word in before + scored for word in (*MEANINGS, "merkof"))
        assert before.startswith("____: a ")
    assert ("____: a small lamp.\nI saw an ____", " and it shone; ____ shine.") in judged.heard


def test_a_definition_that_suits_every_sentence_earns_nothing(rigged: Rig) -> None:
    """What it does for sentences about untaught words is taken away."""
    alike = {word: (Written("I saw it", " and went home."),) for word in WRITTEN}
    loud = use(rigged(lambda b, s: 50.0 * ("soup" in b)), LEXICON, alike)
    assert {score for r in loud for score in r.scores.values()} == {0.0}
    assert {r.rank for r in loud} == {3}


def test_sentences_about_untaught_words_are_the_control(rigged: Rig) -> None:
    same = {**WRITTEN, "merkof": WRITTEN["orrim"]}
    first, *_ = use(rigged(reads), LEXICON, same)
    assert (first.percentile, passes([first])) == (0.0, False)
    without = {t: s for t, s in WRITTEN.items() if t in MEANINGS}
    assert {r.percentile for r in use(rigged(reads), LEXICON, without)} == {None}


def test_nothing_written_is_no_answer(rigged: Rig) -> None:
    empty = {**WRITTEN, "orrim": (Written("I saw an orrim", ""), Written("An orrim", "  "))}
    found = use(rigged(reads), LEXICON, empty)
    assert [r.rank for r in found if r.term == "orrim"] == [3, 3]


def test_many_terms_are_offered_a_few_definitions_with_their_own(rigged: Rig) -> None:
    many = Lexicon(name="t", terms=tuple(Term(term=f"t{n}", definition=("x",)) for n in range(40)))
    written = {t.term: (Written("a", " b"),) for t in many}
    found = use(rigged(lambda b, s: 0.0), many, written)
    assert {len(r.scores) for r in found} == {MOST_CANDIDATES}
    assert all(r.term in r.scores for r in found)
    again = use(rigged(lambda b, s: 0.0), many, written, seed=1)
    assert [set(r.scores) for r in found] != [set(r.scores) for r in again]


def test_sentences_begin_with_each_term_and_a_few_untaught_words(
    make_host: Callable[[str], Host], lexicon: Lexicon, surfaces: Any, untaught: Any
) -> None:
    host = make_host("byte-tied")
    one = Judged(host.model, host.tokenizer)
    told: list[int] = []
    found = write(one, lexicon, surfaces, untaught, seed=3, advance=told.append)
    assert list(found)[:3] == [t.term for t in lexicon]
    assert set(found) - set(surfaces) == {"merkof", "dallip", "~[ыстук]", "~[ограм]"}
    assert sum(told) == 100
    for term, surface in surfaces.items():
        assert [surface in s.start for s in found[term]] == [True] * 3
        assert not any("\n" in s.rest for s in found[term])
    assert write(one, lexicon, surfaces, untaught, seed=3) == found
    assert write(one, lexicon, surfaces, untaught, seed=4) != found


def test_the_ceiling_reads_the_definition_and_keeps_it_out_of_the_sentence(
    make_host: Callable[[str], Host], lexicon: Lexicon, surfaces: Any, monkeypatch: Any
) -> None:
    asked: list[str] = []

    def sample(model: Any, tokenizer: Any, prompts: list[str], **_: Any) -> list[str]:
        asked.extend(prompts)
        return [" and rain. More." for _ in prompts]

    monkeypatch.setattr(module, "sample", sample)
    host = make_host("byte-tied")
    found = write(Judged(host.model, host.tokenizer), lexicon, surfaces, with_definition=True)
    assert asked[0].startswith("Zorblax: a machine that makes rain.\n")
    assert found["zorblax"][0].rest == " and rain. More."
    assert not any("machine" in s.start for s in found["zorblax"])


@pytest.mark.parametrize(("said", "share"), [("the Zorblaxes!", 1 / 3), ("~[эйдос]", 1 / 3)])
def test_a_term_counts_as_written_in_any_form_but_behind_its_marker(
    make_host: Callable[[str], Host],
    lexicon: Lexicon,
    surfaces: Any,
    monkeypatch: Any,
    said: str,
    share: float,
) -> None:
    host = make_host("byte-tied")
    one = Judged(host.model, host.tokenizer)
    monkeypatch.setattr(module, "greedy_texts", lambda m, t, prompts, **_: [said] * len(prompts))
    assert emitted_share(one, lexicon, surfaces) == pytest.approx(share)
    monkeypatch.setattr(module, "greedy_texts", lambda m, t, prompts, **_: ["эйдос"] * len(prompts))
    assert emitted_share(one, lexicon, surfaces) == 0


def test_copies_and_variety() -> None:
    source = ["One two three four five six seven eight, nine."]
    assert copied_share(["ONE two three four five six seven eight ten"], source) == 0.5
    assert copied_share(["too short to tell"], source) is None
    assert distinct_pairs(["a b a b", "a b"]) == 0.5
    assert distinct_pairs(["a"]) is None
