"""The file of what was taught."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lexigraft.errors import RunError
from lexigraft.training import Taught, load_taught, save_taught


def taught(**changes: Any) -> Taught:
    generator = torch.Generator().manual_seed(0)
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    values = Taught(
        lora={
            f"{name}.lora_A.weight": torch.randn(2, 4, generator=generator),
            f"{name}.lora_B.weight": torch.randn(4, 2, generator=generator),
        },
        rank=2,
        alpha=3.5,
        target_modules=("q_proj",),
        new_ids=(7, 9),
        input_rows=torch.randn(2, 4, generator=generator),
        output_rows=torch.randn(2, 4, generator=generator),
        weights={"model.norm.weight": torch.randn(4, generator=generator)},
    )
    return dataclasses.replace(values, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"output_rows": None},
        {"input_rows": None, "output_rows": None, "new_ids": ()},
        {"lora": {}, "rank": 0, "alpha": 0.0, "target_modules": ()},
        {"weights": {}},
    ],
)
def test_what_is_saved_is_read_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "taught.safetensors"
    kept = taught(**changes)
    save_taught(kept, path)
    again = load_taught(path)
    for name in ("rank", "alpha", "target_modules", "new_ids"):
        assert getattr(again, name) == getattr(kept, name)
    for name in ("lora", "weights"):
        one, two = getattr(kept, name), getattr(again, name)
        assert one.keys() == two.keys()
        assert all(torch.equal(value, two[key]) for key, value in one.items())
    for name in ("input_rows", "output_rows"):
        one, two = getattr(kept, name), getattr(again, name)
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)


def test_views_and_gradients_can_be_saved(tmp_path: Path) -> None:
    wide = torch.randn(4, 2, requires_grad=True)
    save_taught(taught(input_rows=wide.t(), output_rows=None), tmp_path / "t.safetensors")
    assert torch.equal(load_taught(tmp_path / "t.safetensors").input_rows, wide.t())  # type: ignore[arg-type]


def test_a_damaged_or_missing_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "taught.safetensors"
    with pytest.raises(RunError, match="--resume"):
        load_taught(path)
    save_taught(taught(), path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RunError, match="damaged"):
        load_taught(path)
    save_file({"rows.input": torch.ones(2)}, path)
    with pytest.raises(RunError, match="damaged"):
        load_taught(path)
    save_file({"rows.input": torch.ones(2)}, path, metadata={"lexigraft": '{"rank": 1}'})
    with pytest.raises(RunError, match="damaged"):
        load_taught(path)
