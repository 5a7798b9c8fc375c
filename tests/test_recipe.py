"""Settings: defaults, files that change a few of them, and files that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from lexigraft.errors import RecipeError
from lexigraft.recipe import Recipe, dump_recipe, read_recipe


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message(folder: Path, text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe(written(folder, text))
    return str(caught.value)


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield prefix + name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")


def test_every_setting_says_what_it_does() -> None:
    found = dict(settings(Recipe))
    assert "training.learning_rate" in found
    assert [name for name, field in found.items() if not field.description] == []


def test_defaults_are_in_range() -> None:
    # pydantic does not check defaults by itself
    assert Recipe.model_validate(Recipe().model_dump()) == Recipe()


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, "training:\n  rank: 16\ntune: rows+lora\n"))
    assert recipe.training.rank == 16
    assert recipe.tune == "rows+lora"
    assert recipe.training.epochs == Recipe().training.epochs
    assert recipe.limits == Recipe().limits


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "{}"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert read_recipe(written(tmp_path, text)) == Recipe()


def test_a_dump_names_every_setting_and_reads_back(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, "limits: {drift_limit: 0.01}\nrows: {initial: mean}"))
    text = dump_recipe(recipe)
    assert read_recipe(written(tmp_path, text)) == recipe
    assert set(yaml.safe_load(text)["training"]) == set(Recipe().training.model_dump())


def test_the_digest_follows_every_setting() -> None:
    def digest(**changes: Any) -> str:
        return Recipe.model_validate(changes).digest()

    assert digest() == digest(training={"rank": Recipe().training.rank})
    assert digest() != digest(training={"rank": 1})
    assert digest() != digest(tune="full")
    assert digest(limits={"drift_limit": 0.1}) != digest(limits={"leakage_limit": 0.1})


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Recipe().training.rank = 4


def test_an_unknown_setting_names_those_that_there_are(tmp_path: Path) -> None:
    said = message(tmp_path, "training:\n  learning_rat: 0.1\n")
    assert "training.learning_rat: unknown" in said
    assert "learning_rate" in said
    said = message(tmp_path, "traning: {}\n")
    assert "traning: unknown; there are route, tune, texts, rows, training, limits, verify" in said


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    said = message(
        tmp_path,
        "tune: everything\ntraining: {rank: 0, learning_rate: fast}\nverify: 3\nseed: 1\n",
    )
    lines = said.splitlines()
    assert lines[0].endswith("recipe.yaml:")
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "tune", "training.rank", "training.learning_rate", "verify", "seed",
    ]  # fmt: skip
    assert "(given: 0)" in said
    assert "'rows+lora'" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- rank: 3\n", "must hold settings"),
        ("training: [\n", "cannot be read as YAML"),
        ("a\0b", "cannot be read as YAML"),
    ],
)
def test_what_is_no_recipe(tmp_path: Path, text: str, told: str) -> None:
    said = message(tmp_path, text)
    assert told in said
    assert "recipe.yaml" in said
    assert len(said.splitlines()) == 1


def test_a_missing_file_a_folder_and_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml: no such file"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)
    path = tmp_path / "utf16.yaml"
    path.write_text("tune: full", encoding="utf-16")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(path)
