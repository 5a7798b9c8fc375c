"""What a teacher says before each piece of a text: its likeliest tokens, computed in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from lexigraft.likelihood import head_slices, hidden_states, length_batches, output_rows
from lexigraft.processes import current

__all__ = ["Signal", "signals_of"]

_TEACHER_TOKENS = 2048


@dataclass(frozen=True)
class Signal:
    """What the teacher says before each of its pieces."""

    ids: Int[Tensor, "positions kept"]
    log_probabilities: Float[Tensor, "positions kept"]
    of_next: Float[Tensor, " positions"]
    states: Float[Tensor, "positions dim"] | None = None
    """Its last hidden states, where they were asked for: all that it says, by its output rows."""
    normaliser: Float[Tensor, " positions"] | None = None
    """Beside them: log-sum-exp of its logits over all rows that it means."""


@torch.inference_mode()
def signals_of(
    model: PreTrainedModel,
    asked: Sequence[tuple[list[int], list[int]]],
    top_k: int,
    unknown: list[int],
    advance: Callable[[int], None] | None,
    *,
    keep_states: bool = False,
) -> list[Signal]:
    """For each (prefix, pieces) the signal at every piece, with gradients off.

    Args:
        model: the teacher.
        asked: ids that it reads first, and ids of which each is predicted from all before it.
        top_k: its likeliest tokens kept a position.
        unknown: rows that are never meant: spare ones that will be new tokens.
        advance: told how many texts are finished.
        keep_states: whether the signals hold the hidden states as well.
    """
    head = output_rows(model)
    batches = list(length_batches([len(a) + len(b) for a, b in asked], _TEACHER_TOKENS))
    found: list[list[Signal]] = []
    for batch in current().mine(batches):
        grid = torch.zeros(len(batch), max(sum(map(len, asked[i])) for i in batch)).long()
        rows: list[int] = []
        columns: list[int] = []
        following: list[int] = []
        for row, index in enumerate(batch):
            prefix, pieces = asked[index]
            grid[row, : len(prefix) + len(pieces)] = torch.tensor(prefix + pieces)
            rows += [row] * len(pieces)
            columns += range(len(prefix) - 1, len(prefix) + len(pieces) - 1)
            following += pieces
        states = hidden_states(model, grid.to(head.device))[rows, columns]
        wanted = torch.tensor(following, device=head.device)
        parts = [
            _kept(states[some], head, wanted[some], top_k, unknown)
            for some in head_slices(len(states), len(head))
        ]
        ids, values, own, total = (torch.cat(p).cpu() for p in zip(*parts, strict=True))
        signals, offset = [], 0
        for index in batch:
            end = offset + len(asked[index][1])
            held = states[offset:end].cpu().clone() if keep_states else None
            mine, said, next_one, all_of_it = (
                part[offset:end].clone() for part in (ids, values, own, total)
            )
            normaliser = all_of_it if keep_states else None
            signals.append(Signal(mine, said, next_one, held, normaliser))
            offset = end
        found.append(signals)
        if advance is not None:
            advance(len(batch))
    out: dict[int, Signal] = {}
    for batch, signals in zip(batches, current().gather(found), strict=True):
        out.update(zip(batch, signals, strict=True))
    if advance is not None and (others := len(asked) - sum(map(len, found))):
        advance(others)
    return [out[i] for i in range(len(asked))]


def _kept(
    states: Tensor, head: Tensor, wanted: Tensor, top_k: int, unknown: list[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    logits = states @ head.t()
    logits[:, unknown] = -torch.inf
    table = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    values, ids = table.topk(top_k, dim=-1)
    # torch's logsumexp is over ten times slower on a CPU.
    normaliser = logits.gather(1, ids[:, :1]).float() - values[:, :1]
    return ids, values, table.gather(1, wanted[:, None])[:, 0], normaliser[:, 0]
