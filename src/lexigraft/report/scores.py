"""Turns the battery's scores into bars, rows and questions of the view model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lexigraft.checks.results import CheckSummary, Item, Score, TermVerdict, Verdict
from lexigraft.report.page import (
    Bar,
    Bars,
    Change,
    CheckRow,
    CheckView,
    Chosen,
    MapCell,
    MapRow,
    QuestionView,
    Status,
    TermMap,
)
from lexigraft.report.strings import Words

__all__ = [
    "change",
    "check_row",
    "check_title",
    "check_view",
    "cut",
    "measurable",
    "status",
    "term_map",
]

CONDITIONS = ("floor", "taught", "ceiling")


def cut(text: str, words: Words, most: int = 500) -> str:
    """`text`, or its start and how long it is in all: no term may break the page."""
    if len(text) <= most:
        return text
    size = words.count("character", len(text))
    return text[:most].rstrip() + " " + words("term.cut", characters=size)


def check_title(check: str, words: Words) -> str:
    """The check's name in the report's language; an unknown check keeps its own name."""
    key = f"check.{check}"
    return words(key) if words.has(key) else cut(check.replace("_", " ").capitalize(), words, 60)


def status(term: TermVerdict, taught: bool, words: Words) -> Status:
    """What became of the term."""
    if not taught:
        if term.known_before:
            return Status("●", words("status.knows"), "good")
        return Status("○", words("status.unknown"), "plain")
    match (term.known_before, term.knows):
        case (False, True):
            return Status("●", words("status.learned"), "good")
        case (True, True):
            return Status("◐", words("status.known"), "good")
        case (True, False):
            return Status("×", words("status.lost"), "bad")
        case _:
            return Status("○", words("status.not_learned"), "bad")


def change(verdict: Verdict, term: TermVerdict, check: str, words: Words) -> Change:
    """The term's score in one check before and now."""
    score = term.scores.get(check)
    if score is None:
        return Change(words.percent(None), None)
    before = words.percent(score.floor)
    now = None if verdict.taught is None else words.percent(score.taught)
    return Change(before, now, outcome(verdict, score, check))


def measurable(verdict: Verdict, check: str) -> bool:
    """Whether `check` says anything about this model."""
    return check not in verdict.checks or verdict.checks[check].measurable


def outcome(verdict: Verdict, score: Score, check: str) -> bool | None:
    """Whether the term passes; None where the check is neither passed nor failed by this model."""
    if not measurable(verdict, check):
        return None
    return score.passed_before if verdict.taught is None else score.passed


def bars(
    values: Mapping[str, float | None],
    chance: float | None,
    words: Words,
    title: str,
    error: float | None = None,
) -> Bars:
    """Bars for the conditions that were run, widths between 0 and 100."""
    made = tuple(
        Bar(
            condition=condition,
            label=words(f"condition.{condition}"),
            value=words.percent(value),
            width=round(min(max(value, 0.0), 1.0) * 100, 1),
        )
        for condition in CONDITIONS
        if (value := values.get(condition)) is not None
    )
    spoken = ", ".join(f"{bar.label} {bar.value}" for bar in made)
    label = words("checks.chance", value=words.percent(chance)) if chance is not None else ""
    if error is not None:
        label += ("; " if label else "") + words("checks.error", value=words.percent(error))
    return Bars(
        bars=made,
        chance=None if chance is None else round(min(max(chance, 0.0), 1.0) * 100, 1),
        note=label,
        description=f"{title}: {spoken}" + (f"; {label}" if label else ""),
    )


def check_row(summary: CheckSummary, words: Words) -> CheckRow:
    """One check over all terms."""
    title = check_title(summary.check, words)
    values = {c: getattr(summary, c) for c in CONDITIONS}
    reciprocal = summary.reciprocal_rank
    ranks = [reciprocal[c] for c in ("floor", "taught") if c in reciprocal]
    what = f"check.{summary.check}_what"
    return CheckRow(
        title=title,
        what=words(what) if words.has(what) else "",
        bars=bars(values, summary.chance, words, title, summary.standard_error),
        gap=words.number(summary.gap_closed),
        rank=" → ".join(words.number(rank) for rank in ranks) or words.number(None),
        questions=words.integer(summary.questions),
        unmeasurable=not summary.measurable,
        baselines=_baselines(summary, words),
    )


def _baselines(summary: CheckSummary, words: Words) -> str:
    """What is reached without a model, in one sentence; empty where nothing was reckoned."""
    rules = [
        words(f"checks.baseline_{rule}", value=words.percent(value))
        for rule, value in summary.baselines.items()
        if words.has(f"checks.baseline_{rule}")
    ]
    return words("checks.baselines", rules=", ".join(rules)) if rules else ""


def check_view(verdict: Verdict, check: str, score: Score, words: Words) -> CheckView:
    """One check on one term, with every question asked."""
    summary = verdict.checks.get(check)
    title = check_title(score.check, words)
    questions = tuple(_questions(score.items, words))
    share = score.percentile
    return CheckView(
        title=title,
        bars=bars(
            {c: getattr(score, c) for c in CONDITIONS},
            summary.chance if summary else None,
            words,
            title,
        ),
        passed=outcome(verdict, score, check),
        unmeasurable=not measurable(verdict, check),
        percentile=None if share is None else words("term.percentile", share=words.percent(share)),
        asked=words("term.questions", questions=words.count("question", len(questions))),
        questions=questions,
    )


def _questions(items: Iterable[Item], words: Words) -> Iterable[QuestionView]:
    # One question is asked under each condition; shown once, with what each chose.
    asked: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        asked.setdefault((item.question, item.right), []).append(item)
    for (question, right), answers in asked.items():
        answers.sort(key=lambda item: CONDITIONS.index(item.condition))
        yield QuestionView(
            question=cut(question, words),
            right=cut(right, words, 300),
            chosen=tuple(
                Chosen(
                    condition=item.condition,
                    label=words(f"condition.{item.condition}"),
                    text=cut(item.chosen, words, 300),
                    right=item.rank == 1,
                    rank=words("term.rank", rank=words.integer(item.rank)),
                )
                for item in answers
            ),
        )


def term_map(verdict: Verdict, anchors: Mapping[str, str], words: Words) -> TermMap | None:
    """Which of the terms in `anchors` passed which check; None where there is nothing to map."""
    used = [
        check for check in verdict.checks if any(check in term.scores for term in verdict.terms)
    ]
    shown = [term for term in verdict.terms if term.term in anchors]
    if not used or not shown:
        return None
    rows = tuple(
        MapRow(
            term=cut(term.term, words, 40),
            anchor=anchors[term.term],
            cells=tuple(_cell(verdict, term.scores.get(check), check, words) for check in used),
        )
        for term in shown
    )
    caption = words("map.caption")
    if any(cell.style == "lost" for row in rows for cell in row.cells):
        caption += " " + words("map.lost_legend")
    if not all(measurable(verdict, check) for check in used):
        caption += " " + words("map.unmeasurable_legend")
    return TermMap(tuple(check_title(check, words) for check in used), rows, caption)


def _cell(verdict: Verdict, score: Score | None, check: str, words: Words) -> MapCell:
    taught = verdict.taught is not None
    if score is None:
        return MapCell("·", words("map.absent"), "absent")
    if not measurable(verdict, check):
        return MapCell("–", words("map.unmeasurable"), "absent")
    if taught and score.passed and not score.passed_before:
        return MapCell("●", words("map.passed"), "passed")
    if score.passed_before and (score.passed or not taught):
        return MapCell("◐", words("map.before"), "before")
    if score.passed_before:
        return MapCell("×", words("map.lost"), "lost")
    return MapCell("○", words("map.failed"), "failed")
