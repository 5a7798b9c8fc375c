"""The model families that a GGUF is written for, and why a model of one may still be refused.

llama.cpp computes each architecture in one fixed way; what a config may ask for besides (another
activation, a bias, another pattern of attention) it would leave out without a word. So everything
that the graph depends on is looked at here, and what it cannot do is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

__all__ = ["FAMILIES", "Family", "family_refusal", "rope_of"]

_MERGED = "Export the merged model instead (--to merged): transformers and vLLM run it."


@dataclass(frozen=True)
class Family:
    """What tells one architecture of llama.cpp from another when its file is written."""

    architecture: str
    """llama.cpp's name, which all keys of the file begin with."""
    activation: str
    permuted: bool = False
    """Rows of Q and K in pairs (x₀, y₀, x₁, y₁, …), as the original Llama rotates them."""
    norm_plus_one: bool = False
    """Norms are stored as w and used as 1 + w; llama.cpp wants 1 + w."""
    own_output: bool = True
    """Whether output rows of their own are read; else the input rows are used for both."""
    biases: bool = False
    """Whether biases of attention are read."""


FAMILIES: dict[str, Family] = {
    "llama": Family("llama", "silu", permuted=True, biases=True),
    "mistral": Family("llama", "silu", permuted=True),
    "qwen3": Family("qwen3", "silu"),
    "gemma": Family("gemma", "gelu_pytorch_tanh", norm_plus_one=True, own_output=False),
    "gemma2": Family("gemma2", "gelu_pytorch_tanh", norm_plus_one=True, own_output=False),
    "gemma3_text": Family("gemma3", "gelu_pytorch_tanh", norm_plus_one=True, own_output=False),
}
"""By `config.model_type`."""

_PATTERNS = {"gemma2": 2, "gemma3_text": 6}
_ROPES = ("default", "linear", "yarn", "llama3")


def family_refusal(model: PreTrainedModel, *, tied: bool) -> str | None:
    """Why no right GGUF can be written of `model`, as a sentence; None where one can."""
    config = model.config.get_text_config()
    kind = str(model.config.model_type)
    if kind not in FAMILIES:
        known = ", ".join(FAMILIES)
        return f"There is no rule for a GGUF of the model type {kind!r}; there is for {known}."
    reasons = (*_graph(config, kind, FAMILIES[kind], tied), *_rope(config, kind))
    return next((f"llama.cpp cannot run this {kind}: {reason}." for reason in reasons), None)


def _graph(config: Any, kind: str, family: Family, tied: bool) -> list[str]:
    activation = getattr(config, "hidden_activation", None) or config.hidden_act
    reasons = []
    if activation != family.activation:
        reasons.append(f"its activation is {activation}, and only {family.activation} is computed")
    if not tied and not family.own_output:
        reasons.append("its output rows are separate, and only tied ones are read")
    if getattr(config, "attention_bias", False) and not family.biases:
        reasons.append("its attention has biases, which are not read")
    if getattr(config, "mlp_bias", False):
        reasons.append("its feed-forward layers have biases, which are not read")
    if getattr(config, "use_sliding_window", False):
        reasons.append("it uses a sliding window, which is not computed for this architecture")
    if getattr(config, "use_bidirectional_attention", False):
        reasons.append("its attention looks both ways")
    return [*reasons, *_attention(config, kind)]


def _attention(config: Any, kind: str) -> list[str]:
    """Gemma's own ways: a fixed pattern of sliding windows, and a fixed scale."""
    if kind not in _PATTERNS:
        return []
    reasons = []
    each = _PATTERNS[kind]
    layers = range(config.num_hidden_layers)
    usual = ["full_attention" if (i + 1) % each == 0 else "sliding_attention" for i in layers]
    if list(config.layer_types) != usual:
        reasons.append(f"its layers do not take turns as usual (full attention in every {each}th)")
    # llama.cpp tells the 27B models, which are scaled otherwise, by their number of layers.
    large = {"gemma2": 46, "gemma3_text": 62}[kind]
    wide = config.hidden_size // config.num_attention_heads
    scale = wide if config.num_hidden_layers == large else config.head_dim
    if config.query_pre_attn_scalar != scale:
        reasons.append(
            f"its attention is scaled by {config.query_pre_attn_scalar}, and {scale} is computed"
        )
    return reasons


def rope_of(config: Any) -> dict[str, Any]:
    """The settings of the rotary embedding (Gemma 3: those of its layers with full attention)."""
    values = dict(config.rope_parameters or {})
    return dict(values.get("full_attention", values))


def _rope(config: Any, kind: str) -> list[str]:
    rope = rope_of(config)
    reasons = []
    name = rope.get("rope_type", "default")
    if name not in _ROPES or (name == "llama3" and kind != "llama"):
        reasons.append(f"its rotary embedding is of the kind {name!r}, which is not computed")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        reasons.append("its rotary embedding covers a part of each head")
    if any(rope.get(key) is not None for key in ("mscale", "mscale_all_dim", "attention_factor")):
        reasons.append("its rotary embedding scales attention in a way of its own")
    local = (config.rope_parameters or {}).get("sliding_attention", {})
    if local.get("rope_type", "default") != "default":
        reasons.append("the rotary embedding of its sliding windows is scaled")
    return reasons


def merged_instead(reason: str) -> str:
    """`reason` with what works in its place."""
    return f"{reason} {_MERGED}"
