"""Did the rows of the model's own tokens move? Only teaching all weights may move them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.results import OldRows
from lexigraft.likelihood import output_rows

__all__ = ["old_rows"]


@torch.no_grad()
def old_rows(
    base: PreTrainedModel, taught: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> OldRows:
    """Compares input and output rows of every id of `tokenizer`, the base's, bit by bit.

    How far a row moved is the length of its change over its own length before.
    """
    pairs = list(zip(_matrices(base), _matrices(taught), strict=True))
    used = max(tokenizer.get_vocab().values(), default=-1) + 1
    rows = min(used, *(len(matrix) for pair in pairs for matrix in pair))
    moves = torch.stack([_moves(before[:rows], after[:rows]) for before, after in pairs]).amax(0)
    return OldRows(
        rows=rows,
        moved=int((moves > 0).sum()),
        mean=float(moves.mean()) if rows else 0.0,
        most=float(moves.max()) if rows else 0.0,
    )


def _moves(
    before: Float[Tensor, "rows dim"], after: Float[Tensor, "rows dim"]
) -> Float[Tensor, " rows"]:
    if torch.equal(before, after):
        return torch.zeros(len(before), device=before.device)
    lengths = before.float().norm(dim=-1).clamp_min(1e-12)
    moved: Tensor = (after - before).float().norm(dim=-1) / lengths
    return moved


def _matrices(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    embedding: Any = model.get_input_embeddings()
    inputs: Tensor = embedding.weight
    return inputs, output_rows(model)
