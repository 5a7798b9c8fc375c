"""Every family and every type, asked of llama.cpp itself; and mistakes that it must notice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from lexigraft.errors import ExportError
from lexigraft.export.gguf import TYPES, families, file, llama_cpp, tensors, vocabulary
from lexigraft.export.gguf.quantising import TOLERANCES

pytest.importorskip("xllamacpp")

FAMILIES = [
    ("llama", True),
    ("llama", False),
    ("mistral", False),
    ("qwen3", True),
    ("qwen3", False),
    ("gemma", True),
    ("gemma2", True),
    ("gemma3_text", True),
]


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


def test_the_page_names_the_tolerances_that_hold() -> None:
    page = (Path(__file__).parents[3] / "docs" / "gguf.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \|$", page, re.MULTILINE)
    assert {name: float(limit) for name, limit in rows} == TOLERANCES


@pytest.mark.parametrize(("model_type", "tied"), FAMILIES)
def test_llama_cpp_does_what_the_run_does(
    family: Callable[..., Any], tmp_path: Path, model_type: str, tied: bool
) -> None:
    case = family(model_type, tied=tied)
    [checked] = case.write(tmp_path, "F16")
    assert (checked.texts, checked.differing) == (1000, 0)
    assert 0 < checked.difference <= 0.02
    assert checked.new_tokens_shown == len(case.spelling.new_tokens) > 0
    assert all(said.text for said in checked.continued)
    reader = GGUFReader(tmp_path / "model-F16.gguf")
    names = {tensor.name for tensor in reader.tensors}
    assert ("output.weight" in names) == (not tied)
    assert fields(tmp_path / "model-F16.gguf")["tokenizer.chat_template"] == (
        case.tokenizer.chat_template
    )


@pytest.mark.parametrize("model_type", ["qwen3", "gemma3_text"])
def test_every_type(family: Callable[..., Any], tmp_path: Path, model_type: str) -> None:
    found = family(model_type).write(tmp_path, *TYPES)
    assert [checked.type for checked in found] == list(TYPES)
    for checked in found:
        assert checked.difference <= checked.tolerance
    by_type = {checked.type: checked for checked in found}
    assert by_type["F16"].rounding < by_type["Q8_0"].rounding < by_type["Q4_1"].rounding
    assert by_type["Q4_0"].bytes < by_type["Q8_0"].bytes < by_type["F16"].bytes
    stored = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "model-Q4_0.gguf").tensors}
    assert stored["token_embd.weight"] == "Q8_0"
    assert stored["blk.0.attn_q.weight"] == "Q4_0"
    assert stored["blk.0.attn_norm.weight"] == "F32"
    assert json.loads((tmp_path / "check.json").read_text()) == [
        c.model_dump(mode="json") for c in found
    ]
    assert (tmp_path / "Modelfile").read_text().splitlines()[1] == "FROM ./model-F16.gguf"
    assert "FROM ./model-Q4_1.gguf" in (tmp_path / "Modelfile-Q4_1").read_text()


def test_rows_that_are_no_multiple_of_a_block_stay_f16(
    family: Callable[..., Any], tmp_path: Path
) -> None:
    case = family("llama", intermediate_size=72)
    case.write(tmp_path, "Q8_0")
    stored = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "model-Q8_0.gguf").tensors}
    assert stored["blk.0.ffn_down.weight"] == "F16"
    assert stored["blk.0.ffn_up.weight"] == "Q8_0"


def test_spare_rows_are_unused_tokens(family: Callable[..., Any], tmp_path: Path) -> None:
    case = family("qwen3", tied=False, spare=9)
    case.write(tmp_path, "F16")
    values = fields(tmp_path / "model-F16.gguf")
    rows = case.spelling.rows_after
    assert len(values["tokenizer.ggml.tokens"]) == rows == values["qwen3.vocab_size"]
    spare = rows - len(case.tokenizer)
    assert values["tokenizer.ggml.token_type"][-spare:] == [5] * spare


ROPES: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}


@pytest.mark.parametrize("name", ROPES)
def test_scaled_rotary_embeddings(family: Callable[..., Any], tmp_path: Path, name: str) -> None:
    rope = {"rope_theta": 500.0, **ROPES[name]}
    [checked] = family("llama", rope_parameters=rope).write(tmp_path, "F16")
    assert checked.difference <= 0.02


MISTAKES: dict[str, tuple[str, str, Any]] = {
    "not permuted": ("llama", "tensors.in_pairs", lambda weight, heads: weight),
    "norms not shifted": ("gemma", "tensors._is_shifted", lambda own, model: False),
    "another rotation": (
        "qwen3",
        "file.hyperparameters",
        lambda *arguments: {**hyperparameters(*arguments), "qwen3.rope.freq_base": 99.0},
    ),
    "another pre-tokenizer": ("llama", "vocabulary.pre_tokenizer_name", lambda *_: "smollm"),
    "hidden words": ("gemma", "vocabulary._tokens", lambda *a: with_hidden(*_tokens(*a))),
    "old merges alone": ("llama", "vocabulary.word_merges", lambda *_: ([], set())),
}
hyperparameters = file.hyperparameters
_tokens = vocabulary._tokens
MODULES = {"tensors": tensors, "file": file, "vocabulary": vocabulary}


def with_hidden(
    tokens: tuple[str, ...], types: tuple[int, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    hidden = (
        3 if token.strip() == "zorblax" else kind for token, kind in zip(tokens, types, strict=True)
    )
    return tokens, tuple(hidden)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("kind", ["F16", "Q4_0"])
def test_a_mistake_is_noticed(
    family: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mistake: str,
    kind: Any,
) -> None:
    model_type, place, wrong = MISTAKES[mistake]
    module, _, name = place.partition(".")
    monkeypatch.setattr(MODULES[module], name, wrong)
    if mistake == "not permuted":
        monkeypatch.setattr(tensors, "in_halves", wrong)
    words = "into other tokens|does not do in llama.cpp|llama.cpp shows ''"
    with pytest.raises(ExportError, match=words):
        family(model_type).write(tmp_path, kind)


def test_a_file_that_llama_cpp_cannot_load_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model-F16.gguf"
    path.write_bytes(b"GGUF and nothing else")
    with (
        pytest.raises(ExportError, match=r"does not load model-F16\.gguf: .*\S"),
        llama_cpp.LlamaCpp(path),
    ):
        pass


def test_a_server_that_ends_is_told(family: Callable[..., Any], tmp_path: Path) -> None:
    family("llama").write(tmp_path, "F16")
    with llama_cpp.LlamaCpp(tmp_path / "model-F16.gguf") as llama:
        assert llama._process is not None
        llama._process.kill()
        llama._process.wait()
        with pytest.raises(ExportError, match="stopped while"):
            llama.ids(["a text"])


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    family: Callable[..., Any], tmp_path: Path
) -> None:
    case = family("llama")
    case.write(tmp_path, "F16")
    with llama_cpp.LlamaCpp(tmp_path / "model-F16.gguf") as llama:
        first = llama.ids(["a text"])
        assert llama._connection is not None
        assert llama._connection.sock is not None
        llama._connection.sock.shutdown(2)
        assert llama.ids(["a text"]) == first == [case.tokenizer("a text").input_ids]


def test_weights_that_were_cut_are_noticed(family: Callable[..., Any], tmp_path: Path) -> None:
    case = family("llama")
    case.write(tmp_path, "Q8_0")
    path = tmp_path / "model-Q8_0.gguf"
    with torch.no_grad():
        case.model.model.layers[1].mlp.up_proj.weight[3:5] += 0.5
    with pytest.raises(ExportError, match=r"blk\.1\.ffn_up\.weight holds other weights"):
        tensors.require_stored(path, case.model, tied=True)


def test_values_that_f16_cannot_hold(family: Callable[..., Any], tmp_path: Path) -> None:
    case = family("llama")
    with torch.no_grad():
        case.model.model.layers[0].mlp.up_proj.weight[0, 0] = 1e5
    with pytest.raises(ExportError, match=r"F16 ends at 65504\. Use --type BF16"):
        case.write(tmp_path, "F16")


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an activation": ("llama", {"hidden_act": "gelu"}, "its activation is gelu"),
    "biases": ("qwen3", {"attention_bias": True}, "biases"),
    "separate rows": ("gemma", {"tied": False}, "output rows are separate"),
    "a scale": ("gemma2", {"query_pre_attn_scalar": 20}, "scaled by 20, and 16"),
    "a pattern": ("gemma3_text", {"layer_types": ["full_attention"] * 2}, "in every 6th"),
    "a rotation": (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        "'dynamic'",
    ),
    "a family": ("olmo2", {}, "no rule for a GGUF of the model type 'olmo2'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_llama_cpp_cannot_run_is_refused(
    family: Callable[..., Any], tmp_path: Path, what: str
) -> None:
    model_type, options, words = REFUSED[what]
    with pytest.raises(ExportError, match=f"{words}.*--to merged"):
        family(model_type, **options).write(tmp_path, "F16")
    assert list(tmp_path.iterdir()) == []


def test_without_llama_cpp_nothing_is_written(
    family: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"pip install 'lexigraft\[gguf\]'"):
        family("llama").write(tmp_path, "F16")
    assert list(tmp_path.iterdir()) == []


def test_every_family_has_a_name_that_gguf_knows() -> None:
    import gguf

    known = set(gguf.MODEL_ARCH_NAMES.values())
    assert {family.architecture for family in families.FAMILIES.values()} <= known
