"""What the model was before, and what is kept of it: on page and card, in both languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexigraft.checks.results import Kept, KeptScore, KeptTerm, Verdict
from lexigraft.report import write_model_card, write_report

CHAIN = [
    {"run": "/home/somebody/runs/words", "lexicon": "words", "lexicon_digest": "d", "terms": 4,
     "model": "/home/somebody/runs/base", "fingerprint": "f"},
    {"run": "/home/somebody/runs/base", "lexicon": "basics", "lexicon_digest": "d", "terms": 1,
     "model": "Qwen/Qwen3-0.6B-Base", "fingerprint": "f"},
]  # fmt: skip


def score(before: bool, now: bool) -> KeptScore:
    return KeptScore(
        then=1.0, before=0.9, now=0.25, passed_then=True, passed_before=before, passed_now=now
    )


def term(name: str, had_passed: bool, kept: bool) -> KeptTerm:
    scores = {"definition": score(had_passed, kept)}
    return KeptTerm(
        term=name, surface=name, run="r", had_passed=had_passed, kept=kept, scores=scores
    )


KEPT = Kept(
    run="runs/words",
    kept=1,
    of=2,
    terms=(term("stays", True, True), term("went", True, False), term("never", False, False)),
)


def pages(
    build_run: Callable[..., Path],
    build_verdict: Callable[..., Verdict],
    language: str,
    **more: Any,
) -> tuple[str, str]:
    run = build_run(language, verdict=build_verdict(language, **more))
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**record, "continues": CHAIN}), encoding="utf-8")
    files = write_report(run), write_model_card(run)
    return tuple(path.read_text(encoding="utf-8").replace("\u00a0", " ") for path in files)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("language", "chain", "line", "heading", "marks"),
    [
        (
            "en",
            "taught before: words, 4 terms (run words); basics, 1 term (run base); first of all "
            "it was Qwen/Qwen3-0.6B-Base.",
            "Kept of the earlier terms: 1 of 2. Lost: went.",
            "Terms of earlier runs",
            ("100% → 90% → 25%", "kept", "lost", "passed nothing before"),
        ),
        (
            "ru",
            "уже учили: words, 4 термина (запуск words); basics, 1 термин (запуск base); "
            "изначально это Qwen/Qwen3-0.6B-Base.",
            "Из прежних терминов сохранено 1 из 2. Утрачены: went.",
            "Термины прежних запусков",
            ("100 % → 90 % → 25 %", "сохранён", "утрачен", "раньше не проходил ничего"),
        ),
    ],
)
def test_the_chain_and_the_kept(
    build_run: Callable[..., Path],
    build_verdict: Callable[..., Verdict],
    language: str,
    chain: str,
    line: str,
    heading: str,
    marks: tuple[str, ...],
) -> None:
    page, card = pages(build_run, build_verdict, language, kept=KEPT)
    assert chain in page
    assert line in page
    assert heading in page
    for mark in marks:
        assert mark in page
    assert page.index("<dt>went") < page.index("<dt>stays")
    plain = card.replace("\\", "")
    assert chain in plain
    assert line in plain
    assert "/home/somebody" not in card.split("```")[0]


def test_nothing_of_it_where_nothing_was_taught_before(build_run: Callable[..., Path]) -> None:
    page = write_report(build_run()).read_text(encoding="utf-8")
    assert "Terms of earlier runs" not in page
    assert "Taught before" not in page
