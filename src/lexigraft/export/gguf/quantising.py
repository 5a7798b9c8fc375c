"""Stored types: which tensor gets which, and the bytes of it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gguf
import numpy as np
import torch
from torch import Tensor

from lexigraft.errors import ExportError

__all__ = ["FILE_TYPES", "TOLERANCES", "TYPES", "GGUFType", "packed", "stored_as"]

GGUFType = Literal["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]
TYPES: tuple[GGUFType, ...] = get_args(GGUFType)

FILE_TYPES: dict[GGUFType, int] = {
    "F16": int(gguf.LlamaFileType.MOSTLY_F16),
    "BF16": int(gguf.LlamaFileType.MOSTLY_BF16),
    "Q8_0": int(gguf.LlamaFileType.MOSTLY_Q8_0),
    "Q4_0": int(gguf.LlamaFileType.MOSTLY_Q4_0),
    "Q4_1": int(gguf.LlamaFileType.MOSTLY_Q4_1),
}

TOLERANCES: dict[GGUFType, float] = {
    "F16": 0.02,
    "BF16": 0.1,
    "Q8_0": 0.3,
    "Q4_0": 0.3,
    "Q4_1": 0.3,
}
"""By how much llama.cpp's log-probabilities may differ from those that transformers computes in
float32 with the weights of the file: the root mean square of the differences as a share of the
spread. llama.cpp rounds what goes into each product too, to the precision of its weights."""

# Blocks of weights that share a scale lie along a row.
_BLOCK = 32
_LARGEST_F16 = 65504.0


def stored_as(name: str, weight: Tensor, wanted: GGUFType) -> gguf.GGMLQuantizationType:
    """The type of the tensor `name` in a file of the type `wanted`.

    Vectors (norms, biases) stay F32. In the four-bit types embeddings are Q8_0: the rows of new
    words are few, and nothing else in the file has learned what they say. A row whose width is not
    a multiple of 32 cannot be cut into blocks and stays F16.
    """
    if weight.dim() < 2:
        return gguf.GGMLQuantizationType.F32
    if not wanted.startswith("Q"):
        return gguf.GGMLQuantizationType[wanted]
    if weight.shape[-1] % _BLOCK:
        return gguf.GGMLQuantizationType.F16
    rows = name in ("token_embd.weight", "output.weight")
    return gguf.GGMLQuantizationType["Q8_0" if rows else wanted]


def packed(name: str, weight: Tensor, kind: gguf.GGMLQuantizationType) -> np.ndarray[Any, Any]:
    """The bytes of `weight` as `kind`.

    Raises:
        ExportError: a value is not finite, or too large for F16.
    """
    if not bool(torch.isfinite(weight).all()):
        raise ExportError(f"{name} holds values that are not finite: the training went wrong.")
    if kind == gguf.GGMLQuantizationType.F16 and float(weight.abs().max()) > _LARGEST_F16:
        raise ExportError(
            f"{name} holds {float(weight.abs().max()):.3g}, and F16 ends at {_LARGEST_F16:.0f}. "
            "Use --type BF16 or --type Q8_0."
        )
    values = np.ascontiguousarray(weight.cpu().numpy(), dtype=np.float32)
    made: np.ndarray[Any, Any] = gguf.quants.quantize(values, kind)
    return made
