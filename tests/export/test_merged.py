"""The merged checkpoint: what plain transformers reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.errors import ExportError
from lexigraft.export import merged, merged_model, observe, stored_dtype, write_merged
from lexigraft.export.apply import is_tied


def written(case: Any, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    folder.mkdir()
    expected = observe(model, case.tokenizer, case.spelling)
    write_merged(model, case.tokenizer, folder, dtype, expected)
    return model


def test_it_reloads_equal(case: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = written(case, folder)
    again = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    assert again.dtype == torch.float32
    assert is_tied(again) == case.host.facts.tied == config["tie_word_embeddings"]
    assert config["vocab_size"] == case.spelling.rows_after
    assert config["dtype"] == "float32"
    text = "A zorblax and Zorblax, 𝕽, velkin and ~[энтелехия]."
    ids = tokenizer(text, return_tensors="pt").input_ids
    assert ids.tolist() == [case.tokenizer(text).input_ids]
    assert set(case.spelling.new_ids) & set(ids[0].tolist())
    with torch.inference_mode():
        assert torch.equal(again(ids).logits, model(ids).logits)
    assert tokenizer.chat_template == case.host.tokenizer.chat_template
    assert tokenizer.model_max_length == case.host.tokenizer.model_max_length
    message = [{"role": "user", "content": "zorblax"}]
    assert "<|im_start|>user\nzorblax" in tokenizer.apply_chat_template(message, tokenize=False)


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied"])
def test_a_tied_matrix_is_stored_once(make_case: Any, tmp_path: Path, name: str) -> None:
    case = make_case(name)
    written(case, tmp_path / "model")
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert ("lm_head.weight" in stored) == (not case.host.facts.tied)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_the_type_of_the_base_is_kept(
    make_case: Any, tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    case = make_case(name)
    model = written(case, tmp_path / "model", dtype)
    assert model.dtype == torch.float32
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert again.dtype == dtype
    assert is_tied(again) == case.host.facts.tied
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value.to(dtype))


def test_generation_settings_are_kept(make_case: Any, tmp_path: Path) -> None:
    case = make_case()
    settings = {"do_sample": True, "temperature": 0.6, "repetition_penalty": 1.1}
    case.host.model.generation_config.update(**settings)
    written(case, tmp_path / "model")
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "model").generation_config
    assert {key: getattr(read, key) for key in settings} == settings


def test_no_file_names_this_machine(make_case: Any, tmp_path: Path) -> None:
    case = make_case("byte-untied")
    written(case, tmp_path / "model")
    for path in (tmp_path / "model").glob("*.json"):
        assert str(tmp_path) not in path.read_text()
        assert str(case.folder) not in path.read_text()


def spoilt_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.norm.weight"][3] += 1e-6
    save_file(tensors, path, metadata={"format": "pt"})


def missing_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.norm.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def edited(name: str, **changes: Any) -> Any:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def lost_token(folder: Path) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    value["model"]["ignore_merges"] = False
    path.write_text(json.dumps(value))


def lost_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


SPOILT: dict[str, tuple[Any, str]] = {
    "a weight": (spoilt_weight, "other weights"),
    "a missing weight": (missing_weight, "do not match the model"),
    "untied by its config": (edited("config.json", tie_word_embeddings=False), "ties"),
    "another type": (edited("config.json", dtype="bfloat16"), "the type torch.bfloat16"),
    "a token that never fires": (lost_token, "became the ids"),
    "no chat template": (lost_template, "chat template"),
    "the generation config": (edited("generation_config.json", eos_token_id=5), "generation"),
    "the length": (edited("tokenizer_config.json", model_max_length=7), "model_max_length"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_does_not_reload_equal_is_refused(
    make_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    spoil, words = SPOILT[what]
    check = merged._check

    def spoilt(*arguments: Any) -> None:
        spoil(arguments[2])
        check(*arguments)

    monkeypatch.setattr(merged, "_check", spoilt)
    with pytest.raises(ExportError, match=words):
        written(make_case(), tmp_path / "model")


def test_logits_of_another_model_are_noticed(make_case: Any, tmp_path: Path) -> None:
    case, other = make_case(), make_case()
    expected = observe(other.fresh().model, case.tokenizer, _without_new(case))
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    with pytest.raises(ExportError, match=r"logits|ids"):
        write_merged(model, case.tokenizer, tmp_path, torch.float32, expected)


def _without_new(case: Any) -> Any:
    kept = tuple(term for term in case.spelling.terms if term.route != "token")
    return case.spelling.model_copy(update={"terms": kept})


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("bfloat16", torch.bfloat16), ("float32", torch.float32), ("float8_e4m3", torch.float32)],
)
def test_the_stored_type_by_name(name: str, dtype: torch.dtype) -> None:
    assert stored_dtype(name) == dtype
    assert stored_dtype(None) == torch.float32
