"""Between the bytes of a pack and tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lexigraft.pack.format import Stored, deflated, planes
from lexigraft.pack.reading import ITEM_BYTES
from lexigraft.pack.values import Pack
from lexigraft.training.values import Taught

__all__ = ["matrix", "rows_of", "stored_matrix", "stored_rows", "taught_alone"]


def stored_rows(rows: Tensor, dtype: torch.dtype) -> Stored:
    """Rows in the type that the base stores: its merged model holds them in no other."""
    data = rows.detach().cpu().to(dtype).contiguous()
    return deflated(planes(_bytes(data), dtype.itemsize))


def stored_matrix(weight: Tensor) -> Stored:
    """A LoRA matrix in float32: rounded to 16 bits, it would give other merged weights."""
    data = weight.detach().cpu().float().contiguous()
    return Stored("F32", tuple(data.shape), _bytes(data))


def _bytes(data: Tensor) -> bytes:
    return bytes(data.view(torch.uint8).numpy().tobytes())


def rows_of(pack: Pack) -> tuple[Tensor | None, Tensor | None]:
    """Input and output rows in float32, in the order of the new tokens; None where it has none."""
    shape = pack.manifest.rows
    if shape is None:
        return None, None
    dtype = getattr(torch, shape.dtype)
    size = shape.count, shape.width
    found = [
        _read(data, dtype, size) if data else None for data in (pack.input_rows, pack.output_rows)
    ]
    return found[0], found[1]


def matrix(stored: Stored) -> Tensor:
    """A LoRA matrix as it is stored."""
    return _read(stored.data, torch.float32, stored.shape)


def _read(data: bytes | memoryview, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if len(data) != math.prod(shape) * ITEM_BYTES[str(dtype).removeprefix("torch.")]:
        raise ValueError("a pack that was not read by read_pack")
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape).float()


def taught_alone(pack: Pack) -> Taught:
    """What the run had taught, its ids those of the pack's own spelling."""
    lora = pack.manifest.lora
    inputs, outputs = rows_of(pack)
    return Taught(
        lora={name: matrix(stored) for name, stored in pack.lora.items()},
        rank=0 if lora is None else lora.rank,
        alpha=0.0 if lora is None else lora.alpha,
        target_modules=() if lora is None else lora.target_modules,
        new_ids=pack.spelling.new_ids,
        input_rows=inputs,
        output_rows=outputs,
    )
