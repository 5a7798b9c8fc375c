"""Teaching: what may move, what it is taught, and the loop that can be killed and resumed."""

from __future__ import annotations

from lexigraft.training.keeping import FolderKeeper
from lexigraft.training.lessons import Lesson, make_lessons
from lexigraft.training.loop import Keeper, train
from lexigraft.training.on_policy import RolloutKeeper, Rollouts
from lexigraft.training.rates import Rates, learning_rates
from lexigraft.training.schedule import count_steps
from lexigraft.training.trainable import Moves, Trainable, require_possible
from lexigraft.training.values import Taught, load_taught, save_taught

__all__ = [
    "FolderKeeper",
    "Keeper",
    "Lesson",
    "Moves",
    "Rates",
    "RolloutKeeper",
    "Rollouts",
    "Taught",
    "Trainable",
    "count_steps",
    "learning_rates",
    "load_taught",
    "make_lessons",
    "require_possible",
    "save_taught",
    "train",
]
