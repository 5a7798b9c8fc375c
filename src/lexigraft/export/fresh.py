"""The check of an export in a process of its own, in which lexigraft cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save_file

from lexigraft.disk import temporary_folder
from lexigraft.errors import ExportError
from lexigraft.export import plain
from lexigraft.export.sample import MOST_NEW, Sample
from lexigraft.progress import Progress

__all__ = ["Written", "require_equal_elsewhere"]


@dataclass(frozen=True)
class Written:
    """What was written and how plain libraries load it."""

    model: str
    """The folder or hub id for `AutoModelForCausalLM.from_pretrained`."""
    tokenizer: Path
    options: Mapping[str, str] = field(default_factory=dict)
    """Also for `from_pretrained`: `revision`, `gguf_file`."""
    rows: int | None = None
    """How many rows the base is given before the adapter is put on it."""
    adapter: Path | None = None
    checkpoint: Mapping[str, Any] | None = None
    """Of a checkpoint that was written: see `merged.checkpoint_facts`."""
    tensors: Mapping[Path, Mapping[str, str]] = field(default_factory=dict)
    """Files whose tensors must have these digests."""
    types: Mapping[Path, str] = field(default_factory=dict)
    """Files whose numbers must be stored in this type."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the tokenizer: `chat_template`, `model_max_length`."""
    visible: tuple[int, ...] = ()
    """Ids that must not vanish when special tokens are left out of a text."""


def require_equal_elsewhere(
    expected: Sample, written: Written, *, what: str, tolerance: float, progress: Progress
) -> None:
    """Raises ExportError unless a new process makes of `written` what `expected` says.

    The process has transformers and PEFT and no lexigraft (see `plain`). Compared are the ids of
    all texts, the logits of some (no one may differ by more than `tolerance` times their size),
    greedy continuations, and what `written` says of files and settings. It costs a start of torch
    and transformers and one load of the model.
    """
    steps = len(expected.logits) + len(expected.continued)
    wrong: list[str] = []
    done = False
    with (
        temporary_folder() as folder,
        progress.stage("Loading it in a process without lexigraft, and comparing", steps) as on,
    ):
        for event in _events(_job(expected, written, tolerance, folder)):
            if "wrong" in event:
                wrong.append(str(event["wrong"]))
            done = done or "done" in event
            on(int("step" in event))
    if wrong or not done:
        reasons = "; ".join(wrong[:3]) or "the process that loads it did not finish"
        raise ExportError(f"{what} does not reload equal: {reasons}. Nothing was kept of it.")
    progress.say(
        f"Loaded without lexigraft it does what the run does: {len(expected.texts):,} texts cut "
        f"alike, the logits of {len(expected.logits)} within {tolerance:g} of their size, "
        f"{len(expected.continued)} continued alike."
    )


def _job(expected: Sample, written: Written, tolerance: float, folder: Path) -> Path:
    """Writes what `plain.check` reads, and returns its path."""
    places = {text: place for place, text in enumerate(expected.texts)}
    logits = {str(places[text]): value.contiguous() for text, value in expected.logits.items()}
    save_file(logits, folder / "logits.safetensors")
    job = {
        "threads": torch.get_num_threads(),
        "model": written.model,
        "options": dict(written.options),
        "tokenizer": str(written.tokenizer),
        "rows": written.rows,
        "adapter": None if written.adapter is None else str(written.adapter),
        "checkpoint": None if written.checkpoint is None else dict(written.checkpoint),
        "tensors": {str(path): dict(digests) for path, digests in written.tensors.items()},
        "types": {str(path): dtype for path, dtype in written.types.items()},
        "settings": dict(written.settings),
        "visible": list(written.visible),
        "texts": list(expected.texts),
        "ids": [list(line) for line in expected.ids],
        "logits": str(folder / "logits.safetensors"),
        "continued": [[list(c.prompt), list(c.ids), c.text] for c in expected.continued],
        "most": MOST_NEW,
        "tolerance": tolerance,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def _events(job: Path) -> Iterator[dict[str, Any]]:
    """What the process says, line by line. Raises ExportError where it fails."""
    # -P: the folder of the script, which is ours, is no place to import from.
    command = [sys.executable, "-P", str(plain.__file__), str(job)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    errors = job.with_name("errors.txt")
    with (
        errors.open("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield from _lines(process.stdout)
            failed = process.wait() != 0
        finally:
            process.kill()
    if failed:
        raise ExportError(
            "What was written could not be loaded by plain transformers and PEFT: "
            f"{_last_line(errors)} Nothing was kept of it."
        )


def _lines(stream: IO[str] | None) -> Iterator[dict[str, Any]]:
    for line in stream or ():
        # A library may print a line of its own.
        if line.startswith("{"):
            yield json.loads(line)


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return f"{lines[-1][:300]}." if lines else "it said nothing."
