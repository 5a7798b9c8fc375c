"""Small tables beside the checks: alignment, use and override, which rank no candidates."""

from __future__ import annotations

from collections.abc import Iterator

from lexigraft.checks.results import Alignment, Override, Use, Verdict
from lexigraft.report.page import Pair, PairTable
from lexigraft.report.scores import check_title
from lexigraft.report.strings import Words

__all__ = ["beside"]


def beside(verdict: Verdict, words: Words) -> Iterator[PairTable]:
    """A table for each of the three that was measured."""
    found = {
        "alignment": _alignment(verdict.alignment, words) if verdict.alignment else (),
        "use": _use(verdict.use, words) if verdict.use else (),
        "override": _override(verdict.override, words) if verdict.override else (),
    }
    head = words("beside.measure"), words("beside.value")
    for check, rows in found.items():
        kept = tuple(rows)
        if kept:
            yield PairTable(check_title(check, words), head, kept)


def _alignment(found: Alignment, words: Words) -> Iterator[Pair]:
    for name in ("rows", "columns", "assignment"):
        known = {c: getattr(found, c) for c in ("floor", "taught", "ceiling")}
        shares = {c: words.percent(getattr(k, name)) for c, k in known.items() if k is not None}
        values = " → ".join(shares[c] for c in ("floor", "taught") if c in shares)
        yield Pair(
            words(f"beside.{name}"),
            words(
                "beside.ceiling",
                values=values,
                ceiling=shares.get("ceiling", words.percent(None)),
                chance=words.percent(found.chance),
            ),
        )


def _use(found: Use, words: Words) -> Iterator[Pair]:
    yield Pair(words("beside.sentences"), words.integer(found.sentences))
    source = "beside.copied_lexicon" if found.reference == "lexicon" else "beside.copied"
    for key, now, before in (
        (source, found.copied, found.copied_before),
        ("beside.distinct", found.distinct_pairs, found.distinct_pairs_before),
        ("beside.emitted", found.emitted, found.emitted_before),
    ):
        yield Pair(words(key), _now(now, before, words))


def _override(found: Override, words: Words) -> Iterator[Pair]:
    yield Pair(words("beside.follows"), _now(found.follows, found.follows_before, words))
    yield Pair(words("beside.agrees"), _now(found.agrees, found.agrees_before, words))
    if found.no_worse is not None:
        answer = words("value.yes" if found.no_worse else "value.no")
        yield Pair(words("beside.no_worse"), answer)


def _now(now: float | None, before: float | None, words: Words) -> str:
    if before is None:
        return words.percent(now)
    return words("beside.before", now=words.percent(now), before=words.percent(before))
