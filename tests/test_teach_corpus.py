"""The user's own texts: what is learned from them, and what the new tokens may not change there."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from lexigraft.corpus import Text
from lexigraft.errors import CorpusError, RunError, SpellingError
from lexigraft.lexicon import Lexicon, Term
from lexigraft.recipe import Limits, Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe
from lexigraft.retokenize import Mined
from lexigraft.workspace import Workspace

# The package offers the function under the module's name.
module: Any = importlib.import_module("lexigraft.teach")
teach = module.teach

LEXICON = Lexicon(
    name="tiny",
    terms=(
        Term(
            term="zorblax",
            definition=("a machine that makes rain",),
            route="token",
            forms=("zorblaxes",),
            tests=("The old zorblax stood on the hill and made rain for us.",),
        ),
        Term(term="эйдос", definition=("the form of a thing",), kind="concept", route="marker"),
    ),
)
RECIPE = Recipe(
    texts=TextsRecipe(written=0, replay=0, foils=0.0, passages=2),
    training=TrainingRecipe(rank=2, epochs=1, checkpoint_seconds=0, dtype="float32", top_k=8),
    verify=VerifyRecipe(controls=1),
    limits=Limits(drift_limit=1e-6),
)
DOCUMENTS = (
    "Two zorblaxes were sold at the market on Monday morning for a good price.",
    "Nothing of note happened. She carried a basket of apples up the hill.",
    "Nobody repairs a zorblax in winter because the pipes are frozen then.",
    "A third zorblax came too late to be among the first passages of them all.",
    "The bare word эйдос is not the marked one, so this is no passage of it.",
    "They argued whether ~[эйдос] comes before the thing or after it in time.",
)


def corpus(folder: Path, *more: str) -> Path:
    path = folder / "own.jsonl"
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in (*DOCUMENTS, *more))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def passages(run: Workspace) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in run.read_lines(run.texts):
        text = Text.model_validate(line)
        if text.kind == "passage":
            assert text.term is not None
            found.setdefault(text.term, []).append(text.text)
    return found


def test_passages_become_training_texts(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = teach(
        tiny_folders["byte-tied"],
        LEXICON,
        tmp_path / "run",
        recipe=RECIPE,
        corpus=corpus(tmp_path),
    )
    assert passages(run) == {
        "zorblax": [DOCUMENTS[0], DOCUMENTS[2]],
        "эйдос": [DOCUMENTS[5]],
    }
    mined = Mined.model_validate(run.read_json(run.corpus))
    assert (mined.files, mined.documents, mined.changed_words) == (1, 6, ())
    assert [p.form for p in mined.passages] == ["zorblaxes", "zorblax", "эйдос"]


def test_a_passage_of_the_examination_is_not_trained_on(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    examined = "Once more: the old zorblax stood on the hill and made rain for everybody."
    (folder / "a.txt").write_text(f"{examined}\n\n{DOCUMENTS[2]}\n", encoding="utf-8")
    run = teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=RECIPE, corpus=folder)
    assert passages(run) == {"zorblax": [DOCUMENTS[2]]}


def test_other_words_that_change_stop_the_run_unless_allowed(
    tiny_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module("lexigraft.retokenize.mining").changed_words
    monkeypatch.setattr(
        "lexigraft.retokenize.mining.changed_words",
        lambda *given: (*real(*given), "apples"),
    )
    output = tmp_path / "run"
    given = {"recipe": RECIPE, "corpus": corpus(tmp_path)}
    with pytest.raises(SpellingError, match=r"(?s)'apples'.*--resume --allow-changes"):
        teach(tiny_folders["byte-tied"], LEXICON, output, **given)
    run = teach(
        tiny_folders["byte-tied"], LEXICON, output, resume=True, allow_changes=True, **given
    )
    assert Mined.model_validate(run.read_json(run.corpus)).changed_words == ("apples",)
    assert run.verdict.is_file()


def test_a_resumed_run_must_have_the_same_corpus(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    model, output = tiny_folders["byte-tied"], tmp_path / "run"
    teach(model, LEXICON, output, recipe=RECIPE, corpus=corpus(tmp_path))
    more = corpus(tmp_path, "One more text about a zorblax.")
    with pytest.raises(RunError, match=r"corpus: changed .*own\.jsonl"):
        teach(model, LEXICON, output, recipe=RECIPE, corpus=more, resume=True)
    with pytest.raises(RunError, match=r"corpus: removed .*own\.jsonl"):
        teach(model, LEXICON, output, recipe=RECIPE, resume=True)


def test_what_is_wrong_with_the_corpus_is_said(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    model, output = tiny_folders["byte-tied"], tmp_path / "run"
    with pytest.raises(CorpusError, match=r"nowhere\.txt"):
        teach(model, LEXICON, output, recipe=RECIPE, corpus=tmp_path / "nowhere.txt")
    assert not output.exists()
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"text": DOCUMENTS[0]}) + "\n{broken\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"bad\.jsonl:2: no JSON.*--skip-bad"):
        teach(model, LEXICON, output, recipe=RECIPE, corpus=bad)
    run = teach(model, LEXICON, output, recipe=RECIPE, corpus=bad, skip_bad=True, resume=True)
    assert passages(run) == {"zorblax": [DOCUMENTS[0]]}
