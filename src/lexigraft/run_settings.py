"""What a recipe comes to in a run at hand: what moves, and in which type."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lexigraft.errors import RecipeError
from lexigraft.likelihood import has_bfloat16_units
from lexigraft.recipe import Recipe
from lexigraft.spelling import NewToken, Spelling
from lexigraft.training import Moves, require_possible

__all__ = ["moves_of", "moving_routes", "training_dtype"]


def moves_of(recipe: Recipe, routes: set[str]) -> Moves:
    """What moves in a run with these routes. Raises RecipeError where that could teach nothing."""
    if recipe.tune == "full" and recipe.training.objective == "on-policy":
        raise RecipeError(
            "objective: on-policy needs the untaught model beside the student, and tune: full "
            "moves all of it. Use --tune lora or rows+lora, or the objective distillation."
        )
    if recipe.tune != "auto":
        require_possible(recipe.tune, routes)
        return recipe.tune
    # Rows alone rank a definition first and do not say it: benchmarks/teaching, "said".
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
