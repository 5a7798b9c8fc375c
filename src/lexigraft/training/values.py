"""What teaching produced: the tensors that moved, and nothing else. One safetensors file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lexigraft.errors import RunError

__all__ = ["PEFT_PREFIX", "Taught", "load_taught", "save_taught"]

PEFT_PREFIX = "base_model.model."
"""What PEFT puts before the name of a module."""


@dataclass(frozen=True)
class Taught:
    """Every tensor that teaching moved, on the CPU in float32.

    Input rows and output rows are separate; `output_rows` is None where embeddings are tied, and
    there the input rows are the output rows.
    """

    lora: dict[str, Tensor] = field(default_factory=dict)
    """By PEFT's names: `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`."""
    rank: int = 0
    alpha: float = 0.0
    target_modules: tuple[str, ...] = ()
    new_ids: tuple[int, ...] = ()
    """Row number of each taught row, ascending."""
    old_ids: tuple[int, ...] = ()
    """Those of `new_ids` that the base had already: rows of terms whose definition is replaced."""
    input_rows: Float[Tensor, "new dim"] | None = None
    output_rows: Float[Tensor, "new dim"] | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    """Whole weights by the model's own names; only `tune: full` moves them."""


def save_taught(taught: Taught, path: Path) -> None:
    """Writes `taught` to the safetensors file `path`."""
    tensors = {f"lora.{name}": value for name, value in taught.lora.items()}
    tensors |= {f"weights.{name}": value for name, value in taught.weights.items()}
    if taught.input_rows is not None:
        tensors["rows.input"] = taught.input_rows
    if taught.output_rows is not None:
        tensors["rows.output"] = taught.output_rows
    plain = {
        "rank": taught.rank,
        "alpha": taught.alpha,
        "target_modules": taught.target_modules,
        "new_ids": taught.new_ids,
        "old_ids": taught.old_ids,
    }
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    save_file(contiguous, path, metadata={"lexigraft": json.dumps(plain)})


def load_taught(path: Path) -> Taught:
    """Reads what `save_taught` wrote. Raises RunError for a missing or damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["lexigraft"])
            tensors: dict[str, Tensor] = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
        return _assembled(plain, tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is missing or damaged ({error}). Run `teach` again with --resume."
        ) from error


def _assembled(plain: dict[str, Any], tensors: dict[str, Tensor]) -> Taught:
    def part(prefix: str) -> dict[str, Tensor]:
        return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

    return Taught(
        lora=part("lora."),
        rank=plain["rank"],
        alpha=plain["alpha"],
        target_modules=tuple(plain["target_modules"]),
        new_ids=tuple(plain["new_ids"]),
        old_ids=tuple(plain.get("old_ids", ())),
        input_rows=tensors.get("rows.input"),
        output_rows=tensors.get("rows.output"),
        weights=part("weights."),
    )
