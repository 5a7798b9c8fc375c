"""Check 12, spelling (token route): each form one token, every other word as before."""

from __future__ import annotations

from lexigraft.checks.results import Spellings
from lexigraft.spelling import Proof

__all__ = ["spellings"]


def spellings(proof: Proof | None) -> Spellings | None:
    """What `spelling.prove` found, as the verdict stores it; None where no form was."""
    if proof is None or not proof.forms:
        return None
    return Spellings(
        forms=proof.forms,
        exact=proof.exact,
        changed_words=proof.changed_words,
        tokens_saved=proof.tokens_saved,
    )
