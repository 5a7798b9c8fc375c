"""The checkpoint in a run's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lexigraft.errors import RunError
from lexigraft.training import FolderKeeper
from lexigraft.workspace import Workspace


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path, kept: int) -> None:
    keeper = FolderKeeper(Workspace(tmp_path))
    keeper.save({"step": 3}, {"master.x": torch.ones(4)})
    found = keeper.load()
    assert found is not None
    assert found[0] == {"step": 3}
    path = tmp_path / "training" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match=r"is damaged(?s:.*)Remove it"):
        keeper.load()
