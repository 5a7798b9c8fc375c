"""How the student reads a batch: its last states, position by position, and the targets there.

Where rows alone are taught, much of a batch stands still. Causal attention never looks ahead, so
whatever stands before the first new token is read as the untaught model reads it. There

- the last states are known from the teacher, and what the model says differs from what it said by
  the new tokens alone: neither its layers nor the old vocabulary are computed again (*settled*);
- the keys and values are computed once and kept for the epochs to come (*beginnings*), up to a
  limit of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from lexigraft.training.lessons import Lesson
from lexigraft.training.trainable import Trainable

__all__ = ["Read", "Reader", "Settled"]

_MOST_BYTES = 1 << 30
_SHORTEST = 2
"""A beginning of fewer tokens is not worth a cache: reading it again costs less."""


class Settled(NamedTuple):
    """Positions where only new tokens can change what is said."""

    states: Float[Tensor, "settled dim"]
    """The untaught model's last ones, and so the student's."""
    normaliser: Float[Tensor, " settled"]
    """log-sum-exp of its logits over all rows that it has a token for."""
    weights: Float[Tensor, " settled"]
    replay: Bool[Tensor, " settled"]


class Read(NamedTuple):
    """A batch as the student reads it, position by position; settled ones apart."""

    states: Float[Tensor, "positions dim"]
    ids: Int[Tensor, "positions kept"]
    probabilities: Float[Tensor, "positions kept"]
    weights: Float[Tensor, " positions"]
    replay: Bool[Tensor, " positions"]
    reverse: Bool[Tensor, " positions"]
    held: Bool[Tensor, " positions"]
    teacher: Float[Tensor, "held dim"]
    """States of the held positions alone."""
    settled: Settled


@dataclass
class _Beginning:
    """What stands before a lesson's first new token, as every layer keeps it."""

    keys: list[Tensor]
    values: list[Tensor]
    states: Float[Tensor, "time dim"]


@dataclass
class Reader:
    """Reads lessons with a model that is being taught.

    `keeps` says whether lessons come again, so that their beginnings are worth keeping.
    """

    trainable: Trainable
    keeps: bool = True
    _kept: dict[int, tuple[Lesson, _Beginning]] = field(default_factory=dict)
    """By the lesson's identity, with the lesson, so that no other can have it."""
    _bytes: int = 0

    def __post_init__(self) -> None:
        self._still = self.trainable.moves == "rows"
        self._moving = torch.tensor(self.trainable.new_ids, dtype=torch.long)
        self.keeps = self.keeps and self._still and self._can_split()

    def read(self, lessons: Sequence[Lesson]) -> Read:
        """The student's last states at every position that has a target, and the targets."""
        device = self.trainable.is_new.device
        firsts = [self._first(lesson) for lesson in lessons]
        apart = [self._settled(x, f) for x, f in zip(lessons, firsts, strict=True)]
        states = self._states(lessons, firsts, apart)

        def every(values: Sequence[Tensor]) -> Tensor:
            return torch.cat([v[~a] for v, a in zip(values, apart, strict=True)]).to(device)

        def flags(name: str) -> Tensor:
            return every([torch.full((len(x.target_ids),), getattr(x, name)) for x in lessons])

        held = [_held(lesson) for lesson in lessons]
        teachers = [
            x.teacher[~a[h]]
            for x, a, h in zip(lessons, apart, held, strict=True)
            if x.teacher is not None
        ]
        return Read(
            states=states,
            ids=every([lesson.target_ids for lesson in lessons]),
            probabilities=every([lesson.target_probabilities for lesson in lessons]),
            weights=every([lesson.weights for lesson in lessons]),
            replay=flags("replay"),
            reverse=flags("reverse"),
            held=every(held),
            teacher=torch.cat(teachers).to(device) if teachers else states.detach()[:0],
            settled=self._apart(lessons, apart, held, states),
        )

    # --- what stands still ---

    def _first(self, lesson: Lesson) -> int:
        """Where its first token stands whose row moves; behind its end if there is none."""
        if not self._still:
            return 0
        there = torch.isin(lesson.ids, self._moving).nonzero()
        return int(there[0]) if len(there) else len(lesson.ids)

    def _settled(self, lesson: Lesson, first: int) -> Tensor:
        """Which of its positions are."""
        held = _held(lesson)
        if lesson.normaliser is None or not self._still:
            return torch.zeros_like(held)
        return held & (_columns(lesson) < first)

    def _apart(
        self,
        lessons: Sequence[Lesson],
        apart: Sequence[Tensor],
        held: Sequence[Tensor],
        states: Tensor,
    ) -> Settled:
        device = states.device
        some = [
            (cast(Tensor, x.teacher)[a[h]], cast(Tensor, x.normaliser)[a[h]], x.weights[a], x)
            for x, a, h in zip(lessons, apart, held, strict=True)
            if bool(a.any())
        ]
        if not some:
            nothing = torch.zeros(0, device=device)
            return Settled(states.detach()[:0], nothing, nothing, nothing.bool())
        replay = [torch.full((len(w),), x.replay) for _, _, w, x in some]
        return Settled(
            torch.cat([s for s, _, _, _ in some]).to(device),
            torch.cat([n for _, n, _, _ in some]).to(device),
            torch.cat([w for _, _, w, _ in some]).to(device),
            torch.cat(replay).to(device),
        )

    # --- the layers ---

    def _states(
        self, lessons: Sequence[Lesson], firsts: Sequence[int], apart: Sequence[Tensor]
    ) -> Float[Tensor, "positions dim"]:
        """Last states of every position that is not settled, lesson by lesson."""
        found: list[Tensor] = [self._nothing] * len(lessons)
        # Where a beginning is kept, what follows it is read behind it.
        split: list[int] = []
        whole: list[int] = []
        for index, (lesson, first, settled) in enumerate(zip(lessons, firsts, apart, strict=True)):
            if bool(settled.all()):
                continue
            behind = _SHORTEST <= first < len(lesson.ids) and self.keeps
            (split if behind else whole).append(index)
        if split:
            self._remember([lessons[i] for i in split], [firsts[i] for i in split])
            whole += [i for i in split if id(lessons[i]) not in self._kept]
            split = [i for i in split if id(lessons[i]) in self._kept]
        if whole:
            grid = _grid([lessons[i].ids for i in whole]).to(self._nothing.device)
            for index, row in zip(whole, self.trainable.states(grid), strict=True):
                found[index] = row[_columns(lessons[index])[~apart[index]]]
        if split:
            rows = self._behind([lessons[i] for i in split], [firsts[i] for i in split])
            for index, row in zip(split, rows, strict=True):
                found[index] = row[_columns(lessons[index])[~apart[index]]]
        return torch.cat(found)

    @property
    def _nothing(self) -> Float[Tensor, "none dim"]:
        return self.trainable.output_rows[:0]

    @torch.no_grad()
    def _remember(self, lessons: Sequence[Lesson], firsts: Sequence[int]) -> None:
        """Reads and keeps the beginnings that are not kept yet, as far as memory is left."""
        fresh = [
            (lesson, first)
            for lesson, first in zip(lessons, firsts, strict=True)
            if id(lesson) not in self._kept
        ]
        if not fresh or self._bytes >= _MOST_BYTES:
            return
        device = self._nothing.device
        grid = _grid([lesson.ids[:first] for lesson, first in fresh]).to(device)
        out = self._body(input_ids=grid, use_cache=True)
        for row, (lesson, first) in enumerate(fresh):
            beginning = _Beginning(
                [layer.keys[row, :, :first].clone() for layer in out.past_key_values.layers],
                [layer.values[row, :, :first].clone() for layer in out.past_key_values.layers],
                out.last_hidden_state[row, :first].clone(),
            )
            self._kept[id(lesson)] = lesson, beginning
            several = (*beginning.keys, *beginning.values, beginning.states)
            self._bytes += sum(value.numel() * value.element_size() for value in several)

    def _behind(self, lessons: Sequence[Lesson], firsts: Sequence[int]) -> list[Tensor]:
        """Last states of whole lessons, of which the beginnings are kept."""
        kept = [self._kept[id(lesson)][1] for lesson in lessons]
        device = self._nothing.device
        longest, cache = max(firsts), DynamicCache()
        # Beginnings are padded on their left: what follows stands right behind each of them.
        for layer in range(len(kept[0].keys)):
            keys = [_padded(one.keys[layer], longest) for one in kept]
            values = [_padded(one.values[layer], longest) for one in kept]
            cache.update(torch.stack(keys), torch.stack(values), layer)
        ends = [lesson.ids[first:] for lesson, first in zip(lessons, firsts, strict=True)]
        grid = _grid(ends).to(device)
        mask = torch.ones(len(lessons), longest + grid.shape[1], dtype=torch.long, device=device)
        for row, first in enumerate(firsts):
            mask[row, : longest - first] = 0
        places = torch.tensor(firsts, device=device)[:, None] + torch.arange(
            grid.shape[1], device=device
        )
        out = self._body(
            input_ids=grid,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
        )
        return [
            torch.cat([one.states, row[: len(end)]])
            for one, row, end in zip(kept, out.last_hidden_state, ends, strict=True)
        ]

    @torch.no_grad()
    def _can_split(self) -> bool:
        """Whether this model reads an end behind a kept beginning as in one go: tried once.

        An architecture with memory of another kind would get it wrong unnoticed, or fail.
        """
        rows = len(self.trainable.output_rows)
        none = torch.zeros(0, 1)
        probes = [
            Lesson(torch.arange(7 * n, 8 * n) % rows, none.long(), none, none[:, 0], replay=True)
            for n in (6, 8)
        ]
        firsts = [3, 5]
        try:
            self._remember(probes, firsts)
            found = torch.cat(self._behind(probes, firsts)).float()
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            return False
        finally:
            self._kept.clear()
            self._bytes = 0
        device = self._nothing.device
        whole = [self.trainable.states(x.ids[None].to(device))[0].float() for x in probes]
        expected = torch.cat(whole)
        apart = (found - expected).abs().max() / expected.abs().max()
        return bool(apart <= (1e-3 if self._nothing.dtype == torch.float32 else 0.1))

    def _body(self, **given: Any) -> Any:
        model: Any = self.trainable.model
        body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
        return body(**given)


def _held(lesson: Lesson) -> Bool[Tensor, " positions"]:
    nowhere = torch.zeros(len(lesson.target_ids), dtype=torch.bool)
    return nowhere if lesson.held is None else lesson.held


def _columns(lesson: Lesson) -> Int[Tensor, " positions"]:
    """Behind which of its tokens each position stands."""
    count = len(lesson.target_ids)
    return torch.arange(len(lesson.ids) - 1 - count, len(lesson.ids) - 1)


def _grid(several: Sequence[Tensor]) -> Int[Tensor, "batch time"]:
    """Ids padded on their right, which causal attention makes harmless."""
    grid = torch.zeros(len(several), max(map(len, several)), dtype=torch.long)
    for row, ids in enumerate(several):
        grid[row, : len(ids)] = ids
    return grid


def _padded(part: Float[Tensor, "heads time dim"], longest: int) -> Tensor:
    return torch.nn.functional.pad(part, (0, 0, longest - part.shape[1], 0))
