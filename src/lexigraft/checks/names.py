"""The names of the checks, in the order of the battery. No torch: the command line reads them."""

from __future__ import annotations

from collections.abc import Sequence

from lexigraft.errors import RecipeError

__all__ = ["CHECKS", "DECIDING", "LIMITED", "RANKED", "chosen_checks", "parse_checks"]

DECIDING = ("definition", "term_from_definition", "cloze", "near_terms", "properties", "use")
"""A term is known by most of these (BATTERY: 1, 2, 4, 5, 6, 7)."""

RANKED = (
    "definition",
    "term_from_definition",
    "cloze",
    "cloze_pairs",
    "near_terms",
    "properties",
    "use",
)
"""These say of each term whether it passes."""

LIMITED = ("drift", "leakage")
"""What these find must stay under its limit."""

CHECKS = (
    "definition",
    "term_from_definition",
    "alignment",
    "cloze",
    "cloze_pairs",
    "near_terms",
    "properties",
    "use",
    "override",
    *LIMITED,
    "selectivity",
    "spelling",
    "kept",
    "answers",
)


def chosen_checks(checks: Sequence[str] | None) -> tuple[str, ...]:
    """The checks named, in the battery's order; all of them for None.

    Raises:
        RecipeError: a name that is no check, or none at all.
    """
    if checks is None:
        return CHECKS
    if unknown := [check for check in checks if check not in CHECKS]:
        raise RecipeError(f"No such check: {', '.join(unknown)}. There are {', '.join(CHECKS)}.")
    if not checks:
        raise RecipeError(f"No check is named. There are {', '.join(CHECKS)}.")
    return tuple(check for check in CHECKS if check in checks)


def parse_checks(text: str) -> tuple[str, ...]:
    """The checks in a list such as "definition,cloze"; raises RecipeError as `chosen_checks`."""
    return chosen_checks([part.strip() for part in text.split(",") if part.strip()])
