"""Runs the battery on a model, beside floor, ceiling and controls; says what each term passed.

A term is *known* when it passes every ranking check that was run on it and is measurable on this
model; drift and leakage stand beside that and never hide in it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lexigraft.checks.answers import answer_prompts, answers
from lexigraft.checks.cloze import cloze
from lexigraft.checks.definition import definition
from lexigraft.checks.drift import choose_texts, drift, hard_negatives, read_texts
from lexigraft.checks.judged import Judged
from lexigraft.checks.leakage import emissions, leakage
from lexigraft.checks.notes import notes_on
from lexigraft.checks.old_rows import old_rows
from lexigraft.checks.portions import PARTS
from lexigraft.checks.ranking import Ranking, score_terms, summarise
from lexigraft.checks.results import (
    Answer,
    CheckSummary,
    Condition,
    Drift,
    Leakage,
    Score,
    TermVerdict,
    Verdict,
)
from lexigraft.checks.selectivity import selectivity, summary_of
from lexigraft.checks.spellings import spellings
from lexigraft.checks.untaught import shared_untaught
from lexigraft.diagnose import diagnose_terms
from lexigraft.errors import RecipeError, RequirementNotMet, RunError
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, read_lexicon
from lexigraft.progress import Advance, Progress, Silent
from lexigraft.recipe import Limits, read_recipe
from lexigraft.spelling import Proof, Spelling, prove
from lexigraft.workspace import Workspace

__all__ = ["CHECKS", "judge", "parse_requirements", "require", "verify", "verify_model"]

RANKING: dict[str, Callable[..., list[Ranking]]] = {"definition": definition, "cloze": cloze}
_LIMITED = ("drift", "leakage")
CHECKS = (*RANKING, "drift", "leakage", "selectivity", "spelling", "answers")
# How long each takes, roughly, against the others: for the progress bar alone.
_WEIGHTS = {"definition": 6, "cloze": 4, "drift": 1, "leakage": 1, "selectivity": 1, "answers": 1}


@dataclass
class _Battery:
    """What all parts of one judgement share."""

    lexicon: Lexicon
    floor: Judged
    taught: Judged | None
    surfaces: Mapping[str, str]
    untaught: Mapping[str, Sequence[str]]
    checks: Sequence[str]
    advance: Advance

    def part(self, check: str) -> Callable[[int], None]:
        """What a check tells its progress to, in parts of itself."""
        return lambda count: self.advance(count * _WEIGHTS[check])


def judge(
    lexicon: Lexicon,
    floor: Judged,
    taught: Judged | None,
    *,
    model: str,
    taught_name: str | None = None,
    routes: Mapping[str, Route] | None = None,
    seed: int = 0,
    controls: int = 8,
    checks: Sequence[str] | None = None,
    proof: Proof | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Judges `taught` beside its untaught base `floor`; with `taught=None` the base alone.

    Args:
        lexicon: the terms, with their definitions and test sentences.
        floor: the base; it also gives the ceiling, with the definition in its prompt.
        taught: the taught model with its spelling, which says how each term is written.
        model: what the base is called in the verdict.
        taught_name: what the taught model is called; by default "taught".
        routes: a route for every term, where there is no spelling; by default the lexicon's, and
            `subword` where it names none.
        seed: decides the untaught words. The same seed and models give the same verdict.
        controls: untaught words beside each term.
        checks: some of CHECKS; all by default.
        proof: what `spelling.prove` found, for the spelling check.
        limits: what drift and leakage may be; beyond them a note says so.
        progress: told how far it is.

    Raises:
        RecipeError: a name in `checks` that is no check.
    """
    start = time.perf_counter()
    chosen = CHECKS if checks is None else tuple(checks)
    if unknown := [check for check in chosen if check not in CHECKS]:
        raise RecipeError(f"No such check: {', '.join(unknown)}. There are {', '.join(CHECKS)}.")
    spelling = None if taught is None else taught.spelling
    written = _routes(lexicon, spelling, routes)
    surfaces = _surfaces(lexicon, spelling, written)
    untaught = shared_untaught(lexicon, surfaces, floor.tokenizer, controls, seed)
    with (progress or Silent()).stage("verifying", _units(chosen, taught is not None)) as advance:
        battery = _Battery(lexicon, floor, taught, surfaces, untaught, chosen, advance)
        scores, summaries = _rank(battery)
        drifted, leaked, unread = _harm(battery)
        selective = _select(battery)
        said = _answers(battery)
    terms = _terms(lexicon, written, surfaces, scores, summaries, said)
    limits = limits or Limits()
    notes = notes_on(
        lexicon,
        terms,
        summaries,
        asked=chosen,
        untaught=untaught,
        controls=controls,
        unread=unread,
        drift=drifted,
        leakage=leaked,
        drift_limit=limits.drift_limit,
        leakage_limit=limits.leakage_limit,
    )
    return Verdict(
        lexicon=lexicon.name,
        lexicon_digest=lexicon.digest(),
        language=lexicon.language,
        model=model,
        taught=None if taught is None else taught_name or "taught",
        seed=seed,
        seconds=round(time.perf_counter() - start, 3),
        terms=terms,
        checks=summaries,
        drift=drifted,
        leakage=leaked,
        selectivity=selective,
        spellings=spellings(proof) if "spelling" in chosen else None,
        old_rows=None if taught is None else old_rows(floor.model, taught.model, floor.tokenizer),
        notes=notes,
    )


def _routes(
    lexicon: Lexicon, spelling: Spelling | None, routes: Mapping[str, Route] | None
) -> dict[str, Route]:
    if spelling is not None:
        return {t.term: spelling.route(t.term) for t in lexicon}
    given = routes or {}
    return {t.term: given.get(t.term) or t.route or "subword" for t in lexicon}


def _surfaces(
    lexicon: Lexicon, spelling: Spelling | None, routes: Mapping[str, Route]
) -> dict[str, str]:
    if spelling is not None:
        return {t.term: spelling.surface(t.term) for t in lexicon}
    wrap = lexicon.marker.wrap
    return {t.term: wrap(t.term) if routes[t.term] == "marker" else t.term for t in lexicon}


def _units(checks: Sequence[str], has_taught: bool) -> int:
    """Units of progress in all; a model that is read twice counts twice."""
    conditions = {"definition": 2, "cloze": 2, "answers": 2}
    times = {name: count + has_taught for name, count in conditions.items()}
    times["leakage"] = 2 * has_taught
    times["selectivity"] = 2 * has_taught
    units = sum(_WEIGHTS[c] * times[c] for c in checks if c in times)
    # Drift and leakage look at one reading of the neutral texts; drift adds the hard negatives.
    readings = 2 * bool({"drift", "leakage"} & set(checks)) + 2 * ("drift" in checks)
    return PARTS * (units + _WEIGHTS["drift"] * readings * has_taught)


def _rank(battery: _Battery) -> tuple[dict[str, dict[str, Score]], dict[str, CheckSummary]]:
    """Scores by check and term, and a summary of each check, of all ranking checks chosen."""
    scores: dict[str, dict[str, Score]] = {}
    summaries: dict[str, CheckSummary] = {}
    for name, check in RANKING.items():
        if name not in battery.checks:
            continue
        about = battery.lexicon, battery.surfaces, battery.untaught
        advance = battery.part(name)
        found: dict[Condition, list[Ranking]] = {
            "floor": check(battery.floor, *about, advance=advance)
        }
        if battery.taught is not None:
            found["taught"] = check(battery.taught, *about, advance=advance)
        found["ceiling"] = check(battery.floor, *about, with_definition=True, advance=advance)
        summary = summarise(name, found)
        if summary is None:
            continue
        judged: Condition = "floor" if battery.taught is None else "taught"
        scores[name] = score_terms(name, found, judged)
        summaries[name] = summary
    return scores, summaries


def _harm(battery: _Battery) -> tuple[Drift | None, Leakage | None, bool]:
    """Drift, leakage, and whether they were wanted and no text could be used."""
    base, taught, lexicon = battery.floor, battery.taught, battery.lexicon
    if taught is None or not {"drift", "leakage"} & set(battery.checks):
        return None, None, False
    both = base, taught
    texts = choose_texts(both, lexicon)
    if not texts:
        return None, None, True
    part = battery.part("drift")
    before, after = (read_texts(one, texts, part) for one in both)
    drifted = leaked = None
    if "drift" in battery.checks:
        hard = hard_negatives(both, lexicon, battery.surfaces)
        readings = read_texts(base, hard, part), read_texts(taught, hard, part)
        drifted = drift(base, taught, before, after, readings)
    if "leakage" in battery.checks:
        part = battery.part("leakage")
        about = lexicon, battery.surfaces, part
        leaked = leakage(emissions(base, before, *about), emissions(taught, after, *about))
    return drifted, leaked, False


def _select(battery: _Battery) -> CheckSummary | None:
    if battery.taught is None or "selectivity" not in battery.checks:
        return None
    scores = selectivity(
        battery.floor,
        battery.taught,
        battery.lexicon,
        battery.surfaces,
        battery.untaught,
        advance=battery.part("selectivity"),
    )
    return summary_of(scores)


def _answers(battery: _Battery) -> dict[str, tuple[Answer, ...]]:
    """Before, after and ceiling side by side; without a taught model, after is before."""
    if "answers" not in battery.checks:
        return {}
    about = battery.lexicon, battery.surfaces
    part = battery.part("answers")
    before = answers(battery.floor, *about, advance=part)
    after = before if battery.taught is None else answers(battery.taught, *about, advance=part)
    ceiling = answers(battery.floor, *about, with_definition=True, advance=part)
    return {
        term: tuple(
            Answer(prompt=p, before=b, after=a, ceiling=c)
            for p, b, a, c in zip(asked, before[term], after[term], ceiling[term], strict=True)
        )
        for term, asked in answer_prompts(*about).items()
    }


def _terms(
    lexicon: Lexicon,
    routes: Mapping[str, Route],
    surfaces: Mapping[str, str],
    scores: Mapping[str, Mapping[str, Score]],
    summaries: Mapping[str, CheckSummary],
    said: Mapping[str, tuple[Answer, ...]],
) -> tuple[TermVerdict, ...]:
    out = []
    for term in lexicon:
        mine = {check: table[term.term] for check, table in scores.items() if term.term in table}
        counted = [score for check, score in mine.items() if summaries[check].measurable]
        out.append(
            TermVerdict(
                term=term.term,
                surface=surfaces[term.term],
                route=routes[term.term],
                knows=bool(counted) and all(score.passed for score in counted),
                known_before=bool(counted) and all(score.passed_before for score in counted),
                scores=mine,
                answers=said.get(term.term, ()),
            )
        )
    return tuple(out)


def verify(
    run: str | Path, *, base: Host | None = None, progress: Progress | None = None
) -> Verdict:
    """Judges the model that the run in the folder `run` taught, and writes RUN/verdict.json.

    `base` is the untaught host where it is loaded already.

    Raises:
        RunError: the folder holds no run, or one that has no model yet, or the base has changed.
        ModelError: the base or the taught model cannot be loaded.
    """
    progress = progress or Silent()
    workspace = Workspace.open(run, create=False)
    record = workspace.record
    if not workspace.model.is_dir():
        raise RunError(
            f"{workspace.root} has no taught model yet. "
            "Go on with `lexigraft teach … --resume`, then verify."
        )
    lexicon = read_lexicon(workspace.lexicon)
    recipe = read_recipe(workspace.recipe)
    spelling = Spelling.model_validate(workspace.read_json(workspace.spelling / "spelling.json"))
    base = base or load_host(record.model, revision=record.revision, progress=progress.say)
    _require_same(base, record.fingerprint, workspace)
    taught = load_host(workspace.model)
    verdict = judge(
        lexicon,
        Judged(base.model, base.tokenizer),
        Judged(taught.model, taught.tokenizer, spelling),
        model=record.model,
        taught_name=f"{workspace.root.resolve().name}/{workspace.model.name}",
        seed=record.seed,
        controls=recipe.verify.controls,
        proof=_proof(spelling, base, taught),
        limits=recipe.limits,
        progress=progress,
    )
    workspace.write_json(workspace.verdict, verdict)
    return verdict


def _require_same(base: Host, fingerprint: str | None, workspace: Workspace) -> None:
    if fingerprint is not None and fingerprint != base.facts.fingerprint:
        raise RunError(
            f"{base.facts.source} has other weights or another tokenizer than when "
            f"{workspace.root} was taught, so it cannot be the floor. Bring the old one back, or "
            "teach again."
        )


def _proof(spelling: Spelling, base: Host, taught: Host) -> Proof | None:
    if not spelling.new_tokens:
        return None
    kind = str(base.model.config.model_type)
    return prove(spelling, base.tokenizer, taught.tokenizer, model_type=kind)


def verify_model(
    model: str | Path,
    lexicon: Lexicon | str | Path,
    *,
    revision: str | None = None,
    seed: int = 0,
    controls: int = 8,
    checks: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Judges a model as it is, with nothing to compare it with: floor and ceiling.

    Terms are written by the routes that the diagnosis gives them. Nothing is written to the disk.

    Raises:
        ModelError: no such model, or a damaged one.
        LexiconError: `lexicon` is a file with problems.
    """
    progress = progress or Silent()
    if not isinstance(lexicon, Lexicon):
        lexicon = read_lexicon(lexicon)
    host = load_host(model, revision=revision, progress=progress.say)
    seen = diagnose_terms(lexicon, host.tokenizer, host.facts, probe=False)
    return judge(
        lexicon,
        Judged(host.model, host.tokenizer),
        None,
        model=str(model),
        routes={look.term: look.route for look in seen.terms},
        seed=seed,
        controls=controls,
        checks=checks,
        progress=progress,
    )


def parse_requirements(requirements: str) -> tuple[tuple[str, float], ...]:
    """Names and numbers of requirements such as "knows=0.8,drift=0.05"; see `require`.

    Needs no verdict: what is mistyped can be refused before the judging.

    Raises:
        RecipeError: an unknown name, a value that is no number of at least 0, or nothing at all.
    """
    known = ", ".join(("knows", *RANKING, *_LIMITED))
    out = []
    for item in filter(None, (part.strip() for part in requirements.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in ("knows", *RANKING, *_LIMITED):
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
    1: that many terms); `drift` (nats a token) and `leakage` (emissions in 10,000 tokens) allow at
    most that much.

    Raises:
        RequirementNotMet: with one line for each that is not met or was not measured.
        RecipeError: requirements that cannot be understood; see `parse_requirements`.
    """
    missed = []
    for name, wanted in parse_requirements(requirements):
        if name in _LIMITED:
            missed += _missed_limit(verdict, name, wanted)
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
