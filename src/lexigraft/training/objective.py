"""The loss: KL from the teacher's distribution to the student's, over the kept tokens and the rest.

What the teacher did not keep is one bucket, so that no mass can hide there: new tokens do not
belong to it. A student that gives a new token some mass where the teacher gave it none loses it
from the rest, and pays.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["kept_divergence"]

_SMALL = 1e-7


def kept_divergence(
    logits: Float[Tensor, "positions rows"],
    target_ids: Int[Tensor, "positions kept"],
    target_probabilities: Float[Tensor, "positions kept"],
    is_new: Bool[Tensor, " rows"],
) -> Float[Tensor, " positions"]:
    """KL(teacher || student) at each position in nats, the teacher's rest taken as one outcome.

    Args:
        logits: the student's, over old and new rows together.
        target_ids: row numbers, -1 where a slot is empty; none stands twice in a row.
        target_probabilities: the teacher's; 0 in empty slots. What they leave of 1 is the rest.
        is_new: which rows are new. The rest excludes them.
    """
    table = torch.log_softmax(logits.float(), dim=-1)
    listed = target_ids.clamp_min(0)
    there = target_ids >= 0
    own = table.gather(1, listed)
    mass = (own.exp() * (there & ~is_new[listed])).sum(1)
    if bool(is_new.any()):
        mass = mass + table[:, is_new].exp().sum(1)
    q_rest = (1 - target_probabilities.sum(1)).clamp_min(0)
    p_rest = (1 - mass).clamp_min(_SMALL)
    entropy = (target_probabilities * target_probabilities.clamp_min(_SMALL).log()).sum(1)
    entropy = entropy + q_rest * q_rest.clamp_min(_SMALL).log()
    return entropy - (target_probabilities * own * there).sum(1) - q_rest * p_rest.log()
