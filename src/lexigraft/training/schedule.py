"""What a run reads when: every batch of every step, a function of the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lexigraft.recipe import TrainingRecipe
from lexigraft.training.lessons import Lesson

__all__ = ["Step", "batches_of_epoch", "count_steps", "schedule", "split_batches"]

_POOL = 8


def batches_of_epoch(
    lessons: Sequence[Lesson], batch_tokens: int, seed: int, epoch: int
) -> list[list[int]]:
    """Indices of one epoch's batches: shuffled, yet of texts of like length in each batch."""
    chance = random.Random(f"{seed}|{epoch}")
    order = [i for i, lesson in enumerate(lessons) if lesson.epoch in (None, epoch)]
    chance.shuffle(order)
    batches: list[list[int]] = []
    pool: list[int] = []
    tokens = 0
    for index in [*order, None]:
        if index is not None:
            pool.append(index)
            tokens += len(lessons[index].ids)
        if pool and (index is None or tokens >= _POOL * batch_tokens):
            batches += split_batches(lessons, pool, batch_tokens)
            pool, tokens = [], 0
    chance.shuffle(batches)
    return batches


def split_batches(
    lessons: Sequence[Lesson], pool: list[int], batch_tokens: int
) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in sorted(pool, key=lambda i: (len(lessons[i].ids), i)):
        if batch and len(lessons[index].ids) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class Step(NamedTuple):
    """What one step of the optimiser reads: the batches, as indices of lessons."""

    epoch: int
    batches: list[list[int]]


def schedule(lessons: Sequence[Lesson], settings: TrainingRecipe, seed: int) -> list[Step]:
    """Every step of the run."""
    if not lessons:
        return []
    steps = []
    for epoch in range(settings.begun_epochs):
        batches = batches_of_epoch(lessons, settings.batch_tokens, seed, epoch)
        together = settings.accumulate
        steps += [
            Step(epoch, batches[first : first + together])
            for first in range(0, len(batches), together)
        ]
    return steps[: max(1, round(len(steps) * settings.epochs / settings.begun_epochs))]


def count_steps(lessons: Sequence[Lesson], settings: TrainingRecipe, seed: int) -> int:
    """How many steps `train` takes over these lessons."""
    return len(schedule(lessons, settings, seed))
