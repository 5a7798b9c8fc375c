"""From a run's texts to what was taught: the teacher asked, the student trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus import Text
from lexigraft.lexicon import Lexicon
from lexigraft.progress import Progress
from lexigraft.recipe import Objective, Recipe, TrainingRecipe
from lexigraft.rows import load_rows
from lexigraft.spelling import NewToken, Spelling
from lexigraft.training import (
    FolderKeeper,
    Moves,
    Rollouts,
    Taught,
    Trainable,
    count_steps,
    make_lessons,
    train,
)
from lexigraft.workspace import Workspace

__all__ = ["train_on_texts"]


def _passes(texts: Sequence[Text], objective: Objective) -> int:
    """The teacher reads every text plain, and those about a term once more with its definition."""
    about = 0 if objective == "next-token" else sum(text.term is not None for text in texts)
    return len(texts) + about


def train_on_texts(
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    recipe: Recipe,
    space: Workspace,
    *,
    moves: Moves,
    moving: Sequence[NewToken],
    copied: Callable[[], PreTrainedModel],
    title: str,
    seed: int,
    progress: Progress,
) -> Taught:
    """Trains on the texts in the run's folder, from its last checkpoint on where it has one.

    Args:
        old_tokenizer: the untaught one.
        tokenizer: the one that spells the new words.
        space: holds texts and first rows, and keeps checkpoints and the log.
        moving: tokens whose rows may move alone.
        copied: gives a copy of the untaught model, of which nothing is used afterwards.
        title: of the stage that `progress` is told.
    """
    settings = recipe.training
    texts = [Text.model_validate(line) for line in space.read_whole_lines(space.texts)]
    model = copied()
    about = model, old_tokenizer, tokenizer, lexicon, spelling
    teach = partial(make_lessons, *about, whole=moves != "full")
    with progress.stage("Asking the teacher", _passes(texts, settings.objective)) as advance:
        lessons = teach(texts, settings, advance=advance)
    pairs = list(zip(texts, lessons, strict=True))
    trained = [lesson for text, lesson in pairs if not text.held_out]
    trainable = _trainable(model, moves, moving, spelling, settings, space, seed)
    keeper, renew = FolderKeeper(space), None
    if settings.objective == "on-policy":
        read = [text for text in texts if not text.held_out]
        again = partial(teach, settings=settings, by_student=True)
        renew = Rollouts(trainable, tokenizer, lexicon, read, again, keeper, seed)
    with progress.stage(title, count_steps(trained, settings, seed)) as advance:
        train(
            trainable,
            trained,
            [lesson for text, lesson in pairs if text.held_out],
            settings,
            keeper,
            drift_budget=settings.drift_budget,
            seed=seed,
            renew=renew,
            advance=advance,
        )
    return trainable.taught()


def _trainable(
    model: PreTrainedModel,
    moves: Moves,
    moving: Sequence[NewToken],
    spelling: Spelling,
    settings: TrainingRecipe,
    space: Workspace,
    seed: int,
) -> Trainable:
    return Trainable(
        model,
        moves,
        load_rows(space.rows) if moving else None,
        spelling.rows_after,
        rank=settings.rank,
        alpha=settings.alpha,
        seed=seed,
        terms=[token.term for token in moving],
        layers=settings.layers,
    )
