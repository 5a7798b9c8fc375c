"""Every target on the real 135M model, loaded by processes without lexigraft. Slow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lexigraft.export import export
from lexigraft.host import load_host
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.spelling import spell
from lexigraft.training.values import Taught, save_taught
from lexigraft.workspace import Identity, Workspace

ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}


@pytest.fixture
def run(real_base: Path, tmp_path: Path) -> Path:
    """A finished training of random values, as large as those that teaching gives."""
    host = load_host(real_base)
    terms = tuple(Term(term=term, definition=("a thing",)) for term in ROUTES)
    lexicon = Lexicon(name="test", terms=terms)
    spelling, tokenizer = spell(lexicon, ROUTES, host.tokenizer, host.facts.rows)
    generator = torch.Generator().manual_seed(1)
    lora = {}
    for name, module in host.model.named_modules():
        if name.endswith(("q_proj", "v_proj", "down_proj")):
            out, into = module.weight.shape
            down = torch.randn(8, into, generator=generator) / into**0.5
            lora[f"base_model.model.{name}.lora_A.weight"] = down
            up = 0.02 * torch.randn(out, 8, generator=generator)
            lora[f"base_model.model.{name}.lora_B.weight"] = up
    rows = 0.1 * torch.randn(len(spelling.new_ids), 576, generator=generator)
    taught = Taught(
        lora=lora, rank=8, alpha=8.0, target_modules=("down_proj", "q_proj", "v_proj"),
        new_ids=spelling.new_ids, input_rows=rows,
    )  # fmt: skip
    identity = Identity(
        model=str(real_base), fingerprint=host.facts.fingerprint, lexicon="test",
        lexicon_digest=lexicon.digest(), recipe_digest="r", seed=0,
    )  # fmt: skip
    with Workspace.open(tmp_path / "run", create=True) as space:
        space.begin(identity, {})
        with space.writing_folder(space.spelling) as folder:
            tokenizer.save_pretrained(folder)
            space.write_json(folder / "spelling.json", spelling)
        with space.writing_file(space.training / "taught.safetensors") as path:
            save_taught(taught, path)
    return space.root


@pytest.mark.slow
def test_all_targets_reload_equal_elsewhere(run: Path) -> None:
    assert (export(run, "merged") / "model.safetensors").is_file()
    whole = export(run, "adapter") / "adapter_model.safetensors"
    size = whole.stat().st_size
    half = export(run, "adapter", dtype="bfloat16") / "adapter_model.safetensors"
    assert half.stat().st_size < 0.51 * size
    served = export(run, "served")
    assert (served / "base" / "model.safetensors").is_file()
    names = load_file(served / "adapter" / "adapter_model.safetensors")
    assert names
    assert not any("embed" in name for name in names)
