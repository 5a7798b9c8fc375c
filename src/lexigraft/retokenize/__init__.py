"""A corpus to token ids, with the terms of a lexicon as tokens: streaming, resumable, counted.

Its names are imported when they are first asked for: the worker processes, which live in this room
too, do without transformers and torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexigraft.retokenize.files import Corpus, find_files
    from lexigraft.retokenize.mining import Mined, mine
    from lexigraft.retokenize.run import plan, retokenize
    from lexigraft.retokenize.values import Options, Passage, RetokenizePlan, Summary

__all__ = [
    "Corpus",
    "Mined",
    "Options",
    "Passage",
    "RetokenizePlan",
    "Summary",
    "find_files",
    "mine",
    "plan",
    "retokenize",
]

_ROOMS = {
    **dict.fromkeys(("Corpus", "find_files"), "files"),
    **dict.fromkeys(("Mined", "mine"), "mining"),
    **dict.fromkeys(("plan", "retokenize"), "run"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'values')}"), name)
