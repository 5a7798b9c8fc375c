"""What a pack holds, for people and scripts: plain values, no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.lexicon import Language, Route
from lexigraft.pack.values import BaseIdentity, LoraShape, Pack, RowsShape

__all__ = ["PackSummary", "TermSummary", "summary"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TermSummary(_Value):
    """One term of a pack."""

    term: str
    route: Route
    surface: str = Field(description="how it is written to the model")
    forms: tuple[str, ...]
    definition: tuple[str, ...]
    tokens: int = Field(description="new tokens, each with a row")
    known: bool = Field(description="by the verdict in the pack")
    passed: int = Field(description="deciding checks that it passed")
    measured: int = Field(description="deciding checks that could be passed")


class PackSummary(_Value):
    """What `lexigraft inspect --json` prints."""

    name: str
    sha256: str
    size: int = Field(description="bytes")
    created: str
    lexigraft: str = Field(description="the version that wrote it")
    licence: str | None
    author: str | None
    lexicon: str = Field(description="its name")
    language: Language
    base: BaseIdentity
    rows: RowsShape | None
    lora: LoraShape | None
    lora_bytes: int
    terms: tuple[TermSummary, ...]
    knows: int = Field(description="terms known, by the verdict in the pack")
    drift: float | None = Field(description="mean KL on neutral text, nats per token")
    leakage: float | None = Field(description="emissions per 10,000 neutral tokens")
    notes: tuple[str, ...] = Field(description="of the verdict")


def summary(pack: Pack) -> PackSummary:
    """What `pack` holds, short."""
    manifest, verdict = pack.manifest, pack.verdict
    judged = {term.term: term for term in verdict.terms}
    terms = tuple(
        TermSummary(
            term=term.term,
            route=pack.spelling.route(term.term),
            surface=pack.spelling.surface(term.term),
            forms=pack.spelling[term.term].forms,
            definition=term.definition,
            tokens=len(pack.spelling.tokens_of(term.term)),
            known=judged[term.term].knows,
            passed=judged[term.term].passed,
            measured=judged[term.term].measured,
        )
        for term in pack.lexicon
    )
    return PackSummary(
        name=pack.name,
        sha256=pack.sha256,
        size=pack.size,
        created=manifest.created,
        lexigraft=manifest.lexigraft,
        licence=manifest.licence,
        author=manifest.author,
        lexicon=pack.lexicon.name,
        language=pack.lexicon.language,
        base=manifest.base,
        rows=manifest.rows,
        lora=manifest.lora,
        lora_bytes=sum(len(stored.data) for stored in pack.lora.values()),
        terms=terms,
        knows=verdict.knows(),
        drift=None if verdict.drift is None else verdict.drift.mean_kl,
        leakage=None if verdict.leakage is None else verdict.leakage.emissions_per_10k,
        notes=verdict.notes,
    )
