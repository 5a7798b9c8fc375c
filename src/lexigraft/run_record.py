"""What a run is, as `run.json` says: model, lexicon, recipe, seed, and how far it came."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexigraft.errors import RunError

__all__ = [
    "RECORD",
    "Identity",
    "Link",
    "RunRecord",
    "StageRecord",
    "changed_names",
    "differences",
    "installed_versions",
    "read_record",
]

SCHEMA_VERSION = 1
RECORD = "run.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageRecord(_Frozen):
    """A finished stage."""

    seconds: float
    finished: str = Field(description="ISO 8601, UTC")


class Link(_Frozen):
    """An earlier run in the chain that a run goes on with."""

    run: str = Field(description="its folder, as it was given")
    lexicon: str = Field(description="the name of its lexicon")
    lexicon_digest: str
    terms: int = Field(description="how many it taught")
    model: str = Field(description="what it was taught on")
    fingerprint: str | None = Field(None, description="of that model")


class Identity(_Frozen):
    """What makes a run that run: a resumed one must have the same."""

    model: str = Field(description="the model as it was given")
    revision: str | None = None
    fingerprint: str | None = Field(None, description="of the untaught host")
    lexicon: str = Field(description="the lexicon's name")
    lexicon_digest: str
    terms: dict[str, str] = Field(default_factory=dict, description="a digest for every term")
    recipe: dict[str, Any] = Field(default_factory=dict, description="every setting, resolved")
    recipe_digest: str
    seed: int
    corpus: dict[str, tuple[int, int]] = Field(
        default_factory=dict, description="the corpus' files: name -> bytes, time of change in ns"
    )
    continues: tuple[Link, ...] = Field(
        (), description="the run whose model this one teaches, then what that one continued"
    )
    replaced: tuple[str, ...] = Field((), description="terms of earlier runs, defined anew here")


class RunRecord(Identity):
    """The content of `run.json`."""

    schema_version: int = SCHEMA_VERSION
    started: str = Field(description="ISO 8601, UTC")
    versions: dict[str, str] = Field(default_factory=dict)
    stages: dict[str, StageRecord] = Field(default_factory=dict)


def read_record(root: Path, *, must_exist: bool) -> RunRecord | None:
    """The record of the run in `root`; None, or with `must_exist` a RunError, when there is none.

    Raises RunError for a record that is damaged, foreign or of a newer lexigraft.
    """
    path = root / RECORD
    if not path.is_file():
        if not must_exist:
            return None
        what = "holds no run (no run.json)" if root.is_dir() else "does not exist"
        raise RunError(f"{root} {what}. Give the folder that `lexigraft teach` wrote.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        layout = value.get("schema_version", 0)
        if isinstance(layout, int) and layout > SCHEMA_VERSION:
            raise RunError(
                f"{root} was written by a newer lexigraft (layout {layout}, this one reads "
                f"{SCHEMA_VERSION}). Update lexigraft, or name another folder."
            )
        return RunRecord.model_validate(value)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise RunError(
            f"{path} is not the record of a lexigraft run, or is damaged. Name another folder."
        ) from error


def differences(record: RunRecord, given: Identity) -> list[str]:
    """One line for each thing in which `given` is not the run of `record`."""
    lines = [
        f"{name}: {getattr(record, name)!r} then, {getattr(given, name)!r} now"
        for name in ("model", "revision", "seed")
        if getattr(record, name) != getattr(given, name)
    ]
    prints = record.fingerprint, given.fingerprint
    if record.model == given.model and None not in prints and prints[0] != prints[1]:
        lines.append(f"model: {given.model!r} has other weights or another tokenizer now")
    if record.lexicon_digest != given.lexicon_digest:
        lines.append(
            "lexicon: " + ("; ".join(changed_names(record.terms, given.terms)) or "changed")
        )
    if record.recipe_digest != given.recipe_digest:
        then, now = _flat(record.recipe), _flat(given.recipe)
        changes = [
            f"{name} {then.get(name)!r} then, {now.get(name)!r} now"
            for name in sorted({*then, *now})
            if then.get(name) != now.get(name)
        ]
        lines.append("recipe: " + ("; ".join(changes[:5]) or "changed"))
    if record.corpus != given.corpus:
        lines.append("corpus: " + "; ".join(changed_names(record.corpus, given.corpus)))
    if record.replaced != given.replaced:
        old, new = (", ".join(names) or "nothing" for names in (record.replaced, given.replaced))
        lines.append(f"replace: {old} then, {new} now")
    return lines


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names: `training.learning_rate`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def changed_names(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What was added, removed and changed between two tables: a line a kind, with five names."""
    groups = {
        "added": [name for name in now if name not in then],
        "removed": [name for name in then if name not in now],
        "changed": [name for name in now if name in then and then[name] != now[name]],
    }
    return [
        f"{kind} {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        for kind, names in groups.items()
        if names
    ]


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what a run computes."""
    versions = {"python": platform.python_version()}
    for name in ("lexigraft", "torch", "transformers", "peft", "tokenizers", "safetensors"):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
