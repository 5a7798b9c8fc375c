"""The merged checkpoint: a plain folder that transformers loads with no code of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lexigraft.errors import ExportError
from lexigraft.export.apply import grow, is_tied
from lexigraft.export.sample import Sample, require_equal, require_same_ids, silent

__all__ = ["checkpoint_bytes", "stored_dtype", "write_merged"]

# By how much logits may change when every weight and sum is cast to that type, as a share of
# their size. The tensors themselves must be equal to the last bit; even so, a kernel may sum in
# another order where a tensor begins at another address.
_TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.2, torch.float16: 0.05}


def stored_dtype(name: str | None) -> torch.dtype:
    """The type to write for a base that stores `name`: itself, and float32 for anything unusual."""
    known = {str(dtype).removeprefix("torch."): dtype for dtype in _TOLERANCES}
    return known.get(name or "", torch.float32)


def checkpoint_bytes(model: PreTrainedModel, dtype: torch.dtype) -> int:
    """About how many bytes `write_merged` writes."""
    weights = sum(weight.numel() for weight in model.parameters()) * dtype.itemsize
    return int(weights + 32_000_000)


def write_merged(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype,
    expected: Sample,
) -> None:
    """Writes `model` with `tokenizer` to `folder`, then loads it as anybody would and compares.

    Args:
        model: the merged model, in float32; its weights stay as they are.
        tokenizer: the tokenizer that belongs to it, the grown one where there are new tokens.
        folder: an empty folder.
        dtype: float32, bfloat16 or float16: what the base's own files store.
        expected: what `observe` saw of `model` and `tokenizer`.

    Raises:
        ExportError: what was written does not reload equal: a tensor, the tie of the embeddings,
            ids, logits, the chat template or the generation config.
    """
    grow(model, 0)  # so that the config tells the truth about ties
    with silent():
        model.save_pretrained(folder, state_dict=_cast(model, dtype))
        # save_pretrained names the type of the model in memory.
        _edit_config(folder, dtype=str(dtype).removeprefix("torch."))
        tokenizer.save_pretrained(folder)
        _check(model, tokenizer, folder, dtype, expected)


def _cast(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """The state dict in `dtype`; tensors that shared a storage share one still."""
    done: dict[tuple[int, torch.Size], Tensor] = {}
    state = {}
    for name, value in model.state_dict().items():
        key = (value.data_ptr(), value.shape)
        if key not in done:
            done[key] = value.to(dtype) if value.is_floating_point() else value
        state[name] = done[key]
    return state


def _edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _check(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype,
    expected: Sample,
) -> None:
    what = "The merged model"
    read = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    require_same_ids(expected, read, what)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, local_files_only=True
    )
    again, info = loaded
    again.eval()
    odd = sorted({*map(str, info["missing_keys"]), *map(str, info["unexpected_keys"])})
    found = {
        f"weights that do not match the model ({', '.join(odd[:3])})": not odd,
        f"the type {again.dtype} instead of {dtype}": again.dtype == dtype,
        "other ties of the embeddings": is_tied(again) == is_tied(model)
        and bool(again.config.get_text_config().tie_word_embeddings) == is_tied(model),
        "another vocab_size": again.config.get_text_config().vocab_size
        == len(again.get_input_embeddings().weight),
        "another chat template": read.chat_template == tokenizer.chat_template,
        "another model_max_length": read.model_max_length == tokenizer.model_max_length,
        "another generation config": _generation(again) == _generation(model),
        "other weights": _same_weights(model, again, dtype),
    }
    if wrong := [name for name, right in found.items() if not right]:
        raise ExportError(
            f"{what} does not reload equal: it has {'; '.join(wrong)}. Nothing was kept of it."
        )
    require_equal(
        expected, again, read, what=what, tolerance=_TOLERANCES[dtype], typical=dtype != model.dtype
    )


def _generation(model: PreTrainedModel) -> dict[str, Any]:
    """What was set for `generate`, without what every version writes anew."""
    values: dict[str, Any] = model.generation_config.to_diff_dict()
    return {
        k: v for k, v in values.items() if k not in ("transformers_version", "_from_model_config")
    }


def _same_weights(model: PreTrainedModel, again: PreTrainedModel, dtype: torch.dtype) -> bool:
    left, right = model.state_dict(), again.state_dict()
    if left.keys() != right.keys():
        return False
    return all(
        torch.equal(value.to(dtype) if value.is_floating_point() else value, right[name])
        for name, value in left.items()
    )
