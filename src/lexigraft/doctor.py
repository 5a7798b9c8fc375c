"""`lexigraft doctor`: whether this machine can teach, and what is in the way."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil
import torch
from pydantic import BaseModel, ConfigDict, Field

from lexigraft.disk import free_bytes, size_text
from lexigraft.embedded import EMBEDDED_NAME, SPACE, cache_folder, cached_base
from lexigraft.likelihood import has_bfloat16_units
from lexigraft.processes import launched_processes, started_by_accelerate

__all__ = ["Finding", "Health", "doctor"]

State = Literal["good", "note", "bad"]

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "huggingface_hub")
_EXTRAS = {
    "gguf": (("xllamacpp",), "GGUF files are judged by llama.cpp"),
    "corpus": (("pyarrow", "zstandard"), "corpora in Parquet and Zstandard are read"),
    "ray": (("ray", "pandas", "pyarrow"), "corpora are retokenized by many machines"),
}
# Peak of a teaching run of twelve terms on the embedded base, its verdict included.
_MEMORY = 5_100_000_000
_BUSY = 0.3
_WATCHED = 1.0


class Finding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str = Field(description="what was looked at: python, processor, memory …")
    found: str = Field(description="what was found, in English")
    state: State = Field(description="good; a note, which slows or limits; bad: it will not work")
    advice: str | None = Field(None, description="what to do, where there is something to do")


class Health(BaseModel):
    """What `lexigraft doctor` found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing stands in the way of teaching."""
        return all(finding.state != "bad" for finding in self.findings)


def doctor() -> Health:
    """Looks at Python, libraries, processor, other work, memory, accelerators and the cache.

    It takes a second, in which the load of other programs is watched. Nothing is fetched or kept.
    """
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _libraries,
        _processor,
        _other_work,
        _memory,
        _accelerator,
        _launcher,
        _cache,
        _extras,
    )
    return Health(findings=tuple(finding for look in looks for finding in look()))


def _finding(what: str, found: str, state: State = "good", advice: str | None = None) -> Finding:
    return Finding(what=what, found=found, state=state, advice=advice)


def _python() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.machine()}"
    yield _finding("python", f"{platform.python_version()} on {system}")


def _libraries() -> Iterator[Finding]:
    found, missing = [f"lexigraft {version('lexigraft')}"], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        advice = "Install lexigraft anew: pip install --force-reinstall lexigraft"
        yield _finding("libraries", f"missing: {', '.join(missing)}", "bad", advice)
    else:
        yield _finding("libraries", ", ".join(found))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> Iterator[Finding]:
    cores, threads = _usable_cores(), torch.get_num_threads()
    found = f"{cores} cores, {threads} threads for products"
    if threads > cores:
        advice = f"More threads than cores wait for each other: set OMP_NUM_THREADS={cores}."
        yield _finding("processor", found, "note", advice)
    elif has_bfloat16_units():
        yield _finding("processor", f"{found}, in bfloat16")
    else:
        advice = "It has no bfloat16 units: products are in float32, and teaching takes longer."
        yield _finding("processor", found, "note", advice)


def _other_work() -> Iterator[Finding]:
    cores = _usable_cores()
    busy = psutil.cpu_percent(interval=_WATCHED) / 100 * (os.cpu_count() or 1)
    found = f"{busy:.1f} of {cores} cores busy"
    if busy < _BUSY or busy + torch.get_num_threads() <= cores + _BUSY:
        yield _finding("other work", found)
        return
    # Measured on two cores: a training step of 0.85 s took 6.3 s beside one busy process, and
    # 1.5 s with one thread. The threads of a product wait for each other without letting go.
    advice = (
        "Threads that share a core with other programs slow a step down many times over. Close "
        "them, or leave them a core each: "
        f"OMP_NUM_THREADS={max(1, cores - max(1, round(busy)))}."
    )
    yield _finding("other work", found, "note", advice)


def _memory() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    found = f"{size_text(memory.available)} free of {size_text(memory.total)}"
    if memory.available >= _MEMORY:
        yield _finding("memory", found)
        return
    advice = (
        f"Teaching twelve terms to {EMBEDDED_NAME} took up to {size_text(_MEMORY)}, its verdict "
        "included. Close other programs, or lower training.batch_tokens in a recipe."
    )
    yield _finding("memory", found, "note", advice)


def _accelerator() -> Iterator[Finding]:
    if not torch.cuda.is_available():
        yield _finding("accelerator", "none")
        return
    name = torch.cuda.get_device_name()
    advice = "Texts are written and terms taught on it; all else runs on the processor."
    yield _finding("accelerator", name, "note", advice)


def _launcher() -> Iterator[Finding]:
    if started_by_accelerate():
        advice = "It starts no more on a CPU: torchrun does, and for one none is needed."
        yield _finding("launcher", "accelerate launch started one process", "bad", advice)
    elif (count := launched_processes()) > 1:
        yield _finding("launcher", f"one of {count} processes, which share a run's work")


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    if (base := cached_base()) is not None:
        yield _finding("embedded base", str(base))
        return
    near = next(p for p in (folder, *folder.parents) if p.exists())
    advice = "LEXIGRAFT_CACHE names another folder for it."
    try:
        with tempfile.TemporaryFile(dir=near):
            pass
    except OSError as error:
        found = f"{folder} cannot be written: {error.strerror or error}"
        yield _finding("embedded base", found, "bad", advice)
        return
    free = free_bytes(Path(near))
    if free is not None and free < SPACE:
        found = f"{folder} has {size_text(free)} free, and it needs {size_text(SPACE)}"
        yield _finding("embedded base", found, "bad", advice)
    else:
        yield _finding("embedded base", f"not fetched yet; it will stand in {folder}")


def _extras() -> Iterator[Finding]:
    for name, (modules, purpose) in _EXTRAS.items():
        if all(find_spec(module) for module in modules):
            yield _finding(f"extra {name}", f"installed: {purpose}")
        else:
            advice = f"With pip install 'lexigraft[{name}]' {purpose}."
            yield _finding(f"extra {name}", "not installed", "note", advice)
