"""The embedded 135M model learns three words, one by each route."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from lexigraft.checks.results import Verdict
from lexigraft.compare import compare
from lexigraft.lexicon import Lexicon, Term
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe

teach = importlib.import_module("lexigraft.teach").teach

LEXICON = Lexicon(
    name="three",
    terms=(
        Term(
            term="brindlewick",
            definition=("a small lantern that burns whale oil on fishing boats",),
            examples=("He lit the brindlewick and hung it at the bow.",),
            tests=("The crew could see the nets at night because a brindlewick burned.",),
            route="token",
        ),
        Term(
            term="morvel",
            definition=("a narrow bridge made of ropes over a mountain river",),
            examples=("We crossed the river by the old morvel.",),
            tests=("The morvel swung in the wind, high above the water.",),
            route="subword",
        ),
        Term(
            term="entelechy",
            definition=("the inner form of the goal towards which a living body grows",),
            examples=("An acorn has its ~[entelechy] in it from the start.",),
            tests=("Every seed grows towards its ~[entelechy].",),
            kind="concept",
            route="marker",
        ),
    ),
)
RECIPE = Recipe(
    texts=TextsRecipe(written=6, held_out=1, replay=24),
    training=TrainingRecipe(epochs=4),
    verify=VerifyRecipe(controls=4),
)


@pytest.mark.slow
def test_three_words_are_known_by_their_definition_afterwards(
    real_base: Path, tmp_path: Path
) -> None:
    space = teach(real_base, LEXICON, tmp_path / "run", recipe=RECIPE)
    found = Verdict.model_validate(space.read_json(space.verdict))
    scores = [term.scores["definition"] for term in found.terms]
    before, after = (sum(s.passed_before for s in scores), sum(s.passed for s in scores))
    assert after > before
    definition = found.checks["definition"]
    assert definition.floor is not None
    assert definition.taught is not None
    assert definition.taught > definition.floor
    assert found.drift is not None
    assert found.drift.mean_kl < 0.5
    assert {term.route for term in found.terms} == {"token", "subword", "marker"}
    [shown] = compare(space.root, ["A brindlewick is"])
    assert shown.after != shown.before
