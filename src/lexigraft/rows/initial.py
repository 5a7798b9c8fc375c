"""First values of new rows, input and output each from its own space.

A row made of some tokens' rows gets the mean norm of the old rows: a mean of several is shorter
than any of them, and with tied embeddings the norm decides how often the token is said. The mean
of all rows stays as short as it is: that is what bounds how far it can move the old probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from lexigraft.spelling import NewToken, Spelling

__all__ = ["Initial", "NewRows", "first_rows", "load_rows", "save_rows"]

Initial = Literal["pieces", "mean", "random", "like"]


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
        initial: `mean` of all old rows; `random` with their moments; `pieces`: the mean of the
            old tokens that spelled the form; `like`: the mean of the lexicon's `like` words (each
            the mean of its own pieces), and `pieces` for a term that names none.
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
    sources = [_sources(initial, token, lexicon, tokenizer) for token in spelling.new_tokens]

    def made(matrix: Tensor, salt: int) -> Float[Tensor, "new dim"]:
        known = matrix[used].float()
        if initial == "random":
            return _random(known, len(sources), seed + salt)
        if initial == "mean":
            return known.mean(0).expand(len(sources), -1).clone()
        rows = [_mean(matrix, groups) for groups in sources]
        norm = known.norm(dim=-1).mean()
        return torch.stack([row * (norm / row.norm().clamp_min(1e-6)) for row in rows])

    return NewRows(
        ids=spelling.new_ids,
        input=made(inputs, 0),
        output=None if outputs is None else made(outputs, 1),
    )


def _sources(
    initial: Initial, token: NewToken, lexicon: Lexicon, tokenizer: PreTrainedTokenizerBase
) -> list[list[int]]:
    """Groups of old ids: a row is the mean over groups of the mean within each."""
    like = lexicon[token.term].like if initial == "like" else ()
    space = " " if token.spaced else ""
    groups = [tokenizer(space + word, add_special_tokens=False).input_ids for word in like]
    return groups or [list(token.pieces)]


def _mean(matrix: Tensor, groups: Sequence[Sequence[int]]) -> Float[Tensor, " dim"]:
    return torch.stack([matrix[list(group)].float().mean(0) for group in groups]).mean(0)


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
