"""The untaught base of a finished run, loaded again."""

from __future__ import annotations

import torch

from lexigraft.errors import RunError
from lexigraft.host import Host, load_host
from lexigraft.progress import Progress
from lexigraft.run_record import differences
from lexigraft.workspace import Workspace

__all__ = ["base_of_run"]


def base_of_run(
    space: Workspace, progress: Progress, *, dtype: torch.dtype = torch.float32
) -> Host:
    """The base that the run in `space` names. Raises RunError if it is another one now."""
    record = space.record
    host = load_host(record.model, revision=record.revision, dtype=dtype, progress=progress.say)
    now = record.model_copy(update={"fingerprint": host.facts.fingerprint})
    if changes := differences(record, now):
        raise RunError(
            f"{space.root} was taught on another base: {'; '.join(changes)}. "
            "Put the model back that it was taught on."
        )
    return host
