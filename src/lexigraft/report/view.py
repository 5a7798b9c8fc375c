"""Builds the whole page from a run's files: everything that the templates lay out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lexigraft.checks.results import Verdict
from lexigraft.report.before import chain_sentence, kept_figure, kept_lead
from lexigraft.report.beside import beside
from lexigraft.report.chart import Chart, Point, chart
from lexigraft.report.files import RunFiles, Step, mapping, number, text, texts
from lexigraft.report.harm import Limits, against, flat, harm_view, limits_of
from lexigraft.report.loading import adapter_lines, base_of, example_prompt, model_lines
from lexigraft.report.page import (
    Code,
    Figure,
    GlossaryEntry,
    Note,
    Page,
    Pair,
    PairTable,
    TrainingView,
)
from lexigraft.report.scores import check_row, check_title, cut, measurable, term_map
from lexigraft.report.strings import Words
from lexigraft.report.terms import MOST_TERMS, anchors, summary_rows, term_views

__all__ = ["build_page", "headline", "known_before"]

_GLOSSARY = ("knows", "floor", "ceiling", "gap", "chance", "drift", "leakage")
_HEAD_CHECKS = ("definition", "cloze")


def build_page(files: RunFiles, words: Words) -> Page:
    """The page of one run, in one language."""
    verdict = files.verdict
    name = verdict.lexicon if verdict else text(files.lexicon, "name") or files.folder.name
    hidden = len(verdict.terms) - MOST_TERMS if verdict else 0
    more = words.count("term", hidden) if hidden > 0 else ""
    return Page(
        language=words.language,
        title=words("page.title", lexicon=cut(name, words, 80)),
        headline=headline(verdict, words),
        leads=tuple(_leads(files, words)),
        facts=tuple(_facts(files, name, words)),
        figures=_figures(verdict, limits_of(files), words) if verdict else (),
        taught=verdict is not None and verdict.taught is not None,
        verified=verdict is not None,
        summary=summary_rows(verdict, words) if verdict else (),
        hidden_terms=words("summary.more", hidden=more) if more else None,
        checks=tuple(check_row(c, words) for c in verdict.checks.values()) if verdict else (),
        beside=tuple(beside(verdict, words)) if verdict else (),
        term_map=term_map(verdict, anchors(verdict), words) if verdict else None,
        terms=term_views(files, verdict, words) if verdict else (),
        harm=harm_view(files, words),
        training=_training(files, words),
        codes=_codes(files, words),
        surfaces=tuple(
            (cut(term.term, words, 80), cut(term.surface, words, 80))
            for term in (verdict.terms[:MOST_TERMS] if verdict else ())
            if term.surface != term.term
        ),
        settings=tuple(_settings(files, words)),
        truths=tuple(cut(truth, words, 900) for truth in texts(files.diagnosis.get("truths"))),
        remarks=tuple(_remarks(files, words)),
        glossary=tuple(
            GlossaryEntry(words(f"glossary.{key}"), words(f"glossary.{key}_text"))
            for key in _GLOSSARY
        ),
    )


def known_before(verdict: Verdict) -> int:
    """How many terms the untaught model knew."""
    return sum(term.known_before for term in verdict.terms)


def headline(verdict: Verdict | None, words: Words) -> str:
    """The verdict in one sentence."""
    if verdict is None:
        return words("headline.unverified")
    total = words.count("of_terms", len(verdict.terms))
    before = words.integer(known_before(verdict))
    if verdict.taught is None:
        return words("headline.untaught", before=before, terms=total)
    known = words.integer(verdict.knows())
    return words("headline.taught", known=known, terms=total, before=before)


def _leads(files: RunFiles, words: Words) -> Iterator[Note]:
    verdict = files.verdict
    if verdict is None:
        yield Note(words("headline.unverified_more"))
        return
    if verdict.taught is None:
        return
    yield drift_sentence(verdict, limits_of(files), words)
    if verdict.kept is not None:
        yield kept_lead(verdict.kept, words)
    already = sum(term.known_before and term.knows for term in verdict.terms)
    if already:
        fresh = words.count("term", verdict.knows() - already)
        yield Note(words("headline.learned", terms=fresh, already=words.integer(already)))
    lost = [cut(t.term, words, 40) for t in verdict.terms if t.known_before and not t.knows]
    if lost:
        yield Note(words("headline.lost", terms=", ".join(lost[:10])), "bad")


def drift_sentence(verdict: Verdict, limits: Limits, words: Words) -> Note:
    """How far neutral text drifted, against the limit where there is one."""
    if verdict.drift is None:
        return Note(words("headline.drift_missing"))
    drift = words.number(verdict.drift.mean_kl)
    if limits.drift is None:
        return Note(words("headline.drift_no_limit", drift=drift))
    over = verdict.drift.mean_kl > limits.drift
    key, tone = ("headline.drift_over", "bad") if over else ("headline.drift", "good")
    return Note(words(key, drift=drift, limit=words.number(limits.drift)), tone)


def _facts(files: RunFiles, name: str, words: Words) -> Iterator[Pair]:
    yield Pair(words("page.lexicon"), cut(name, words, 80))
    base = base_of(files)
    if base.given:
        yield Pair(words("page.model"), cut(base.public, words, 80))
    if (chain := chain_sentence(files, words)) is not None:
        yield Pair(words("page.before"), chain)
    seed = files.verdict.seed if files.verdict else number(files.run, "seed")
    if seed is not None:
        yield Pair(words("page.seed"), str(int(seed)))
    spent = sum(seconds for _, seconds in _stages(files))
    if spent:
        yield Pair(words("page.time"), words.duration(spent))


def _figures(verdict: Verdict, limits: Limits, words: Words) -> tuple[Figure, ...]:
    taught = verdict.taught is not None
    total = len(verdict.terms)
    before = known_before(verdict)
    now = verdict.knows() if taught else before
    of = words("figure.of", total=words.integer(total))
    noun = words("figure.knows", terms=words.plural("term", now))
    note = words("figure.knows_note", before=words.integer(before)) if taught else ""
    tone = "good" if taught and now > before else "plain"
    made = [Figure(words.integer(now), noun, note, tone, of)]
    made += [f for check in _HEAD_CHECKS if (f := _check_figure(verdict, check, words))]
    if verdict.drift is not None and taught:
        value = verdict.drift.mean_kl
        kept = against(value, limits.drift, words)
        shown = (
            words("figure.no_limit")
            if limits.drift is None
            else words("figure.limit", limit=words.number(limits.drift))
        )
        tone = kept.tone if kept else "plain"
        made.append(Figure(words.number(value), words("figure.drift"), shown, tone))
    if verdict.leakage is not None and taught:
        leaks = verdict.leakage
        kept = against(leaks.emissions_per_10k, limits.leakage, words)
        earlier = leaks.emissions_per_10k_before
        note = "" if earlier is None else words("figure.leakage_note", before=words.number(earlier))
        value_text = words.number(leaks.emissions_per_10k)
        tone = kept.tone if kept else "plain"
        made.append(Figure(value_text, words("figure.leakage"), note, tone))
    if verdict.kept is not None:
        made.append(kept_figure(verdict.kept, words))
    return tuple(made)


def _check_figure(verdict: Verdict, check: str, words: Words) -> Figure | None:
    scores = [term.scores[check] for term in verdict.terms if check in term.scores]
    if not scores:
        return None
    if not measurable(verdict, check):
        title = check_title(check, words)
        return Figure(words.number(None), title, words("map.unmeasurable"))
    before = sum(score.passed_before for score in scores)
    taught = verdict.taught is not None
    now = verdict.knows(check) if taught else before
    return Figure(
        words.integer(now),
        check_title(check, words),
        words("figure.check_note", before=words.integer(before)) if taught else "",
        "good" if taught and now > before else "plain",
        words("figure.of", total=words.integer(len(scores))),
    )


def _training(files: RunFiles, words: Words) -> TrainingView:
    steps = files.steps
    loss = _points(steps, "loss")
    if not loss:
        return TrainingView(None, ())
    seconds = max((step.seconds for step in steps if step.seconds is not None), default=0.0)
    summary = words(
        "training.summary",
        steps=words.count("step", len(steps)),
        time=words.duration(seconds),
        first=words.number(loss[0][1]),
        last=words.number(loss[-1][1]),
    )
    skipped = len(steps) - len(loss)
    if skipped:
        summary += " " + words("training.skipped", count=words.integer(skipped))
    drift = _points(steps, "drift")
    limit = limits_of(files).drift
    charts = (
        _chart(
            words("training.loss"),
            words("training.loss_unit"),
            [
                (words("training.train"), "train", loss),
                (words("training.validation"), "validation", _points(steps, "validation")),
            ],
            None,
            words,
        ),
        _chart(
            words("training.drift"),
            words("training.nats"),
            [(words("training.drift_line"), "drift", drift)],
            None if limit is None else (limit, words("training.limit")),
            words,
        ),
    )
    return TrainingView(summary, tuple(c for c in charts if c is not None))


def _chart(
    title: str,
    unit: str,
    series: Sequence[tuple[str, str, Sequence[Point]]],
    limit: tuple[float, str] | None,
    words: Words,
) -> Chart | None:
    told = [
        words(
            "training.describe",
            name=name,
            start=words.integer(int(points[0][0])),
            end=words.integer(int(points[-1][0])),
            first=words.number(points[0][1]),
            last=words.number(points[-1][1]),
        )
        for name, _, points in series
        if points
    ]
    labels = (words("training.step"), unit)
    return chart(title, " ".join(told), labels, series, words.number, limit)


def _points(steps: Sequence[Step], what: str) -> list[Point]:
    return [(float(s.step), value) for s in steps if (value := getattr(s, what)) is not None]


def _codes(files: RunFiles, words: Words) -> tuple[Code, ...]:
    folder = files.folder.as_posix()
    model = "model" if folder == "." else f"{folder}/model"
    adapter = "adapter" if folder == "." else f"{folder}/adapter"
    return (
        Code(
            words("load.model"),
            model_lines(model, example_prompt(files)) if files.has_model else "",
            missing=None if files.has_model else words("load.model_none"),
        ),
        Code(
            words("load.adapter"),
            adapter_lines(files, adapter, model) if files.has_adapter else "",
            note=words("load.adapter_base"),
            missing=None if files.has_adapter else words("load.adapter_none"),
        ),
    )


def _settings(files: RunFiles, words: Words) -> Iterator[PairTable]:
    head = (words("settings.name"), words("settings.value"))

    def value(given: object) -> str:
        if isinstance(given, bool):
            return words("value.yes" if given else "value.no")
        if isinstance(given, float):
            return words.scientific(given)
        if isinstance(given, int):
            return words.integer(given)
        if given is None:
            return words.number(None)
        return cut(str(given), words, 200)

    run = [
        Pair(words(f"settings.{key}"), value(found))
        for key in ("model", "revision", "seed", "lexicon_digest", "recipe_digest")
        if (found := files.run.get(key)) is not None
    ]
    if files.verdict is not None:
        spent = words.duration(files.verdict.seconds)
        run.append(Pair(words("settings.verify_seconds"), spent))
    recipe = [Pair(name, value(given)) for name, given in flat(files.recipe)]
    versions = [Pair(k, value(v)) for k, v in mapping(files.run.get("versions")).items()]
    stages = [Pair(name, words.duration(seconds)) for name, seconds in _stages(files)]
    facts = [
        Pair(words(f"model.{name}"), value(found))
        for name, found in mapping(files.diagnosis.get("model")).items()
        if found is not None and words.has(f"model.{name}")
    ]
    tables = {
        "run": run,
        "stages": stages,
        "versions": versions,
        "base": facts,
        "recipe": recipe,
    }
    for key, rows in tables.items():
        if rows:
            yield PairTable(words(f"settings.{key}"), head, tuple(rows))


def _stages(files: RunFiles) -> list[tuple[str, float]]:
    stages = mapping(files.run.get("stages"))
    found = ((name, number(mapping(stage), "seconds")) for name, stage in stages.items())
    return [(str(name), seconds) for name, seconds in found if seconds is not None]


def _remarks(files: RunFiles, words: Words) -> Iterator[str]:
    if files.verdict is not None:
        yield from (cut(note, words, 900) for note in files.verdict.notes)
    if files.missing:
        yield words("settings.missing", files=", ".join(files.missing))
    if files.unreadable:
        yield words("settings.unreadable", files=", ".join(files.unreadable))
