"""What a battery run found, as stored in `verdict.json`. Plain values: no torch, no model.

Scores are fractions of items answered rightly unless a field says otherwise. `floor` is the
untaught model, `taught` the taught one, `ceiling` the untaught one with the definition in its
prompt (BATTERY: four conditions). `None` means that the condition was not run.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Answer",
    "CheckSummary",
    "Drift",
    "Leakage",
    "OldRows",
    "Score",
    "Spellings",
    "TermVerdict",
    "Verdict",
]

Condition = Literal["floor", "taught", "ceiling"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Value):
    """One question of a check under one condition: what was asked and what came out."""

    condition: Condition
    question: str
    chosen: str = Field(description="the candidate that the model ranked first")
    right: str
    rank: int = Field(description="rank of the right candidate, 1 is best", ge=1)
    percentile: float | None = Field(
        None, description="share of untaught words that the term scores above, 0 to 1"
    )
    margin: float | None = Field(None, description="score over the best wrong one, nats")


class Score(_Value):
    """One check on one term."""

    check: str
    floor: float | None = None
    taught: float | None = None
    ceiling: float | None = None
    percentile: float | None = Field(
        None, description="mean share of untaught words that the taught term scores above"
    )
    passed: bool = False
    passed_before: bool = False
    items: tuple[Item, ...] = ()


class CheckSummary(_Value):
    """One check over all terms."""

    check: str
    chance: float
    floor: float | None = None
    taught: float | None = None
    ceiling: float | None = None
    reciprocal_rank: dict[str, float] = Field(
        default_factory=dict, description="mean reciprocal rank by condition"
    )
    standard_error: float | None = Field(None, description="of `taught`, clustered by term")
    measurable: bool = Field(True, description="ceiling over chance by 3 standard errors")
    gap_closed: float | None = Field(None, description="(taught - floor) / (ceiling - floor)")
    questions: int = 0


class Answer(_Value):
    """What a model says, greedily, before and after teaching, to one prompt."""

    prompt: str
    before: str
    after: str
    ceiling: str | None = Field(None, description="the untaught model with the definition")


class TermVerdict(_Value):
    """Everything found about one term."""

    term: str
    surface: str
    route: Literal["subword", "token", "marker"]
    knows: bool
    known_before: bool
    scores: dict[str, Score]
    answers: tuple[Answer, ...] = ()


class Drift(_Value):
    """Change on neutral text without any taught term (KL of the untaught to the taught model)."""

    mean_kl: float = Field(description="nats per token")
    p99_kl: float = Field(description="99th percentile over tokens, nats")
    bits_per_byte_before: float
    bits_per_byte_after: float
    top1_agreement: float = Field(description="share of tokens with the same likeliest next token")
    hard_negative_kl: float | None = Field(
        None, description="the same mean on the terms' pieces in other words and bare words"
    )
    tokens: int
    worst: tuple[tuple[str, float], ...] = Field((), description="texts and their mean KL")


class Leakage(_Value):
    """How much the taught terms turn up where they do not belong."""

    emissions_per_10k: float = Field(
        description="expected emissions of any taught term per 10,000 neutral tokens"
    )
    emissions_per_10k_before: float | None = None
    by_term: dict[str, float] = Field(default_factory=dict)


class Spellings(_Value):
    """How exactly the new tokens spell their forms (token route)."""

    forms: int
    exact: int
    changed_words: tuple[str, ...] = Field((), description="other words that tokenise differently")
    tokens_saved: dict[str, int] = Field(default_factory=dict, description="per occurrence")


class OldRows(_Value):
    """How far the rows of the model's own tokens moved; only full tuning moves them."""

    rows: int
    moved: int = Field(description="rows that are not bit-identical, as input or as output")
    mean: float = Field(description="length of the change over the row's length, mean over rows")
    most: float = Field(description="the same, of the row that moved most")


class Verdict(_Value):
    """The verdict on one model and one lexicon."""

    schema_version: int = 1
    lexicon: str
    lexicon_digest: str
    language: Literal["en", "ru"]
    model: str
    taught: str | None = Field(None, description="the taught model; None when only a floor was run")
    seed: int
    seconds: float
    terms: tuple[TermVerdict, ...]
    checks: dict[str, CheckSummary]
    drift: Drift | None = None
    leakage: Leakage | None = None
    selectivity: CheckSummary | None = None
    spellings: Spellings | None = None
    old_rows: OldRows | None = None
    notes: tuple[str, ...] = ()

    def knows(self, check: str | None = None) -> int:
        """How many terms the taught model knows, overall or by one check."""
        if check is None:
            return sum(t.knows for t in self.terms)
        return sum(t.scores[check].passed for t in self.terms if check in t.scores)
