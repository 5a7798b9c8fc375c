"""Teaching: what may move, what it is taught, and the loop that can be killed and resumed."""

from __future__ import annotations

from lexigraft.training.keeping import FolderKeeper
from lexigraft.training.lessons import Lesson, make_lessons
from lexigraft.training.loop import Keeper, count_steps, train
from lexigraft.training.trainable import Moves, Trainable, require_possible
from lexigraft.training.values import Taught, load_taught, save_taught

__all__ = [
    "FolderKeeper",
    "Keeper",
    "Lesson",
    "Moves",
    "Taught",
    "Trainable",
    "count_steps",
    "load_taught",
    "make_lessons",
    "require_possible",
    "save_taught",
    "train",
]
