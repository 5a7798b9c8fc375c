"""How a term becomes ids: subword, token, marker. Tokenizer surgery; touches no weights."""

from __future__ import annotations

from lexigraft.spelling.prove import FormProof, Proof, prove, require_exact
from lexigraft.spelling.spell import spell
from lexigraft.spelling.values import Mechanism, NewToken, SpelledTerm, Spelling

__all__ = [
    "FormProof",
    "Mechanism",
    "NewToken",
    "Proof",
    "SpelledTerm",
    "Spelling",
    "prove",
    "require_exact",
    "spell",
]
