"""Checkpoints and the log of a training in a run's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lexigraft.corpus import Text
from lexigraft.errors import RunError
from lexigraft.processes import current
from lexigraft.workspace import Workspace

__all__ = ["FolderKeeper"]


@dataclass
class FolderKeeper:
    """A `Keeper` in the run's folder."""

    space: Workspace

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The last checkpoint; None when there is none."""
        path = self._checkpoint
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                plain = json.loads(file.metadata()["state"])
                return plain, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{path} is damaged: {error}. Remove it: --resume then trains anew."
            ) from error

    def save(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Keeps a checkpoint in place of the last one; the leading process does."""
        if not current().leads:
            return
        path = self._checkpoint
        needs = sum(t.numel() * t.element_size() for t in tensors.values())
        with self.space.writing_file(path, needs=needs) as partial:
            save_file(tensors, partial, metadata={"state": json.dumps(plain)})

    def forget(self) -> None:
        """Removes what only an unfinished training needs."""
        if current().leads:
            self._checkpoint.unlink(missing_ok=True)

    @property
    def _checkpoint(self) -> Path:
        return self.space.training / "checkpoint.safetensors"

    def load_rollouts(self, epoch: int) -> list[Text] | None:
        """What the student wrote before `epoch`; None where it has not yet."""
        path = self._rollouts(epoch)
        if not path.is_file():
            return None
        return [Text.model_validate(line) for line in self.space.read_lines(path)]

    def save_rollouts(self, epoch: int, texts: Sequence[Text]) -> None:
        """Keeps what the student wrote."""
        self.space.write_lines(self._rollouts(epoch), texts)

    def _rollouts(self, epoch: int) -> Path:
        return self.space.training / f"rollouts-{epoch}.jsonl"

    def log(self, line: dict[str, Any]) -> None:
        """Adds a line to the log."""
        self.space.append_line(self.space.training / "log.jsonl", line)
