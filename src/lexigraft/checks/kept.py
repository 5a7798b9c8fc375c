"""What a run that continues another one left of the other's terms: asked again, before and now.

Each earlier lexicon is asked by itself, as its own run's verification asked it: the same lexicon,
seed and number of untaught words. "Before" is the model that the run began with; both models are
asked in the same words, so that only what teaching changed can differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from lexigraft.checks.battery import RANKING
from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import PARTS
from lexigraft.checks.ranking import score_terms
from lexigraft.checks.results import Kept, KeptScore, KeptTerm, Score
from lexigraft.checks.untaught import shared_untaught
from lexigraft.earlier import KEPT_CHECKS, Earlier, Part
from lexigraft.progress import Advance, Progress, Silent

__all__ = ["kept"]


def kept(
    earlier: Earlier, before: Judged, now: Judged, progress: Progress | None = None
) -> Kept | None:
    """How the earlier terms fare; None where none is kept.

    Args:
        earlier: the terms, with what they scored when they were taught.
        before: the model that this run began with.
        now: the one that it taught.
        progress: told how far it is.
    """
    if not earlier.parts:
        return None
    total = 2 * len(KEPT_CHECKS) * len(earlier.parts) * PARTS
    terms: list[KeptTerm] = []
    with (progress or Silent()).stage("verifying the earlier terms", total) as advance:
        for part in earlier.parts:
            terms += _of_part(part, before, now, advance)
    had = [term for term in terms if term.had_passed]
    return Kept(
        run=earlier.run, kept=sum(term.kept for term in had), of=len(had), terms=tuple(terms)
    )


def _of_part(part: Part, before: Judged, now: Judged, advance: Advance) -> list[KeptTerm]:
    lexicon, surfaces = part.lexicon, part.surfaces
    untaught = shared_untaught(lexicon, surfaces, before.tokenizer, part.controls, part.seed)
    found: dict[str, dict[str, Score]] = {}
    for name in KEPT_CHECKS:
        asked = {
            "floor": RANKING[name](before, lexicon, surfaces, untaught, advance=advance),
            "taught": RANKING[name](now, lexicon, surfaces, untaught, advance=advance),
        }
        if asked["taught"]:
            found[name] = score_terms(name, asked, "taught")  # type: ignore[arg-type]
    return [
        _term(
            part,
            term.term,
            {n: table[term.term] for n, table in found.items() if term.term in table},
        )
        for term in part.kept
    ]


def _term(part: Part, term: str, scores: Mapping[str, Score]) -> KeptTerm:
    then = part.scores.get(term, {})
    made = {
        name: KeptScore(
            then=then[name].score if name in then else None,
            before=score.floor or 0.0,
            now=score.taught or 0.0,
            passed_then=then[name].passed if name in then else None,
            passed_before=score.passed_before,
            passed_now=score.passed,
        )
        for name, score in scores.items()
    }
    passed = [score for score in made.values() if score.passed_before]
    return KeptTerm(
        term=term,
        surface=part.surfaces[term],
        run=part.run,
        had_passed=bool(passed),
        kept=bool(passed) and all(score.passed_now for score in passed),
        scores=made,
    )
