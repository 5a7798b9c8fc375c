"""What a verdict is held against, for scripts and continuous integration."""

from __future__ import annotations

import math

from lexigraft.checks.names import LIMITED, RANKED
from lexigraft.checks.results import Verdict
from lexigraft.errors import RecipeError, RequirementNotMet

__all__ = ["parse_requirements", "require"]

_NAMES = ("knows", *RANKED, *LIMITED, "kept")


def parse_requirements(requirements: str) -> tuple[tuple[str, float], ...]:
    """Names and numbers of requirements such as "knows=0.8,drift=0.05"; see `require`.

    Needs no verdict: what is mistyped can be refused before the judging.

    Raises:
        RecipeError: an unknown name, a value that is no number of at least 0, or nothing at all.
    """
    known = ", ".join(_NAMES)
    out = []
    for item in filter(None, (part.strip() for part in requirements.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in _NAMES:
            raise RecipeError(f"'{item}' cannot be required; there are {known}.")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise RecipeError(f"'{item}' needs a number of at least 0, as in {name}=0.8.")
        out.append((name, number))
    if not out:
        raise RecipeError(f"Nothing is required; give some of {known}, as in knows=0.8.")
    return tuple(out)


def require(verdict: Verdict, requirements: str) -> None:
    """Holds `verdict` against requirements such as "knows=0.8,drift=0.05".

    `knows` and the names of ranking checks ask for at least that share of the terms (a number above
    1: that many terms), `kept` for that share of the terms of earlier runs; `drift` (nats a token)
    and `leakage` (emissions in 10,000 tokens) allow at most that much.

    Raises:
        RequirementNotMet: with one line for each that is not met or was not measured.
        RecipeError: requirements that cannot be understood; see `parse_requirements`.
    """
    missed = []
    for name, wanted in parse_requirements(requirements):
        if name in LIMITED:
            missed += _missed_limit(verdict, name, wanted)
        elif name == "kept":
            missed += _missed_kept(verdict, wanted)
        else:
            missed += _missed_share(verdict, name, wanted)
    if missed:
        raise RequirementNotMet("\n".join(["The verdict falls short:", *missed]))


def _missed_limit(verdict: Verdict, name: str, most: float) -> list[str]:
    if name == "drift":
        value = None if verdict.drift is None else verdict.drift.mean_kl
    else:
        value = None if verdict.leakage is None else verdict.leakage.emissions_per_10k
    if value is None:
        return [f"  {name}: at most {most:g} allowed, but it was not measured"]
    return [] if value <= most else [f"  {name}: {value:.4g}, at most {most:g} allowed"]


def _missed_kept(verdict: Verdict, least: float) -> list[str]:
    found = verdict.kept
    if found is None or not found.of:
        why = "this run continues none" if found is None else "no earlier term passed before"
        return [f"  kept: at least {least:g} wanted, but {why}"]
    reached = found.kept if least > 1 else found.kept / found.of
    if reached >= least:
        return []
    lost = ", ".join(found.lost[:10])
    return [f"  kept: {found.kept} of {found.of}, at least {least:g} wanted; lost: {lost}"]


def _missed_share(verdict: Verdict, name: str, least: float) -> list[str]:
    total = len(verdict.terms)
    if name != "knows":
        if name not in verdict.checks:
            return [f"  {name}: at least {least:g} wanted, but it was not measured"]
        if not verdict.checks[name].measurable:
            return [f"  {name}: at least {least:g} wanted, but it is not measurable on this model"]
        total = sum(name in term.scores for term in verdict.terms)
    passed = verdict.knows(None if name == "knows" else name)
    reached = passed if least > 1 else passed / max(1, total)
    return [f"  {name}: {passed} of {total}, at least {least:g} wanted"] if reached < least else []
