"""The model's weights as llama.cpp names and lays them out, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from lexigraft.errors import ExportError
from lexigraft.export.gguf.families import FAMILIES, Family
from lexigraft.export.gguf.hyperparameters import rope_factors

__all__ = ["in_halves", "in_pairs", "load_stored", "named_tensors", "require_stored"]

_ROPE = "rope_freqs.weight"
# How far a stored weight may be from the model's: the root mean square of the differences as a
# share of that of the weights. A block of 32 weights shares a scale of 4 or 8 bits.
_FAR = {"F32": 0.0, "F16": 1e-3, "BF16": 5e-3, "Q8_0": 0.02, "Q4_0": 0.25, "Q4_1": 0.25}


def named_tensors(model: PreTrainedModel, *, tied: bool) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the file with its name, in float32, one at a time.

    Tied output rows are left out: llama.cpp takes the input rows where there are none. Rows of Q
    and K are permuted and norms shifted where the family asks for it.

    Raises:
        ExportError: a weight that llama.cpp's architecture has no place for.
    """
    if (factors := rope_factors(model.config.get_text_config())) is not None:
        yield _ROPE, factors
    for own, name in _names(model, tied).items():
        weight = model.get_parameter(own).detach().float()
        yield name, _laid_out(weight, own, model)


def _names(model: PreTrainedModel, tied: bool) -> dict[str, str]:
    """The file's name of each of the model's weights."""
    architecture = _family(model).architecture
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    layers = model.config.get_text_config().num_hidden_layers
    names = gguf.get_tensor_name_map(kinds[architecture], layers)
    found = {}
    for own, _ in model.named_parameters():
        if tied and own == "lm_head.weight":
            continue
        name = names.get_name(own, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ExportError(
                f"llama.cpp's {architecture} has no place for {own}. "
                "Export the merged model instead (--to merged)."
            )
        found[own] = name
    return found


def _family(model: PreTrainedModel) -> Family:
    return FAMILIES[str(model.config.model_type)]


def _heads(own: str, model: PreTrainedModel) -> int | None:
    """How many heads the rows of this weight are permuted in; None for a weight that is not."""
    config: Any = model.config.get_text_config()
    layer = own.rpartition(".")[0]
    if not _family(model).permuted or not layer.endswith(("q_proj", "k_proj")):
        return None
    return int(config.num_attention_heads if layer.endswith("q_proj") else _key_heads(config))


def _key_heads(config: Any) -> int:
    return int(config.num_key_value_heads or config.num_attention_heads)


def _is_shifted(own: str, model: PreTrainedModel) -> bool:
    return _family(model).norm_plus_one and own.endswith("norm.weight")


def _laid_out(weight: Tensor, own: str, model: PreTrainedModel) -> Tensor:
    if _is_shifted(own, model):
        return weight + 1
    heads = _heads(own, model)
    return weight if heads is None else in_pairs(weight, heads)


def in_pairs(weight: Float[Tensor, "rows ..."], heads: int) -> Float[Tensor, "rows ..."]:
    """The rows of each head in pairs: 0, h/2, 1, h/2 + 1, … for a head of h rows.

    transformers rotates row i together with row i + h/2; llama.cpp's `llama` rotates neighbours.
    """
    paired: Tensor = weight.unflatten(0, (heads, 2, -1)).transpose(1, 2)
    return paired.flatten(0, 2)


def in_halves(weight: Float[Tensor, "rows ..."], heads: int) -> Float[Tensor, "rows ..."]:
    """What `in_pairs` was given."""
    halved: Tensor = weight.unflatten(0, (heads, -1, 2)).transpose(1, 2)
    return halved.flatten(0, 2)


def _stored(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def _values(tensor: gguf.ReaderTensor) -> Tensor:
    return torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())


def require_stored(path: Path, model: PreTrainedModel, *, tied: bool) -> None:
    """Reads the file back; ExportError where a weight is missing or is not the model's."""
    stored = _stored(path)
    wanted = []
    for name, weight in named_tensors(model, tied=tied):
        wanted.append(name)
        found = stored.get(name)
        if found is None or tuple(map(int, reversed(found.shape))) != tuple(weight.shape):
            raise ExportError(f"{path.name} does not read back: {name} is missing or cut short.")
        gap = (_values(found) - weight).pow(2).mean().sqrt()
        if not float(gap) <= _FAR[found.tensor_type.name] * float(weight.pow(2).mean().sqrt()):
            raise ExportError(f"{path.name} does not read back: {name} holds other weights.")
    if more := sorted(set(stored) - set(wanted)):
        raise ExportError(f"{path.name} does not read back: it holds {more[0]} besides.")


@torch.no_grad()
def load_stored(path: Path, model: PreTrainedModel, *, tied: bool) -> None:
    """Gives `model`, in place, the weights of the file as they were rounded there."""
    stored = _stored(path)
    for own, name in _names(model, tied).items():
        values = _values(stored[name])
        if _is_shifted(own, model):
            values = values - 1
        heads = _heads(own, model)
        model.get_parameter(own).copy_(values if heads is None else in_halves(values, heads))
