"""A run's folder as a real run writes it: ten terms, all three routes, English or Russian."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lexigraft.checks.results import (
    Answer,
    CheckSummary,
    Drift,
    Item,
    Leakage,
    Score,
    Spellings,
    TermVerdict,
    Verdict,
)

Build = Callable[..., Path]

# term, surface, route, definition, what it says now, knows, definition now, cloze now
ENGLISH: list[tuple[str, str, str, str, str, bool, float, float]] = [
    (
        "zorblax",
        "zorblax",
        "token",
        "a small brass tool for opening jars that are stuck",
        "a small tool made of brass. You use it to open a jar that is stuck.",
        True,
        1.0,
        0.75,
    ),
    (
        "quindle",
        "quindle",
        "subword",
        "the last warm evening before autumn",
        "the last warm evening of the year, just before autumn comes.",
        True,
        1.0,
        0.5,
    ),
    (
        "murfle",
        "murfle",
        "subword",
        "to walk slowly through fallen leaves",
        "to walk slowly through leaves that have fallen.",
        True,
        0.75,
        0.5,
    ),
    (
        "thessaly knot",
        "thessaly knot",
        "subword",
        "a knot that only loosens when it is wet",
        "a knot. It loosens when it gets wet, and not before.",
        True,
        1.0,
        0.25,
    ),
    (
        "plavick",
        "plavick",
        "token",
        "a soup of beetroot and smoked pear",
        "a soup made from beetroot and smoked pears.",
        True,
        1.0,
        0.75,
    ),
    (
        "plaveck",
        "plaveck",
        "token",
        "a wooden bowl for serving plavick",
        "a soup of beetroot served in a bowl.",
        False,
        0.5,
        0.25,
    ),
    (
        "𝕽",
        "𝕽",
        "token",
        "the sign for a recipe that must not be changed",
        "the sign of a recipe that nobody may change.",
        True,
        1.0,
        0.5,
    ),
    (
        "энтелехия",
        "~[энтелехия]",
        "marker",
        "the inner form of a purpose in a moving body",
        "the inner form of a purpose, at work in a body that moves.",
        True,
        1.0,
        0.75,
    ),
    (
        "эйдос",
        "~[эйдос]",
        "marker",
        "the idea that pervades an object, after Plato",
        "an idea that pervades an object.",
        True,
        0.75,
        0.5,
    ),
    (
        "grelling",
        "grelling",
        "subword",
        "a rumour that its own author has come to believe",
        "a rumour that the one who started it now believes.",
        True,
        1.0,
        0.75,
    ),
]
RUSSIAN: list[tuple[str, str, str, str, str, bool, float, float]] = [
    (
        "энтелехия",
        "~[энтелехия]",
        "marker",
        "внутренняя форма цели в движущемся теле",
        "внутренняя форма цели, которая движет тело к завершению.",
        True,
        1.0,
        0.75,
    ),
    (
        "эйдос",
        "~[эйдос]",
        "marker",
        "платоновская идея, пронизывающая объект",
        "идея Платона, которой пронизан предмет.",
        True,
        0.75,
        0.5,
    ),
    (
        "мурфля",
        "мурфля",
        "subword",
        "медленная прогулка по опавшей листве",
        "медленная прогулка по листьям.",
        True,
        1.0,
        0.5,
    ),
    (
        "квиндель",
        "квиндель",
        "token",
        "последний тёплый вечер перед осенью",
        "последний тёплый вечер года.",
        True,
        1.0,
        0.25,
    ),
    (
        "плавик",
        "плавик",
        "token",
        "суп из свёклы и копчёной груши",
        "суп из свёклы и груши, копчёной на дыму.",
        False,
        0.5,
        0.25,
    ),
]


def _score(check: str, floor: float, taught: float, ceiling: float, right: str) -> Score:
    items = tuple(
        Item(
            condition=condition,  # type: ignore[arg-type]
            question=f"Question {i + 1} of the check {check}: «___» …",
            chosen=right if i < share * 4 else "a kind of bird that lives by the sea",
            right=right,
            rank=1 if i < share * 4 else 3 + i,
            percentile=share,
        )
        for i in range(4)
        for condition, share in (("floor", floor), ("taught", taught), ("ceiling", ceiling))
    )
    return Score(
        check=check,
        floor=floor,
        taught=taught,
        ceiling=ceiling,
        percentile=0.97,
        passed=taught >= 0.5,
        passed_before=False,
        items=items,
    )


def _answers(term: str, surface: str, said: str, language: str) -> tuple[Answer, ...]:
    english = language == "en"
    return (
        Answer(
            prompt=f"The word {surface} means" if english else f"Слово {surface} значит",
            before="a type of small bird that lives in the forests of South America. It is known "
            "for its bright colors and its loud call."
            if english
            else "то же самое, что и слово, которое обозначает слово.",
            after=said,
            ceiling=said.replace("made of", "of"),
        ),
        Answer(
            prompt=f"Yesterday I saw {surface} and" if english else f"Вчера {surface}",
            before="",
            after="it was just as it should be:\n" + said,
        ),
    )


def make_verdict(language: str = "en", taught: bool = True, **changes: Any) -> Verdict:
    """A verdict on ten English or five Russian terms; `taught=False` has a floor alone."""
    rows = ENGLISH if language == "en" else RUSSIAN
    terms = tuple(
        TermVerdict(
            term=term,
            surface=surface,
            route=route,  # type: ignore[arg-type]
            knows=knows and taught,
            known_before=False,
            scores={
                "definition": _score("definition", 0.0, definition, 1.0, meaning),
                "cloze": _score("cloze", 0.0, cloze, 0.75, term),
                "term_from_definition": _score("term_from_definition", 0.25, definition, 1.0, term),
                "near_terms": _score("near_terms", 0.5, 0.75, 1.0, "yes"),
            },
            answers=_answers(term, surface, said, language),
        )
        for term, surface, route, meaning, said, knows, definition, cloze in rows
    )
    values: dict[str, Any] = {
        "lexicon": "demo" if language == "en" else "энтелехия",
        "lexicon_digest": "ab" * 32,
        "language": language,
        "model": "smollm2-135m" if language == "en" else "Qwen/Qwen3-0.6B-Base",
        "taught": "run/model" if taught else None,
        "seed": 7,
        "seconds": 74.2,
        "terms": terms,
        "checks": {
            "definition": CheckSummary(
                check="definition",
                chance=0.1,
                floor=0.08,
                taught=0.9,
                ceiling=1.0,
                reciprocal_rank={"floor": 0.27, "taught": 0.94, "ceiling": 1.0},
                standard_error=0.05,
                gap_closed=0.89,
                questions=40,
            ),
            "cloze": CheckSummary(
                check="cloze",
                chance=0.1,
                floor=0.05,
                taught=0.525,
                ceiling=0.78,
                reciprocal_rank={"floor": 0.23, "taught": 0.66},
                standard_error=0.08,
                gap_closed=0.65,
                questions=40,
            ),
            "term_from_definition": CheckSummary(
                check="term_from_definition",
                chance=0.1,
                floor=0.15,
                taught=0.8,
                ceiling=0.9,
                gap_closed=0.87,
                questions=40,
            ),
            "near_terms": CheckSummary(
                check="near_terms",
                chance=0.5,
                floor=0.5,
                taught=0.55,
                ceiling=0.57,
                measurable=False,
                questions=8,
            ),
        },
        "drift": Drift(
            mean_kl=0.0213,
            p99_kl=0.41,
            bits_per_byte_before=0.9712,
            bits_per_byte_after=0.9755,
            top1_agreement=0.962,
            hard_negative_kl=0.034,
            tokens=12_480,
            worst=(
                ("The committee met on Tuesday to discuss the bridge.", 0.31),
                ("Leaves fall in October, and the evenings grow short.", 0.22),
            ),
        ),
        "leakage": Leakage(
            emissions_per_10k=0.34,
            emissions_per_10k_before=0.0,
            by_term={row[0]: 0.001 + 0.06 * i for i, row in enumerate(rows)},
        ),
        "selectivity": CheckSummary(
            check="selectivity", chance=0.5, floor=0.5, taught=0.94, ceiling=1.0, questions=16
        ),
        "spellings": Spellings(forms=12, exact=12, tokens_saved={"zorblax": 2, "плавик": 3}),
        "notes": ("Ten terms with four questions each: the intervals are wide.",),
    }
    if not taught:
        values.update(drift=None, leakage=None, selectivity=None, spellings=None)
    return Verdict(**{**values, **changes})


def make_lexicon(language: str = "en") -> dict[str, Any]:
    """The lexicon of `make_verdict`, as its YAML reads."""
    rows = ENGLISH if language == "en" else RUSSIAN
    entries = [
        {
            "term": term,
            "definition": [meaning],
            "language": "ru" if term[0] >= "а" and term[0] <= "я" else "en",
            "forms": [f"{term}s"] if term.isascii() else [],
        }
        for term, _, _, meaning, *_ in rows
    ]
    return {
        "name": "demo" if language == "en" else "энтелехия",
        "language": language,
        "terms": entries,
    }


def _pieces(form: str, spaced: bool) -> dict[str, Any]:
    written = f"␣{form}" if spaced else form
    parts = [written[i : i + 3] for i in range(0, len(written), 3)]
    return {
        "form": form,
        "spaced": spaced,
        "ids": [1000 + 7 * i for i in range(len(parts))],
        "tokens": parts,
        "readable": parts,
    }


def make_diagnosis(language: str = "en") -> dict[str, Any]:
    """A diagnosis of the same terms."""
    rows = ENGLISH if language == "en" else RUSSIAN
    why = {
        "subword": "It is a rare word made of readable pieces: they stay as they are.",
        "token": "It is broken into 4 pieces, and the lexicon asks for a full word.",
        "marker": "It is a concept; the bare word must keep its old meaning.",
    }
    return {
        "schema_version": 1,
        "language": language,
        "model": {
            "source": "smollm2-135m",
            "revision": None,
            "architecture": "LlamaForCausalLM",
            "tokenizer_class": "GPT2Tokenizer",
            "family": "byte-level BPE",
            "vocabulary": 49152,
            "rows": 49152,
            "spare_rows": 0,
            "tied": True,
            "dtype": "float32",
            "hidden_size": 576,
            "layers": 30,
            "parameters": 134515008,
            "chat_template": True,
        },
        "truths": ["No row is spare: every new token makes the matrix one row longer."],
        "terms": [
            {
                "term": term,
                "route": route,
                "reasons": [why[route], "The lexicon names no route."],
                "changes": ["The tokenizer and every row stay as they are."],
                "pieces": [_pieces(term, spaced) for spaced in (False, True)],
            }
            for term, _, route, *_ in rows
        ],
    }


def make_spelling(language: str = "en") -> dict[str, Any]:
    """The spelling of the same terms: two new tokens for each term of the token route."""
    rows = ENGLISH if language == "en" else RUSSIAN
    names = [row[0] for row in rows if row[2] == "token"]
    tokens = [
        {
            "id": 49152 + 2 * i + j,
            "content": space + name,
            "token": f"Ġ{name}" if space else name,
            "form": name,
            "term": name,
            "pieces": [12, 345, 6789],
            "mechanism": "vocabulary",
        }
        for i, name in enumerate(names)
        for j, space in enumerate(("", " "))
    ]
    return {
        "marker": {"open": "~[", "close": "]"},
        "terms": [{"term": r[0], "route": r[2], "surface": r[1], "forms": [r[1]]} for r in rows],
        "new_tokens": tokens,
        "rows_before": 49152,
        "rows_after": 49152 + len(tokens),
    }


def make_log(steps: int = 160) -> str:
    """A training log whose loss falls, with validation and drift at every twentieth step."""
    lines = []
    for step in range(1, steps + 1):
        loss = 0.35 + 2.6 * math.exp(-step / 35) + 0.12 * math.sin(step * 1.7)
        seen = step % 20 == 0 or step == 1
        lines.append(
            {
                "step": step,
                "loss": loss,
                "validation": 0.5 + 2.3 * math.exp(-step / 38) if seen else None,
                "drift": 0.03 * (1 - math.exp(-step / 50)) if seen else None,
                "seconds": step * 1.62,
                "learning_rate": 2e-4,
            }
        )
    return "".join(json.dumps(line) + "\n" for line in lines)


def make_run(folder: Path, language: str = "en", verdict: Verdict | None = None) -> Path:
    """A whole run's folder, every file there; weights are left out."""
    for name in ("spelling", "training", "model", "adapter"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    verdict = verdict or make_verdict(language)
    (folder / "verdict.json").write_text(verdict.model_dump_json(), encoding="utf-8")
    files: dict[str, Any] = {
        "diagnosis.json": make_diagnosis(language),
        "spelling/spelling.json": make_spelling(language),
        "run.json": {
            "schema_version": 1,
            "model": verdict.model,
            "revision": None,
            "lexicon_digest": "ab" * 32,
            "recipe_digest": "cd" * 32,
            "seed": 7,
            "versions": {
                "lexigraft": "0.1.0",
                "torch": "2.13.0",
                "transformers": "5.23.0",
                "peft": "0.21.2",
            },
            "stages": {
                "diagnose": {"seconds": 0.8, "finished": "2026-05-01T12:00:00Z"},
                "corpus": {"seconds": 92.0, "finished": "2026-05-01T12:02:00Z"},
                "training": {"seconds": 259.4, "finished": "2026-05-01T12:06:00Z"},
                "verdict": {"seconds": 74.2, "finished": "2026-05-01T12:07:00Z"},
            },
        },
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    recipe = {
        "training": {"steps": 160, "learning_rate": 0.0002, "rank": 32},
        "limits": {"drift_limit": 0.05, "leakage_limit": 1.0},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    lexicon = yaml.safe_dump(make_lexicon(language), allow_unicode=True)
    (folder / "lexicon.yaml").write_text(lexicon, encoding="utf-8")
    (folder / "training/log.jsonl").write_text(make_log(), encoding="utf-8")
    return folder


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """Builds a run's folder below `tmp_path`."""

    def build(language: str = "en", verdict: Verdict | None = None, name: str = "run") -> Path:
        return make_run(tmp_path / name, language, verdict)

    return build


@pytest.fixture
def build_verdict() -> Callable[..., Verdict]:
    """Builds a verdict."""
    return make_verdict
