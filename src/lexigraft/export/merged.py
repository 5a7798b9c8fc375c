"""The merged checkpoint: a plain folder that transformers loads with no code of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME

from lexigraft.errors import ExportError
from lexigraft.export.apply import grow, is_tied
from lexigraft.export.plain import digest, generation_settings
from lexigraft.export.sample import Sample, require_equal, require_same_ids, silent
from lexigraft.host import Host

__all__ = [
    "TOLERANCES",
    "base_shard_bytes",
    "checkpoint_bytes",
    "checkpoint_facts",
    "dtype_name",
    "save_merged",
    "stored_dtype",
    "tokenizer_settings",
    "write_merged",
]

# By how much logits may change when every weight and sum is cast to that type, as a share of
# their size. The tensors themselves must be equal to the last bit; even so, a kernel may sum in
# another order where a tensor begins at another address.
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.2, torch.float16: 0.05}


def stored_dtype(name: str | None) -> torch.dtype:
    """The type to write for a base that stores `name`: itself, and float32 for anything unusual."""
    known = {dtype_name(dtype): dtype for dtype in TOLERANCES}
    return known.get(name or "", torch.float32)


def checkpoint_bytes(model: PreTrainedModel, dtype: torch.dtype) -> int:
    """About how many bytes `write_merged` writes."""
    weights = sum(weight.numel() for weight in model.parameters()) * dtype.itemsize
    return int(weights + 32_000_000)


def base_shard_bytes(host: Host) -> int | None:
    """How many bytes of weights the largest file of the base holds; None where it is one file."""
    index = _index_of(host)
    if index is None:
        return None
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    files = [index.parent / Path(name).name for name in names]
    if len(files) < 2 or not all(file.is_file() for file in files):
        return None
    return max(_weight_bytes(file) for file in files)


def _index_of(host: Host) -> Path | None:
    if host.path is not None:
        place = host.path / SAFE_WEIGHTS_INDEX_NAME
        return place if place.is_file() else None
    found = try_to_load_from_cache(
        host.facts.source, SAFE_WEIGHTS_INDEX_NAME, revision=host.facts.revision
    )
    return Path(found) if isinstance(found, str) else None


def _weight_bytes(file: Path) -> int:
    """A safetensors file without its header, whose length stands in its first eight bytes."""
    with file.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    return max(1, file.stat().st_size - 8 - header)


def save_merged(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype,
    shard_bytes: int | None = None,
) -> None:
    """Writes `model` with `tokenizer` to `folder`, and compares nothing.

    Args:
        model: the merged model, in float32; its weights stay as they are.
        tokenizer: the tokenizer that belongs to it, the grown one where there are new tokens.
        folder: an empty folder.
        dtype: float32, bfloat16 or float16: what the base's own files store.
        shard_bytes: the most bytes of weights in a file; see `base_shard_bytes`.
    """
    grow(model, 0)  # so that the config tells the truth about ties
    sizes: dict[str, Any] = {} if shard_bytes is None else {"max_shard_size": shard_bytes}
    with silent():
        model.save_pretrained(folder, state_dict=_cast(model, dtype), **sizes)
        # save_pretrained names the type of the model in memory.
        _edit_config(folder, dtype=dtype_name(dtype))
        tokenizer.save_pretrained(folder)


def write_merged(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype,
    expected: Sample,
    shard_bytes: int | None = None,
) -> None:
    """`save_merged`, then loads what was written in this process and compares.

    Args:
        expected: what `observe` saw of `model` and `tokenizer`; the others are of `save_merged`.

    Raises:
        ExportError: what was written does not reload equal: a tensor, the tie of the embeddings,
            ids, logits, the chat template or the generation config.
    """
    save_merged(model, tokenizer, folder, dtype, shard_bytes)
    with silent():
        _check(model, tokenizer, folder, dtype, expected)


def checkpoint_facts(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, Any]:
    """What must be found in the files of `model`, stored in `dtype`, when they are loaded again."""
    return {
        "dtype": dtype_name(dtype),
        "tied": is_tied(model),
        "rows": len(cast(Any, model.get_input_embeddings()).weight),
        "generation": generation_settings(model),
        "digests": {name: digest(value, dtype) for name, value in model.state_dict().items()},
    }


def tokenizer_settings(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What must be found beside the ids when `tokenizer` is loaded again."""
    return {name: getattr(tokenizer, name) for name in ("chat_template", "model_max_length")}


def dtype_name(dtype: torch.dtype) -> str:
    """As configs and recipes write it: 'bfloat16'."""
    return str(dtype).removeprefix("torch.")


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
        "another generation config": generation_settings(again) == generation_settings(model),
        "other weights": _same_weights(model, again, dtype),
    }
    if wrong := [name for name, right in found.items() if not right]:
        raise ExportError(
            f"{what} does not reload equal: it has {'; '.join(wrong)}. Nothing was kept of it."
        )
    require_equal(
        expected, again, read, what=what, tolerance=TOLERANCES[dtype], typical=dtype != model.dtype
    )


def _same_weights(model: PreTrainedModel, again: PreTrainedModel, dtype: torch.dtype) -> bool:
    left, right = model.state_dict(), again.state_dict()
    if left.keys() != right.keys():
        return False
    return all(
        torch.equal(value.to(dtype) if value.is_floating_point() else value, right[name])
        for name, value in left.items()
    )
