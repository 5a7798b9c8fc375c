"""The libraries of the extras `corpus` and `ray`, asked for only where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lexigraft.errors import CorpusError

__all__ = ["pyarrow", "pyarrow_parquet", "ray", "zstandard"]


def pyarrow() -> Any:
    """The module, or a CorpusError that says how to install it."""
    return _module("pyarrow", "Parquet files need it")


def pyarrow_parquet() -> Any:
    """The module `pyarrow.parquet`, or a CorpusError that says how to install it."""
    return _module("pyarrow.parquet", "Parquet files need it")


def zstandard() -> Any:
    """The module, or a CorpusError that says how to install it."""
    return _module("zstandard", ".zst files need it")


def ray() -> Any:
    """The module with its part `ray.data`, or a CorpusError that says how to install both."""
    _module("ray.data", "the engine `ray` needs it, with Ray Data", "ray")
    return _module("ray", "the engine `ray` needs it", "ray")


def _module(name: str, why: str, extra: str = "corpus") -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        command = f"pip install 'lexigraft[{extra}]'"
        raise CorpusError(
            f"{package} is not installed: {why}. Install it with `{command}`."
        ) from error
