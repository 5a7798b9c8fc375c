"""What vLLM demands of an adapter that it is to serve, as a check of the written files.

From vLLM's public source (github.com/vllm-project/vllm), in our own words:

- `vllm/lora/peft_helper.py` (`PEFTHelper.from_dict`, `_validate_features`, `validate_legal`):
  adapter_config.json must have `r`, `lora_alpha` and `target_modules`; `r` may not exceed the
  server's `--max-lora-rank`; `bias` must be "none"; `use_dora` and `modules_to_save` are refused.
  The scale is alpha / r (alpha / √r with `use_rslora`); `rank_pattern` and `alpha_pattern` are
  not read by most versions, so an adapter that has them would be scaled wrongly.
- `vllm/config/lora.py` (`MaxLoRARanks`): `--max-lora-rank` is one of 8, 16, 32, 64, 128, 256, 320
  and 512 (newer versions have 1 as well).
- `vllm/lora/lora_model.py` (`LoRAModel.from_local_checkpoint`) and `vllm/lora/utils.py`
  (`parse_fine_tuned_lora_name`): the weights stand in adapter_model.safetensors; each name is
  `base_model.model.<module>.lora_A.weight` or `.lora_B.weight`, anything else is an "unsupported
  LoRA weight", PEFT's `trainable_tokens_delta` too; the last part of `<module>` must be one of the
  model's linear layers, packed ones (`qkv_proj`, `gate_up_proj`) by the names of their parts.
- `vllm/model_executor/models/`: the model's class must implement `SupportsLoRA`; those below do.
- `vllm/lora/layers/logits_processor.py`: where the head can take a LoRA, the vocabulary may have at
  most 258,048 rows (257,024 in older versions). Gemma's head cannot, so that limit is not Gemma's.

Read at commits 0fd1570 (utils), 0306474 (lora_model), 01230b4 (config) and 01815c6
(logits_processor).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

__all__ = ["LAYERS", "RANKS", "max_lora_rank", "model_refusal", "vllm_problems"]

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be."""

_SPLIT = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
LAYERS: dict[str, frozenset[str]] = {
    "LlamaForCausalLM": _SPLIT,
    "MistralForCausalLM": _SPLIT,
    "Qwen2ForCausalLM": _SPLIT,
    "Qwen3ForCausalLM": _SPLIT,
    "GemmaForCausalLM": _SPLIT,
    "Gemma2ForCausalLM": _SPLIT,
    "Gemma3ForCausalLM": _SPLIT,
}
"""Linear layers that may have a LoRA, by the class that config.json names."""

_MOST_ROWS = 257_024
_PREFIX = "base_model.model."


def max_lora_rank(rank: int) -> int | None:
    """The smallest `--max-lora-rank` that takes an adapter of `rank`; None where none does."""
    return next((allowed for allowed in RANKS if rank <= allowed), None)


def model_refusal(architecture: str | None, rows: int) -> str | None:
    """Why vLLM could serve no LoRA on such a model, as a sentence; None where it could."""
    if architecture not in LAYERS:
        return (
            f"There is no rule here for LoRA in vLLM on {architecture or 'this architecture'} "
            f"(there is for {', '.join(sorted(LAYERS))})."
        )
    if rows > _MOST_ROWS and not architecture.startswith("Gemma"):
        return (
            f"vLLM takes a LoRA on at most {_MOST_ROWS} rows of the vocabulary; this model has "
            f"{rows}."
        )
    return None


def vllm_problems(folder: Path, architecture: str, max_rank: int) -> list[str]:
    """Everything for which vLLM, started with `--max-lora-rank max_rank`, would refuse the adapter.

    Looks into adapter_config.json and the header of adapter_model.safetensors in `folder`; one
    line for each problem, none where vLLM would take it.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
            shapes = {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        return [f"the adapter's files cannot be read: {error}"]
    if missing := sorted({"r", "lora_alpha", "target_modules"} - config.keys()):
        return [f"adapter_config.json has no {', '.join(missing)}"]
    return [*_of_config(config, max_rank), *_of_names(shapes, architecture, config["r"])]


def _of_config(config: dict[str, Any], max_rank: int) -> list[str]:
    wrong = {
        f"--max-lora-rank {max_rank} is none of {', '.join(map(str, RANKS))}": max_rank in RANKS,
        f"its rank {config['r']} is over --max-lora-rank {max_rank}": config["r"] <= max_rank,
        f"it is a {config.get('peft_type')} adapter": config.get("peft_type") == "LORA",
        "it trains biases": config.get("bias", "none") == "none",
        "it is DoRA": not config.get("use_dora"),
        "it has modules_to_save": not config.get("modules_to_save"),
        "it has trainable_token_indices": not config.get("trainable_token_indices"),
        "ranks or alphas differ between layers": not (
            config.get("rank_pattern") or config.get("alpha_pattern")
        ),
    }
    return [problem for problem, right in wrong.items() if not right]


def _of_names(shapes: dict[str, tuple[int, ...]], architecture: str, rank: int) -> list[str]:
    halves: dict[str, dict[str, tuple[int, ...]]] = {}
    problems = []
    for name, shape in shapes.items():
        path, _, half = name.removesuffix(".weight").rpartition(".")
        known = name.startswith(_PREFIX) and name.endswith(".weight")
        if not known or half not in ("lora_A", "lora_B"):
            problems.append(f"{name} is no LoRA matrix by its name")
            continue
        halves.setdefault(path.removeprefix(_PREFIX), {})[half] = shape
    for path, found in halves.items():
        if path.rpartition(".")[2] not in LAYERS.get(architecture, frozenset()):
            problems.append(f"{path} is none of the layers that take a LoRA in {architecture}")
        elif len(found) != 2 or found["lora_A"][0] != rank or found["lora_B"][1] != rank:
            problems.append(f"the matrices of {path} are not a pair of rank {rank}")
    if not halves:
        problems.append("it holds no LoRA matrix")
    return problems
