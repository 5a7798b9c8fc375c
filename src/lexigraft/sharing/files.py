"""Which files travel between a folder and a hub, and which never do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open

from lexigraft.errors import LexigraftError
from lexigraft.pack.format import SUFFIX
from lexigraft.pack.reading import read_pack

__all__ = [
    "Kind",
    "SharedFile",
    "escapes",
    "kind_of",
    "pickles",
    "require_sound",
    "travels",
]

Kind = Literal["pack", "checkpoint", "adapter", "served"]

_TRAVELS = (".safetensors", SUFFIX, ".json", ".jinja", ".md", ".txt", ".model")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
# Letters and signs that every file system takes, and no part that begins with a dot: hidden
# files are nobody's business.
_NAME = re.compile(r"[\w][\w.+@=-]{0,199}(/[\w][\w.+@=-]{0,199}){0,7}")


class SharedFile(BaseModel):
    """A file that is sent or fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="its path in the repository, with forward slashes")
    size: int = Field(ge=0, description="bytes")


def escapes(name: str) -> bool:
    """Whether a file of that name could lie outside of the folder that it is written to."""
    parts = name.split("/")
    return ".." in parts or "" in parts or not name.isprintable() or bool({*name} & {*"\\:"})


def travels(name: str) -> bool:
    """Whether a file of that name is sent or fetched: weights, settings, tokenizer, cards."""
    return _NAME.fullmatch(name) is not None and name.lower().endswith(_TRAVELS)


def pickles(names: Iterable[str]) -> list[str]:
    """Those that may run any code when they are opened."""
    return sorted(name for name in names if name.lower().endswith(_PICKLES))


def kind_of(names: Iterable[str]) -> Kind | None:
    """What a folder or repository with files of these names holds; None for nothing of ours."""
    found = set(names)
    weights = {name for name in found if name.endswith(".safetensors")}
    if {"base/config.json", "adapter/adapter_config.json"} <= found and weights:
        return "served"
    if {"adapter_config.json", "adapter_model.safetensors"} <= found:
        return "adapter"
    if "config.json" in found and any("/" not in name for name in weights):
        return "checkpoint"
    return "pack" if any(name.endswith(SUFFIX) for name in found) else None


def require_sound(path: Path) -> None:
    """Raises LexigraftError for a file that is not what its name says.

    A pack is read whole, as `install` would read it; of other weights the header alone.
    """
    try:
        if path.suffix == SUFFIX:
            read_pack(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                file.keys()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise LexigraftError(
            f"{path.name} is damaged or no {path.suffix} file at all: {error}"
        ) from error
