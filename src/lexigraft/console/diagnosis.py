"""How the model sees each term, and what teaching would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import bullet, output, show_next, shown, visible
from lexigraft.console.words import say

if TYPE_CHECKING:
    from lexigraft.diagnose import Diagnosis, FormPieces, TermDiagnosis
    from lexigraft.lexicon import Language
    from lexigraft.plan import Plan

__all__ = ["show_diagnosis", "show_plan"]


def show_diagnosis(found: Diagnosis, *, lexicon: Path, model: str) -> None:
    """The truths of the model, then each term: pieces, knowledge, route and what it changes."""
    out, language = output(), found.language
    out.print(_model_line(found))
    out.print()
    out.print(shown(say("truths", language), "bold"))
    for truth in found.truths:
        out.print(bullet(truth))
    for term in found.terms:
        out.print()
        out.print(_term_block(term, language))
    out.print()
    out.print(shown(say("routes", language, routes=_routes(found))))
    run = f"runs/{lexicon.stem}"
    show_next(out, language, [("teach", str(lexicon), "--model", model, "--output", run)])


def _model_line(found: Diagnosis) -> Text:
    from lexigraft.report.strings import Words

    model, language = found.model, found.language
    words = Words(language)
    facts = [model.architecture, model.family]
    if model.parameters is not None:
        millions = words.number(model.parameters / 1e6, 1)
        facts.append(f"{millions} {say('parameters', language)}")
    facts.append(f"{words.integer(model.vocabulary)} {say('tokens', language)}")
    line = shown(model.source, "bold", 300)
    return line.append(visible(" · " + " · ".join(fact for fact in facts if fact)))


def _term_block(term: TermDiagnosis, language: Language) -> RenderableType:
    from lexigraft.diagnose.sentences import byte_count, say_first

    route = term.route if term.chosen else say("given", language, route=term.route)
    head = shown(term.surface, "bold", 80).append("  →  ", "dim").append(route, "cyan")
    known = "none" if term.probe is None else term.probe.verdict
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(say("pieces", language), _pieces(term, language))
    grid.add_row(say("known", language), say(f"knowledge.{known}", language))
    if term.first_values is not None:
        first = say_first(term.first_values, language)
        saves = say("token.saves", language, count=term.tokens_saved, first=first)
        grid.add_row(say("token", language), shown(saves, most=300))
    grid.add_row(say("why", language), shown(" ".join(term.reasons), most=1000))
    if term.changes:
        grid.add_row(say("changes", language), shown(" ".join(term.changes), most=1000))
    if term.bytes_changed is not None:
        changed = byte_count(term.bytes_changed, language)
        added = byte_count(term.bytes_added or 0, language)
        kind = "rows" if term.route == "token" else "adapter"
        grid.add_row("", say(f"bytes.{kind}", language, changed=changed, added=added))
    return Group(head, Padding(grid, (0, 0, 0, 2)))


def _pieces(term: TermDiagnosis, language: Language) -> Text:
    """The dictionary form as it is cut at the start of a text and after a space."""
    own = [form for form in term.pieces if form.form == term.term]
    line = Text("   ").join(_cut_form(form) for form in own)
    more = len({form.form for form in term.pieces}) - 1
    if more > 0:
        line.append(f"   ({say('forms', language, count=more)})", "dim")
    return line


def _cut_form(form: FormPieces, most: int = 24) -> Text:
    shown = [visible(piece, 40) for piece in form.readable[:most]]
    line = Text("·", style="dim").join(Text(piece) for piece in shown)
    if len(form.readable) > most:
        line.append("·…", "dim")
    return line.append(f" ({len(form.readable)})", "dim")


def _routes(found: Diagnosis) -> str:
    chosen = [term.route for term in found.terms]
    return ", ".join(f"{route} {chosen.count(route)}" for route in sorted(set(chosen)))


def show_plan(plan: Plan) -> None:
    """What `teach` would do: routes, work, time and space."""
    from lexigraft.diagnose.sentences import byte_count
    from lexigraft.report.strings import Words

    out, language = output(), plan.diagnosis.language
    words = Words(language)
    out.print(_model_line(plan.diagnosis))
    out.print()
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    for term in plan.diagnosis.terms:
        reason = term.reasons[0] if term.reasons else ""
        table.add_row(shown(term.surface, "bold", 40), Text(term.route, "cyan"), shown(reason))
    out.print(table)
    out.print()
    unknown = say("plan.unknown", language)
    time_needed = unknown if plan.seconds is None else words.duration(plan.seconds)
    work = Table.grid(padding=(0, 2))
    if plan.corpus_files:
        held = f"{words.integer(plan.corpus_files)} ({byte_count(plan.corpus_bytes, language)})"
        work.add_row(say("plan.corpus", language), held)
    if plan.continues is not None:
        held = say("plan.kept", language, terms=plan.kept_terms, texts=plan.kept_texts)
        work.add_row(say("plan.continues", language), shown(f"{plan.continues}: {held}", "", 300))
    work.add_row(say("plan.texts", language), words.integer(plan.texts))
    if plan.writer is not None:
        work.add_row(say("plan.requests", language), words.integer(plan.requests))
    work.add_row(say("plan.steps", language), words.integer(plan.steps))
    work.add_row(say("plan.trainable", language), words.integer(plan.trainable))
    work.add_row(say("plan.time", language), time_needed)
    work.add_row(say("plan.disk", language), byte_count(plan.bytes_needed, language))
    out.print(work)
    if plan.writer is not None:
        out.print(shown(say("plan.sent", language, host=plan.writer), most=300))
    out.print(shown(say("plan.nothing", language), "dim"))
