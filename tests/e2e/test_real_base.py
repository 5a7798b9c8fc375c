"""The main job on the real 135M model, by all three routes. Slow: `make test-slow`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lexigraft
from lexigraft.lexicon import Lexicon, read_lexicon
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe

ROOT = Path(__file__).resolve().parents[2]
TERMS = ("hessick", "bascoll", "pirrel", "bralune", "⏣", "свобода")
RECIPE = Recipe(texts=TextsRecipe(written=4, replay=16), training=TrainingRecipe(epochs=4))
# A process in which `import lexigraft` fails, as on a machine that never saw it.
PLAIN = """
import json, sys
sys.modules["lexigraft"] = None
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, prompts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
said = []
for prompt in prompts:
    inputs = tokenizer(prompt, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    said.append(tokenizer.decode(out[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
print(json.dumps(said))
"""


@pytest.mark.slow
def test_it_learns_by_all_routes_and_plain_transformers_says_the_same(
    tmp_path: Path, real_base: Path
) -> None:
    whole = read_lexicon(ROOT / "benchmarks" / "dev.yaml")
    terms = tuple(whole[name].model_copy(update={"contrast": ()}) for name in TERMS)
    run = lexigraft.teach(
        real_base, Lexicon(name="small", terms=terms), tmp_path / "run", recipe=RECIPE
    ).root
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    assert {term["route"] for term in verdict["terms"]} == {"subword", "token", "marker"}
    for check in ("definition", "cloze"):
        ranks = verdict["checks"][check]["reciprocal_rank"]
        assert ranks["floor"] + 0.1 < ranks["taught"]
    assert 0 < verdict["drift"]["mean_kl"] < 0.5
    assert (run / "report.html").is_file()

    prompts = [term["answers"][0]["prompt"] for term in verdict["terms"]]
    shown = [c.after for c in lexigraft.compare(run, prompts, max_new_tokens=16)]
    command = [sys.executable, "-c", PLAIN, str(run / "model"), json.dumps(prompts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == shown
