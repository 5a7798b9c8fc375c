"""Checkpoints and the log of a training in a run's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from lexigraft.workspace import Workspace

__all__ = ["FolderKeeper"]


@dataclass
class FolderKeeper:
    """A `Keeper` in the run's folder."""

    space: Workspace

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The last checkpoint; None when there is none."""
        path = self.space.training / "checkpoint.safetensors"
        if not path.is_file():
            return None
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["state"])
            return plain, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def save(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Keeps a checkpoint in place of the last one."""
        path = self.space.training / "checkpoint.safetensors"
        needs = sum(t.numel() * t.element_size() for t in tensors.values())
        with self.space.writing_file(path, needs=needs) as partial:
            save_file(tensors, partial, metadata={"state": json.dumps(plain)})

    def log(self, line: dict[str, Any]) -> None:
        """Adds a line to the log."""
        self.space.append_line(self.space.training / "log.jsonl", line)
