"""What a diagnosis holds, as stored in `diagnosis.json`: plain frozen values, no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.lexicon.schema import Language, Route

__all__ = [
    "Diagnosis",
    "FirstValues",
    "FormPieces",
    "Knowledge",
    "ModelFacts",
    "Probe",
    "Seen",
    "TermDiagnosis",
]

Seen = Literal["one token", "pieces", "bytes", "unknown"]
FirstValues = Literal["distilled", "like", "similar", "pieces"]
Knowledge = Literal["unknown", "maybe known", "known"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFacts(_Value):
    """What a reader wants to know of the host; `None` means unknown without the weights."""

    source: str
    revision: str | None = None
    architecture: str | None = None
    tokenizer_class: str
    family: str
    vocabulary: int = Field(description="tokens, special and added ones included")
    rows: int | None = None
    spare_rows: int | None = None
    tied: bool | None = None
    dtype: str | None = None
    hidden_size: int | None = None
    layers: int | None = None
    parameters: int | None = None
    chat_template: bool


class FormPieces(_Value):
    """How the old tokenizer cuts one form."""

    form: str
    spaced: bool = Field(description="whether it stands after a space")
    ids: tuple[int, ...]
    tokens: tuple[str, ...] = Field(description="vocabulary strings")
    readable: tuple[str, ...] = Field(description="the same for a reader: '␣' space, '<F0>' byte")


class Probe(_Value):
    """What the two measurements gave. Differences in nats per token; below zero: known better."""

    definition: float = Field(description="surprisal of the definition, term less invented words")
    definition_deviations: float = Field(description="the same in their standard deviations")
    string: float | None = Field(description="surprisal of the later pieces; None for one piece")
    string_deviations: float | None
    controls: tuple[str, ...] = Field(description="the invented words")
    verdict: Knowledge


class TermDiagnosis(_Value):
    """One term: how it is seen, which route it takes and why, and what that changes."""

    term: str
    surface: str = Field(description="how it will be written to the model")
    pieces: tuple[FormPieces, ...]
    seen: Seen
    probe: Probe | None = Field(None, description="does the model know it? None without weights")
    route: Route
    chosen: bool = Field(description="chosen by auto, not given")
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    new_tokens: int = 0
    tokens_saved: int = Field(
        0, description="tokens that one token for the dictionary form would save each time"
    )
    first_values: FirstValues | None = Field(
        None, description="`rows.initial` that fits a token of its own; None where it is one"
    )
    exact: bool = Field(True, description="every new token carries its leading space")
    bytes_changed: int | None = Field(
        None, description="new rows in the model's dtype, or this term's share of the adapter"
    )
    bytes_added: int | None = Field(
        None, description="what the model or adapter grows by; 0 where spare rows take the tokens"
    )


class Diagnosis(_Value):
    """What was found before anything is taught."""

    schema_version: int = 1
    language: Language
    model: ModelFacts
    truths: tuple[str, ...]
    terms: tuple[TermDiagnosis, ...]

    def __getitem__(self, term: str) -> TermDiagnosis:
        for found in self.terms:
            if found.term == term:
                return found
        raise KeyError(term)

    @property
    def routes(self) -> dict[str, Route]:
        """Term -> route, as `spell` takes it."""
        return {found.term: found.route for found in self.terms}
