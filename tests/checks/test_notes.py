"""What a reader of a verdict must know: every remark, in both languages, and only when it is so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lexigraft.checks.notes import _TEXTS, notes_on
from lexigraft.checks.results import CheckSummary, Drift, Leakage, TermVerdict
from lexigraft.lexicon import Language, Lexicon, Term

GOOD = {name: CheckSummary(check=name, chance=0.5) for name in ("definition", "cloze")}


def lexicon_of(
    count: int = 40, tests: tuple[str, ...] = ("A test.",), language: Language = "en"
) -> Lexicon:
    terms = tuple(Term(term=f"t{n}", definition=("x",), tests=tests) for n in range(count))
    return Lexicon(name="t", language=language, terms=terms)


def verdict_of(term: str, *, known_before: bool = False) -> TermVerdict:
    return TermVerdict(
        term=term, surface=term, route="subword", knows=True, known_before=known_before, scores={}
    )


def drift_of(mean: float) -> Drift:
    return Drift(
        mean_kl=mean,
        p99_kl=0,
        bits_per_byte_before=1,
        bits_per_byte_after=1,
        top1_agreement=1,
        tokens=9,
    )


def notes(lexicon: Lexicon, checks: Any = GOOD, terms: Any = (), **changes: Any) -> tuple[str, ...]:
    settings: dict[str, Any] = {
        "asked": ("definition", "cloze", "drift", "leakage"),
        "untaught": {},
        "peers": {},
        "controls": 8,
        "unread": False,
        "drift": None,
        "leakage": None,
        "drift_limit": 0.15,
        "leakage_limit": 50.0,
    }
    return notes_on(lexicon, terms, checks, **{**settings, **changes})


def test_a_good_verdict_needs_no_note() -> None:
    fine = {"drift": drift_of(0.15), "leakage": Leakage(emissions_per_10k=50.0)}
    full = {"t0": ("w",) * 8}
    assert notes(lexicon_of(), GOOD, [verdict_of("t0")], untaught=full, **fine) == ()


@pytest.mark.parametrize(
    ("language", "shown"), [("en", ("0.213", "0.15", "1235")), ("ru", ("0,213", "0,15", "1235"))]
)
def test_what_is_over_its_limit_is_said_first(language: Language, shown: tuple[str, ...]) -> None:
    few = lexicon_of(3, language=language)
    leaks = Leakage(emissions_per_10k=1234.7)
    first, second, third = notes(few, drift=drift_of(0.2127), leakage=leaks)
    assert shown[0] in first
    assert shown[1] in first
    assert shown[2] in second
    assert "±57" in third
    unlimited = notes(few, drift=drift_of(9.0), leakage=leaks, drift_limit=None, leakage_limit=None)
    assert unlimited == (third,)


def test_what_cannot_be_measured_is_said() -> None:
    def off(chance: float = 0.2) -> CheckSummary:
        return CheckSummary(check="x", chance=chance, measurable=False)

    [note] = notes(lexicon_of(), {**GOOD, "cloze": off()})
    assert note.startswith("Cloze: not measurable here")
    nothing, *_ = notes(lexicon_of(), {"definition": off(), "cloze": off()})
    assert nothing.startswith("Nothing could be measured")
    [_, single] = notes(lexicon_of(), {"definition": off(1.0)})
    assert single.startswith("Definition: a single candidate")
    [russian] = notes(lexicon_of(language="ru"), {**GOOD, "definition": off()})
    assert russian.startswith("Определение: здесь не измеримо")


def test_terms_without_tests_are_named_even_where_no_term_has_any() -> None:
    bare = lexicon_of(tests=())
    definition = {"definition": GOOD["definition"]}
    [note] = notes(bare, definition)
    assert note.startswith("Without test sentences")
    assert "t0, t1" in note
    assert notes(bare, definition, asked=("definition",)) == ()
    assert notes(lexicon_of()) == ()


def test_known_terms_missing_words_and_unread_texts_are_named() -> None:
    terms = [verdict_of("t0", known_before=True), verdict_of("t1")]
    untaught = {"t0": ("w",) * 8, "t7": ("w",) * 7}
    unread, known, controls = notes(lexicon_of(), GOOD, terms, unread=True, untaught=untaught)
    assert unread.startswith("Drift and leakage were not measured")
    assert known == "The untaught model passes these already: t0."
    assert controls == "Fewer untaught words than asked for beside: t7."


def test_both_languages_say_the_same_things() -> None:
    assert set(_TEXTS) == {"en", "ru"}
    assert _TEXTS["en"].keys() == _TEXTS["ru"].keys()
    for key, english in _TEXTS["en"].items():
        russian = _TEXTS["ru"][key]
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", russian))
        assert re.search("[а-я]", russian)
        assert not re.search("[а-я]", english)
