"""A corpus to token ids, with the terms of a lexicon as tokens: streaming, resumable, counted.

Its names are imported when they are first asked for: the worker processes, which live in this room
too, do without transformers and torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexigraft.retokenize.run import plan, retokenize
    from lexigraft.retokenize.values import Passage, RetokenizePlan, Summary

__all__ = ["Passage", "RetokenizePlan", "Summary", "plan", "retokenize"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "run" if name in ("plan", "retokenize") else "values"
    return getattr(import_module(f"{__name__}.{module}"), name)
