"""Builds the part of the report on what teaching cost, and finds its limits in the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lexigraft.checks.results import Drift, Leakage, Verdict
from lexigraft.report.before import kept_pairs
from lexigraft.report.files import RunFiles
from lexigraft.report.page import HarmView, Note, Pair, PairTable
from lexigraft.report.scores import check_row, cut
from lexigraft.report.strings import Words

__all__ = ["Limits", "flat", "harm_view", "limits_of"]

MOST_WORST = 5
MOST_LEAKS = 20
MOST_CHANGED = 40


@dataclass(frozen=True)
class Limits:
    """Most that is allowed: drift in nats per token, stray emissions per 10,000 tokens."""

    drift: float | None
    leakage: float | None


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a nested recipe as ("training.steps", 200)."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{name}.")
        else:
            yield name, value


def limits_of(files: RunFiles) -> Limits:
    """The limits that the recipe sets, None where it sets none."""
    return Limits(_limit(files.recipe, "drift"), _limit(files.recipe, "leak"))


def _limit(recipe: Mapping[str, Any], what: str) -> float | None:
    for name, value in flat(recipe):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if what in name and ("limit" in name or "max" in name):
            return float(value)
    return None


def harm_view(files: RunFiles, words: Words) -> HarmView:
    """What teaching cost, as far as it was measured."""
    verdict = files.verdict
    if verdict is None or verdict.taught is None:
        return HarmView(words("harm.intro_untaught" if verdict else "headline.unverified"))
    limits = limits_of(files)
    drift, leakage = verdict.drift, verdict.leakage
    return HarmView(
        intro=words("harm.intro"),
        drift=(*(_drift(drift, limits, words) if drift else ()), *_old_rows(verdict, words)),
        worst=_worst(drift, words) if drift else None,
        leakage=_leakage(leakage, limits, words) if leakage else (),
        leakage_by_term=_by_term(leakage, words) if leakage else None,
        selectivity=check_row(verdict.selectivity, words) if verdict.selectivity else None,
        kept=kept_pairs(verdict.kept, words) if verdict.kept else (),
        spelling=_spelling(verdict, words),
        changed_words=tuple(
            cut(word, words, 60)
            for word in (verdict.spellings.changed_words if verdict.spellings else ())
        )[:MOST_CHANGED],
    )


def against(value: float, limit: float | None, words: Words, decimals: int = 2) -> Note | None:
    """Whether `value` keeps the limit, in words; None where there is no limit."""
    if limit is None:
        return None
    key, tone = ("harm.over", "bad") if value > limit else ("harm.within", "good")
    return Note(words(key, limit=words.number(limit, decimals)), tone)


def _drift(drift: Drift, limits: Limits, words: Words) -> tuple[Pair, ...]:
    def nats(value: float) -> str:
        return words("harm.nats", value=words.number(value))

    bits = (drift.bits_per_byte_before, drift.bits_per_byte_after)
    pairs = [
        Pair(words("harm.mean"), nats(drift.mean_kl), against(drift.mean_kl, limits.drift, words)),
        Pair(words("harm.p99"), nats(drift.p99_kl)),
        Pair(words("harm.top1"), words.percent(drift.top1_agreement)),
        Pair(words("harm.bits"), " → ".join(words.number(value, 3) for value in bits)),
    ]
    if drift.hard_negative_kl is not None:
        what = Note(words("harm.hard_what"))
        pairs.append(Pair(words("harm.hard"), nats(drift.hard_negative_kl), what))
    pairs.append(Pair(words("harm.tokens"), words.count("token", drift.tokens)))
    return tuple(pairs)


def _old_rows(verdict: Verdict, words: Words) -> tuple[Pair, ...]:
    rows = verdict.old_rows
    if rows is None:
        return ()
    if not rows.moved:
        return (Pair(words("harm.rows"), words("harm.rows_same", rows=words.integer(rows.rows))),)
    moved = words(
        "harm.rows_moved",
        moved=words.integer(rows.moved),
        rows=words.integer(rows.rows),
        mean=words.number(100 * rows.mean, 3),
        most=words.number(100 * rows.most, 3),
    )
    return (Pair(words("harm.rows"), moved),)


def _worst(drift: Drift, words: Words) -> PairTable | None:
    worst = sorted(drift.worst, key=lambda pair: -pair[1])[:MOST_WORST]
    if not worst:
        return None
    return PairTable(
        words("harm.worst"),
        (words("harm.worst_text"), words("harm.worst_kl")),
        tuple(Pair(cut(text, words, 300), words.number(value)) for text, value in worst),
    )


def _leakage(leakage: Leakage, limits: Limits, words: Words) -> tuple[Pair, ...]:
    now = leakage.emissions_per_10k
    pairs = [
        Pair(
            words("harm.leakage_now"),
            words.number(now),
            against(now, limits.leakage, words),
        )
    ]
    if leakage.emissions_per_10k_before is not None:
        before = words.number(leakage.emissions_per_10k_before)
        pairs.append(Pair(words("harm.leakage_before"), before))
    rises = {"term": leakage.related_term_rise, "words": leakage.related_key_words_rise}
    for what, rise in rises.items():
        if rise is not None:
            value = words("harm.rise", value=words.number(rise))
            pairs.append(
                Pair(words(f"harm.related_{what}"), value, Note(words("harm.related_what")))
            )
    return tuple(pairs)


def _by_term(leakage: Leakage, words: Words) -> PairTable | None:
    most = sorted(leakage.by_term.items(), key=lambda pair: -pair[1])[:MOST_LEAKS]
    if not most:
        return None
    return PairTable(
        words("harm.leakage"),
        (words("harm.leakage_term"), words("harm.leakage_value")),
        tuple(Pair(cut(term, words, 80), words.number(value)) for term, value in most),
    )


def _spelling(verdict: Verdict, words: Words) -> tuple[str, ...]:
    proof = verdict.spellings
    if proof is None or not proof.forms:
        return ()
    exact = words(
        "harm.spelling_exact",
        exact=words.integer(proof.exact),
        forms=words.integer(proof.forms),
    )
    changed = "harm.spelling_changed" if proof.changed_words else "harm.spelling_unchanged"
    return (exact, words(changed))
