"""The rules of vLLM for an adapter: each one refuses what it is about, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lexigraft.export.vllm_rules import RANKS, max_lora_rank, model_refusal, vllm_problems

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


def adapter(folder: Path, tensors: dict[str, Any] | None = None, **changes: Any) -> Path:
    """An adapter that vLLM takes, but for what is changed."""
    config = {
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
        "bias": "none", "use_dora": False, "modules_to_save": None, "rank_pattern": {},
    }  # fmt: skip
    config = {name: v for name, v in {**config, **changes}.items() if v != "left out"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    pair = {f"{LAYER}.lora_A.weight": (4, 6), f"{LAYER}.lora_B.weight": (8, 4)}
    shapes = {name: s for name, s in {**pair, **(tensors or {})}.items() if s is not None}
    stored = {name: torch.ones(*shape) for name, shape in shapes.items()}
    save_file(stored, folder / "adapter_model.safetensors")
    return folder


def test_a_plain_lora_is_taken(tmp_path: Path) -> None:
    assert vllm_problems(adapter(tmp_path), "Qwen3ForCausalLM", 8) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 9}, "rank 9 is over"),
        ({"bias": "all"}, "biases"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [7]}, "trainable_token_indices"),
        ({"rank_pattern": {"q_proj": 2}}, "differ between layers"),
        ({"peft_type": "TRAINABLE_TOKENS"}, "TRAINABLE_TOKENS"),
        ({"lora_alpha": "left out"}, "no lora_alpha"),
    ],
)
def test_each_setting_that_it_refuses(tmp_path: Path, changes: Any, words: str) -> None:
    problems = vllm_problems(adapter(tmp_path, **changes), "LlamaForCausalLM", 8)
    assert words in "; ".join(problems)


TOKENS = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({TOKENS: (3, 6)}, "no LoRA matrix by its name"),
        ({"base_model.model.lm_head.weight": (9, 6)}, "no LoRA matrix by its name"),
        ({"base_model.model.lm_head.lora_A.weight": (4, 6)}, "lm_head is none of the layers"),
        ({f"{LAYER}.lora_B.weight": None}, "not a pair of rank 4"),
        ({f"{LAYER}.lora_A.weight": (5, 6)}, "not a pair of rank 4"),
        ({f"{LAYER}.lora_A.weight": None, f"{LAYER}.lora_B.weight": None}, "holds no LoRA"),
    ],
)
def test_each_tensor_that_it_refuses(tmp_path: Path, tensors: Any, words: str) -> None:
    problems = vllm_problems(adapter(tmp_path, tensors), "LlamaForCausalLM", 8)
    assert words in "; ".join(problems)


def test_files_that_cannot_be_read_are_a_problem(tmp_path: Path) -> None:
    assert "cannot be read" in vllm_problems(tmp_path, "LlamaForCausalLM", 8)[0]
    (adapter(tmp_path) / "adapter_model.safetensors").write_bytes(b"x")
    assert "cannot be read" in vllm_problems(tmp_path, "LlamaForCausalLM", 8)[0]


def test_the_highest_rank_is_one_that_the_server_knows(tmp_path: Path) -> None:
    assert [max_lora_rank(rank) for rank in (1, 8, 9, 32, 300, 512)] == [8, 8, 16, 32, 320, 512]
    assert max_lora_rank(513) is None
    assert "none of 8, 16" in vllm_problems(adapter(tmp_path), "LlamaForCausalLM", 12)[0]
    assert list(RANKS) == sorted(RANKS)


def test_models_that_can_be_served() -> None:
    assert model_refusal("Qwen3ForCausalLM", 151_936) is None
    assert model_refusal("Gemma3ForCausalLM", 262_144) is None
    assert "at most 257024 rows" in str(model_refusal("LlamaForCausalLM", 262_144))
    for unknown in ("GPT2LMHeadModel", None):
        assert "no rule here" in str(model_refusal(unknown, 100))
