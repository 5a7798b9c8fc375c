"""A folder with a model that packs were installed into, and what taking them out again needs.

Beside the merged checkpoint lie `packs.json`, which names the base and the packs, and the folder
`packs`: the packs themselves under numbers, the base's tokenizer and config, and the values of
spare rows of the base that new tokens took. So where rows alone were installed, the base can be
had back from this folder alone, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lexigraft.errors import PackError
from lexigraft.export import checkpoint_bytes, merged_model, observe, stored_dtype, write_merged
from lexigraft.host import Host, inspect_host, load_host, load_tokenizer
from lexigraft.lexicon import Marker
from lexigraft.pack.composing import Chosen, Composed
from lexigraft.pack.format import SUFFIX, parsed_json
from lexigraft.pack.identity import identity_of, matrices, require_base
from lexigraft.pack.reading import read_pack
from lexigraft.pack.values import BaseIdentity
from lexigraft.progress import Progress
from lexigraft.spelling.values import Spelling
from lexigraft.workspace import Workspace

__all__ = [
    "RECORD",
    "Record",
    "bare_base",
    "chosen_in",
    "pack_path",
    "read_record",
    "write_base",
    "write_installed",
]

RECORD = "packs.json"
_FOLDER = "packs"
_BASE = "base"
_SPARE = "spare.safetensors"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Value):
    """One installed pack. Its file is `packs/N.lexpack`, N counting from 1."""

    name: str = Field(description="what its file was called when it was installed")
    sha256: str
    left_out: tuple[str, ...] = Field((), description="terms of it that are not installed")


class Record(_Value):
    """The content of `packs.json`."""

    schema_version: int = 1
    base: BaseIdentity
    packs: tuple[Entry, ...]


def pack_path(folder: Path, number: int) -> Path:
    """Where the pack of that number stands in `folder`."""
    return folder / _FOLDER / f"{number}{SUFFIX}"


# --- writing ---


def write_installed(
    place: Path,
    host: Host,
    base: BaseIdentity,
    chosen: Sequence[Chosen],
    composed: Composed,
    progress: Progress,
) -> None:
    """Merges `composed` into `host` (which is used up) and writes everything to `place`.

    Raises ExportError unless what was written reloads equal.
    """
    dtype = stored_dtype(host.facts.dtype)
    spare = _spare_values(host, composed.spelling, dtype)
    tokenizer, config = host.tokenizer, host.model.config.to_json_string()
    with progress.stage("Putting the packs into the model", None):
        model = merged_model(host, composed.taught, composed.spelling.rows_after)
        expected = observe(model, composed.tokenizer, composed.spelling)
    writer = Workspace(place.absolute().parent)
    with (
        writer.writing_folder(place, needs=checkpoint_bytes(model, dtype)) as folder,
        progress.stage("Writing the model and loading it again", None),
    ):
        write_merged(model, composed.tokenizer, folder, dtype, expected)
        kept = folder / _FOLDER
        (kept / _BASE).mkdir(parents=True)
        tokenizer.save_pretrained(kept / _BASE)
        # AutoTokenizer chooses its class by the config that stands beside.
        (kept / _BASE / "config.json").write_text(config, encoding="utf-8")
        if spare:
            save_file(spare, kept / _SPARE)
        for number, one in enumerate(chosen, 1):
            pack_path(folder, number).write_bytes(b"".join(one.pack.parts))
        entries = tuple(
            Entry(name=one.pack.name, sha256=one.pack.sha256, left_out=one.left_out)
            for one in chosen
        )
        record = Record(base=base, packs=entries)
        text = record.model_dump_json(indent=2) + "\n"
        (folder / RECORD).write_text(text, encoding="utf-8")


def _spare_values(host: Host, spelling: Spelling, dtype: torch.dtype) -> dict[str, Tensor]:
    """What stands in the spare rows that new tokens take."""
    ids = [i for i in spelling.new_ids if i < spelling.rows_before]
    if not ids:
        return {}
    return {
        side: weight.detach()[ids].to(dtype).contiguous().clone()
        for side, weight in matrices(host).items()
    } | {"ids": torch.tensor(ids)}


def write_base(place: Path, host: Host, progress: Progress) -> None:
    """Writes `host` as it is, without any pack; ExportError unless it reloads equal."""
    dtype = stored_dtype(host.facts.dtype)
    rows = int(host.facts.rows or 0)
    nothing = Spelling(marker=Marker(), terms=(), rows_before=rows, rows_after=rows)
    with progress.stage("Writing the model and loading it again", None):
        expected = observe(host.model, host.tokenizer, nothing)
        writer = Workspace(place.absolute().parent)
        with writer.writing_folder(place, needs=checkpoint_bytes(host.model, dtype)) as folder:
            write_merged(host.model, host.tokenizer, folder, dtype, expected)


# --- reading ---


def read_record(folder: str | Path) -> Record | None:
    """What was installed into the model in `folder`; None where nothing was.

    Raises PackError for a damaged record.
    """
    path = Path(folder).expanduser() / RECORD
    if not path.is_file():
        return None
    try:
        parsed_json(path.read_bytes(), str(path))
        record = Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise PackError(f"{path} is damaged. Install the packs anew on their base.") from error
    if record.schema_version != 1:
        raise PackError(f"{path} was written by a newer lexigraft. Update lexigraft.")
    return record


def chosen_in(folder: Path, record: Record) -> list[Chosen]:
    """The installed packs, in their order.

    Raises PackError for a pack that is missing, damaged or another than was installed.
    """
    chosen = []
    for number, entry in enumerate(record.packs, 1):
        path = pack_path(folder, number)
        found = read_pack(path)
        unknown = set(entry.left_out) - {term.term for term in found.lexicon}
        if found.sha256 != entry.sha256 or unknown:
            raise PackError(
                f"{path} is another pack than was installed. Install the packs anew on their base."
            )
        # By the name that the user knows.
        chosen.append(Chosen(replace(found, name=entry.name), entry.left_out))
    return chosen


@torch.no_grad()
def bare_base(folder: Path, record: Record) -> Host:
    """The base as it was, from the model in `folder`, into which rows alone were installed.

    Raises PackError where what comes out is not the base that `record` names: the folder was
    changed, or a LoRA is in it.
    """
    host = load_host(folder)
    model = host.model
    if len(matrices(host)["input"]) > record.base.rows:
        model.resize_token_embeddings(record.base.rows, mean_resizing=False)
    path = folder / _FOLDER / _SPARE
    if path.is_file():
        _put_back(host, path)
    tokenizer, _ = load_tokenizer(folder / _FOLDER / _BASE)
    facts = inspect_host(model, tokenizer, source=record.base.name, stored_dtype=record.base.dtype)
    bare = Host(model, tokenizer, facts, folder)
    require_base(record.base, identity_of(bare), str(folder))
    return bare


def _put_back(host: Host, path: Path) -> None:
    try:
        spare = load_file(path)
        ids = spare["ids"].long()
        for side, weight in matrices(host).items():
            weight[ids] = spare[side].to(weight.dtype)
    except (OSError, SafetensorError, KeyError, IndexError, RuntimeError) as error:
        raise PackError(f"{path} is damaged: the base cannot be had back from it.") from error
