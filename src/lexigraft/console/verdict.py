"""What the model knows now, and what teaching has harmed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import bullet, labelled, output, show_next, shown, visible
from lexigraft.console.words import say

if TYPE_CHECKING:
    from lexigraft.checks.results import Kept, Said, Verdict
    from lexigraft.report.harm import Limits
    from lexigraft.report.page import Change, SummaryRow
    from lexigraft.report.strings import Words

__all__ = ["show_run", "show_verdict"]

_TONES = {"good": "green", "bad": "red"}


def show_run(run: Path) -> None:
    """What a finished run taught and harmed, where its report is, and what can be done next."""
    from lexigraft.report.files import read_run
    from lexigraft.report.harm import limits_of

    files = read_run(run)
    out, language = output(), files.language
    if files.verdict is not None:
        _verdict(out, files.verdict, limits_of(files))
    out.print()
    labelled(out, say("report", language), str(run / "report.html"))
    show_next(out, language, [("compare", str(run)), ("export", str(run), "--to", "merged")])


def show_verdict(verdict: Verdict, *, run: Path | None) -> None:
    """The verdict on a run, or, without one, on an untaught model."""
    from lexigraft.report.files import read_run
    from lexigraft.report.harm import Limits, limits_of

    out = output()
    _verdict(out, verdict, Limits(None, None) if run is None else limits_of(read_run(run)))
    if run is not None:
        show_next(out, verdict.language, [("report", str(run)), ("compare", str(run))])


def _verdict(out: Console, verdict: Verdict, limits: Limits) -> None:
    from lexigraft.report.strings import Words
    from lexigraft.report.view import drift_sentence, headline

    words = Words(verdict.language)
    out.print()
    out.print(shown(headline(verdict, words), "bold"))
    out.print()
    out.print(_summary(verdict, words, out.width))
    legend = say("legend", verdict.language)
    if verdict.taught is not None:
        legend += " " + say("legend.leaks", verdict.language)
    out.print(shown(legend, "dim", 500))
    if verdict.checks:
        out.print()
        out.print(_checks(verdict, words))
    if verdict.taught is not None:
        note = drift_sentence(verdict, limits, words)
        out.print()
        if verdict.said is not None:
            out.print(_said(verdict.said, words))
        out.print(shown(note.text, _TONES.get(note.tone, "")))
        if verdict.leakage is not None:
            out.print(_leakage(verdict.leakage.emissions_per_10k, limits, words))
    if verdict.kept is not None:
        out.print(_kept(verdict.kept, words))
    for remark in verdict.notes:
        out.print(bullet(remark))


def _said(found: Said, words: Words) -> Text:
    language = words.language
    floor, ceiling = words.percent(found.floor), words.percent(found.ceiling)
    before = say("said.before", language, floor=floor, ceiling=ceiling)
    return shown(say("said", language, taught=words.percent(found.taught), before=before))


def _kept(found: Kept, words: Words) -> Text:
    """Of the earlier runs' terms: how many are kept, and which are not."""
    language = words.language
    line = say("kept", language, kept=found.kept, of=found.of, run=found.run)
    if not found.lost:
        return shown(line, "green" if found.of else "")
    names = ", ".join(found.lost[:10]) + (", …" if len(found.lost) > 10 else "")
    return shown(f"{line} {say('kept.lost', language, terms=names)}", "red", 500)


def _leakage(value: float, limits: Limits, words: Words) -> Text:
    limit = ""
    style = ""
    if limits.leakage is not None:
        limit = say("limit", words.language, limit=words.number(limits.leakage))
        style = "red" if value > limits.leakage else "green"
    return shown(say("leakage", words.language, value=words.number(value), limit=limit), style)


def _summary(verdict: Verdict, words: Words, width: int) -> Table:
    """A row for each term; what the model says is cut to about three lines."""
    from lexigraft.report.terms import summary_rows

    taught, language = verdict.taught is not None, verdict.language
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, leading=1, header_style="bold"
    )
    table.add_column(say("term", language), max_width=20, overflow="fold")
    for name in ("before", "now") if taught else ("says",):
        table.add_column(say(name, language), ratio=1, overflow="fold")
    for name in ("definition", "cloze"):
        table.add_column(say(name, language), no_wrap=True)
    if taught:
        table.add_column(say("leaks", language), no_wrap=True, justify="right")
    most = max(36, (width - 50) // (2 if taught else 1) * 3)
    leaks = {} if verdict.leakage is None else verdict.leakage.by_term
    for row, term in zip(summary_rows(verdict, words), verdict.terms, strict=False):
        cells: list[RenderableType] = [_term_cell(row), shown(row.before.text, "", most)]
        if row.now is not None:
            cells.append(shown(row.now.text, "", most))
        cells += [_score(row.definition), _score(row.cloze)]
        if taught:
            cells.append(words.number(leaks.get(term.term)))
        table.add_row(*cells)
    return table


def _checks(verdict: Verdict, words: Words) -> Table:
    """A row for each check: its shares of right answers, and how many terms pass it."""
    from lexigraft.report.scores import check_title

    language, taught = verdict.language, verdict.taught is not None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(say("check", language), overflow="fold")
    names = ("before", *(("now",) if taught else ()), "ceiling", "chance", "terms", "seconds")
    for name in names:
        table.add_column(say(f"check.{name}", language), no_wrap=True, justify="right")
    for name, found in verdict.checks.items():
        scores = [t.scores[name] for t in verdict.terms if name in t.scores]
        passed = sum(s.passed if taught else s.passed_before for s in scores)
        values = (found.floor, *((found.taught,) if taught else ()), found.ceiling, found.chance)
        table.add_row(
            shown(check_title(name, words)),
            *(words.percent(value) for value in values),
            f"{passed}/{len(scores)}" if found.measurable else "–",
            words.number(verdict.seconds_by_check.get(name), 1),
            style="" if found.measurable else "dim",
        )
    return table


def _term_cell(row: SummaryRow) -> RenderableType:
    head = Text(f"{row.status.sign} ", _TONES.get(row.status.tone, ""))
    head.append(visible(row.term, 60), "bold")
    below = Text(f"{row.route_label}\n{row.status.label}", "dim")
    return Group(head, Padding(below, (0, 0, 0, 2)))


def _score(change: Change) -> Text:
    sign, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "dim")}[change.passed]
    return Text(f"{sign} {change.now or change.before}", style)
