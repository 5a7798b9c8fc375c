"""Reads a run's folder for the report: every file optional, none trusted, no model touched."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lexigraft.checks.results import Verdict
from lexigraft.disk import explained_writes
from lexigraft.errors import RunError
from lexigraft.report.strings import ReportLanguage

__all__ = [
    "RunFiles",
    "Step",
    "mapping",
    "number",
    "read_run",
    "sequence",
    "text",
    "texts",
    "write_text_file",
]

_NAMES = {
    "diagnosis": "diagnosis.json",
    "spelling": "spelling/spelling.json",
    "run": "run.json",
    "recipe": "recipe.yaml",
    "lexicon": "lexicon.yaml",
}
_LOG = "training/log.jsonl"


@dataclass(frozen=True)
class Step:
    """One line of the training log. Losses and drift in nats per token."""

    step: int
    loss: float | None
    validation: float | None
    drift: float | None
    seconds: float | None


@dataclass(frozen=True)
class RunFiles:
    """What a run's folder holds, as far as it could be read."""

    folder: Path
    verdict: Verdict | None
    diagnosis: Mapping[str, Any]
    spelling: Mapping[str, Any]
    run: Mapping[str, Any]
    recipe: Mapping[str, Any]
    lexicon: Mapping[str, Any]
    steps: tuple[Step, ...]
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def language(self) -> ReportLanguage:
        """The lexicon's language; the verdict's where the lexicon is missing; else English."""
        given = self.lexicon.get("language")
        if given not in ("en", "ru") and self.verdict is not None:
            given = self.verdict.language
        return "ru" if given == "ru" else "en"

    @property
    def has_model(self) -> bool:
        """Whether the merged checkpoint stands in the folder."""
        return (self.folder / "model").is_dir()

    @property
    def has_adapter(self) -> bool:
        """Whether the PEFT adapter stands in the folder."""
        return (self.folder / "adapter").is_dir()


def read_run(run: str | Path) -> RunFiles:
    """Everything in the folder `run` that the report can show.

    Raises RunError where the folder is missing or is no run, and where its verdict is damaged:
    a report without the verdict that stands there would mislead.
    """
    folder = Path(run)
    known = [*_NAMES.values(), "verdict.json"]
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder. Give the folder that `lexigraft teach` wrote.")
    if not any((folder / name).is_file() for name in known):
        raise RunError(
            f"{folder} holds no run: neither run.json nor verdict.json is there. "
            "Give the folder that `lexigraft teach` wrote."
        )
    missing: list[str] = []
    unreadable: list[str] = []
    parts: dict[str, Mapping[str, Any]] = {}
    for key, name in _NAMES.items():
        parts[key] = _read_mapping(folder, name, missing, unreadable)
    return RunFiles(
        folder=folder,
        verdict=_read_verdict(folder, missing),
        diagnosis=parts["diagnosis"],
        spelling=parts["spelling"],
        run=parts["run"],
        recipe=parts["recipe"],
        lexicon=parts["lexicon"],
        steps=_read_log(folder, missing, unreadable),
        missing=tuple(missing),
        unreadable=tuple(unreadable),
    )


def _read_verdict(folder: Path, missing: list[str]) -> Verdict | None:
    path = folder / "verdict.json"
    if not path.is_file():
        missing.append(path.name)
        return None
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise RunError(
            f"{path} is damaged or of another version: {place}: {first['msg']}. "
            f"Run `lexigraft verify {folder}` to write it anew."
        ) from error


def _read_mapping(
    folder: Path, name: str, missing: list[str], unreadable: list[str]
) -> Mapping[str, Any]:
    path = folder / name
    if not path.is_file():
        missing.append(name)
        return {}
    load: Callable[[str], Any] = yaml.safe_load if path.suffix == ".yaml" else json.loads
    try:
        value = load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        unreadable.append(name)
        return {}
    if not isinstance(value, dict):
        unreadable.append(name)
        return {}
    return value


def _read_log(folder: Path, missing: list[str], unreadable: list[str]) -> tuple[Step, ...]:
    path = folder / _LOG
    if not path.is_file():
        missing.append(_LOG)
        return ()
    steps: list[Step] = []
    bad = False
    # A killed run may leave half a line at the end; the other lines are still good.
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            bad = True
            continue
        at = number(mapping(value), "step")
        if at is None:
            bad = True
            continue
        row = mapping(value)
        steps.append(
            Step(
                step=int(at),
                loss=number(row, "loss"),
                validation=number(row, "validation"),
                drift=number(row, "drift"),
                seconds=number(row, "seconds"),
            )
        )
    if bad and not steps:
        unreadable.append(_LOG)
    return tuple(_last_of_each(steps))


def _last_of_each(steps: Sequence[Step]) -> Iterator[Step]:
    """One a step. A resumed run writes some again, the end adds to the last: the later counts."""
    found: dict[int, dict[str, Any]] = {}
    for step in steps:
        new = {name: value for name, value in vars(step).items() if value is not None}
        found[step.step] = found.get(step.step, {}) | new
    blank = dict.fromkeys(("loss", "validation", "drift", "seconds"))
    return iter(Step(**{**blank, **found[number]}) for number in sorted(found))


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> tuple[Any, ...]:
    """`value` as a tuple if it is a list or a tuple, else empty."""
    return tuple(value) if isinstance(value, (list, tuple)) else ()


def text(values: Mapping[str, Any], *keys: str) -> str | None:
    """The first of `keys` that holds a string or a number, as text; None if there is none."""
    for key in keys:
        value = values.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
    return None


def texts(value: object) -> tuple[str, ...]:
    """`value` as strings: one string is a tuple of one; what is no string is left out."""
    if isinstance(value, str):
        return (value,)
    return tuple(entry for entry in sequence(value) if isinstance(entry, str))


def number(values: Mapping[str, Any], *keys: str) -> float | None:
    """The first of `keys` that holds a finite number, else None."""
    for key in keys:
        value = values.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def write_text_file(path: Path, content: str) -> Path:
    """Writes `content` as UTF-8 beside `path` and renames it into place.

    Raises RunError where the disk is full or the folder cannot be written.
    """
    # The name is the workspace's for unfinished files: what a kill leaves, it clears away.
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    data = content.encode("utf-8")
    with explained_writes(path.parent, path.name, len(data)):
        try:
            with partial.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path
