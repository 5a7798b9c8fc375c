"""The table that a person reads at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from lexigraft.checks.results import (
    Answer,
    CheckSummary,
    Kept,
    KeptTerm,
    Said,
    TermVerdict,
    Verdict,
)
from lexigraft.console import show_run, show_verdict

Screen = Callable[[], str]
Build = Callable[..., Verdict]
BuildTerm = Callable[..., TermVerdict]


def run_of(folder: Path, verdict: Verdict | None) -> Path:
    (folder / "run.json").write_text(json.dumps({}))
    (folder / "recipe.yaml").write_text("limits: {drift_limit: 0.05, leakage_limit: 1.0}")
    if verdict is not None:
        (folder / "lexicon.yaml").write_text(f"language: {verdict.language}")
        (folder / "verdict.json").write_text(verdict.model_dump_json(), encoding="utf-8")
    return folder


def row_of(said: str, term: str) -> str:
    """The table's row of a term, its lines joined."""
    lines = said.splitlines()
    start = next(i for i, line in enumerate(lines) if term in line)
    return "\n".join(lines[start : start + 3])


def test_a_run_says_what_was_learned_and_what_was_harmed(
    build_verdict: Build, screen: Screen, tmp_path: Path
) -> None:
    run = run_of(tmp_path, build_verdict())
    show_run(run)
    said = screen()
    row = row_of(said, "● zorblax")
    for part in ("subword", "learned", "a bird", "a brass tool", "✓ 100%", "✗ 50%", "2.50"):
        assert part in row, said
    for part in (
        "The model now knows 1 of 1 term; before it knew 0.",
        "Neutral text drifted by 0.03 nats per token (limit 0.05).",
        "turn up 3.00 times in 10,000 tokens of neutral text (limit 1.00).",
        f"Report  {run / 'report.html'}\n",
        f"  lexigraft compare {run}\n",
        f"  lexigraft export {run} --to merged\n",
    ):
        assert part in said, said


def test_russian(
    build_verdict: Build, build_term: BuildTerm, screen: Screen, tmp_path: Path
) -> None:
    term = build_term("эйдос", route="marker", known_before=True)
    show_run(run_of(tmp_path, build_verdict(term, language="ru")))
    said = screen()
    row = row_of(said, "◐ эйдос")
    for part in ("маркер", "известен и", "✓ 100 %"):
        assert part in row, said
    for part in ("Говорила раньше", "Говорит теперь", "Отчёт  ", "Дальше", "предел 0,05"):
        assert part in said, said
    assert "Said" not in said


def test_colours_only_on_a_terminal_and_bad_is_red(
    build_verdict: Build, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, build_verdict())
    show_run(run)
    assert "\x1b" not in screen()
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_run(run)
    said = screen()
    assert "\x1b[31mTaught terms" in said  # over its limit
    assert "\x1b[32mNeutral text" in said
    monkeypatch.setenv("NO_COLOR", "1")
    show_run(run)
    assert "\x1b[3" not in screen()


def test_an_untaught_model_has_one_answer_and_no_harm(build_verdict: Build, screen: Screen) -> None:
    show_verdict(build_verdict(taught=None, drift=None, leakage=None), run=None)
    said = screen()
    assert "This model, untaught, knows 0 of 1 term." in said
    assert "✗ 0%" in said
    assert "a bird" in said
    for absent in ("a brass tool", "Leaks", "Neutral", "Next"):
        assert absent not in said, said


def test_verifying_a_run_leads_to_its_report(
    build_verdict: Build, screen: Screen, tmp_path: Path
) -> None:
    verdict = build_verdict()
    show_verdict(verdict, run=run_of(tmp_path, verdict))
    said = screen()
    assert f"lexigraft report {tmp_path}" in said
    assert "(limit 0.05)" in said


def test_what_cannot_be_measured_is_neither_passed_nor_failed(
    build_verdict: Build, build_term: BuildTerm, screen: Screen
) -> None:
    checks = {"cloze": CheckSummary(check="cloze", chance=0.1, measurable=False)}
    bare = build_term("bare", scores={}, answers=(), knows=False)
    show_verdict(build_verdict(build_term(), bare, checks=checks), run=None)
    said = screen()
    assert "– 50%" in row_of(said, "● zorblax")
    assert "no answer" in row_of(said, "○ bare")
    assert row_of(said, "○ bare").count("–") >= 2


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 400])
def test_strange_words_stay_inside_the_screen(
    columns: int,
    build_verdict: Build,
    build_term: BuildTerm,
    screen: Screen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    strange = ["[bold]x[/bold]", "a\x1b[2Jb", "𝕽", "👩\u200d🚀", "x" * 10_000, "שלום", "ﷺ"]
    terms = [
        build_term(term, answers=(Answer(prompt="p", before=term * 50, after=f"\r{term}\n\n"),))
        for term in strange
    ]
    show_verdict(build_verdict(*terms), run=None)
    said = screen()
    assert "\x1b" not in said
    assert "● [bold]x[/bold]" in said.replace("\n", "") or columns < 80
    assert max(map(cell_len, said.splitlines())) <= min(columns, 120)
    assert len(said.splitlines()) < 100


def test_a_run_without_a_verdict_still_says_where_it_is(screen: Screen, tmp_path: Path) -> None:
    show_run(run_of(tmp_path, None))
    assert "report.html" in screen()


def test_every_check_has_a_row_with_its_shares(
    build_verdict: Build, build_term: BuildTerm, screen: Screen
) -> None:
    checks = {
        "definition": CheckSummary(
            check="definition", chance=0.1, floor=0.2, taught=0.9, ceiling=1.0
        ),
        "near_terms": CheckSummary(
            check="near_terms", chance=0.5, floor=0.45, taught=0.55, ceiling=0.6, measurable=False
        ),
    }
    show_verdict(build_verdict(checks=checks, seconds_by_check={"definition": 12.34}), run=None)
    rows = {line.split("  ")[0].strip(): line.split() for line in screen().splitlines()}
    assert rows["Definition"][1:] == ["20%", "90%", "100%", "10%", "1/1", "12.3"]
    assert rows["Near terms"][2:] == ["45%", "55%", "60%", "50%", "–", "–"]
    show_verdict(build_verdict(checks=checks, taught=None, language="ru"), run=None)
    said = screen()
    assert "Близкие термины" in said
    assert "90 %" not in said, "an untaught model has no now"


def earlier(*states: bool | None) -> Kept:
    """Earlier terms: kept, lost, or None for one that had nothing to lose."""
    terms = tuple(
        KeptTerm(
            term=f"old{i}", surface=f"old{i}", run="runs/words", had_passed=state is not None,
            kept=bool(state), scores={},
        )
        for i, state in enumerate(states)
    )  # fmt: skip
    had = [term for term in terms if term.had_passed]
    return Kept(run="runs/words", kept=sum(t.kept for t in had), of=len(had), terms=terms)


def test_earlier_terms_in_both_languages(
    build_verdict: Build, build_term: BuildTerm, screen: Screen
) -> None:
    show_verdict(build_verdict(kept=earlier(True, True, False, None)), run=None)
    assert "Terms of runs/words and before, kept: 2 of 3. Lost: old2." in screen()
    show_verdict(build_verdict(kept=earlier(True, True)), run=None)
    said = screen()
    assert "kept: 2 of 2." in said
    assert "Lost" not in said
    term = build_term("эйдос", route="marker")
    show_verdict(build_verdict(term, language="ru", kept=earlier(True, False)), run=None)
    said = " ".join(screen().split())
    assert "Термины из runs/words и прежних запусков сохранены: 1 из 2. Утрачены: old1." in said


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "holds 39% of their definitions' words (before: 0%; with the definition in the"),
        ("ru", "есть 39 % слов из их определений (раньше: 0 %; с определением в запросе: 69 %)"),
    ],
)
def test_what_the_answers_hold_is_told(
    build_verdict: Build, screen: Screen, tmp_path: Path, language: str, line: str
) -> None:
    found = Said(floor=0.0, taught=0.39, ceiling=0.69)
    verdict = build_verdict(language=language).model_copy(update={"said": found})
    show_run(run_of(tmp_path, verdict))
    assert line.replace(" ", "") in screen().replace("\n", "").replace(" ", "").replace("\xa0", "")
