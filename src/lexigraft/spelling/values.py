"""What spelling decides, as stored in `spelling.json`: plain frozen values, no tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.lexicon.schema import Marker, Route

__all__ = ["Mechanism", "NewToken", "SpelledTerm", "Spelling"]

Mechanism = Literal["vocabulary", "added"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewToken(_Value):
    """One new token: a surface form of a term, with or without its leading space."""

    id: int = Field(ge=0, description="row in the embedding matrices")
    content: str = Field(description="the text it stands for, with its leading space: ' zorblax'")
    token: str = Field(description="the vocabulary string: 'Ġzorblax'")
    form: str = Field(description="the form, as written in a text: 'zorblax', 'Zorblax'")
    term: str
    pieces: tuple[int, ...] = Field(description="ids that the old tokenizer gave to `content`")
    mechanism: Mechanism
    inside_words: bool = Field(False, description="may it stand inside a longer word")

    @property
    def spaced(self) -> bool:
        """Whether the token carries its leading space."""
        return self.content != self.content.lstrip(" ")


class SpelledTerm(_Value):
    """How one term is written to the model."""

    term: str
    route: Route
    surface: str = Field(description="dictionary form as the model sees it: '~[энтелехия]'")
    forms: tuple[str, ...] = Field(description="every form that may be written, `surface` first")


class Spelling(_Value):
    """How every term of a lexicon becomes ids. `rows_after >= rows_before`, always."""

    marker: Marker
    terms: tuple[SpelledTerm, ...]
    new_tokens: tuple[NewToken, ...] = ()
    rows_before: int = Field(ge=0, description="rows of the embedding matrix, spare ones included")
    rows_after: int = Field(ge=0)

    def __getitem__(self, term: str) -> SpelledTerm:
        for spelled in self.terms:
            if spelled.term == term:
                return spelled
        raise KeyError(term)

    def __iter__(self) -> Iterator[SpelledTerm]:  # type: ignore[override]
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def surface(self, term: str) -> str:
        """The dictionary form as written to the model."""
        return self[term].surface

    def route(self, term: str) -> Route:
        """The route by which `term` is taught."""
        return self[term].route

    def tokens_of(self, term: str) -> tuple[NewToken, ...]:
        """The new tokens of `term`, in the order of their ids; empty but for the token route."""
        return tuple(token for token in self.new_tokens if token.term == term)

    @property
    def padding(self) -> int:
        """How many of the added rows stand for no token, where rows come in multiples."""
        highest = max(self.new_ids, default=-1)
        return self.rows_after - max(self.rows_before, highest + 1)

    @property
    def new_ids(self) -> tuple[int, ...]:
        """Ids of all new tokens, ascending."""
        return tuple(token.id for token in self.new_tokens)
