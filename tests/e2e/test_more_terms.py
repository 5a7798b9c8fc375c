"""Terms added to a model that was taught: the earlier ones stay. Slow: `make test-slow`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lexigraft
from lexigraft.lexicon import Lexicon, read_lexicon
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe

ROOT = Path(__file__).resolve().parents[2]
FIRST = ("kerfel", "bascoll", "bralune")
MORE = ("hessick", "drenzle")
RECIPE = Recipe(texts=TextsRecipe(written=4, replay=16), training=TrainingRecipe(epochs=4))


def lexicon(name: str, terms: tuple[str, ...]) -> Lexicon:
    whole = read_lexicon(ROOT / "benchmarks" / "dev.yaml")
    chosen = tuple(whole[term].model_copy(update={"contrast": ()}) for term in terms)
    return Lexicon(name=name, terms=chosen)


@pytest.mark.slow
def test_what_was_taught_first_is_still_known(tmp_path: Path, real_base: Path) -> None:
    first = lexigraft.teach(
        real_base, lexicon("first", FIRST), tmp_path / "first", recipe=RECIPE
    ).root
    more = lexigraft.teach(first, lexicon("more", MORE), tmp_path / "more", recipe=RECIPE).root
    verdict = json.loads((more / "verdict.json").read_text(encoding="utf-8"))
    assert [term["term"] for term in verdict["terms"]] == list(MORE)
    assert sum(t["scores"]["definition"]["taught"] for t in verdict["terms"]) > sum(
        t["scores"]["definition"]["floor"] for t in verdict["terms"]
    )

    earlier = {term["term"]: term["scores"] for term in verdict["kept"]["terms"]}
    assert set(earlier) == set(FIRST)
    definitions = [scores["definition"] for scores in earlier.values()]
    # Asked again, the model of the first run answers as its own verification found.
    assert [d["before"] for d in definitions] == pytest.approx([d["then"] for d in definitions])
    assert sum(d["passed_before"] for d in definitions) >= 2
    assert all(d["passed_now"] for d in definitions if d["passed_before"])
    before, now = (sum(d[when] for d in definitions) for when in ("before", "now"))
    assert now >= before - 1 / 3

    shown = lexigraft.compare(more, ["A bralune is"], max_new_tokens=12)
    assert shown[0].after
