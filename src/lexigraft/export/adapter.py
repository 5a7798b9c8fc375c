"""The PEFT adapter: LoRA and new rows alone, for the untouched base."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    TrainableTokensConfig,
    get_peft_model,
    get_peft_model_state_dict,
)
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lexigraft.base_reference import BaseReference
from lexigraft.errors import ExportError
from lexigraft.export.apply import grow, is_tied, lora_pairs, module_name
from lexigraft.export.card import adapter_card, write_card
from lexigraft.export.plain import digest
from lexigraft.export.sample import Sample, require_equal, silent
from lexigraft.host import layer_number
from lexigraft.training.values import Taught

__all__ = [
    "TOLERANCE",
    "WEIGHTS",
    "adapter_refusal",
    "adapter_rows",
    "save_adapter",
    "write_adapter",
]

WEIGHTS = "adapter_model.safetensors"
_TASK = "CAUSAL_LM"
# Folding B · A into W rounds once more than adding it in the forward pass.
TOLERANCE = 1e-3


def adapter_refusal(taught: Taught) -> str | None:
    """Why `taught` cannot be an adapter, as a sentence; None where it can."""
    if taught.weights:
        return (
            "All weights of the model were moved (tune: full), so there is no adapter that holds "
            "the difference. Export the merged model instead (--to merged)."
        )
    if not taught.lora and not taught.new_ids:
        return "Nothing was taught that an adapter could hold: neither a LoRA nor new rows."
    return None


def adapter_rows(taught: Taught, rows: int) -> int:
    """How many rows the model needs on which the adapter is put, if its base has `rows`."""
    return max(rows, max(taught.new_ids, default=-1) + 1)


def save_adapter(
    model: PreTrainedModel,
    taught: Taught,
    tokenizer: PreTrainedTokenizerBase | None,
    folder: Path,
    *,
    base: str,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
) -> dict[str, str]:
    """Writes `taught` as a PEFT adapter to `folder`, and compares nothing.

    The file holds LoRA matrices and new rows and never a whole embedding matrix. New rows alone
    are PEFT's `TrainableTokensConfig`; with a LoRA they are its `trainable_token_indices`, named
    for input and output apart where embeddings are not tied.

    Args:
        model: the base or the merged model, whose shapes and names alone are looked at, with as
            many rows as the adapter needs (see `adapter_rows`).
        taught: LoRA and rows.
        tokenizer: goes into the folder, so that the adapter alone is enough to use the terms.
        folder: an empty folder.
        base: for `base_model_name_or_path`: the base as it was given.
        revision: the base's commit, where it comes from a hub.
        dtype: what the numbers are stored in.

    Returns:
        the digest of each tensor that the file must hold (see `plain.digest`).

    Raises:
        ExportError: there can be no adapter (see `adapter_refusal`), or its tensors do not fit.
    """
    if (reason := adapter_refusal(taught)) is not None:
        raise ExportError(reason)
    with silent():
        lora_pairs(model, taught)
        config = _config(model, taught)
        config.base_model_name_or_path = base
        config.revision = revision
        tensors = _tensors(model, taught, config)
        config.inference_mode = True
        config.save_pretrained(str(folder))
        stored = {name: value.to(dtype) for name, value in tensors.items()}
        save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    _require_small(folder / WEIGHTS, taught)
    return {name: digest(value) for name, value in stored.items()}


def write_adapter(
    load_base: Callable[[], PreTrainedModel],
    taught: Taught,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    expected: Sample,
    *,
    base: BaseReference,
) -> None:
    """`save_adapter` and its card, then puts it on an untouched base in this process and compares.

    Args:
        load_base: loads the untouched base in float32; called once, and the model is used up.
        taught: LoRA and rows.
        tokenizer: the tokenizer that belongs to the merged model.
        folder: an empty folder.
        expected: what `observe` saw of the merged model in float32.
        base: the base, for the adapter's config and its card.

    Raises:
        ExportError: there can be no adapter, its tensors do not fit the base, or base and adapter
            together are not equal to the merged model.
    """
    if (reason := adapter_refusal(taught)) is not None:
        raise ExportError(reason)
    model = load_base()
    had = len(cast(Any, model.get_input_embeddings()).weight)
    rows = adapter_rows(taught, had)
    with silent():
        grow(model, rows)
    save_adapter(model, taught, tokenizer, folder, base=base.place, revision=base.revision)
    write_card(folder, adapter_card(base, taught, rows_before=had, rows=rows, folder=folder))
    with silent():
        read = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        wrapped: Any = PeftModel.from_pretrained(model, str(folder)).eval()
        wanted = expected.of_rows(rows)
        require_equal(wanted, wrapped, read, what="The adapter", tolerance=TOLERANCE)


def _config(base: PreTrainedModel, taught: Taught) -> PeftConfig:
    places = [module_name(base, base.get_input_embeddings()).rpartition(".")[2]]
    if not is_tied(base) and taught.new_ids:
        places.append(module_name(base, base.get_output_embeddings()).rpartition(".")[2])
    ids = list(taught.new_ids)
    if not taught.lora:
        return TrainableTokensConfig(token_indices=ids, target_modules=places, task_type=_TASK)
    # A plain list trains the input rows alone where embeddings are not tied.
    rows = ids if len(places) == 1 else dict.fromkeys(places, ids)
    alpha: Any = int(taught.alpha) if float(taught.alpha).is_integer() else taught.alpha
    return LoraConfig(
        r=taught.rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules=list(taught.target_modules) or _last_names(taught),
        layers_to_transform=_layers(base, taught),
        trainable_token_indices=rows if ids else None,
        task_type=_TASK,
    )


def _last_names(taught: Taught) -> list[str]:
    return sorted({name.rsplit(".", 3)[1] for name in taught.lora})


def _layers(base: PreTrainedModel, taught: Taught) -> list[int] | None:
    """The layers that have a LoRA; None where all have, or where their names do not number them."""
    found = {layer_number(name) for name in taught.lora}
    numbers = sorted(number for number in found if number is not None)
    every = len(numbers) == base.config.get_text_config().num_hidden_layers
    return None if every or None in found else numbers


def _tensors(base: PreTrainedModel, taught: Taught, config: PeftConfig) -> dict[str, Tensor]:
    """What goes into the file, by the names that this version of PEFT itself would write.

    PEFT is asked with a model of the same shapes and without memory (torch's meta device).
    """
    with torch.device("meta"):
        hollow = AutoModelForCausalLM.from_config(copy.deepcopy(base.config))
    wrapped = get_peft_model(hollow, copy.deepcopy(config), low_cpu_mem_usage=True)
    wanted = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    head = "" if base.get_output_embeddings() is None else _path_of_head(base)
    tensors: dict[str, Tensor] = {}
    for name, like in wanted.items():
        value = _value(name, taught, head)
        if value is None or value.shape != like.shape:
            found = "nothing" if value is None else f"shape {tuple(value.shape)}"
            raise ExportError(
                f"PEFT expects {name} with shape {tuple(like.shape)}; teaching gave {found}. "
                "Export the merged model instead (--to merged)."
            )
        tensors[name] = value.detach().float().contiguous().clone()
    if left := sorted(set(taught.lora) - set(tensors)):
        raise ExportError(
            f"PEFT has no place for {len(left)} LoRA matrices ({', '.join(left[:2])}). "
            "Export the merged model instead (--to merged)."
        )
    return tensors


def _path_of_head(base: PreTrainedModel) -> str:
    return f".{module_name(base, base.get_output_embeddings())}."


def _value(name: str, taught: Taught, head: str) -> Tensor | None:
    if not name.endswith("trainable_tokens_delta"):
        return taught.lora.get(name)
    # PEFT writes the one tied tensor under both names.
    separate = taught.output_rows is not None and bool(head) and head in name
    return taught.output_rows if separate else taught.input_rows


def _require_small(path: Path, taught: Taught) -> None:
    """Looks into the written file: nothing in it but LoRA matrices and as many rows as are new."""
    with safe_open(path, framework="pt") as file:
        shapes = {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118
    whole: dict[str, Any] = {
        name: shape
        for name, shape in shapes.items()
        if name not in taught.lora
        and not (name.endswith("trainable_tokens_delta") and shape[0] == len(taught.new_ids))
    }
    if whole:
        raise ExportError(
            f"The adapter would hold whole matrices: {whole}. Nothing was kept of it."
        )
