"""Whether torchrun or accelerate started several processes for one piece of work."""

from __future__ import annotations

import os

from lexigraft.errors import RunError

__all__ = ["launched_processes", "require_one_process"]


def launched_processes() -> int:
    """How many processes a launcher started; 1 without one."""
    size = os.environ.get("WORLD_SIZE", "1")
    return int(size) if size.isdigit() else 1


def require_one_process() -> None:
    """Raises RunError under a launcher: each process would do the whole work in one folder."""
    if (count := launched_processes()) > 1:
        raise RunError(
            f"lexigraft teaches in one process, and a launcher started {count}. Start it without "
            "torchrun or accelerate launch; one process uses all cores."
        )
