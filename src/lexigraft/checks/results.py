"""What a battery run found, as stored in `verdict.json`. Plain values: no torch, no model.

Scores are fractions of items answered rightly unless a field says otherwise. `floor` is the
untaught model, `taught` the taught one, `ceiling` the untaught one with the definition in its
prompt (BATTERY: four conditions). `None` means that the condition was not run.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Aligned",
    "Alignment",
    "Answer",
    "Chat",
    "CheckSummary",
    "Condition",
    "Drift",
    "Kept",
    "KeptScore",
    "KeptTerm",
    "Leakage",
    "OldRows",
    "Override",
    "Said",
    "Score",
    "Spellings",
    "TermVerdict",
    "Use",
    "Verdict",
]

Condition = Literal["floor", "taught", "ceiling"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Value):
    """One question of a check under one condition: what was asked and what came out."""

    condition: Condition = Field(description="which model was asked, and with what")
    question: str = Field(description="what was asked")
    chosen: str = Field(description="the candidate that the model ranked first")
    right: str = Field(description="the right candidate")
    rank: int = Field(description="rank of the right candidate, 1 is best", ge=1)
    percentile: float | None = Field(
        None, description="share of untaught words that the term scores above, 0 to 1"
    )
    margin: float | None = Field(None, description="score over the best wrong one, nats")


class Score(_Value):
    """One check on one term: the share of its questions answered rightly, by condition."""

    check: str = Field(description="the check's name")
    floor: float | None = Field(None, description="the untaught model")
    taught: float | None = Field(None, description="the taught model")
    ceiling: float | None = Field(
        None, description="the untaught model with the definition in its prompt"
    )
    percentile: float | None = Field(
        None, description="mean share of untaught words that the taught term scores above"
    )
    passed: bool = Field(
        False,
        description="over all its questions the right candidate comes first, and the term scores "
        "above the 95th percentile of the untaught words",
    )
    passed_before: bool = Field(False, description="the same of the untaught model")
    items: tuple[Item, ...] = Field((), description="every question, under each condition")


class Chat(_Value):
    """A check asked once more through the model's chat template. It decides nothing."""

    chance: float | None = Field(None, description="what blind choice reaches")
    floor: float | None = Field(None, description="the untaught model")
    taught: float | None = Field(None, description="the taught model")
    ceiling: float | None = Field(
        None, description="the untaught model with the definition in the user's turn"
    )
    measurable: bool = Field(True, description="ceiling over chance by 3 standard errors")
    questions: int = Field(0, description="asked under each condition")
    reason: Literal["raises", "drops"] | None = Field(
        None,
        description="why it could not be asked: the template raises an error, or drops the text",
    )
    detail: str = Field("", description="the template's own message")


class CheckSummary(_Value):
    """One check over all terms."""

    check: str = Field(description="the check's name")
    chance: float = Field(description="what blind choice reaches")
    floor: float | None = Field(None, description="the untaught model")
    taught: float | None = Field(None, description="the taught model")
    ceiling: float | None = Field(
        None, description="the untaught model with the definition in its prompt"
    )
    baselines: dict[str, float] = Field(
        default_factory=dict,
        description="what is reached without any model: `majority`, always the commonest answer; "
        "`longest`, always the longest option; `overlap`, the option whose definition shares the "
        "most words with the question",
    )
    reciprocal_rank: dict[str, float] = Field(
        default_factory=dict, description="mean reciprocal rank by condition"
    )
    standard_error: float | None = Field(None, description="of `taught`, clustered by term")
    measurable: bool = Field(True, description="ceiling over chance by 3 standard errors")
    gap_closed: float | None = Field(None, description="(taught - floor) / (ceiling - floor)")
    questions: int = Field(0, description="asked under each condition")
    chat: Chat | None = Field(
        None, description="the same through the chat template, where there is one"
    )


class Answer(_Value):
    """What a model says, greedily, before and after teaching, to one prompt."""

    prompt: str = Field(description="what was asked")
    before: str = Field(description="the untaught model")
    after: str = Field(description="the taught model")
    ceiling: str | None = Field(None, description="the untaught model with the definition")


class Said(_Value):
    """The share of a definition's words of meaning that the answers hold, over all terms."""

    floor: float = Field(description="the untaught model")
    taught: float = Field(description="the taught model; without one, the untaught")
    ceiling: float = Field(description="the untaught model with the definition in its prompt")


class TermVerdict(_Value):
    """Everything found about one term."""

    term: str = Field(description="the dictionary form")
    surface: str = Field(description="how it is written to the model")
    route: Literal["subword", "token", "marker"] = Field(description="how it was taught")
    knows: bool = Field(
        description="passed most of the deciding checks that measure something on this model and "
        "asked about this term, while drift and leakage stay under their limits"
    )
    known_before: bool = Field(description="the untaught model passes most of the same")
    passed: int = Field(0, description="deciding checks that the term passed", ge=0)
    measured: int = Field(0, description="deciding checks that could be passed", ge=0)
    scores: dict[str, Score] = Field(description="by check")
    answers: tuple[Answer, ...] = Field((), description="what the models say about the term")


class Aligned(_Value):
    """The matrix of terms and definitions under one condition, read three ways."""

    rows: float = Field(description="share of terms whose own definition scores best")
    columns: float = Field(description="share of definitions whose own term scores best")
    assignment: float = Field(description="share matched rightly when all are matched at once")


class Alignment(_Value):
    """Check 3: terms and definitions all at once, from the scores of check 1."""

    chance: float = Field(description="what blind choice reaches")
    floor: Aligned | None = Field(None, description="the untaught model")
    taught: Aligned | None = Field(None, description="the taught model")
    ceiling: Aligned | None = Field(
        None, description="the untaught model with the definition in its prompt"
    )


class Use(_Value):
    """Check 7, beside its scores: what the sentences that a model wrote with the terms are like."""

    sentences: int = Field(description="written by the taught model, or by the untaught alone")
    copied: float | None = Field(
        None, description="share of their runs of eight words that stand in the reference texts"
    )
    copied_before: float | None = Field(None, description="the same of the untaught model")
    distinct_pairs: float | None = Field(
        None, description="different pairs of neighbouring words over all pairs"
    )
    distinct_pairs_before: float | None = Field(None, description="the same of the untaught model")
    emitted: float = Field(
        description="share of terms that are written when a prompt gives the definition"
    )
    emitted_before: float | None = Field(None, description="the same of the untaught model")
    reference: Literal["lexicon", "training texts"] = Field(
        "lexicon", description="what `copied` was held against"
    )


class Override(_Value):
    """Check 8: a definition in the prompt beside the one that was taught."""

    terms: int = Field(description="how many terms were asked about")
    follows: float = Field(
        description="share of terms for which the model prefers another definition given in the "
        "prompt to the term's own"
    )
    follows_before: float | None = Field(None, description="the same of the untaught model")
    agrees: float = Field(
        description="share of terms whose definition comes first when the prompt gives it"
    )
    agrees_before: float | None = Field(None, description="the same of the untaught model")
    no_worse: bool | None = Field(
        None, description="with the right definition given, at least as good as the untaught model"
    )


class Drift(_Value):
    """Change on neutral text without any taught term (KL of the untaught to the taught model)."""

    mean_kl: float = Field(description="nats per token")
    p99_kl: float = Field(description="99th percentile over tokens, nats")
    bits_per_byte_before: float = Field(description="what the texts cost the untaught model")
    bits_per_byte_after: float = Field(description="and the taught one")
    top1_agreement: float = Field(description="share of tokens with the same likeliest next token")
    hard_negative_kl: float | None = Field(
        None, description="the same mean on the terms' pieces in other words and bare words"
    )
    tokens: int = Field(description="that it was measured on")
    worst: tuple[tuple[str, float], ...] = Field((), description="texts and their mean KL")


class Leakage(_Value):
    """How much the taught terms turn up where they do not belong."""

    emissions_per_10k: float = Field(
        description="expected emissions of any taught term per 10,000 neutral tokens"
    )
    emissions_per_10k_before: float | None = Field(None, description="of the untaught model")
    by_term: dict[str, float] = Field(
        default_factory=dict, description="expected emissions of each term, taught"
    )
    related_term_rise: float | None = Field(
        None,
        description="how much likelier the term became after a related word that leaves no place "
        "for it: mean nats over terms, against the untaught model",
    )
    related_key_words_rise: float | None = Field(
        None, description="the same of the key words of its definition"
    )
    related_by_term: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="both rises of each term that has a related word"
    )


class Spellings(_Value):
    """How exactly the new tokens spell their forms (token route)."""

    forms: int = Field(description="forms with a token of their own")
    exact: int = Field(description="of which exactly one token in every position")
    changed_words: tuple[str, ...] = Field((), description="other words that tokenise differently")
    tokens_saved: dict[str, int] = Field(default_factory=dict, description="per occurrence")


class OldRows(_Value):
    """How far the rows of the model's own tokens moved.

    Only full tuning moves them, and `--replace` those of a corrected term.
    """

    rows: int = Field(description="rows that were compared")
    moved: int = Field(description="rows that are not bit-identical, as input or as output")
    mean: float = Field(description="length of the change over the row's length, mean over rows")
    most: float = Field(description="the same, of the row that moved most")


class KeptScore(_Value):
    """One check on a term that an earlier run taught, as shares of its questions."""

    then: float | None = Field(None, description="in the verdict of the run that taught it")
    before: float = Field(description="the model that this run began with")
    now: float = Field(description="the model that this run taught")
    passed_then: bool | None = Field(None, description="whether it passed in that run's verdict")
    passed_before: bool = Field(description="the same of the model that this run began with")
    passed_now: bool = Field(description="the same of the model that this run taught")


class KeptTerm(_Value):
    """A term that an earlier run taught, asked again."""

    term: str = Field(description="the dictionary form")
    surface: str = Field(description="how it is written to the model")
    run: str = Field(description="the run that taught it")
    had_passed: bool = Field(description="passed some check before this run: had something to lose")
    kept: bool = Field(description="still passes every check that it passed before this run")
    scores: dict[str, KeptScore] = Field(description="by check: `definition` and `cloze`")


class Kept(_Value):
    """What is left of the terms of earlier runs, where this run continues one."""

    run: str = Field(description="the run that this one continues")
    kept: int = Field(description="terms that still pass every check that they passed before")
    of: int = Field(description="terms that passed some check before")
    terms: tuple[KeptTerm, ...] = Field(description="all earlier terms, the latest run's first")

    @property
    def lost(self) -> tuple[str, ...]:
        """Terms that had something to lose and lost some of it."""
        return tuple(term.term for term in self.terms if term.had_passed and not term.kept)


class Verdict(_Value):
    """The verdict on one model and one lexicon."""

    schema_version: int = Field(1, description="of this document")
    lexicon: str = Field(description="its name")
    lexicon_digest: str = Field(description="SHA-256 of its content")
    language: Literal["en", "ru"] = Field(description="of the prompts and the notes")
    model: str = Field(description="the untaught model")
    taught: str | None = Field(None, description="the taught model; None when only a floor was run")
    seed: int = Field(description="decides the untaught words and the sampled sentences")
    seconds: float = Field(description="how long the judging took")
    seconds_by_check: dict[str, float] = Field(
        default_factory=dict, description="how long each check took"
    )
    terms: tuple[TermVerdict, ...] = Field(description="in the lexicon's order")
    checks: dict[str, CheckSummary] = Field(description="every check with questions, by its name")
    said: Said | None = Field(None, description="what the answers hold of the definitions")
    alignment: Alignment | None = Field(None, description="check 3")
    use: Use | None = Field(None, description="check 7, beside its scores")
    override: Override | None = Field(None, description="check 8")
    drift: Drift | None = Field(None, description="check 9")
    leakage: Leakage | None = Field(None, description="check 10")
    selectivity: CheckSummary | None = Field(None, description="check 11, marker route")
    spellings: Spellings | None = Field(None, description="check 12, token route")
    old_rows: OldRows | None = Field(None, description="what became of the model's own tokens")
    kept: Kept | None = Field(None, description="what is left of the terms of earlier runs")
    notes: tuple[str, ...] = Field((), description="what a reader must know beside the numbers")

    def knows(self, check: str | None = None) -> int:
        """How many terms the taught model knows, overall or by one check."""
        if check is None:
            return sum(t.knows for t in self.terms)
        return sum(t.scores[check].passed for t in self.terms if check in t.scores)
