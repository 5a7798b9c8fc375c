"""One GGUF file: its metadata and tensors, written one tensor at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
from transformers import PreTrainedModel

from lexigraft.errors import ExportError
from lexigraft.export.gguf.families import FAMILIES
from lexigraft.export.gguf.hyperparameters import Value, hyperparameters
from lexigraft.export.gguf.quantising import FILE_TYPES, GGUFType, packed, stored_as
from lexigraft.export.gguf.tensors import named_tensors
from lexigraft.export.gguf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["gguf_bytes", "write_file"]

_FLOAT32 = np.dtype(np.float32)


def write_file(
    path: Path,
    kind: GGUFType,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    vocabulary: Vocabulary,
    *,
    tied: bool,
) -> None:
    """Writes `model` as a GGUF of the type `kind` to the new file `path`.

    The metadata names neither the machine nor a path.

    Raises:
        ExportError: a weight that has no place in the file or does not fit its type, or a
            tokenizer without an end token.
    """
    architecture = FAMILIES[str(model.config.model_type)].architecture
    writer = gguf.GGUFWriter(None, architecture)
    try:
        config = model.config.get_text_config()
        values = hyperparameters(config, str(model.config.model_type), len(vocabulary.tokens))
        _add(writer, {**values, **_roles(model, tokenizer), **_reading(tokenizer, vocabulary)})
        writer.add_file_type(FILE_TYPES[kind])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_tokens(writer, vocabulary)
        _write_tensors(writer, path, kind, model, tied)
    finally:
        writer.close()


def gguf_bytes(model: PreTrainedModel, kind: GGUFType, *, tied: bool) -> int:
    """About how many bytes `write_file` writes: the tensors, and room for a vocabulary."""
    return 64_000_000 + sum(
        weight.numel() * size // block
        for name, weight in named_tensors(model, tied=tied)
        for block, size in (gguf.GGML_QUANT_SIZES[stored_as(name, weight, kind)],)
    )


def _add(writer: gguf.GGUFWriter, values: dict[str, Value]) -> None:
    for key, value in values.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_string(key, value)


def _roles(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Value]:
    """The ids of the special tokens. Without an end token llama.cpp would assume one of its own."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    listed = [ends] if isinstance(ends, int) else list(ends or ())
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else next(iter(listed), None)
    if end is None:
        raise ExportError(
            "The tokenizer names no end token, and llama.cpp would take some other token for it. "
            "Export the merged model instead (--to merged)."
        )
    turn = next((number for number in listed if number != end), None)
    roles = {
        "bos": tokenizer.bos_token_id,
        "eos": end,
        "eot": turn,
        "unknown": tokenizer.unk_token_id,
        "padding": tokenizer.pad_token_id,
    }
    return {f"tokenizer.ggml.{k}_token_id": int(v) for k, v in roles.items() if v is not None}


def _reading(tokenizer: PreTrainedTokenizerBase, vocabulary: Vocabulary) -> dict[str, Value]:
    """How a prompt is read: what is put around it, and the chat template."""
    plain = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer("a").input_ids
    values: dict[str, Value] = {
        "tokenizer.ggml.model": vocabulary.model,
        "tokenizer.ggml.pre": vocabulary.pre,
        "tokenizer.ggml.add_space_prefix": vocabulary.space_prefix,
        "tokenizer.ggml.add_bos_token": whole[: len(plain)] != plain,
        "tokenizer.ggml.add_eos_token": whole[len(whole) - len(plain) :] != plain,
    }
    template: Any = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return {**values, "tokenizer.chat_template": template} if template else values


def _add_tokens(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.scores is not None:
        writer.add_token_scores(list(vocabulary.scores))
    if vocabulary.merges is not None:
        writer.add_token_merges(list(vocabulary.merges))


def _write_tensors(
    writer: gguf.GGUFWriter, path: Path, kind: GGUFType, model: PreTrainedModel, tied: bool
) -> None:
    """Twice through the model, so that no more than one tensor is held beside it."""
    for name, weight in named_tensors(model, tied=tied):
        stored = stored_as(name, weight, kind)
        block, size = gguf.GGML_QUANT_SIZES[stored]
        shape = tuple(weight.shape)
        count = weight.numel() * size // block
        # A dtype that is not uint8: the shape is that of the weights, not of the bytes.
        writer.add_tensor_info(name, shape, _FLOAT32, count, raw_dtype=stored)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, weight in named_tensors(model, tied=tied):
        writer.write_tensor_data(packed(name, weight, stored_as(name, weight, kind)))
