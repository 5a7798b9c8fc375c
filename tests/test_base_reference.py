"""How a base is named: the kind, the public name, and the argument that loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexigraft.base_reference import peft_lines, reference_to


@pytest.mark.parametrize(
    ("given", "kind", "public", "argument"),
    [
        ("smollm2-135m", "embedded", "smollm2-135m", "embedded_base()"),
        ("somebody/base", "hub", "somebody/base", "'somebody/base', revision='abc'"),
        ("/data/m.gguf", "gguf", "m.gguf", "'/data', gguf_file='m.gguf'"),
        ("/data/some/base", "folder", "base", "'/data/some/base'"),
        ("bad\0name", "folder", "bad\0name", "'bad\\x00name'"),
    ],
)
def test_each_kind_of_name(given: str, kind: str, public: str, argument: str) -> None:
    base = reference_to(given, "abc")
    assert (base.kind, base.public, base.argument()) == (kind, public, argument)


def test_a_folder_that_is_there_is_no_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reference_to("runs/words", None).kind == "hub"
    (tmp_path / "runs" / "words").mkdir(parents=True)
    assert reference_to("runs/words", None).kind == "folder"


def test_of_a_run_the_merged_model_is_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "words"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    base = reference_to("runs/words", None)
    assert base.place == str(Path("runs") / "words" / "model")
    assert base.argument() == "'runs/words/model'"
    assert base.argument(tmp_path / "out") == "'../runs/words/model'"
    assert reference_to(str(run), None).argument(tmp_path / "out") == repr(str(run / "model"))


def test_the_lines_grow_the_base_only_where_it_must_grow() -> None:
    base = reference_to("smollm2-135m", None)
    lines = peft_lines(base, 49_160, adapter=".", tokenizer="t").splitlines()
    assert "from lexigraft.embedded import embedded_base" in lines
    assert "base.resize_token_embeddings(49160, mean_resizing=False)" in lines
    assert "resize" not in peft_lines(base, None, adapter=".", tokenizer="t")
