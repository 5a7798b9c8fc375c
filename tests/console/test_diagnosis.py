"""The diagnosis and the plan on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len

from lexigraft.console import show_diagnosis, show_plan
from lexigraft.diagnose.values import Diagnosis, FormPieces, TermDiagnosis

Screen = Callable[[], str]
Look = Callable[..., TermDiagnosis]
Build = Callable[..., Diagnosis]


def show(found: Diagnosis, screen: Screen) -> str:
    show_diagnosis(found, lexicon=Path("my words.yaml"), model="some/model")
    return screen()


def test_everything_about_a_term_is_there(
    build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    said = show(build_diagnosis(build_look()), screen)
    for part in (
        "some/model · LlamaForCausalLM · byte-level BPE · 134.5 M parameters · 49,152",
        " • Nothing is unknown.",
        "zorblax  →  token\n",
        "pieces   zor·blax (2)   ␣z·orblax (2)   (other forms: 1)",
        "known    no",
        "why      It has many forms.",
        "changes  New tokens: 4.",
        "Trained: 9.2 kB; the model grows by 4.6 kB.",
        "Routes: token 1.",
        "lexigraft teach 'my words.yaml' --model some/model --output 'runs/my words'",
    ):
        assert part in said, said


def test_a_route_that_was_given_and_a_model_without_weights(
    build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    look = build_look(chosen=False, probe=None, bytes_changed=None, bytes_added=None)
    found = build_diagnosis(look)
    facts = found.model.model_copy(update={"parameters": None, "architecture": None})
    said = show(found.model_copy(update={"model": facts}), screen)
    assert "zorblax  →  token (given)" in said
    assert "not asked: there are no weights" in said
    assert "Trained" not in said
    assert "some/model · byte-level BPE · 49,152 tokens" in said


@pytest.mark.parametrize("route", ["subword", "marker"])
def test_an_adapter_is_shared(
    route: str, build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    said = show(build_diagnosis(build_look(route=route)), screen)
    assert "Its share of the adapter: 9.2 kB." in said


def test_russian(build_look: Look, build_diagnosis: Build, screen: Screen) -> None:
    said = show(build_diagnosis(build_look("эйдос"), language="ru"), screen)
    for part in (
        "134,5 млн параметров · 49\u202f152",
        "Что верно для этой модели",
        "части",
        "(других форм: 1)",
        "известен  нет",
        "Обучается: 9,2 КБ; модель вырастет на 4,6 КБ.",
        "Маршруты: token 1.",
        "Дальше",
    ):
        assert part in said, said


@pytest.mark.parametrize("columns", [80, 120, 300])
def test_strange_terms_stay_inside_the_screen(
    columns: int,
    build_look: Look,
    build_diagnosis: Build,
    screen: Screen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    terms = ["[bold]x[/bold]", "a\x1b[2Jb", "𝕽", "👩\u200d🚀", "x" * 10_000, "שלום", "e\u0301"]
    said = show(build_diagnosis(*map(build_look, terms)), screen)
    assert "[bold]x[/bold]  →" in said
    assert "\x1b" not in said
    assert "👩\u200d🚀  →" in said
    shown = [line for line in said.splitlines() if "lexigraft teach" not in line]
    assert max(cell_len(line.rstrip()) for line in shown) <= min(columns, 120)
    assert len(said) < 20_000


def test_a_form_of_many_pieces_is_cut(
    build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    many = FormPieces(
        form="zorblax",
        spaced=True,
        ids=tuple(range(500)),
        tokens=("a",) * 500,
        readable=("<F0>",) * 500,
    )
    said = show(build_diagnosis(build_look(pieces=(many,))), screen)
    assert "(500)" in said
    assert "".join(said.split()).replace("·", "").count("<F0>") == 24


def plan(diagnosis: Diagnosis, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "diagnosis": diagnosis,
        "texts": 240,
        "steps": 12_000,
        "seconds": 252.0,
        "bytes_needed": 1_100_000_000,
        "corpus_files": 2,
        "corpus_bytes": 1_500_000,
        "trainable": 4_884_480,
        "notes": ("The disk is nearly full.",),
        "continues": None,
        "writer": None,
    }
    return SimpleNamespace(**{**values, **changes})


def test_a_plan_says_work_time_and_space(
    build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    show_plan(plan(build_diagnosis(build_look())))
    said = screen()
    for part in (
        "zorblax  token  It has many forms.",
        "Texts to learn from      240",
        "Training steps           12,000",
        "Parameters that move     4,884,480",
        "Time, about              4 min 12 s",
        "Disk space               1.1 GB",
        "Files of your own texts  2 (1.5 MB)",
        "Nothing was written.",
    ):
        assert part in said, said


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Goes on with runs/words: terms kept 4, by texts 32"),
        ("ru", "Продолжает runs/words: сохраняемых терминов 4, текстов для этого 32"),
    ],
)
def test_a_plan_of_a_run_on_a_run(
    build_look: Look, build_diagnosis: Build, screen: Screen, language: str, line: str
) -> None:
    found = build_diagnosis(build_look(), language=language)
    show_plan(plan(found, continues="runs/words", kept_terms=4, kept_texts=32))
    assert line in " ".join(screen().split())


@pytest.mark.parametrize(
    ("language", "count", "sent"),
    [
        ("en", "Requests to the writer 12", "they go to writer.example."),
        ("ru", "Запросов к автору текстов 12", "они уйдут на writer.example."),
    ],
)
def test_a_plan_of_a_run_with_a_writer(
    build_look: Look, build_diagnosis: Build, screen: Screen, language: str, count: str, sent: str
) -> None:
    found = build_diagnosis(build_look(), language=language)
    show_plan(plan(found, writer="writer.example", requests=12))
    said = " ".join(screen().split())
    assert count in said
    assert sent in said


def test_a_plan_in_russian_without_an_estimate(
    build_look: Look, build_diagnosis: Build, screen: Screen
) -> None:
    show_plan(plan(build_diagnosis(build_look(reasons=()), language="ru"), seconds=None))
    said = screen()
    assert "Время, примерно          неизвестно" in said
    assert "Ничего не записано." in said
