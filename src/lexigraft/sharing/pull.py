"""`lexigraft pull`: a pack, a checkpoint or an adapter comes from a repository of a hub."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.disk import explained_writes, require_space
from lexigraft.errors import HubError, LexigraftError, RunError
from lexigraft.pack.format import SUFFIX
from lexigraft.progress import Advance, Progress, Silent
from lexigraft.sharing.files import (
    Kind,
    SharedFile,
    escapes,
    kind_of,
    pickles,
    require_sound,
    travels,
)
from lexigraft.sharing.hub import explained, require_name
from lexigraft.workspace import Workspace

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Pulled", "pull"]

_SILENT = Silent()


class Pulled(BaseModel):
    """What was fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str = Field(description="the hub's commit")
    kind: Kind
    files: tuple[SharedFile, ...]
    left_out: tuple[str, ...] = Field((), description="files of the repository that were not taken")
    path: str = Field(description="the file or folder that was written")


def pull(
    name: str,
    output: str | Path,
    *,
    revision: str | None = None,
    progress: Progress = _SILENT,
) -> Pulled:
    """Fetches the hub's repository `name` to `output`.

    Weights come as safetensors only; pickles and programs are never fetched, and nothing that is
    fetched is run. Every file is compared with the size and, where the hub tells it, the SHA-256
    that it should have, and each header is read, before anything stands at `output`.

    Args:
        name: OWNER/NAME.
        output: a new path; of a repository with one pack, `FILE.lexpack` is that file, everything
            else is a new or empty folder.
        revision: branch, tag or commit.
        progress: is told the bytes.

    Raises:
        LexigraftError: `name` is no name.
        RunError: something is at `output` already, or the disk is full.
        HubError: no network, no such repository, nothing in it that is fetched, a file that is
            damaged or would lie outside of `output`.
    """
    require_name(name)
    place = _free(Path(output).expanduser())
    from huggingface_hub import HfApi

    api = HfApi(library_name="lexigraft")
    with explained(name), explained_writes(place.absolute().parent, place.name):
        info = api.model_info(name, revision=revision, files_metadata=True, timeout=10)
        siblings = {str(item.rfilename): item for item in info.siblings or ()}
        kind, names = _chosen(name, siblings, place)
        needs = sum(int(siblings[n].size or 0) for n in names)
        require_space(place.absolute().parent, place.name, needs)
        with (
            TemporaryDirectory(prefix=".lexigraft-pull-", dir=_parent(place)) as folder,
            progress.stage(f"Fetching {len(names)} files of {name}", needs or None) as advance,
        ):
            commit, into = str(info.sha), Path(folder) / "files"
            for item in names:
                _fetch(api, name, siblings[item], commit, into, advance)
            files = tuple(SharedFile(name=n, size=(into / n).stat().st_size) for n in names)
            _settle(into, place, names)
    return Pulled(
        repository=name,
        revision=commit,
        kind=kind,
        files=files,
        left_out=tuple(sorted(siblings.keys() - set(names) - {".gitattributes"})),
        path=str(place),
    )


def _free(place: Path) -> Path:
    empty = place.is_dir() and not place.is_symlink() and not any(place.iterdir())
    if empty and place.suffix != SUFFIX:
        return place
    if place.exists() or place.is_symlink():
        raise RunError(f"{place} is there already and is kept. Name a new path by --output.")
    return place


def _parent(place: Path) -> Path:
    parent = place.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _chosen(name: str, siblings: dict[str, Any], place: Path) -> tuple[Kind, list[str]]:
    """What the repository holds and the files to fetch; HubError where there is nothing to."""
    if unsafe := [n for n in siblings if escapes(n)]:
        raise HubError(
            f"{name} names a file {unsafe[0][:100]!r}, which could lie outside of {place}. Nothing "
            "of it was fetched."
        )
    names = sorted(n for n in siblings if travels(n))
    if len({n.casefold() for n in names}) < len(names):
        raise HubError(f"{name} has files whose names differ in case alone. Nothing was fetched.")
    kind = kind_of(names)
    if kind is None and (odd := pickles(siblings)):
        raise HubError(
            f"{name} has its weights only as pickles ({odd[0]}), which can run any code when "
            "opened. Look for a revision or a copy with safetensors."
        )
    packs = [n for n in names if n.endswith(SUFFIX)]
    if kind is None or (place.suffix == SUFFIX and (kind != "pack" or len(packs) != 1)):
        what = ", ".join(sorted(siblings)[:5]) or "nothing"
        raise HubError(
            f"{name} holds no checkpoint, adapter or pack that fits {place.name} (it has: {what})."
        )
    return kind, packs if place.suffix == SUFFIX else names


def _fetch(api: HfApi, name: str, wanted: Any, commit: str, into: Path, advance: Advance) -> None:
    path = Path(api.hf_hub_download(name, wanted.rfilename, revision=commit, local_dir=into))
    size = path.stat().st_size
    told = wanted.lfs.sha256 if wanted.lfs else None
    if (wanted.size is not None and size != wanted.size) or (told and _sha256(path) != told):
        raise HubError(
            f"{wanted.rfilename} of {name} did not arrive as the hub has it. Run the command again."
        )
    try:
        require_sound(path)
    except LexigraftError as error:
        raise HubError(f"{name} holds a bad file: {error}") from error
    advance(size)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settle(into: Path, place: Path, names: list[str]) -> None:
    """Puts the files that were fetched in their place, all at once."""
    space = Workspace(place.absolute().parent)
    _free(place)  # it may have come since
    if place.suffix == SUFFIX:
        with space.writing_file(place) as partial:
            (into / names[0]).replace(partial)
        return
    with space.writing_folder(place) as partial:
        for name in names:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(into / name, partial / name)
