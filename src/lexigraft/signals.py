"""What a teacher says before each piece of a text: its likeliest tokens, computed in batches."""

from __future__ import annotations

import itertools
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
    starts = list(itertools.accumulate((len(pieces) for _, pieces in asked), initial=0))
    # Made once: what is kept piece by piece between the blocks of logits, which come and go, would
    # leave holes in the memory that no later block fits into, 25 MB for each.
    table = _Table(starts[-1], top_k, head if keep_states else None)
    batches = list(length_batches([len(a) + len(b) for a, b in asked], _TEACHER_TOKENS))
    mine = current().mine(batches)
    for batch in mine:
        grid = torch.zeros(len(batch), max(sum(map(len, asked[i])) for i in batch)).long()
        rows: list[int] = []
        columns: list[int] = []
        following: list[int] = []
        places: list[int] = []
        for row, index in enumerate(batch):
            prefix, pieces = asked[index]
            grid[row, : len(prefix) + len(pieces)] = torch.tensor(prefix + pieces)
            rows += [row] * len(pieces)
            columns += range(len(prefix) - 1, len(prefix) + len(pieces) - 1)
            following += pieces
            places += range(starts[index], starts[index] + len(pieces))
        states = hidden_states(model, grid.to(head.device))[rows, columns]
        wanted = torch.tensor(following, device=head.device)
        where = torch.tensor(places)
        for some in head_slices(len(states), len(head)):
            table.put(where[some], _kept(states[some], head, wanted[some], top_k, unknown))
        if table.states is not None:
            table.states[where] = states.cpu()
        if advance is not None:
            advance(len(batch))
    found = [table.of(starts[i], starts[i + 1]) for i in range(len(asked))]
    if current().count > 1:
        parts = current().gather([[_alone(found[i]) for i in batch] for batch in mine])
        for batch, signals in zip(batches, parts, strict=True):
            for index, signal in zip(batch, signals, strict=True):
                found[index] = signal
        if advance is not None and (others := len(asked) - sum(map(len, mine))):
            advance(others)
    return found


class _Table:
    """What is kept of all positions together."""

    def __init__(self, positions: int, top_k: int, head: Tensor | None) -> None:
        self.ids = torch.zeros(positions, top_k, dtype=torch.int32)
        self.values = torch.zeros(positions, top_k)
        self.own = torch.zeros(positions)
        self.normaliser = torch.zeros(positions)
        self.states = (
            None if head is None else torch.zeros(positions, head.shape[1], dtype=head.dtype)
        )

    def put(self, where: Tensor, kept: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """`_kept` at some positions."""
        for whole, part in zip(
            (self.ids, self.values, self.own, self.normaliser), kept, strict=True
        ):
            whole[where] = part.to(device="cpu", dtype=whole.dtype)

    def of(self, start: int, end: int) -> Signal:
        """One text's."""
        states = None if self.states is None else self.states[start:end]
        return Signal(
            self.ids[start:end],
            self.values[start:end],
            self.own[start:end],
            states,
            None if states is None else self.normaliser[start:end],
        )


def _alone(signal: Signal) -> Signal:
    """The signal without the table that it is a part of, for another process."""
    copied = (None if v is None else v.clone() for v in vars(signal).values())
    return Signal(*copied)  # type: ignore[arg-type]


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
