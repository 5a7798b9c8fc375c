"""`lexigraft push`: a pack, a checkpoint or an adapter goes to a repository of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.errors import HubError, LexigraftError
from lexigraft.pack.format import SUFFIX
from lexigraft.progress import Progress, Silent
from lexigraft.sharing.files import (
    Kind,
    SharedFile,
    kind_of,
    pickles,
    require_sound,
    travels,
)
from lexigraft.sharing.hub import explained, require_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Shipment", "push"]

_SILENT = Silent()


class Shipment(BaseModel):
    """What was sent, or with a dry run what would be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    kind: Kind
    files: tuple[SharedFile, ...]
    left_out: tuple[str, ...] = Field((), description="files of the folder that stay here")
    private: bool
    notes: tuple[str, ...] = ()
    url: str | None = Field(None, description="where it is now; None after a dry run")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def push(
    path: str | Path,
    to: str,
    *,
    public: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = _SILENT,
) -> Shipment:
    """Sends the pack or folder at `path` to the hub's repository `to`.

    Args:
        path: a .lexpack file, or a folder with a checkpoint, an adapter, or both (`served`).
        to: OWNER/NAME. Where there is none yet it is made: private, unless `public`.
        public: make a new repository that everybody sees, or send to one that is public.
        overwrite: send to a repository that holds files; those of the same names are replaced
            (its history keeps them).
        dry_run: look at the files and send nothing; the hub is not asked.
        progress: is told the bytes.

    Raises:
        LexigraftError: `path` is nothing that can be shared, or is damaged; `to` is no name.
        HubError: no token, no network, the repository holds files or is more public than asked.
    """
    require_name(to)
    place = Path(path).expanduser()
    shipment = _looked_at(place, to, private=not public)
    if dry_run:
        return shipment
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise HubError(
            f"There is no token for the hub, and {to} can only be written with one. Log in with "
            "`hf auth login`, or set HF_TOKEN. --dry-run shows what would be sent."
        )
    api = HfApi(library_name="lexigraft")
    with explained(to):
        _require_free(api, to, public=public, overwrite=overwrite)
        url = _send(api, place, shipment, progress)
    return shipment.model_copy(update={"url": url})


def _looked_at(place: Path, to: str, *, private: bool) -> Shipment:
    if place.is_file():
        return _pack(place, to, private=private)
    if not place.is_dir():
        raise LexigraftError(f"There is no file or folder {place}.")
    if (place / "run.json").is_file():
        raise LexigraftError(
            f"{place} is a run, with all that was learned from. Push what others load: "
            f"{place / 'model'}, {place / 'adapter'}, or a pack."
        )
    names = _names(place)
    if odd := pickles(names):
        raise LexigraftError(
            f"{place} holds {odd[0]}, a pickle: such files can run any code when opened, and are "
            "not sent. Take it out, or convert it to safetensors."
        )
    sent = [name for name in names if travels(name)]
    kind = kind_of(sent)
    if kind is None or kind == "pack":
        raise LexigraftError(
            f"{place} holds no checkpoint (config.json with .safetensors) and no adapter "
            "(adapter_config.json with adapter_model.safetensors). Give such a folder or a pack."
        )
    for name in sent:
        require_sound(place / name)
    return Shipment(
        repository=to,
        kind=kind,
        files=tuple(SharedFile(name=n, size=(place / n).stat().st_size) for n in sent),
        left_out=tuple(name for name in names if name not in sent),
        private=private,
        notes=_notes(place, sent),
    )


def _pack(place: Path, to: str, *, private: bool) -> Shipment:
    if place.suffix != SUFFIX or not travels(place.name):
        raise LexigraftError(
            f"{place.name} is no pack that can be sent: give a {SUFFIX} file whose name has "
            "letters, digits and . _ - alone, or a folder."
        )
    require_sound(place)
    file = SharedFile(name=place.name, size=place.stat().st_size)
    return Shipment(repository=to, kind="pack", files=(file,), private=private)


def _names(folder: Path) -> list[str]:
    """Files below `folder`, as paths with forward slashes. What links elsewhere is not followed."""
    found = []
    for item in sorted(folder.rglob("*")):
        parts = [
            folder / part for part in (item.relative_to(folder), *item.relative_to(folder).parents)
        ]
        if item.is_file() and not any(part.is_symlink() for part in parts[:-1]):
            found.append(item.relative_to(folder).as_posix())
    return found


def _notes(folder: Path, names: list[str]) -> tuple[str, ...]:
    if "adapter_config.json" not in names:
        return ()
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    base = str(config.get("base_model_name_or_path") or "")
    if Path(base).expanduser().exists() or Path(base).is_absolute():
        return (
            f"adapter_config.json names the base by a path of this machine ({base}): others must "
            "be told which model that is.",
        )
    return ()


def _require_free(api: HfApi, to: str, *, public: bool, overwrite: bool) -> None:
    """Makes the repository, or looks whether the one that is there may be written to."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = api.model_info(to, timeout=10)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        api.create_repo(to, private=not public)
        return
    if not info.private and not public:
        raise HubError(
            f"{to} is there already and public: everybody would see what you send. Give --public "
            "if that is meant, or name another repository."
        )
    if info.private and public:
        raise HubError(
            f"{to} is there already and private; --public makes new repositories only. Change it "
            "on its page of the hub, or leave --public out."
        )
    names = [item.rfilename for item in info.siblings or () if item.rfilename != ".gitattributes"]
    if names and not overwrite:
        more = ", …" if len(names) > 3 else ""
        raise HubError(
            f"{to} is there already and holds files ({', '.join(sorted(names)[:3])}{more}). Give "
            "--overwrite to send over them (its history keeps them), or name another repository."
        )


def _send(api: HfApi, place: Path, shipment: Shipment, progress: Progress) -> str:
    from huggingface_hub import CommitOperationAdd

    to = shipment.repository
    operations = [
        CommitOperationAdd(
            path_in_repo=file.name,
            path_or_fileobj=place if shipment.kind == "pack" else place / file.name,
        )
        for file in shipment.files
    ]
    with progress.stage(f"Sending {len(operations)} files to {to}", shipment.size) as advance:
        for operation, file in zip(operations, shipment.files, strict=True):
            api.preupload_lfs_files(to, [operation], free_memory=False)
            advance(file.size)
        commit = api.create_commit(to, operations, commit_message="Sent by lexigraft push")
    return str(commit.repo_url)
