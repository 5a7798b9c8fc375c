"""A training text: what is written, about which term, and why. Plain values, no token ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Text", "TextKind", "eight_grams", "reject_seen", "without_repeats"]

TextKind = Literal[
    "definition",
    "reverse",
    "contrast",
    "related",
    "example",
    "passage",
    "written",
    "swapped",
    "foil",
    "replay",
    "kept",
]


class Text(BaseModel):
    """One training text, written as the model will see it (markers in place)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    term: str | None = Field(
        None, description="the term it teaches; None for replay, foils and kept texts"
    )
    kind: TextKind
    foil: str | None = Field(None, description="the untaught word in a foil text")
    kept: str | None = Field(None, description="the earlier run's term that it holds")
    epoch: int | None = Field(
        None, description="the one epoch in which it is read; None: in every one"
    )
    held_out: bool = Field(False, description="kept for validation, never trained on")
    gain: float | None = Field(
        None, description="nats per token by which the definition makes the text likelier"
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def eight_grams(text: str) -> set[tuple[str, ...]]:
    """Every run of eight words, lower-cased and without punctuation."""
    words = _words(text)
    return {words[i : i + 8] for i in range(len(words) - 7)}


def reject_seen(texts: Iterable[Text], evaluation: Sequence[str]) -> list[Text]:
    """The texts that share no 8-gram with an evaluation text, and equal none of them.

    Texts shorter than eight words are equal when their words are, whatever stands between them.
    """
    seen: set[tuple[str, ...]] = set()
    for text in evaluation:
        seen |= eight_grams(text)
    whole = {text.strip() for text in evaluation} | {_words(text) for text in evaluation} - {()}
    return [
        t
        for t in texts
        if t.text.strip() not in whole
        and _words(t.text) not in whole
        and not (eight_grams(t.text) & seen)
    ]


def without_repeats(texts: Iterable[Text]) -> list[Text]:
    """The texts without those that were there before, spaces and case apart; the first stays."""
    kept: dict[str, Text] = {}
    for text in texts:
        kept.setdefault(" ".join(text.text.casefold().split()), text)
    return list(kept.values())
