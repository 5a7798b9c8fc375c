"""How a host sees each term, and the route that fits it, with reasons."""

from __future__ import annotations

from lexigraft.diagnose.look import diagnose, diagnose_terms
from lexigraft.diagnose.values import (
    Diagnosis,
    FormPieces,
    Knowledge,
    ModelFacts,
    Probe,
    TermDiagnosis,
)

__all__ = [
    "Diagnosis",
    "FormPieces",
    "Knowledge",
    "ModelFacts",
    "Probe",
    "TermDiagnosis",
    "diagnose",
    "diagnose_terms",
]
