"""`export`: from a run's files to a folder, and every reason not to write one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.errors import ExportError, ModelError, RunError
from lexigraft.export import export, merged_model, plain
from lexigraft.workspace import Workspace

TEXT = "A zorblax, 𝕽, velkin and ~[энтелехия]."


@pytest.mark.parametrize("what", ["rows", "lora", "rows+lora"])
def test_both_targets_of_a_run_do_the_same(
    make_case: Any, make_run: Any, what: str, tmp_path: Path
) -> None:
    case = make_case("sentencepiece-tied", what)
    run = make_run(case)
    assert export(run, "merged") == run / "model"
    assert export(run, "adapter") == run / "adapter"
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    ids = AutoTokenizer.from_pretrained(run / "model")(TEXT, return_tensors="pt").input_ids
    assert ids.tolist() == [case.tokenizer(TEXT).input_ids]
    base = AutoModelForCausalLM.from_pretrained(case.folder)
    base.resize_token_embeddings(case.spelling.rows_after, mean_resizing=False)
    with torch.inference_mode():
        wanted = model(ids).logits
        assert torch.equal(AutoModelForCausalLM.from_pretrained(run / "model")(ids).logits, wanted)
        found = PeftModel.from_pretrained(base, str(run / "adapter")).eval()(ids).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_folder_of_the_run_is_replaced(make_case: Any, make_run: Any) -> None:
    run = make_run(make_case())
    (run / "model").mkdir()
    (run / "model" / "half.safetensors").write_text("x")
    export(run, "merged", run / "model")
    assert not (run / "model" / "half.safetensors").exists()
    assert (run / "model" / "model.safetensors").is_file()
    assert [item.name for item in run.iterdir() if "partial" in item.name] == []


def test_another_folder_new_or_empty(make_case: Any, make_run: Any, tmp_path: Path) -> None:
    run = make_run(make_case())
    assert export(run, "adapter", tmp_path / "deep" / "new").is_dir()
    (tmp_path / "empty").mkdir()
    place = export(run, "adapter", tmp_path / "empty")
    assert (place / "adapter_model.safetensors").is_file()
    assert not (run / "adapter").exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["deep", "empty", "run"]


def test_a_foreign_folder_is_kept(make_case: Any, make_run: Any, tmp_path: Path) -> None:
    run = make_run(make_case())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    for place in (tmp_path / "mine", tmp_path / "mine" / "thesis.docx", run):
        with pytest.raises(RunError, match="Name a new or an empty folder"):
            export(run, "merged", place)
    assert [item.name for item in (tmp_path / "mine").iterdir()] == ["thesis.docx"]


def test_another_base_is_refused(make_case: Any, make_run: Any, tiny_folders: Any) -> None:
    run = make_run(make_case(), fingerprint="0" * 64)
    for target in ("merged", "adapter"):
        with pytest.raises(RunError, match=r"another base(?s:.*)other weights"):
            export(run, target)
    assert not (run / "model").exists()


def test_a_base_that_is_gone_is_told(make_case: Any, make_run: Any, tmp_path: Path) -> None:
    run = make_run(make_case(), model=str(tmp_path / "gone"))
    with pytest.raises(ModelError, match="gone"):
        export(run, "merged")


def test_no_adapter_after_full_tuning_and_the_base_is_not_loaded(
    make_case: Any, make_run: Any, tmp_path: Path
) -> None:
    run = make_run(make_case("byte-tied", "full"), model=str(tmp_path / "gone"))
    with pytest.raises(ExportError, match="--to merged"):
        export(run, "adapter")


def test_full_tuning_is_merged(make_case: Any, make_run: Any) -> None:
    case = make_case("byte-untied", "full")
    model = AutoModelForCausalLM.from_pretrained(export(make_run(case), "merged"))
    for name, value in case.taught.weights.items():
        assert torch.equal(model.get_parameter(name), value)


def test_an_unfinished_run_is_told(make_case: Any, make_run: Any) -> None:
    run = make_run(make_case())
    (run / "training" / "taught.safetensors").unlink()
    with pytest.raises(RunError, match="--resume"):
        export(run, "merged")


def test_a_damaged_spelling_is_told(make_case: Any, make_run: Any) -> None:
    run = make_run(make_case())
    (run / "spelling" / "spelling.json").write_text("{}")
    with pytest.raises(RunError, match=r"spelling\.json is damaged"):
        export(run, "merged")


def test_a_run_at_work_is_not_disturbed(make_case: Any, make_run: Any, tmp_path: Path) -> None:
    run = make_run(make_case())
    with Workspace.open(run, create=True, resume=True):
        with pytest.raises(RunError, match="Another lexigraft"):
            export(run, "merged")
        export(run, "adapter", tmp_path / "beside")


def test_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        export(tmp_path / "none", "merged")
    assert not (tmp_path / "none").exists()


def test_a_failed_export_leaves_what_was_there(
    make_case: Any, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_case())
    export(run, "merged")
    before = (run / "model" / "model.safetensors").stat().st_ino
    monkeypatch.setattr(plain, "digest", lambda *_: "another")
    with pytest.raises(ExportError, match="other weights"):
        export(run, "merged")
    assert (run / "model" / "model.safetensors").stat().st_ino == before
    assert [item.name for item in run.iterdir() if "partial" in item.name] == []
