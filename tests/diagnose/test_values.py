"""A stored diagnosis: frozen, complete, and readable without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lexigraft.diagnose.values import Diagnosis, ModelFacts, TermDiagnosis
from lexigraft.host import HostFacts


def test_model_facts_are_facts_of_a_host() -> None:
    for name, field in ModelFacts.model_fields.items():
        assert HostFacts.model_fields[name].is_required() == field.is_required(), name


def test_routes_and_lookup() -> None:
    term = TermDiagnosis(
        term="zorb", surface="~[zorb]", pieces=(), seen="pieces", route="marker", chosen=True,
        reasons=(), changes=(),
    )  # fmt: skip
    facts = ModelFacts(
        source="x", tokenizer_class="T", family="other", vocabulary=3, chat_template=False
    )
    diagnosis = Diagnosis(language="en", model=facts, truths=(), terms=(term,))
    assert diagnosis.routes == {"zorb": "marker"}
    assert diagnosis["zorb"] is term
    with pytest.raises(KeyError):
        diagnosis["lamp"]
    with pytest.raises(ValidationError):
        diagnosis.language = "ru"  # type: ignore[misc]


def test_the_values_need_no_torch() -> None:
    code = "import sys, lexigraft.diagnose; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
