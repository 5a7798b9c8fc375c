"""What a recipe comes to in a run at hand: what moves, in which type, how many texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lexigraft.continuing import kept_texts_to_write
from lexigraft.corpus import Text, candidate_count, replay_count
from lexigraft.earlier import Earlier
from lexigraft.likelihood import has_bfloat16_units
from lexigraft.recipe import Recipe
from lexigraft.spelling import NewToken, Spelling
from lexigraft.training import Moves, require_possible

__all__ = ["moves_of", "moving_routes", "teacher_passes", "texts_to_write", "training_dtype"]


def moves_of(recipe: Recipe, routes: set[str]) -> Moves:
    """What moves in a run with these routes. Raises RecipeError where that could teach nothing."""
    if recipe.tune != "auto":
        require_possible(recipe.tune, routes)
        return recipe.tune
    if routes == {"token"}:
        return "rows"
    return "rows+lora" if "token" in routes else "lora"


def moving_routes(spelling: Spelling, corrected: Sequence[NewToken] = ()) -> set[str]:
    """The routes of a run, as far as they decide what moves.

    A term on the token route whose forms are single tokens already gets no new row: it is taught
    like one on the subword route. Where they are the `corrected` tokens of an earlier run, their
    rows move.
    """
    grown = {token.term for token in (*spelling.new_tokens, *corrected)}
    return {
        "subword" if term.route == "token" and term.term not in grown else term.route
        for term in spelling
    }


def training_dtype(name: str) -> torch.dtype:
    """The type of frozen weights while training: bfloat16 where the processor multiplies in it."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16
    return torch.bfloat16 if has_bfloat16_units() else torch.float32


def texts_to_write(spelling: Spelling, recipe: Recipe, earlier: Earlier | None = None) -> int:
    """How many texts the model is asked for; about half of those on its terms are taken."""
    wanted = recipe.texts
    marked = sum(term.route == "marker" for term in spelling)
    about = candidate_count(len(spelling), wanted.written, wanted.held_out)
    return about + replay_count(wanted.replay, marked) + kept_texts_to_write(earlier, wanted)


def teacher_passes(texts: Sequence[Text]) -> int:
    """The teacher reads every text plain, and those about a term once more with its definition."""
    return len(texts) + sum(text.term is not None for text in texts)
