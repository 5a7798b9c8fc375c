"""First values of new rows, input and output each from its own space.

The norm of a row decides how often its token is said, where it is an output row. A mean of rows is
shorter than any of them, and stays so there: that bounds how far it can move old probabilities.
An input row made of some tokens' rows gets the mean norm of the old ones, and so does any row made
of the lexicon's `like` words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import RunError
from lexigraft.lexicon import Lexicon
from lexigraft.rows.sources import (
    Neighbours,
    Side,
    Source,
    from_definition,
    from_pieces,
    from_words,
)
from lexigraft.spelling import NewToken, Spelling

__all__ = ["Initial", "NewRows", "first_rows", "load_rows", "save_rows"]

Initial = Literal["pieces", "mean", "random", "like", "similar", "definition", "distilled"]


@dataclass(frozen=True)
class NewRows:
    """Values for new rows, in the order of `ids`; `output` is None where embeddings are tied."""

    ids: tuple[int, ...]
    input: Float[Tensor, "new dim"]
    output: Float[Tensor, "new dim"] | None


def first_rows(
    initial: Initial,
    spelling: Spelling,
    lexicon: Lexicon,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Float[Tensor, "rows dim"],
    outputs: Float[Tensor, "rows dim"] | None,
    *,
    seed: int = 0,
) -> NewRows:
    """A first value for the row of each new token.

    Args:
        initial: `mean` of all old rows; `random` with their moments; `pieces`: the old tokens that
            spelled the form (`from_pieces` says how much each counts); `like`: the mean of the
            lexicon's `like` words (each the mean of its own pieces), and `pieces` for a term that
            names none; `similar`: the same, and the words nearest to the definition for a term that
            names none; `definition`: the tokens of the definition, common ones down-weighted;
            `distilled`: what its training starts from, a row that is said halfway between `pieces`
            and `mean` (from `pieces` alone the trained rows are said where they do not belong).
        spelling: what `spell` decided.
        lexicon: its `like` words.
        tokenizer: the old one.
        inputs: the input matrix as it was before any new row.
        outputs: the output matrix where it is another one; None where embeddings are tied.
        seed: for `random`.

    Returns:
        float32 rows. A row never depends on a new row, nor an input row on an output row.
    """
    old = min(spelling.rows_before, len(inputs))
    used = sorted(set(range(old)) - set(spelling.new_ids))
    tied = outputs is None
    sources = _Sources(initial, lexicon, tokenizer, inputs, used)

    def made(matrix: Tensor, side: Side, salt: int) -> Float[Tensor, "new dim"]:
        known = matrix[used].float()
        count = len(spelling.new_tokens)
        if initial == "random":
            return _random(known, count, seed + salt)
        if initial == "mean":
            return known.mean(0).expand(count, -1).clone()
        norm = known.norm(dim=-1).mean()
        rows = []
        for token in spelling.new_tokens:
            source = sources.of(token, side)
            row = source.row(matrix)
            rows.append(row * (norm / row.norm().clamp_min(1e-6)) if source.stretched else row)
        stacked = torch.stack(rows)
        if initial == "distilled" and side != "input":
            return (stacked + known.mean(0)) / 2
        return stacked

    return NewRows(
        ids=spelling.new_ids,
        input=made(inputs, "tied" if tied else "input", 0),
        output=None if outputs is None else made(outputs, "output", 1),
    )


class _Sources:
    """What each row is made of. The words nearest to the definitions are looked up at once."""

    def __init__(
        self,
        initial: Initial,
        lexicon: Lexicon,
        tokenizer: PreTrainedTokenizerBase,
        inputs: Float[Tensor, "rows dim"],
        used: list[int],
    ) -> None:
        self.initial = initial
        self.lexicon = lexicon
        self.tokenizer = tokenizer
        self.inputs = inputs
        self.used = used

    def of(self, token: NewToken, side: Side) -> Source:
        """The source of one row. What gives no token at all falls back on the form's pieces."""
        term = self.lexicon[token.term]
        if self.initial in ("like", "similar") and term.like:
            return from_words(term.like, token, self.tokenizer, stretched=True)
        found = None
        if self.initial == "similar" and (words := self._similar[term.term]):
            found = from_words(words, token, self.tokenizer, stretched=side == "input")
        elif self.initial == "definition":
            found = from_definition(term, self.tokenizer, len(self.used), side)
        if found is None or not all(found.groups):
            return from_pieces(token, self.tokenizer, side)
        return found

    @cached_property
    def _similar(self) -> dict[str, tuple[str, ...]]:
        neighbours = Neighbours(self.tokenizer, self.inputs, self.used)
        return neighbours.of([term for term in self.lexicon if not term.like])


def _random(known: Tensor, count: int, seed: int) -> Float[Tensor, "new dim"]:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, known.shape[1], generator=generator)
    return known.mean(0) + known.std(0) * noise


def save_rows(rows: NewRows, path: Path) -> None:
    """Writes rows and ids to the safetensors file `path`."""
    tensors = {"ids": torch.tensor(rows.ids, dtype=torch.int64), "input": rows.input.contiguous()}
    if rows.output is not None:
        tensors["output"] = rows.output.contiguous()
    save_file(tensors, path)


def load_rows(path: Path) -> NewRows:
    """Reads what `save_rows` wrote. Raises RunError for a missing or damaged file."""
    try:
        tensors = load_file(path)
        ids = tuple(int(i) for i in tensors["ids"])
        return NewRows(ids=ids, input=tensors["input"], output=tensors.get("output"))
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"{path} is missing or damaged ({error}).") from error
