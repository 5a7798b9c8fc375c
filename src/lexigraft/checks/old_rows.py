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
    used = max(tokenizer.get_vocab().values(), default=-1) + 1
    pairs = [(_inputs(base), _inputs(taught)), (output_rows(base), output_rows(taught))]
    moves = []
    for before, after in pairs:
        rows = min(used, len(before), len(after))
        if torch.equal(before[:rows], after[:rows]):
            moves.append(torch.zeros(rows))
            continue
        lengths = before[:rows].float().norm(dim=-1).clamp_min(1e-12)
        moves.append((after[:rows] - before[:rows]).float().norm(dim=-1) / lengths)
    all_moves = torch.stack([torch.as_tensor(m) for m in moves]).amax(0)
    return OldRows(
        rows=len(all_moves),
        moved=int((all_moves > 0).sum()),
        mean=float(all_moves.mean()) if len(all_moves) else 0.0,
        most=float(all_moves.max()) if len(all_moves) else 0.0,
    )


def _inputs(model: PreTrainedModel) -> Float[Tensor, "rows dim"]:
    embedding: Any = model.get_input_embeddings()
    weight: Tensor = embedding.weight
    return weight
