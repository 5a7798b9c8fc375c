"""`export(run, "gguf")`: from a run's files to a folder, or to none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexigraft.errors import ExportError, RunError
from lexigraft.export import export
from lexigraft.export.gguf import check, llama_cpp


@pytest.fixture
def gguf_run(make_run: Callable[..., Path], make_case: Callable[..., Any]) -> Callable[..., Path]:
    """Writes a run of rows and LoRA on a tiny host, by the host's name."""
    return lambda name="byte-tied": make_run(make_case(name))


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied"])
def test_a_run_becomes_a_folder_of_its_own(gguf_run: Callable[..., Path], name: str) -> None:
    pytest.importorskip("xllamacpp")
    run = gguf_run(name)
    place = export(run, "gguf", types=["F16", "BF16"])
    assert place == run / "gguf"
    assert sorted(item.name for item in place.iterdir()) == [
        "Modelfile", "Modelfile-BF16", "check.json", "model-BF16.gguf", "model-F16.gguf",
    ]  # fmt: skip
    data = (place / "model-F16.gguf").read_bytes()
    assert str(run.parent).encode() not in data
    assert [item.name for item in run.iterdir() if "partial" in item.name] == []


def test_what_fails_leaves_what_was_there(
    gguf_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    run = gguf_run()
    export(run, "gguf", types=["F16"])
    before = (run / "gguf" / "model-F16.gguf").stat().st_ino
    monkeypatch.setattr(check, "TOLERANCES", dict.fromkeys(check.TOLERANCES, 0.0))
    with pytest.raises(ExportError, match=r"does not do in llama\.cpp"):
        export(run, "gguf", types=["F16"])
    assert (run / "gguf" / "model-F16.gguf").stat().st_ino == before
    assert [item.name for item in run.iterdir() if "partial" in item.name] == []


@pytest.mark.parametrize("name", ["unigram-tied", "sentencepiece-untied"])
def test_what_llama_cpp_cannot_spell_is_refused(gguf_run: Callable[..., Path], name: str) -> None:
    run = gguf_run(name)
    with pytest.raises(ExportError, match="--to merged"):
        export(run, "gguf")
    assert not (run / "gguf").exists()


def test_without_llama_cpp_the_base_is_not_even_loaded(
    make_case: Any, make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_case(), model=str(tmp_path / "gone"))
    monkeypatch.setattr(llama_cpp, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"lexigraft\[gguf\]"):
        export(run, "gguf")


def test_a_foreign_folder_is_kept(gguf_run: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model-Q8_0.gguf").write_text("x")
    with pytest.raises(RunError, match="Name a new or an empty folder"):
        export(gguf_run(), "gguf", tmp_path / "mine")
