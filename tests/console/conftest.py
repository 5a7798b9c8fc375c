"""Small verdicts and diagnoses, and a terminal of a given width to show them on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks.results import (
    Answer,
    CheckSummary,
    Drift,
    Leakage,
    Score,
    TermVerdict,
    Verdict,
)
from lexigraft.diagnose.values import Diagnosis, FormPieces, ModelFacts, Probe, TermDiagnosis


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, 80 columns, whatever the tests run in."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", os.environ.get("TERM", "xterm"))


def make_term(term: str = "zorblax", **changes: Any) -> TermVerdict:
    """A term that was learned: the definition passed, the cloze did not."""
    values: dict[str, Any] = {
        "term": term,
        "surface": term,
        "route": "subword",
        "knows": True,
        "known_before": False,
        "scores": {
            "definition": Score(
                check="definition", floor=0.0, taught=1.0, ceiling=1.0, passed=True
            ),
            "cloze": Score(check="cloze", floor=0.25, taught=0.5, ceiling=1.0),
        },
        "answers": (Answer(prompt=f"A {term} is", before="a bird", after="a brass tool"),),
    }
    return TermVerdict(**{**values, **changes})


@pytest.fixture
def build_term() -> Callable[..., TermVerdict]:
    """Builds a term's verdict."""
    return make_term


@pytest.fixture
def build_verdict() -> Callable[..., Verdict]:
    """Builds a verdict on the given terms."""

    def build(*terms: TermVerdict, **changes: Any) -> Verdict:
        values: dict[str, Any] = {
            "lexicon": "words",
            "lexicon_digest": "ab",
            "language": "en",
            "model": "m",
            "taught": "run/model",
            "seed": 0,
            "seconds": 1.0,
            "terms": terms or (make_term(),),
            "checks": {
                "definition": CheckSummary(check="definition", chance=0.1),
                "cloze": CheckSummary(check="cloze", chance=0.1),
            },
            "drift": Drift(
                mean_kl=0.03,
                p99_kl=0.4,
                bits_per_byte_before=1.0,
                bits_per_byte_after=1.01,
                top1_agreement=0.97,
                tokens=1000,
            ),
            "leakage": Leakage(emissions_per_10k=3.0, by_term={"zorblax": 2.5}),
        }
        return Verdict(**{**values, **changes})

    return build


def make_diagnosis(*terms: TermDiagnosis, **changes: Any) -> Diagnosis:
    """A diagnosis on a model whose weights are there."""
    model = ModelFacts(
        source="some/model",
        architecture="LlamaForCausalLM",
        tokenizer_class="GPT2Tokenizer",
        family="byte-level BPE",
        vocabulary=49152,
        parameters=134_515_008,
        chat_template=False,
    )
    values = {"language": "en", "model": model, "truths": ("Nothing is unknown.",), "terms": terms}
    return Diagnosis(**{**values, **changes})


@pytest.fixture
def build_diagnosis() -> Callable[..., Diagnosis]:
    """Builds a diagnosis of the given terms."""
    return make_diagnosis


@pytest.fixture
def build_look() -> Callable[..., TermDiagnosis]:
    """Builds the diagnosis of one term."""

    def build(term: str = "zorblax", **changes: Any) -> TermDiagnosis:
        pieces = tuple(
            FormPieces(form=form, spaced=spaced, ids=(1, 2), tokens=("a", "b"), readable=shown)
            for form in (term, f"{term}es")
            for spaced, shown in ((False, ("zor", "blax")), (True, ("␣z", "orblax")))
        )
        probe = Probe(
            definition=0.0,
            definition_deviations=0.0,
            string=None,
            string_deviations=None,
            controls=(),
            verdict="unknown",
        )
        values: dict[str, Any] = {
            "term": term,
            "surface": term,
            "pieces": pieces,
            "seen": "pieces",
            "probe": probe,
            "route": "token",
            "chosen": True,
            "reasons": ("It has many forms.",),
            "changes": ("New tokens: 4.",),
            "bytes_changed": 9_200,
            "bytes_added": 4_600,
        }
        return TermDiagnosis(**{**values, **changes})

    return build


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was printed to stdout since it was last asked; no-break spaces as plain ones."""
    return lambda: capsys.readouterr().out.replace("\u00a0", " ")
