"""A run with templates of the user's: read before anything is loaded, kept, and part of the run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from lexigraft.cli import app
from lexigraft.errors import Interrupted, RecipeError, RunError
from lexigraft.lexicon import Lexicon, Term
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe, read_recipe

# The package offers the functions under the modules' names.
module: Any = importlib.import_module("lexigraft.teach")
plan: Any = importlib.import_module("lexigraft.plan").plan
teach = module.teach

LEXICON = Lexicon(
    name="tiny",
    terms=(Term(term="velkin", definition=("a basket for apples",), route="subword"),),
)
RECIPE = Recipe(
    texts=TextsRecipe(written=0, held_out=0, replay=2, foils=0.0, swapped=False),
    training=TrainingRecipe(rank=2, epochs=1, dtype="float32", top_k=8),
    verify=VerifyRecipe(controls=1),
)
OWN = """
en:
  noun:
    definition: ["Here is {a}, {d}."]
    reverse: []
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def stop_at(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, stage, stop)


def test_the_files_content_belongs_to_the_run(
    tiny_folders: dict[str, Path], tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, output = tiny_folders["byte-tied"], tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at("train_on_texts", patch)
        with pytest.raises(Interrupted):
            teach(host, LEXICON, output, recipe=RECIPE, templates=own)
        lines = [json.loads(x) for x in (output / "texts.jsonl").read_bytes().splitlines()]
        mine = [x["text"] for x in lines if x["term"] == "velkin"]
        assert mine == ["Here is a velkin, a basket for apples."]
        assert (output / "templates.yaml").read_text("utf-8") == OWN
        kept = read_recipe(output / "recipe.yaml")
        assert kept.texts.templates == str(output / "templates.yaml")

        own.write_text(OWN.replace("Here", "There"), encoding="utf-8")
        with pytest.raises(RunError, match=r"texts\.templates '[0-9a-f]{64}' then, '[0-9a-f]{64}'"):
            teach(host, LEXICON, output, recipe=RECIPE, templates=own, resume=True)
        with pytest.raises(RunError, match=r"texts\.templates '[0-9a-f]{64}' then, None now"):
            teach(host, LEXICON, output, recipe=RECIPE, resume=True)
        # the run's own recipe names its own copy, wherever the first file went
        own.unlink()
        with pytest.raises(Interrupted):
            teach(host, LEXICON, output, recipe=kept, resume=True)


def test_a_wrong_file_is_told_before_anything_is_begun(tmp_path: Path, own: Path) -> None:
    own.write_text('en:\n  noun:\n    definition: ["I heard about {t} yesterday: {d}."]\n')
    with pytest.raises(RecipeError, match=r"own\.yaml:3: .* resembles a prompt"):
        teach("nowhere", LEXICON, tmp_path / "run", templates=own)
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="resembles a prompt"):
        plan("nowhere", LEXICON, templates=own)


def test_the_dry_run_counts_them(tiny_folders: dict[str, Path], own: Path) -> None:
    host = tiny_folders["byte-tied"]
    assert plan(host, LEXICON, recipe=RECIPE, templates=own).texts == 1 + 2
    assert plan(host, LEXICON, recipe=RECIPE).texts == 10 + 2


def test_a_recipe_names_them_beside_itself(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text("texts: {templates: own.yaml}", encoding="utf-8")
    monkeypatch.chdir("/")
    assert read_recipe(tmp_path / "recipe.yaml").texts.templates == str(own)
    (tmp_path / "recipe.yaml").write_text(f"texts: {{templates: '{own}'}}", encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.yaml").texts.templates == str(own)


def test_the_built_in_ones_are_written_to_start_from(tmp_path: Path) -> None:
    from lexigraft.corpus import BUILT_IN, read_templates

    path = tmp_path / "mine.yaml"
    result = CliRunner().invoke(app, ["new", str(path), "--templates"])
    assert result.exit_code == 0, result.output
    assert read_templates(path).tables == BUILT_IN
    assert path.read_text("utf-8").startswith("# The built-in templates")
    result = CliRunner().invoke(app, ["new", str(path), "--templates"])
    assert result.exit_code == 2
    assert "exists and was left as it is" in result.output
    assert CliRunner().invoke(app, ["new", str(path), "--templates", "--force"]).exit_code == 0
