from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lexigraft.checks.results import Verdict
from lexigraft.report.card import write_model_card
from lexigraft.report.html import write_report

Build = Callable[..., Path]


def front_matter(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    matter: dict[str, Any] = yaml.safe_load(card[4 : card.index("\n---\n", 4)])
    return matter


def code_blocks(card: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


def card_of(run: Path) -> str:
    path = write_model_card(run)
    assert path == run / "README.md"
    return path.read_text(encoding="utf-8")


def test_front_matter(build_run: Build) -> None:
    matter = front_matter(card_of(build_run("ru")))
    assert matter["base_model"] == "Qwen/Qwen3-0.6B-Base"
    assert matter["language"] == ["ru"]
    assert matter["license"] == "unknown"
    assert "lexigraft" in matter["tags"]
    assert {"route:marker", "route:subword", "route:token"} <= set(matter["tags"])


def test_the_licence_that_the_config_names(build_run: Build) -> None:
    run = build_run()
    (run / "model/config.json").write_text(json.dumps({"license": "apache-2.0"}))
    card = card_of(run)
    assert front_matter(card)["license"] == "apache-2.0"
    assert "apache\\-2" not in card


def test_what_was_taught_and_harmed(build_run: Build) -> None:
    card = card_of(build_run())
    assert "The model now knows 9 of 10 terms; before it knew 0." in card
    assert card.count("● learned") == 9
    assert "Drift on neutral text: 0.02 nats per token" in card
    assert "- Seed: 7" in card
    assert "transformers 5.23.0" in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_code_is_python(build_run: Build, language: str) -> None:
    blocks = code_blocks(card_of(build_run(language)))
    assert len(blocks) == 2
    for block in blocks:
        ast.parse(block)
    merged, adapter = blocks
    assert "AutoModelForCausalLM.from_pretrained('model')" in merged
    assert "lexigraft" not in merged
    assert "PeftModel.from_pretrained(base, 'adapter')" in adapter


def run_json(run: Path, **changes: Any) -> Path:
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return run


@pytest.mark.parametrize(
    ("model", "revision", "line"),
    [
        ("Qwen/Qwen3-0.6B-Base", "abc", "from_pretrained('Qwen/Qwen3-0.6B-Base', revision='abc')"),
        ('/data/it\'s "mine"', None, "from_pretrained('/data/it\\'s \"mine\"')"),
        ("/data/m.gguf", None, "from_pretrained('/data', gguf_file='m.gguf')"),
        ("smollm2-135m", None, "from_pretrained(embedded_base())"),
    ],
)
def test_the_base_of_the_adapter(
    build_run: Build, model: str, revision: str | None, line: str
) -> None:
    adapter = code_blocks(card_of(run_json(build_run(), model=model, revision=revision)))[1]
    ast.parse(adapter)
    assert line in adapter


def test_new_rows_are_made_before_the_adapter_is_loaded(build_run: Build) -> None:
    run = build_run()
    adapter = code_blocks(card_of(run))[1]
    assert adapter.index("resize_token_embeddings(49160") < adapter.index("PeftModel.from_pre")
    spelling = run / "spelling/spelling.json"
    spelling.write_text(json.dumps({"rows_before": 151936, "rows_after": 151936}))
    assert "resize" not in code_blocks(card_of(run))[1]


def test_a_path_of_this_machine_stays_on_it(build_run: Build) -> None:
    card = card_of(run_json(build_run(), model="/home/somebody/secret-place/base"))
    assert "base_model" not in front_matter(card) or "/" not in front_matter(card)["base_model"]
    text = card.split("```python", 1)[0]
    assert "secret-place" not in text


def test_a_prompt_that_breaks_out_of_nothing(
    build_run: Build, build_verdict: Callable[..., Verdict]
) -> None:
    verdict = build_verdict()
    first = verdict.terms[0]
    answer = first.answers[0].model_copy(update={"prompt": "\"'\\\n```\nimport os\n"})
    terms = (first.model_copy(update={"answers": (answer,)}), *verdict.terms[1:])
    run = build_run(verdict=verdict.model_copy(update={"terms": terms}))
    blocks = code_blocks(card_of(run))
    assert len(blocks) == 2
    imported = [n for b in blocks for n in ast.walk(ast.parse(b)) if isinstance(n, ast.Import)]
    assert imported == []
    write_report(run)


@pytest.mark.parametrize(
    "term",
    ["<img src=x onerror=alert(1)>", "a | b", "[x](javascript:alert(1))", "a\n# b", "`c`", "---",
     "x" * 10_000],
)  # fmt: skip
def test_hostile_terms_stay_in_their_cell(
    build_run: Build, build_verdict: Callable[..., Verdict], term: str
) -> None:
    verdict = build_verdict()
    first = verdict.terms[0].model_copy(update={"term": term, "surface": term, "answers": ()})
    run = build_run(verdict=verdict.model_copy(update={"terms": (first, *verdict.terms[1:])}))
    card = card_of(run)
    front_matter(card)
    assert "<img" not in card
    assert not re.search(r"(?<!\\)\]\(javascript", card)
    assert "\n# b" not in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert len(rows) == 12
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert max(map(len, card.splitlines())) < 3_000


def test_a_run_with_nothing_but_its_start(build_run: Build) -> None:
    run = build_run()
    for name in ("verdict.json", "recipe.yaml", "spelling/spelling.json", "diagnosis.json"):
        (run / name).unlink()
    for name in ("model", "adapter"):
        (run / name).rmdir()
    card = card_of(run)
    assert "It has not been verified yet" in card
    assert "zorblax" in card
    assert code_blocks(card) == []
