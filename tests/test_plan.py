"""The dry run: it writes nothing, and counts what a run then does."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from lexigraft.corpus import Text
from lexigraft.errors import RecipeError
from lexigraft.host import load_host
from lexigraft.lexicon import Lexicon, Term
from lexigraft.likelihood import encode
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe
from lexigraft.rows import first_rows
from lexigraft.spelling import spell
from lexigraft.training import Trainable

# The package offers the functions under the modules' names.
teach = importlib.import_module("lexigraft.teach").teach
module: Any = importlib.import_module("lexigraft.plan")
plan = module.plan

TERMS = (
    Term(term="zorblax", definition=("a machine that makes rain",), route="token"),
    Term(term="velkin", definition=("a basket for apples",), route="subword"),
    Term(term="эйдос", definition=("the form before the thing",), route="marker"),
)
LEXICON = Lexicon(name="tiny", terms=TERMS)
RECIPE = Recipe(
    texts=TextsRecipe(written=2, held_out=1, replay=6),
    training=TrainingRecipe(rank=3, epochs=2, batch_tokens=128, dtype="float32"),
    verify=VerifyRecipe(controls=1),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def listing(*folders: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for folder in folders for p in folder.rglob("*")}


def test_it_writes_nothing(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = listing(tiny_folder, tmp_path)
    found = plan(tiny_folder, LEXICON, recipe=RECIPE)
    assert listing(tiny_folder, tmp_path) == before
    assert found.diagnosis.routes == {term.term: term.route for term in TERMS}
    assert found.seconds is not None
    assert found.seconds > 0
    assert plan.__module__ == "lexigraft.plan"
    assert type(found).model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("tune", ["rows", "lora", "rows+lora", "full"])
def test_as_many_numbers_move_as_it_says(tiny_folder: Path, tune: Any) -> None:
    terms = TERMS[:1] if tune == "rows" else TERMS
    lexicon = LEXICON.model_copy(update={"terms": terms})
    found = plan(tiny_folder, lexicon, recipe=RECIPE.model_copy(update={"tune": tune}))
    host = load_host(tiny_folder)
    spelling, _ = spell(lexicon, found.diagnosis.routes, host.tokenizer, host.facts.rows)
    model: Any = host.model
    outputs = None if host.facts.tied else model.get_output_embeddings().weight.detach()
    inputs = model.get_input_embeddings().weight.detach()
    rows = first_rows("mean", spelling, lexicon, host.tokenizer, inputs, outputs)
    half = RECIPE.training.layers
    trainable = Trainable(
        model, tune, rows, spelling.rows_after, rank=3, alpha=3.0, seed=0, layers=half
    )
    assert found.trainable == trainable.count


def test_it_is_about_what_a_run_is(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    found = plan(tiny_folders["byte-tied"], LEXICON, recipe=RECIPE)
    space = teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=RECIPE)
    texts = [Text.model_validate(x) for x in space.read_lines(space.texts)]
    steps = max(line["step"] for line in space.read_lines(space.training / "log.jsonl"))
    assert found.texts == pytest.approx(len(texts), rel=0.4)
    # A random model's sentences seldom end: its texts are longer than those of a real one.
    assert found.steps == pytest.approx(steps, rel=0.6)
    size = sum(p.stat().st_size for p in space.root.rglob("*") if p.is_file())
    assert found.bytes_needed >= size
    assert all(encode(load_host(space.model).tokenizer, text.text) for text in texts[:3])


def test_a_route_for_all(tiny_folders: dict[str, Path]) -> None:
    found = plan(tiny_folders["byte-tied"], LEXICON, recipe=RECIPE, route="marker")
    assert set(found.diagnosis.routes.values()) == {"marker"}


def test_what_a_run_would_refuse_is_refused(tiny_folders: dict[str, Path]) -> None:
    recipe = RECIPE.model_copy(update={"tune": "rows"})
    with pytest.raises(RecipeError, match="tune: rows"):
        plan(tiny_folders["byte-tied"], LEXICON, recipe=recipe)


def test_the_model_is_timed_as_it_would_be_trained(tiny_folders: dict[str, Path]) -> None:
    host = load_host(tiny_folders["byte-tied"])
    for dtype in ("float32", "bfloat16"):
        training = RECIPE.training.model_copy(update={"dtype": dtype})
        recipe = RECIPE.model_copy(update={"training": training})
        assert module._speed(host.model, recipe) > 0
    assert host.model.dtype == torch.float32
