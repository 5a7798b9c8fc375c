"""Whether installed packs still know what they knew: each pack's own verdict, asked again."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.checks.judged import Judged
from lexigraft.checks.names import CHECKS, LIMITED, RANKED
from lexigraft.checks.results import Verdict
from lexigraft.pack.composing import Chosen
from lexigraft.progress import Progress
from lexigraft.recipe import Limits
from lexigraft.spelling.values import Spelling
from lexigraft.verdict import judge

__all__ = ["PackRetention", "Retention", "retention"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackRetention(_Value):
    """What one pack knew when it was made, and what is left of it beside the others."""

    pack: str = Field(description="its file, as it was given")
    sha256: str
    terms: int = Field(description="how many of it are installed")
    knew: int = Field(description="terms known, by the verdict in the pack")
    knows: int = Field(description="terms known now")
    passed: int = Field(description="checks that its terms passed by the verdict in the pack")
    still_passed: int = Field(description="of those, passed now")
    lost: tuple[str, ...] = Field((), description="terms known then and not now")
    drift: float | None = Field(None, description="mean KL on neutral text now, nats per token")
    drift_then: float | None = Field(None, description="the same by the verdict in the pack")
    leakage: float | None = Field(None, description="emissions per 10,000 neutral tokens now")
    leakage_then: float | None = Field(None, description="the same by the verdict in the pack")


class Retention(_Value):
    """The content of `packs-verdict.json`: every pack, asked again."""

    schema_version: int = 1
    packs: tuple[PackRetention, ...]

    @property
    def share(self) -> float | None:
        """Of all checks passed then, the share that is passed now; None where there were none."""
        passed = sum(pack.passed for pack in self.packs)
        return None if not passed else sum(pack.still_passed for pack in self.packs) / passed


def retention(
    chosen: Sequence[Chosen],
    spellings: Sequence[Spelling],
    floor: Judged,
    taught: Judged,
    progress: Progress,
) -> Retention:
    """Asks each pack's terms again, as its run asked them: same seed, untaught words and limits.

    Args:
        chosen: the packs.
        spellings: how each pack's terms are written now, ids included.
        floor: the untouched base.
        taught: the model with all packs; its spelling is not looked at.
        progress: told how far it is.
    """
    return Retention(
        packs=tuple(
            _of_pack(one, spelling, floor, taught, progress)
            for one, spelling in zip(chosen, spellings, strict=True)
        )
    )


def _of_pack(
    one: Chosen, spelling: Spelling, floor: Judged, taught: Judged, progress: Progress
) -> PackRetention:
    then, asked = one.pack.verdict, one.pack.manifest.verification
    found = judge(
        one.lexicon,
        floor,
        Judged(taught.model, taught.tokenizer, spelling),
        model=one.pack.base.name,
        seed=then.seed,
        controls=asked.controls,
        checks=_asked_again(then),
        limits=Limits(drift_limit=asked.drift_limit, leakage_limit=asked.leakage_limit),
        progress=progress,
    )
    left = {term.term for term in one.lexicon}
    old = {term.term: term for term in then.terms if term.term in left}
    passed = _passed(then, left)
    known = [name for name, term in old.items() if term.knows]
    now = {term.term for term in found.terms if term.knows}
    return PackRetention(
        pack=one.pack.name,
        sha256=one.pack.sha256,
        terms=len(left),
        knew=len(known),
        knows=len(now),
        passed=len(passed),
        still_passed=len(passed & _passed(found, left)),
        lost=tuple(name for name in known if name not in now),
        drift=None if found.drift is None else found.drift.mean_kl,
        drift_then=None if then.drift is None else then.drift.mean_kl,
        leakage=None if found.leakage is None else found.leakage.emissions_per_10k,
        leakage_then=None if then.leakage is None else then.leakage.emissions_per_10k,
    )


def _asked_again(then: Verdict) -> tuple[str, ...]:
    """The checks of the stored verdict that say of a term, or of the model, whether it passes."""
    asked = {*(name for name in RANKED if name in then.checks)}
    limits = {"drift": then.drift, "leakage": then.leakage}
    asked |= {name for name in LIMITED if limits[name] is not None}
    return tuple(name for name in CHECKS if name in asked)


def _passed(verdict: Verdict, terms: set[str]) -> set[tuple[str, str]]:
    """(term, check) for what was passed, in the checks that measure something on this model."""
    return {
        (term.term, check)
        for term in verdict.terms
        if term.term in terms
        for check, score in term.scores.items()
        if score.passed and check in verdict.checks and verdict.checks[check].measurable
    }
