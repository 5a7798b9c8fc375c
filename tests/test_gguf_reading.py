"""A tiny GGUF, written here: the same model and tokenizer come out, and what was mended is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from lexigraft.errors import ModelError
from lexigraft.gguf_reading import quiet, read_header, read_model, read_tokenizer
from lexigraft.host import Host, load_host

MakeHost = Callable[[str], Host]


def permuted(weight: numpy.ndarray[Any, Any], heads: int) -> numpy.ndarray[Any, Any]:
    """Rows of Q or K as llama.cpp rotates them: halves of a head interleaved."""
    shape = weight.shape
    halves = weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return halves.swapaxes(1, 2).reshape(shape)


def write_gguf(path: Path, host: Host, pre: str) -> None:
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map

    config = host.model.config
    document = json.loads(host.tokenizer.backend_tokenizer.to_str())
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = document["model"]["vocab"]
    specials = {token["content"] for token in document["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in specials else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in document["model"]["merges"]])
    writer.add_bos_token_id(host.tokenizer.bos_token_id)
    writer.add_eos_token_id(host.tokenizer.eos_token_id)
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in host.model.named_parameters():
        values = weight.detach().numpy()
        if "q_proj" in name:
            values = permuted(values, config.num_attention_heads)
        if "k_proj" in name:
            values = permuted(values, config.num_key_value_heads)
        writer.add_tensor(str(names.get_name(name, try_suffixes=(".weight",))), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def tiny(make_host: MakeHost) -> Host:
    return make_host("byte-tied")


@pytest.fixture
def file(tiny: Host, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, tiny, "smollm")
    return path


def test_the_header_says_what_the_file_holds(file: Path, tiny: Host) -> None:
    header = read_header(file)
    assert header.architecture == "llama"
    assert (header.tokenizer_model, header.pre_tokenizer) == ("gpt2", "smollm")
    assert header.rows == tiny.facts.rows
    assert (header.hidden_size, header.layers) == (16, 2)
    assert header.parameters == tiny.facts.parameters
    assert header.tied
    assert header.stored_as == "F32"


def test_the_model_is_the_same_and_can_be_saved(file: Path, tiny: Host, tmp_path: Path) -> None:
    with quiet():
        model, info = read_model(file, torch.float32)
    assert not info["missing_keys"]
    assert not hasattr(model.config, "quantization_config")
    ids = torch.tensor([[3, 40, 50, 60, 7]])
    with torch.inference_mode():
        assert torch.allclose(model(ids).logits, tiny.model(ids).logits, atol=1e-4)
    model.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_the_pre_tokenizer_of_smollm_is_restored_and_told(file: Path) -> None:
    with quiet():
        tokenizer, notes = read_tokenizer(file, read_header(file))
    assert "'smollm' was restored" in notes[0]
    pieces = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("in 1984")
    assert [text for text, _ in pieces] == ["in", "Ġ", "1", "9", "8", "4"]


def test_an_unknown_pre_tokenizer_is_a_doubt_and_a_known_one_is_none(
    tiny: Host, tmp_path: Path
) -> None:
    for name, doubt in (("cormorant", True), ("gpt-2", False)):
        path = tmp_path / f"{name}.gguf"
        write_gguf(path, tiny, name)
        with quiet():
            _, notes = read_tokenizer(path, read_header(path))
        assert bool(notes) is doubt
        assert not doubt or "'cormorant'" in notes[0]


def test_a_host_is_loaded_from_a_gguf(file: Path, tiny: Host) -> None:
    host = load_host(file)
    assert host.path == file
    assert host.facts.tied
    assert any("dequantised" in note for note in host.facts.notes)
    text = "The kettle boils"
    assert host.tokenizer(text).input_ids == tiny.tokenizer(text).input_ids


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 9, None])
def test_what_is_no_gguf_is_refused_in_words(
    content: bytes | None, file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(file.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ModelError, match="cannot be read as a GGUF model"):
        read_header(path)


def test_bars_and_warnings_are_as_before_afterwards() -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging

    before = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
    )
    with quiet():
        assert logging.get_verbosity() == 40
        assert not logging.is_progress_bar_enabled()
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError
    assert before == (
        logging.get_verbosity(), logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    )  # fmt: skip


def test_what_was_taught_on_a_gguf_is_exported(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain transformers loads the same base with `gguf_file`, and the adapter's card says so."""
    from lexigraft.export import export, fresh, plain
    from lexigraft.lexicon import Lexicon, Term
    from lexigraft.spelling import spell
    from lexigraft.training.values import Taught, save_taught
    from lexigraft.workspace import Identity, Workspace

    def here(job: Path) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        plain.check(json.loads(job.read_text(encoding="utf-8")), said.append)
        return said

    monkeypatch.setattr(fresh, "_events", here)
    host = load_host(file)
    lexicon = Lexicon(name="x", terms=(Term(term="zorblax", definition=("a thing",)),))
    spelling, tokenizer = spell(lexicon, {"zorblax": "token"}, host.tokenizer, host.facts.rows)
    rows = torch.randn(len(spelling.new_ids), 16, generator=torch.Generator().manual_seed(3))
    identity = Identity(
        model=str(file), fingerprint=host.facts.fingerprint, lexicon="x",
        lexicon_digest=lexicon.digest(), recipe_digest="r", seed=0,
    )  # fmt: skip
    with Workspace.open(tmp_path / "run", create=True) as space:
        space.begin(identity, {})
        with space.writing_folder(space.spelling) as folder:
            tokenizer.save_pretrained(folder)
            space.write_json(folder / "spelling.json", spelling)
        with space.writing_file(space.training / "taught.safetensors") as path:
            save_taught(Taught(new_ids=spelling.new_ids, input_rows=rows), path)
    assert export(space.root, "merged").is_dir()
    card = (export(space.root, "adapter") / "README.md").read_text(encoding="utf-8")
    assert f"gguf_file={file.name!r}" in card
