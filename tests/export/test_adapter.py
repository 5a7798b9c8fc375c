"""The adapter: small, on an untouched base equal to the merged model, or refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.base_reference import reference_to
from lexigraft.errors import ExportError
from lexigraft.export import adapter, adapter_refusal, merged_model, observe, write_adapter
from lexigraft.training.values import Taught


def written(case: Any, folder: Path) -> Any:
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    folder.mkdir()
    write_adapter(
        lambda: case.fresh().model,
        case.taught,
        case.tokenizer,
        folder,
        observe(model, case.tokenizer, case.spelling),
        base=reference_to("somebody/base", "abc"),
    )
    return model


def reloaded(case: Any, folder: Path) -> Any:
    """As the report tells people to load it, from files alone."""
    base = AutoModelForCausalLM.from_pretrained(case.folder)
    if case.spelling.rows_after > case.spelling.rows_before:
        base.resize_token_embeddings(case.spelling.rows_after, mean_resizing=False)
    return PeftModel.from_pretrained(base, str(folder)).eval()


@pytest.mark.parametrize("what", ["rows", "lora", "rows+lora"])
def test_on_the_untouched_base_it_is_the_merged_model(
    tiny: Any, make_case: Any, tmp_path: Path, what: str
) -> None:
    case = make_case(str(tiny), what)
    folder = tmp_path / "adapter"
    model = written(case, folder)
    text = "A zorblax and Zorblax, 𝕽, velkin and ~[энтелехия]."
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    assert ids.tolist() == [case.tokenizer(text).input_ids]
    with torch.inference_mode():
        wanted, found = model(ids).logits, reloaded(case, folder)(ids).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        untaught = case.fresh().model(ids % case.spelling.rows_before).logits
    assert (untaught - wanted[..., : untaught.shape[-1]]).abs().max() > 0.1


def test_it_holds_no_whole_matrix(case: Any, tmp_path: Path) -> None:
    written(case, tmp_path / "adapter")
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    rows = {name: v for name, v in tensors.items() if name not in case.taught.lora}
    assert set(case.taught.lora) < set(tensors)
    assert len(rows) == (1 if case.host.facts.tied else 2)
    assert {tuple(v.shape) for v in rows.values()} == {(len(case.spelling.new_ids), 16)}
    size = sum(4 * v.numel() for v in tensors.values())
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size < size + 4000


def test_its_config_names_the_base_and_no_machine(make_case: Any, tmp_path: Path) -> None:
    case = make_case("byte-untied")
    written(case, tmp_path / "adapter")
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    config = json.loads(text)
    assert config["base_model_name_or_path"] == "somebody/base"
    assert config["revision"] == "abc"
    assert config["task_type"] == "CAUSAL_LM"
    assert (config["r"], config["lora_alpha"]) == (3, 4.5)
    ids = list(case.spelling.new_ids)
    assert config["trainable_token_indices"] == {"embed_tokens": ids, "lm_head": ids}
    assert str(case.folder) not in text
    assert str(tmp_path) not in text


def test_rows_alone_are_trainable_tokens(make_case: Any, tmp_path: Path) -> None:
    written(make_case("byte-tied", "rows"), tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["peft_type"] == "TRAINABLE_TOKENS"


def test_full_tuning_has_no_adapter(make_case: Any, tmp_path: Path) -> None:
    case = make_case("byte-tied", "full")
    assert "tune: full" in str(adapter_refusal(case.taught))
    with pytest.raises(ExportError, match="--to merged"):
        written(case, tmp_path / "adapter")
    assert not any((tmp_path / "adapter").iterdir())


def test_nothing_taught_is_no_adapter(make_case: Any) -> None:
    assert "Nothing was taught" in str(adapter_refusal(Taught()))
    assert adapter_refusal(make_case().taught) is None


def spoil(name: str, change: Any) -> Any:
    def edit(folder: Path) -> None:
        path = folder / "adapter_model.safetensors"
        tensors = load_file(path)
        found = [key for key in tensors if name in key]
        for key in found:
            tensors[key] = change(tensors[key])
        assert found
        save_file(tensors, path, metadata={"format": "pt"})

    return edit


def lost_config_of_head(folder: Path) -> None:
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["trainable_token_indices"] = config["trainable_token_indices"]["embed_tokens"]
    path.write_text(json.dumps(config))


SPOILT: dict[str, Any] = {
    "rows in another order": spoil("embed_tokens", lambda rows: rows.flip(0)),
    "input rows in the head": spoil("lm_head", lambda rows: rows.flip(0)),
    "one LoRA matrix": spoil("layers.1.mlp.down_proj.lora_B", lambda value: value * 1.05),
    "no output rows": lost_config_of_head,
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_does_not_reload_equal_is_refused(
    make_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    check = adapter._require_small

    def spoilt(path: Path, taught: Taught) -> None:
        check(path, taught)
        SPOILT[what](path.parent)

    monkeypatch.setattr(adapter, "_require_small", spoilt)
    with pytest.raises(ExportError, match="logits"):
        written(make_case("byte-untied"), tmp_path / "adapter")


def test_a_whole_matrix_in_the_file_is_refused(tmp_path: Path, make_case: Any) -> None:
    case = make_case()
    path = tmp_path / "adapter_model.safetensors"
    name = "base_model.model.model.embed_tokens.weight"
    save_file({**case.taught.lora, name: torch.ones(480, 16)}, path)
    with pytest.raises(ExportError, match="embed_tokens"):
        adapter._require_small(path, case.taught)


def test_the_first_layers_alone_may_have_a_lora(make_case: Any, tmp_path: Path) -> None:
    case = make_case()
    lora = {k: v for k, v in case.taught.lora.items() if "layers.1." not in k}
    assert 0 < len(lora) < len(case.taught.lora)
    case.taught = dataclasses.replace(case.taught, lora=lora)
    folder = tmp_path / "adapter"
    model = written(case, folder)
    assert json.loads((folder / "adapter_config.json").read_text())["layers_to_transform"] == [0]
    assert set(load_file(folder / "adapter_model.safetensors")) >= set(lora)
    ids = case.tokenizer("A zorblax and a velkin.", return_tensors="pt").input_ids
    with torch.inference_mode():
        wanted, found = model(ids).logits, reloaded(case, folder)(ids).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_layers_that_were_not_taught_are_told(make_case: Any, tmp_path: Path) -> None:
    case = make_case()
    lora = {k: v for k, v in case.taught.lora.items() if "layers.1.mlp.down_proj" not in k}
    case.taught = dataclasses.replace(case.taught, lora=lora)
    with pytest.raises(ExportError, match=r"PEFT expects .*layers\.1\.mlp\.down_proj"):
        written(case, tmp_path / "adapter")
