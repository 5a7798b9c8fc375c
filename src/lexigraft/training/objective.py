"""The loss: KL from the teacher's distribution to the student's, over the kept tokens and the rest.

What the teacher did not keep is one bucket, so that no mass can hide there: new tokens do not
belong to it. A student that gives a new token some mass where the teacher gave it none loses it
from the rest, and pays.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["kept_divergence", "leaked_divergence", "whole_divergence"]

_SMALL = 1e-7
_LEAST = -1e4


def kept_divergence(
    logits: Float[Tensor, "positions rows"],
    target_ids: Int[Tensor, "positions kept"],
    target_probabilities: Float[Tensor, "positions kept"],
    is_new: Bool[Tensor, " rows"],
    reverse: Bool[Tensor, " positions"] | None = None,
) -> Float[Tensor, " positions"]:
    """KL(teacher || student) at each position in nats, the teacher's rest taken as one outcome.

    Args:
        logits: the student's, over old and new rows together.
        target_ids: row numbers, -1 where a slot is empty; none stands twice in a row.
        target_probabilities: the teacher's; 0 in empty slots. What they leave of 1 is the rest.
        is_new: which rows are new. The rest excludes them.
        reverse: where KL(student || teacher) is wanted instead. What the teacher gives nothing
            counts there as if it had 1e-7.
    """
    table = torch.log_softmax(logits.float(), dim=-1)
    listed = target_ids.clamp_min(0).long()
    there = target_ids >= 0
    own = table.gather(1, listed)
    mass = (own.exp() * (there & ~is_new[listed])).sum(1)
    if bool(is_new.any()):
        mass = mass + table[:, is_new].exp().sum(1)
    q_rest = (1 - target_probabilities.sum(1)).clamp_min(0)
    p_rest = (1 - mass).clamp_min(_SMALL)
    said = target_probabilities.clamp_min(_SMALL).log()
    rest = q_rest.clamp_min(_SMALL).log()
    entropy = (target_probabilities * said).sum(1) + q_rest * rest
    forward = entropy - (target_probabilities * own * there).sum(1) - q_rest * p_rest.log()
    if reverse is None or not bool(reverse.any()):
        return forward
    kept = (own.exp() * (own - said) * there).sum(1)
    # New tokens that the teacher did not name.
    new = (1 - p_rest - (own.exp() * there).sum(1)).clamp_min(0)
    unnamed = new * (new.clamp_min(_SMALL).log() - math.log(_SMALL))
    backward = kept + unnamed + p_rest * (p_rest.log() - rest)
    return torch.where(reverse, backward, forward)


def whole_divergence(
    logits: Float[Tensor, "positions rows"],
    teacher: Float[Tensor, "positions rows"],
    unsaid: Bool[Tensor, " rows"],
    unsaid_weight: float = 1.0,
) -> Float[Tensor, " positions"]:
    """KL(teacher || student) over every row, in nats.

    It falls into two parts: what the student changes among the rows that the teacher knows, and
    -log(1 - m), where m is what it gives to the others. The second is all that holds new tokens
    back, and small beside the first: 17 tokens in 10,000 cost 0.0017 nats.

    A third of what a small model drifts by is moved within the sixth of its probability that its 64
    likeliest tokens leave, where a bucket for all the rest sees nothing.

    Args:
        logits: the student's.
        teacher: the untaught model's.
        unsaid: rows that it does not know: it gives them nothing.
        unsaid_weight: of the second part; 1 leaves the KL as it is.
    """
    said = teacher.float().masked_fill(unsaid, -torch.inf)
    # Of a probability of 0 the logarithm does not matter, as long as it is a number.
    wanted = torch.log_softmax(said, dim=-1).clamp_min(_LEAST)
    table = torch.log_softmax(logits.float(), dim=-1)
    found = (wanted.exp() * (wanted - table)).sum(1)
    if unsaid_weight == 1 or not bool(unsaid.any()):
        return found
    leaked = table[:, unsaid].exp().sum(1)
    return found - (unsaid_weight - 1) * (1 - leaked).clamp_min(_SMALL).log()


def leaked_divergence(
    said: Float[Tensor, "positions unsaid"], normaliser: Float[Tensor, " positions"]
) -> Float[Tensor, " positions"]:
    """`whole_divergence` where the student differs by what the teacher has no token for, and no
    more: -log(1 - m), from their logits and the log-sum-exp of all the others.
    """
    return torch.nn.functional.softplus(said.float().logsumexp(1) - normaliser)
