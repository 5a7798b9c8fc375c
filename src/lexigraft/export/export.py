"""`lexigraft export`: writes what a finished run taught, for one target, from the run's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from lexigraft.base_reference import reference_to
from lexigraft.errors import ExportError, RunError
from lexigraft.export.adapter import adapter_refusal
from lexigraft.export.gguf import (
    GGUFType,
    files_bytes,
    gguf_refusal,
    require_llama_cpp,
    write_gguf,
)
from lexigraft.export.shipping import (
    AdapterType,
    Source,
    served_refusal,
    ship_adapter,
    ship_merged,
    ship_served,
)
from lexigraft.host import Host, load_tokenizer
from lexigraft.model_source import has_tokenizer
from lexigraft.progress import Progress, Silent
from lexigraft.run_base import base_of_run
from lexigraft.spelling.values import Spelling
from lexigraft.training.values import Taught, load_taught
from lexigraft.workspace import Workspace, free_folder

__all__ = ["Target", "export"]

Target = Literal["merged", "adapter", "served", "gguf"]
_SILENT = Silent()


def export(
    run: str | Path,
    to: Target,
    output: Path | None = None,
    progress: Progress = _SILENT,
    *,
    dtype: AdapterType = "auto",
    types: Sequence[GGUFType] = ("Q8_0",),
    allow_changes: bool = False,
) -> Path:
    """Writes `run`'s taught model as `to` and returns the folder.

    Everything is read from the run's files and the base that run.json names. What is written is
    loaded by another process, without lexigraft, and compared before it takes its place.

    Args:
        run: the folder of a run whose training is finished.
        to: "merged", a plain checkpoint; "adapter", for PEFT; "served", a base with the new rows
            and a plain LoRA beside it, for servers that take no rows in an adapter; or "gguf", for
            llama.cpp.
        output: a new or empty folder; None means the folder of that name in RUN, which is
            replaced.
        progress: is told the steps.
        dtype: what the numbers of an adapter are stored in; "auto": as the base's, or in float32
            where that would change the logits by more than 0.01 of their size.
        types: of the GGUF files, one for each.
        allow_changes: write a GGUF although llama.cpp cuts some texts into other tokens.

    Raises:
        RunError: no such run, training is not finished, the base is another one now, `output`
            holds something, or it cannot be written.
        ModelError: the base cannot be loaded.
        ExportError: the target cannot be right for this run, or did not reload equal.
    """
    space = Workspace.open(run, create=False)
    place = _place(space, to, output)
    taught = load_taught(space.training / "taught.safetensors")
    if (reason := _refusal(to, taught)) is not None:
        raise ExportError(reason)
    source = _source(space, taught, progress)
    if to == "gguf":
        require_llama_cpp()
        own = [str(line["text"]) for line in space.read_lines(space.texts) if "text" in line]
        with _writer(space, place) as writer:
            _write_gguf(source, writer, place, types, own, allow_changes=allow_changes)
        return place
    with _writer(space, place) as writer:
        _write(source, writer, place, to, dtype)
    return place


def _refusal(to: Target, taught: Taught) -> str | None:
    """Why `taught` cannot be `to`, told before the base is loaded; None where it can."""
    if to == "adapter":
        return adapter_refusal(taught)
    return served_refusal(taught) if to == "served" else None


def _write(source: Source, writer: Workspace, place: Path, to: Target, dtype: AdapterType) -> None:
    if to == "merged":
        ship_merged(source, writer, place)
    elif to == "adapter":
        ship_adapter(source, writer, place, dtype)
    else:
        ship_served(source, writer, place, dtype)


def _source(space: Workspace, taught: Taught, progress: Progress) -> Source:
    def load() -> Host:
        with progress.stage("Loading the base", None):
            return base_of_run(space, progress)

    return Source(
        load=load,
        tokenizer_of=lambda host: _tokenizer(space, host),
        taught=taught,
        spelling=_spelling(space),
        base=reference_to(space.record.model, space.record.revision),
        progress=progress,
    )


def _write_gguf(
    source: Source,
    writer: Workspace,
    place: Path,
    types: Sequence[GGUFType],
    own_texts: Sequence[str],
    *,
    allow_changes: bool,
) -> None:
    host = source.load()
    if (reason := gguf_refusal(host.model)) is not None:
        raise ExportError(reason)
    tokenizer = source.tokenizer_of(host)
    with source.progress.stage("Merging what was taught", None):
        model = source.merged(host, source.taught)
    with writer.writing_folder(place, needs=files_bytes(model, types)) as folder:
        write_gguf(
            model,
            tokenizer,
            source.spelling,
            folder,
            types,
            own_texts=own_texts,
            allow_changes=allow_changes,
            progress=source.progress,
        )


def _own(space: Workspace) -> dict[Target, Path]:
    """Where each target stands in the run itself."""
    return {
        "merged": space.model,
        "adapter": space.adapter,
        "served": space.served,
        "gguf": space.gguf,
    }


def _place(space: Workspace, to: Target, output: Path | None) -> Path:
    own = _own(space)[to]
    if output is None:
        return own
    place = Path(output).expanduser()
    if place.absolute() == own.absolute():
        return own
    return free_folder(place)


@contextmanager
def _writer(space: Workspace, place: Path) -> Iterator[Workspace]:
    """Who writes to `place`: the run under its lock, or nobody's workspace for a folder outside."""
    if place not in _own(space).values():
        yield Workspace(place.absolute().parent)
        return
    with Workspace.open(space.root, create=True, resume=True) as locked:
        yield locked


def _spelling(space: Workspace) -> Spelling:
    path = space.spelling / "spelling.json"
    try:
        return Spelling.model_validate(space.read_json(path))
    except ValidationError as error:
        raise RunError(f"{path} is damaged. Start the run again elsewhere.") from error


def _tokenizer(space: Workspace, host: Host) -> PreTrainedTokenizerBase:
    """The grown tokenizer of the run; the host's own where no term got a token."""
    if has_tokenizer(space.spelling):
        return load_tokenizer(space.spelling)[0]
    return host.tokenizer
