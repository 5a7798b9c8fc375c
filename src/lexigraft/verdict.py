"""Judges a model beside floor, ceiling and controls; says what each term passed.

A term is *known* when it passes most of the deciding checks (`checks.names.DECIDING`) that asked
about it and measure something on this model, while drift and leakage stay under their limits: a
model that says its new words everywhere has not learnt them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lexigraft.checks.battery import Battery, Harm, units
from lexigraft.checks.judged import Judged
from lexigraft.checks.kept import kept
from lexigraft.checks.names import CHECKS, DECIDING, chosen_checks
from lexigraft.checks.notes import notes_on
from lexigraft.checks.old_rows import old_rows
from lexigraft.checks.results import Answer, CheckSummary, Score, TermVerdict, Verdict
from lexigraft.checks.said import said
from lexigraft.checks.spellings import spellings
from lexigraft.checks.term_from_definition import peers_of
from lexigraft.checks.untaught import shared_untaught
from lexigraft.diagnose import diagnose_terms
from lexigraft.earlier import load_earlier
from lexigraft.errors import RunError
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, read_lexicon
from lexigraft.memory import VERIFYING, explained_memory
from lexigraft.progress import Progress, Silent
from lexigraft.recipe import Limits, read_recipe
from lexigraft.spelling import Proof, Spelling, prove
from lexigraft.workspace import Workspace

__all__ = ["CHECKS", "judge", "verify", "verify_model"]


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
    training_texts: Sequence[str] | None = None,
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
        limits: what drift and leakage may be; beyond them no term is known, and a note says so.
        training_texts: what the sentences that the models write are held against for copies; by
            default the lexicon's definitions and examples. No check reads them otherwise.
        progress: told how far it is.

    Raises:
        RecipeError: a name in `checks` that is no check.
    """
    start = time.perf_counter()
    chosen = chosen_checks(checks)
    spelling = None if taught is None else taught.spelling
    written = _routes(lexicon, spelling, routes)
    surfaces = _surfaces(lexicon, spelling, written)
    untaught = shared_untaught(lexicon, surfaces, floor.tokenizer, controls, seed)
    peers = peers_of(floor if taught is None else taught, lexicon, surfaces, written)
    with (progress or Silent()).stage("verifying", units(chosen, taught is not None)) as advance:
        battery = Battery(
            lexicon,
            floor,
            taught,
            surfaces,
            untaught,
            peers,
            chosen,
            advance,
            seed=seed,
            training_texts=training_texts,
        )
        aligned = battery.rank()
        used = battery.use()
        overridden = battery.override()
        harm = battery.harm()
        selective = battery.select()
        answers = battery.answers()
    limits = limits or Limits()
    terms = _terms(lexicon, written, surfaces, battery, answers, kept=_keeps(harm, limits))
    notes = notes_on(
        lexicon,
        terms,
        battery.summaries,
        asked=chosen,
        untaught=untaught,
        peers=peers,
        controls=controls,
        unread=harm.unread,
        drift=harm.drift,
        leakage=harm.leakage,
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
        seconds_by_check={check: round(spent, 3) for check, spent in battery.seconds.items()},
        terms=terms,
        checks=battery.summaries,
        said=said({t.term: t.definition for t in lexicon}, answers),
        alignment=aligned,
        use=used,
        override=overridden,
        drift=harm.drift,
        leakage=harm.leakage,
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


def _keeps(harm: Harm, limits: Limits) -> bool:
    """Whether all that was measured of drift and leakage stays under its limit."""
    drift = None if harm.drift is None else harm.drift.mean_kl
    leaks = None if harm.leakage is None else harm.leakage.emissions_per_10k
    found = ((drift, limits.drift_limit), (leaks, limits.leakage_limit))
    return all(value is None or value <= limit for value, limit in found)


def _terms(
    lexicon: Lexicon,
    routes: Mapping[str, Route],
    surfaces: Mapping[str, str],
    battery: Battery,
    answers: Mapping[str, tuple[Answer, ...]],
    *,
    kept: bool,
) -> tuple[TermVerdict, ...]:
    out = []
    for term in lexicon:
        mine = {c: table[term.term] for c, table in battery.scores.items() if term.term in table}
        deciding = _deciding(mine, battery.summaries)
        passed = sum(score.passed for score in deciding)
        before = sum(score.passed_before for score in deciding)
        out.append(
            TermVerdict(
                term=term.term,
                surface=surfaces[term.term],
                route=routes[term.term],
                # A sum and no share: half is not most, and of nothing there is no most.
                knows=kept and 2 * passed > len(deciding),
                known_before=2 * before > len(deciding),
                passed=passed,
                measured=len(deciding),
                scores=mine,
                answers=answers.get(term.term, ()),
            )
        )
    return tuple(out)


def _deciding(scores: Mapping[str, Score], summaries: Mapping[str, CheckSummary]) -> list[Score]:
    """A term's scores in the checks that decide and measure something on this model."""
    names = [check for check in DECIDING if check in scores and summaries[check].measurable]
    return [scores[check] for check in names]


@explained_memory(VERIFYING)
def verify(
    run: str | Path,
    *,
    base: Host | None = None,
    checks: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Judges the model that the run in the folder `run` taught, and writes RUN/verdict.json.

    `base` is the untaught host where it is loaded already. With some `checks` only, the verdict is
    returned and not written: the whole one of the folder stays.

    Raises:
        RecipeError: a name in `checks` that is no check.
        RunError: the folder holds no run, or one that has no model yet, or the base has changed; or
            there is not enough memory.
        ModelError: the base or the taught model cannot be loaded.
    """
    progress = progress or Silent()
    chosen = chosen_checks(checks)  # before anything is loaded
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
    floor = Judged(base.model, base.tokenizer)
    judged = Judged(taught.model, taught.tokenizer, spelling)
    verdict = judge(
        lexicon,
        floor,
        judged,
        model=record.model,
        taught_name=f"{workspace.root.resolve().name}/{workspace.model.name}",
        seed=record.seed,
        controls=recipe.verify.controls,
        checks=checks,
        training_texts=_training_texts(workspace),
        proof=_proof(spelling, base, taught),
        limits=recipe.limits,
        progress=progress,
    )
    if "kept" in chosen and (earlier := load_earlier(workspace)) is not None:
        verdict = verdict.model_copy(update={"kept": kept(earlier, floor, judged, progress)})
    if checks is None:
        workspace.write_json(workspace.verdict, verdict)
    return verdict


def _training_texts(workspace: Workspace) -> list[str] | None:
    """What the run was taught on, as far as its folder still holds it."""
    if not workspace.texts.is_file():
        return None
    lines = workspace.read_lines(workspace.texts)
    return [str(line["text"]) for line in lines if not line.get("held_out")]


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


@explained_memory(VERIFYING)
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
        RecipeError: a name in `checks` that is no check.
        ModelError: no such model, or a damaged one.
        LexiconError: `lexicon` is a file with problems.
        RunError: there is not enough memory.
    """
    progress = progress or Silent()
    chosen_checks(checks)
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
