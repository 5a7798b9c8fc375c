"""What `verify --require` asks for: read before the judging, held against a verdict after it."""

from __future__ import annotations

from typing import Any

import pytest

from lexigraft.checks.results import (
    CheckSummary,
    Drift,
    Kept,
    KeptTerm,
    Leakage,
    Score,
    TermVerdict,
    Verdict,
)
from lexigraft.errors import RecipeError, RequirementNotMet
from lexigraft.requirements import parse_requirements, require


def made(**changes: Any) -> Verdict:
    """Four terms; three known, two by cloze of the three that were asked."""

    def term(name: str, knows: bool, cloze: bool | None) -> TermVerdict:
        scores = {"definition": Score(check="definition", passed=True)}
        if cloze is not None:
            scores["cloze"] = Score(check="cloze", passed=cloze)
        return TermVerdict(
            term=name, surface=name, route="subword", knows=knows, known_before=False, scores=scores
        )

    values: dict[str, Any] = {
        "lexicon": "four", "lexicon_digest": "d", "language": "en", "model": "m", "seed": 0,
        "seconds": 1.0,
        "terms": (
            term("a", True, True), term("b", True, True), term("c", False, False),
            term("d", True, None),
        ),
        "checks": {
            "definition": CheckSummary(check="definition", chance=0.25),
            "cloze": CheckSummary(check="cloze", chance=0.25),
        },
        "drift": Drift(
            mean_kl=0.04, p99_kl=1, bits_per_byte_before=1, bits_per_byte_after=1,
            top1_agreement=1, tokens=9,
        ),
        "leakage": Leakage(emissions_per_10k=12.0),
    }  # fmt: skip
    return Verdict(**{**values, **changes})


@pytest.mark.parametrize(
    "met",
    [
        "knows=0.75", "knows=3", "definition=1", "cloze=0.66", "cloze=2", "drift=0.04",
        "leakage=12", " knows = 0.5 , drift=0.05,", "knows=0,drift=1e3",
    ],
)  # fmt: skip
def test_requirements_that_are_met(met: str) -> None:
    require(made(), met)


@pytest.mark.parametrize(
    ("missed", "line"),
    [
        ("knows=0.8", "knows: 3 of 4, at least 0.8 wanted"),
        ("knows=4", "knows: 3 of 4, at least 4 wanted"),
        ("cloze=0.7", "cloze: 2 of 3, at least 0.7 wanted"),
        ("drift=0.03", "drift: 0.04, at most 0.03 allowed"),
        ("leakage=11.9", "leakage: 12, at most 11.9 allowed"),
    ],
)
def test_requirements_that_are_missed(missed: str, line: str) -> None:
    with pytest.raises(RequirementNotMet, match="falls short") as caught:
        require(made(), f"definition=1,{missed}")
    assert str(caught.value).splitlines() == ["The verdict falls short:", f"  {line}"]


def test_what_was_not_measured_is_not_met() -> None:
    nothing = made(drift=None, leakage=None, checks={})
    with pytest.raises(RequirementNotMet) as caught:
        require(nothing, "drift=9,leakage=9,cloze=0,knows=0.5")
    assert str(caught.value).count("was not measured") == 3
    off = CheckSummary(check="cloze", chance=0.25, measurable=False)
    with pytest.raises(RequirementNotMet, match="not measurable on this model"):
        require(made(checks={"cloze": off}), "cloze=0.5")
    wild = made(drift=made().drift.model_copy(update={"mean_kl": float("nan")}))  # type: ignore[union-attr]
    with pytest.raises(RequirementNotMet, match="drift: nan"):
        require(wild, "drift=0.5")


@pytest.mark.parametrize("slip", ["know=0.8", "=1", "drift<0.1", "selectivity=1", "knows 0.8"])
def test_a_slip_is_answered_with_what_can_be_required(slip: str) -> None:
    with pytest.raises(
        RecipeError,
        match=r"there are knows, definition, term_from_definition, cloze, .*, use, drift, leakage",
    ):
        parse_requirements(f"knows=0.5,{slip}")


@pytest.mark.parametrize(
    "slip", ["knows", "knows=", "knows=all", "drift=nan", "drift=inf", "knows=-1"]
)
def test_a_requirement_needs_a_number(slip: str) -> None:
    with pytest.raises(RecipeError, match=r"a number of at least 0, as in (knows|drift)=0\.8"):
        parse_requirements(slip)
    with pytest.raises(RecipeError):
        require(made(), slip)


def test_requirements_are_read_in_their_order() -> None:
    assert parse_requirements("drift=0.05, knows=1") == (("drift", 0.05), ("knows", 1.0))
    for empty in ("", " , "):
        with pytest.raises(RecipeError, match="Nothing is required"):
            parse_requirements(empty)


def kept(*terms: bool | None) -> Kept:
    """Earlier terms a, b, …: kept, lost, or None for one that had nothing to lose."""
    made_terms = tuple(
        KeptTerm(
            term=name, surface=name, run="r", had_passed=one is not None, kept=bool(one), scores={}
        )
        for name, one in zip("abcdef", terms, strict=False)
    )
    had = [term for term in made_terms if term.had_passed]
    return Kept(run="r", kept=sum(t.kept for t in had), of=len(had), terms=made_terms)


def test_earlier_terms_can_be_required() -> None:
    found = made(kept=kept(True, True, None, False))
    require(found, "kept=0.66,knows=0.5")
    require(found, "kept=2")
    with pytest.raises(RequirementNotMet, match=r"kept: 2 of 3, at least 0\.95 wanted; lost: d"):
        require(found, "kept=0.95")
    with pytest.raises(RequirementNotMet, match="no earlier term passed before"):
        require(made(kept=kept(None, None)), "kept=0.5")
    with pytest.raises(RequirementNotMet, match="this run continues none"):
        require(made(), "kept=0.5")
