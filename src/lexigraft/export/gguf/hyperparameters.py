"""The model's numbers, by the keys that llama.cpp reads."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lexigraft.export.gguf.families import FAMILIES, rope_of

__all__ = ["hyperparameters", "rope_factors"]

Value = int | float | str | bool


def hyperparameters(config: Any, kind: str, rows: int) -> dict[str, Value]:
    """Keys and values for a model of `config`, a text config of the type `kind`.

    int stands for GGUF's uint32 and float for its float32. `rows` is the size of the vocabulary
    with spare rows.
    """
    name = FAMILIES[kind].architecture
    heads = int(config.num_attention_heads)
    head_dim = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    values: dict[str, Value | None] = {
        "vocab_size": rows,
        "context_length": _context(config, kind),
        "embedding_length": int(config.hidden_size),
        "block_count": int(config.num_hidden_layers),
        "feed_forward_length": int(config.intermediate_size),
        "attention.head_count": heads,
        "attention.head_count_kv": int(getattr(config, "num_key_value_heads", None) or heads),
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.dimension_count": head_dim,
        **_rope(config),
    }
    if kind in ("gemma2", "gemma3_text"):
        values["attention.sliding_window"] = int(config.sliding_window)
        values["attn_logit_softcapping"] = config.attn_logit_softcapping
        values["final_logit_softcapping"] = config.final_logit_softcapping
    return {f"{name}.{key}": value for key, value in values.items() if value is not None}


def _context(config: Any, kind: str) -> int:
    """The longest text; for a Mistral with a sliding window its window.

    llama.cpp attends to everything there: within the window that is the same.
    """
    longest = int(config.max_position_embeddings)
    window = getattr(config, "sliding_window", None) if kind == "mistral" else None
    return min(longest, int(window)) if window else longest


def _rope(config: Any) -> dict[str, Value | None]:
    rope = rope_of(config)
    values: dict[str, Value | None] = {"rope.freq_base": float(rope["rope_theta"])}
    local = (config.rope_parameters or {}).get("sliding_attention")
    if local is not None:
        values["rope.freq_base_swa"] = float(local["rope_theta"])
    if rope.get("rope_type") in ("linear", "yarn"):
        values["rope.scaling.type"] = str(rope["rope_type"])
        values["rope.scaling.factor"] = float(rope["factor"])
    if rope.get("rope_type") == "yarn":
        original = rope.get("original_max_position_embeddings") or config.max_position_embeddings
        values["rope.scaling.original_context_length"] = int(original)
        for name in ("beta_fast", "beta_slow"):
            value = rope.get(name)
            values[f"rope.scaling.yarn_{name}"] = None if value is None else float(value)
    return values


def rope_factors(config: Any) -> Float[Tensor, " half"] | None:
    """By how much each frequency is divided: Llama 3.1's rule for long texts; None without it.

    Wavelengths beyond the original context are stretched by `factor`, those well within it are
    left alone, and between the two the share goes linearly (Llama 3.1's reference code).
    """
    rope = rope_of(config)
    if rope.get("rope_type") != "llama3":
        return None
    head_dim = config.head_dim or config.hidden_size // config.num_attention_heads
    steps = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    turns = rope["original_max_position_embeddings"] / (2 * math.pi * rope["rope_theta"] ** steps)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    factors: Tensor = 1 / ((1 - kept) / rope["factor"] + kept)
    return factors.float()
