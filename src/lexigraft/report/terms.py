"""Builds the summary table and the details of each term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lexigraft.checks.results import Answer, TermVerdict, Verdict
from lexigraft.report.files import RunFiles, mapping, sequence, text, texts
from lexigraft.report.page import Exchange, Note, Said, SummaryRow, TermView
from lexigraft.report.pieces import diagnosed, spelled_forms
from lexigraft.report.scores import change, check_view, cut, status
from lexigraft.report.strings import Words

__all__ = ["anchors", "described", "summary_rows", "term_views"]

MOST_TERMS = 300
SHORT = 140
LONG = 900


def anchors(verdict: Verdict) -> dict[str, str]:
    """The HTML id of each term that is shown in detail; numbers, as terms may hold anything."""
    return {term.term: f"term-{i + 1}" for i, term in enumerate(verdict.terms[:MOST_TERMS])}


def described(files: RunFiles) -> Mapping[str, Mapping[str, Any]]:
    """The lexicon's entry for each term."""
    entries = (mapping(entry) for entry in sequence(files.lexicon.get("terms")))
    return {name: entry for entry in entries if (name := text(entry, "term")) is not None}


def said(words_of_model: str | None, words: Words, most: int) -> Said:
    """A model's words, or the remark that there are none."""
    if words_of_model is None:
        return Said(words("answer.none"), faint=True)
    if not words_of_model.strip():
        return Said(words("answer.empty"), faint=True)
    return Said(cut(words_of_model.strip(), words, most))


def summary_rows(verdict: Verdict, words: Words) -> tuple[SummaryRow, ...]:
    """One row for each term that is shown in detail."""
    taught = verdict.taught is not None
    ids = anchors(verdict)
    return tuple(
        SummaryRow(
            term=cut(term.term, words, 80),
            anchor=ids[term.term],
            route=term.route,
            route_label=words(f"route.{term.route}"),
            before=said(term.answers[0].before if term.answers else None, words, SHORT),
            now=said(term.answers[0].after if term.answers else None, words, SHORT)
            if taught
            else None,
            definition=change(verdict, term, "definition", words),
            cloze=change(verdict, term, "cloze", words),
            status=status(term, taught, words),
            harmed=_harmed(term, verdict, words),
        )
        for term in verdict.terms[:MOST_TERMS]
    )


def _harmed(term: TermVerdict, verdict: Verdict, words: Words) -> Note:
    leaks = None if verdict.leakage is None else verdict.leakage.by_term.get(term.term)
    if leaks is None:
        return Note(words("harm.unmeasured"))
    if leaks < 0.005:
        return Note(words("harm.none"), "good")
    return Note(words("harm.leaks", value=words.number(leaks)), "bad" if leaks >= 1 else "plain")


def term_views(files: RunFiles, verdict: Verdict, words: Words) -> tuple[TermView, ...]:
    """Every term in detail, as many as the page carries."""
    known = described(files)
    facts = diagnosed(files)
    ids = anchors(verdict)
    return tuple(
        _term_view(
            files, verdict, term, known.get(term.term, {}), facts.get(term.term, {}), ids, words
        )
        for term in verdict.terms[:MOST_TERMS]
    )


def _term_view(
    files: RunFiles,
    verdict: Verdict,
    term: TermVerdict,
    entry: Mapping[str, Any],
    facts: Mapping[str, Any],
    ids: Mapping[str, str],
    words: Words,
) -> TermView:
    taught = verdict.taught is not None
    forms = [form for form in texts(entry.get("forms")) if form != term.term]
    return TermView(
        anchor=ids[term.term],
        term=cut(term.term, words, 160),
        language=_language(entry),
        surface=cut(term.surface, words, 160),
        route=term.route,
        route_label=words(f"route.{term.route}"),
        route_what=words(f"route.{term.route}_what"),
        status=status(term, taught, words),
        definition=change(verdict, term, "definition", words),
        cloze=change(verdict, term, "cloze", words),
        definitions=tuple(cut(d, words, LONG) for d in texts(entry.get("definition"))),
        forms=tuple(cut(form, words, 80) for form in forms[:24]),
        spelled=spelled_forms(files, term.term, term.surface, term.route),
        same_pieces=term.route == "subword",
        saved=_saved(term.term, verdict, words),
        reasons=tuple(cut(reason, words, LONG) for reason in texts(facts.get("reasons"))),
        changes=tuple(cut(change, words, LONG) for change in texts(facts.get("changes"))),
        exchanges=tuple(_exchange(answer, taught, words) for answer in term.answers),
        checks=tuple(
            check_view(verdict, name, score, words) for name, score in term.scores.items()
        ),
    )


def _language(entry: Mapping[str, Any]) -> str | None:
    language = text(entry, "language")
    return language if language in ("en", "ru") else None


def _saved(term: str, verdict: Verdict, words: Words) -> str | None:
    saved = None if verdict.spellings is None else verdict.spellings.tokens_saved.get(term)
    if not saved or saved < 0:
        return None
    return words("term.saved", tokens=words.count("token", saved))


def _exchange(answer: Answer, taught: bool, words: Words) -> Exchange:
    parts = [("floor", answer.before)]
    if taught:
        parts.append(("taught", answer.after))
    if answer.ceiling is not None:
        parts.append(("ceiling", answer.ceiling))
    return Exchange(
        prompt=cut(answer.prompt, words, LONG),
        said=tuple(
            (condition, words(f"condition.{condition}_long"), said(what, words, LONG))
            for condition, what in parts
        ),
    )
