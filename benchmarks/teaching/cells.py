"""What the benchmark measures: one cell is one model taught in one way, judged once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["LEFT_OUT", "OTHERWISE", "Cell", "Size", "cells_of"]

Size = Literal["trial", "default", "whole"]

LEFT_OUT: dict[str, dict[str, Any]] = {
    "no self-written texts": {"texts": {"written": 0}},
    "no swapped sentences": {"texts": {"swapped": False}},
    "no foils": {"texts": {"foils": 0.0}},
    "no replay": {"texts": {"replay": 0}},
    "no teacher (next-token loss)": {"training": {"objective": "next-token"}},
    "no text beside the teacher": {"training": {"text_weight": 0.0}},
    "no evidence asked before a term": {"training": {"evidence": -1000.0}},
    "no examples for the teacher": {"training": {"teacher_examples": 0}},
}
"""Settings of the recipe, by the part that they leave out."""

OTHERWISE: dict[str, dict[str, Any]] = {
    "ours, half the epochs": {"training": {"epochs": 3.0}},
    "ours, twice the epochs": {"training": {"epochs": 12.0}},
    "ours, twice the texts": {"texts": {"written": 32}},
    "ours, a LoRA in half the layers": {"training": {"layers": 0.5}},
    "ours, a LoRA of rank 32": {"training": {"rank": 32}},
    "ours, on-policy": {"training": {"objective": "on-policy"}},
}
"""Settings of the recipe, by what is done otherwise: more time, more text, another choice."""

ROUTES = {
    "subword": ("subword", "lora"),
    "token, rows only": ("token", "rows"),
    "token, rows and LoRA": ("token", "rows+lora"),
    "marker": ("marker", "lora"),
}
"""Route and what moves, by the name in the table."""


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    lexicon: str
    """`english`, `russian` or `wordnet`"""
    terms: int
    """the first so many of it"""
    way: str
    """a key of ROUTES"""
    method: str
    """`ours`, `usual`, `permuted`, or a key of LEFT_OUT or OTHERWISE"""
    seed: int

    @property
    def name(self) -> str:
        """As its file is called."""
        plain = f"{self.lexicon}-{self.terms} {self.way} {self.method} {self.seed}"
        return "".join(c if c.isalnum() or c in "-" else "_" for c in plain)

    @property
    def route(self) -> str:
        """Of every term."""
        return ROUTES[self.way][0]

    @property
    def tune(self) -> str:
        """What moves."""
        return ROUTES[self.way][1]


def cells_of(size: Size) -> Iterator[Cell]:
    """Every cell of a size, the most telling first: what is stopped early has shown the most."""
    if size == "trial":
        yield Cell("english", 4, "subword", "ours", 0)
        yield Cell("english", 4, "subword", "usual", 0)
        return
    terms = 12 if size == "default" else 24
    yield from _main_rows(terms, 0)
    yield Cell("english", terms, "subword", "permuted", 0)
    for way in ("subword", "token, rows only"):
        yield Cell("russian", terms, way, "ours", 0)
    yield Cell("russian", terms, "subword", "usual", 0)
    for part in (*LEFT_OUT, *OTHERWISE):
        yield Cell("english", terms, "subword", part, 0)
    for seed in (1, 2):
        yield from _main_rows(terms, seed)
    if size == "whole":
        yield from _rest(terms)


def _main_rows(terms: int, seed: int) -> Iterator[Cell]:
    for way in ROUTES:
        yield Cell("english", terms, way, "ours", seed)
    yield Cell("english", terms, "subword", "usual", seed)


def _rest(terms: int) -> Iterator[Cell]:
    """What the default size leaves to a larger machine."""
    for seed in range(3):
        for method in ("ours", "usual"):
            yield Cell("wordnet", 100, "token, rows and LoRA", method, seed)
        for way in ROUTES:
            if way != "subword":
                yield Cell("english", terms, way, "usual", seed)
                yield Cell("russian", terms, way, "usual", seed)
            if seed or way not in ("subword", "token, rows only"):
                yield Cell("russian", terms, way, "ours", seed)
        if seed:
            yield Cell("russian", terms, "subword", "usual", seed)
            for part in LEFT_OUT:
                yield Cell("english", terms, "subword", part, seed)
