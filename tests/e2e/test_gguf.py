"""The embedded base, taught a little and written as GGUF files. Slow: `make test-slow`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf import GGUFReader

import lexigraft
from lexigraft.export.gguf import TYPES
from lexigraft.lexicon import Lexicon, read_lexicon
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe

ROOT = Path(__file__).resolve().parents[2]
ROUTES = {"kerfel": "token", "bascoll": "token", "bralune": "subword"}
RECIPE = Recipe(texts=TextsRecipe(written=2, replay=8), training=TrainingRecipe(epochs=2))


@pytest.mark.slow
def test_llama_cpp_runs_what_was_taught(tmp_path: Path, real_base: Path) -> None:
    pytest.importorskip("xllamacpp")
    whole = read_lexicon(ROOT / "benchmarks" / "dev.yaml")
    terms = tuple(
        whole[term].model_copy(update={"contrast": (), "route": route})
        for term, route in ROUTES.items()
    )
    run = lexigraft.teach(
        real_base, Lexicon(name="small", terms=terms), tmp_path / "run", recipe=RECIPE
    ).root
    place = lexigraft.export(run, "gguf", types=TYPES)
    assert place == run / "gguf"
    found = json.loads((place / "check.json").read_text(encoding="utf-8"))
    assert [checked["type"] for checked in found] == list(TYPES)
    for checked in found:
        assert (checked["texts"], checked["differing"]) == (1000, 0)
        assert checked["difference"] <= checked["tolerance"]
        assert checked["new_tokens_shown"] > 0
        assert (place / checked["file"]).stat().st_size == checked["bytes"]
    # A prompt ends with the new token, and llama.cpp goes on from it as the run's model does.
    prompts = [said["prompt"] for said in found[0]["continued"]]
    assert any("kerfel" in prompt for prompt in prompts)
    after = {said["prompt"]: said["text"] for said in found[0]["continued"]}
    for shown in lexigraft.compare(run, prompts, max_new_tokens=12):
        assert after[shown.prompt].startswith(shown.after[:8])
    names = {field.name for field in GGUFReader(place / "model-F16.gguf").fields.values()}
    assert "tokenizer.chat_template" in names
