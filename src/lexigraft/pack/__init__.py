"""The lexicon pack: what a run taught as one small file that others install.

`reading` and what it needs import no torch, so that `inspect` answers at once; the rest is
imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexigraft.pack.installing import Installed, install
    from lexigraft.pack.packing import pack
    from lexigraft.pack.reading import read_pack
    from lexigraft.pack.removing import Removed, uninstall
    from lexigraft.pack.values import Pack

__all__ = ["Installed", "Pack", "Removed", "install", "pack", "read_pack", "uninstall"]

_HOMES = {
    "Installed": "installing",
    "install": "installing",
    "pack": "packing",
    "read_pack": "reading",
    "Removed": "removing",
    "uninstall": "removing",
    "Pack": "values",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
