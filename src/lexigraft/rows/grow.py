"""More rows for an embedding matrix that has too few."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import PreTrainedModel

from lexigraft.likelihood import output_rows

__all__ = ["grow_rows"]


@torch.no_grad()
def grow_rows(model: PreTrainedModel, rows: int) -> None:
    """Gives the matrices of `model` at least `rows` rows, in place; they never shrink.

    An added row is the mean of the old ones, in input and output each of its own: a row that stays
    without a token (padding to a multiple) then takes no more probability than an average token,
    where zeros or transformers' small random rows can win everywhere (Hewitt 2021).
    """
    embedding = cast(Any, model.get_input_embeddings())
    old = len(embedding.weight)
    if rows <= old:
        return
    means = [weight.float().mean(0) for weight in (embedding.weight, output_rows(model))]
    model.resize_token_embeddings(rows, mean_resizing=False)
    embedding = cast(Any, model.get_input_embeddings())
    for weight, mean in zip((embedding.weight, output_rows(model)), means, strict=True):
        weight[old:] = mean.to(weight.dtype)
