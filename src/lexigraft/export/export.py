"""`lexigraft export`: writes a finished run's model or adapter from the run's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import ExportError, RunError
from lexigraft.export.adapter import adapter_refusal, write_adapter
from lexigraft.export.apply import merged_model
from lexigraft.export.gguf import (
    GGUFType,
    files_bytes,
    gguf_refusal,
    require_llama_cpp,
    write_gguf,
)
from lexigraft.export.merged import checkpoint_bytes, stored_dtype, write_merged
from lexigraft.export.sample import observe
from lexigraft.host import Host, load_host, load_tokenizer
from lexigraft.model_source import has_tokenizer
from lexigraft.progress import Progress, Silent
from lexigraft.run_record import differences
from lexigraft.spelling.values import Spelling
from lexigraft.training.values import Taught, load_taught
from lexigraft.workspace import Workspace

__all__ = ["Target", "export"]

Target = Literal["merged", "adapter", "gguf"]
_SILENT = Silent()


def export(
    run: str | Path,
    to: Target,
    output: Path | None = None,
    progress: Progress = _SILENT,
    *,
    types: Sequence[GGUFType] = ("Q8_0",),
    allow_changes: bool = False,
) -> Path:
    """Writes `run`'s taught model as `to` and returns the folder.

    Everything is read from the run's files and the base that run.json names. What is written is
    loaded again and compared before it takes its place.

    Args:
        run: the folder of a run whose training is finished.
        to: "merged", a plain checkpoint; "adapter", for PEFT; or "gguf", for llama.cpp.
        output: a new or empty folder; None means RUN/model, RUN/adapter or RUN/gguf, which are
            replaced.
        progress: is told the steps.
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
    if to == "adapter" and (reason := adapter_refusal(taught)) is not None:
        raise ExportError(reason)
    spelling = _spelling(space)
    if to == "gguf":
        require_llama_cpp()
        with _writer(space, place) as writer:
            _write_gguf(space, writer, place, taught, spelling, types, allow_changes, progress)
        return place
    with _writer(space, place) as writer:
        _write(space, writer, place, to, taught, spelling, progress)
    return place


def _write(
    space: Workspace,
    writer: Workspace,
    place: Path,
    to: Target,
    taught: Taught,
    spelling: Spelling,
    progress: Progress,
) -> None:
    record = space.record
    with progress.stage("Loading the base", None):
        host = _base(space, progress)
    tokenizer, dtype = _tokenizer(space, host), stored_dtype(host.facts.dtype)
    with progress.stage("Merging what was taught", None):
        model = merged_model(host, taught, spelling.rows_after)
        expected = observe(model, tokenizer, spelling)
    if to == "merged":
        needs = checkpoint_bytes(model, dtype)
        with (
            writer.writing_folder(place, needs=needs) as folder,
            progress.stage("Writing the merged model and loading it again", None),
        ):
            write_merged(model, tokenizer, folder, dtype, expected)
        return
    # The taught model has been looked at; its memory is needed for the untaught one.
    del model, host
    with (
        writer.writing_folder(place, needs=_adapter_bytes(taught)) as folder,
        progress.stage("Writing the adapter and loading it again", None),
    ):
        write_adapter(
            lambda: _base(space, progress).model,
            taught,
            spelling.rows_after,
            tokenizer,
            folder,
            expected,
            base_name=record.model,
            revision=record.revision,
        )


def _write_gguf(
    space: Workspace,
    writer: Workspace,
    place: Path,
    taught: Taught,
    spelling: Spelling,
    types: Sequence[GGUFType],
    allow_changes: bool,
    progress: Progress,
) -> None:
    with progress.stage("Loading the base", None):
        host = _base(space, progress)
    if (reason := gguf_refusal(host.model)) is not None:
        raise ExportError(reason)
    tokenizer = _tokenizer(space, host)
    with progress.stage("Merging what was taught", None):
        model = merged_model(host, taught, spelling.rows_after)
    own = [str(line["text"]) for line in space.read_lines(space.texts) if "text" in line]
    with writer.writing_folder(place, needs=files_bytes(model, types)) as folder:
        write_gguf(
            model,
            tokenizer,
            spelling,
            folder,
            types,
            own_texts=own,
            allow_changes=allow_changes,
            progress=progress,
        )


def _own(space: Workspace) -> dict[Target, Path]:
    """Where each target stands in the run itself."""
    return {"merged": space.model, "adapter": space.adapter, "gguf": space.gguf}


def _place(space: Workspace, to: Target, output: Path | None) -> Path:
    own = _own(space)[to]
    if output is None:
        return own
    place = Path(output).expanduser()
    if place.absolute() == own.absolute():
        return own
    if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
        return place
    if place.exists() or place.is_symlink():
        raise RunError(f"{place} is there already and is kept. Name a new or an empty folder.")
    return place


@contextmanager
def _writer(space: Workspace, place: Path) -> Iterator[Workspace]:
    """Who writes to `place`: the run under its lock, or nobody's workspace for a folder outside."""
    if place not in _own(space).values():
        yield Workspace(place.absolute().parent)
        return
    with Workspace.open(space.root, create=True, resume=True) as locked:
        yield locked


def _base(space: Workspace, progress: Progress) -> Host:
    """The untaught host in float32; RunError if it is not the one that was taught."""
    record = space.record
    host = load_host(record.model, revision=record.revision, progress=progress.say)
    now = record.model_copy(update={"fingerprint": host.facts.fingerprint})
    if changes := differences(record, now):
        raise RunError(
            f"{space.root} was taught on another base: {'; '.join(changes)}. "
            "Put the model back that it was taught on."
        )
    return host


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


def _adapter_bytes(taught: Taught) -> int:
    rows = [rows for rows in (taught.input_rows, taught.output_rows) if rows is not None]
    return 4 * sum(value.numel() for value in (*taught.lora.values(), *rows)) + 32_000_000
