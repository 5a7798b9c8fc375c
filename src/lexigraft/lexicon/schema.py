"""The lexicon's schema: what a term is. Reading and validating files is `lexicon.reading`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Contrast",
    "Kind",
    "Language",
    "Lexicon",
    "Marker",
    "PartOfSpeech",
    "Property",
    "Related",
    "Route",
    "Term",
]

Route = Literal["subword", "token", "marker"]
Kind = Literal["word", "symbol", "concept"]
Language = Literal["en", "ru"]
PartOfSpeech = Literal["noun", "verb", "adjective", "adverb", "proper noun", "phrase"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Marker(_Frozen):
    """The two strings that wrap a concept: `~[` and `]` unless the lexicon says otherwise."""

    open: str = Field("~[", description="what stands before the dictionary form", min_length=1)
    close: str = Field("]", description="what stands after the dictionary form", min_length=1)

    def wrap(self, term: str) -> str:
        """The dictionary form `term` inside this marker."""
        return f"{self.open}{term}{self.close}"


class Related(_Frozen):
    """Terms or ordinary words related to a term, by the kind of relation."""

    synonym: tuple[str, ...] = Field((), description="words that mean the same")
    broader: tuple[str, ...] = Field((), description="what the term is a kind of")
    narrower: tuple[str, ...] = Field((), description="kinds of the term")
    part_of: tuple[str, ...] = Field((), description="wholes that the term is a part of")


class Contrast(_Frozen):
    """Another term of the lexicon that is easily confused with this one, and the difference."""

    term: str = Field(description="the other term's dictionary form")
    difference: str = Field(description="what tells the two apart")


class Property(_Frozen):
    """Something that follows from what the term means, beside something that does not."""

    right: str = Field(description="a sentence with the term that is true of it")
    wrong: str = Field(description="a sentence with the term, as like `right` as can be, untrue")


class Term(_Frozen):
    """One word, symbol or concept to be taught. Only `term` and one definition are required."""

    term: str = Field(description="the dictionary form, as it is written")
    definition: tuple[str, ...] = Field(description="one or several definitions, as noun phrases")
    kind: Kind = Field(
        "word", description="a symbol is found inside words too; a concept fits a marker"
    )
    part_of_speech: PartOfSpeech = Field("noun", description="decides how the term is inflected")
    language: Language = Field("en", description="of the term; in a file, the lexicon's by default")
    forms: tuple[str, ...] = Field((), description="inflected forms besides the dictionary form")
    examples: tuple[str, ...] = Field((), description="sentences with the term, to learn from")
    related: Related = Field(Related(), description="words related to the term")
    contrast: tuple[Contrast, ...] = Field((), description="terms easily confused with this one")
    like: tuple[str, ...] = Field((), description="known words to start a new row from")
    route: Route | None = Field(None, description="None lets the diagnosis choose")
    inside_words: bool | None = Field(None, description="may the token fire inside longer words")
    tests: tuple[str, ...] = Field((), description="sentences for verification, never trained on")
    properties: tuple[Property, ...] = Field(
        (), description="true and untrue sentences for verification, never trained on"
    )

    @property
    def surfaces(self) -> tuple[str, ...]:
        """The dictionary form, then every other form, without repeats."""
        return tuple(dict.fromkeys((self.term, *self.forms)))

    @property
    def unseen(self) -> tuple[str, ...]:
        """Every sentence that is kept for verification and may never be trained on."""
        return (*self.tests, *(s for p in self.properties for s in (p.right, p.wrong)))


class Lexicon(_Frozen):
    """A named set of terms in one run; every term is complete (languages and forms resolved)."""

    name: str = Field(description="what this lexicon is called; in a file, the file's name")
    language: Language = Field("en", description="of the report, and of terms that name none")
    marker: Marker = Field(Marker(), description="what wraps the terms routed `marker`")
    terms: tuple[Term, ...] = Field(description="what is to be taught")

    def __iter__(self) -> Iterator[Term]:  # type: ignore[override]
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __getitem__(self, term: str) -> Term:
        for candidate in self.terms:
            if candidate.term == term:
                return candidate
        raise KeyError(term)

    def digest(self) -> str:
        """SHA-256 of the lexicon's content, independent of the file format and its comments."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
