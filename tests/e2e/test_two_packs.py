"""Two packs taught apart and installed together, on the real 135M model. Slow: `make test-slow`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import lexigraft
from lexigraft.lexicon import Lexicon, Route, read_lexicon
from lexigraft.pack.installing import install
from lexigraft.pack.packing import pack
from lexigraft.pack.removing import uninstall
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe

ROOT = Path(__file__).resolve().parents[2]
ONE = ("kerfel", "bascoll")
TWO = ("hessick", "drenzle")
RECIPE = Recipe(
    texts=TextsRecipe(written=8, held_out=0, replay=32),
    training=TrainingRecipe(epochs=6),
)


def lexicon(name: str, terms: tuple[str, ...]) -> Lexicon:
    whole = read_lexicon(ROOT / "benchmarks" / "dev.yaml")
    chosen = tuple(whole[term].model_copy(update={"contrast": ()}) for term in terms)
    return Lexicon(name=name, terms=chosen)


def taught(base: Path, name: str, terms: tuple[str, ...], route: Route, folder: Path) -> Path:
    run = lexigraft.teach(base, lexicon(name, terms), folder / name, recipe=RECIPE, route=route)
    return pack(run.root, folder / f"{name}.lexpack")


@pytest.mark.slow
@pytest.mark.parametrize("route", ["token", "subword"])
def test_two_packs_together_keep_what_each_knew(
    tmp_path: Path, real_base: Path, route: Route
) -> None:
    one = taught(real_base, "one", ONE, route, tmp_path)
    two = taught(real_base, "two", TWO, route, tmp_path)
    both = install([one, two], real_base, tmp_path / "both")
    assert both.retention is not None
    assert sum(found.passed for found in both.retention.packs) >= 4
    assert both.retention.share is not None
    assert both.retention.share >= 0.95

    bare = uninstall([one, two], both.folder, tmp_path / "bare", base=real_base).folder
    wanted, found = (load_file(f / "model.safetensors") for f in (real_base, bare))
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)
