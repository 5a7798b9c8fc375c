"""`lexigraft install`: packs go into their base."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lexigraft.checks.judged import Judged
from lexigraft.errors import PackError
from lexigraft.host import Host, load_host
from lexigraft.pack.composing import Chosen, compose, without_losers
from lexigraft.pack.identity import differences, identity_of, require_base
from lexigraft.pack.installed import (
    RECORD,
    bare_base,
    chosen_in,
    pack_path,
    read_record,
    write_installed,
)
from lexigraft.pack.reading import read_pack
from lexigraft.pack.retention import Retention, retention
from lexigraft.progress import Progress, Silent
from lexigraft.workspace import Workspace, free_folder

__all__ = ["VERDICT", "Installed", "install"]

VERDICT = "packs-verdict.json"
_SILENT = Silent()


@dataclass(frozen=True)
class Installed:
    """What `install` did, or would do."""

    folder: Path | None
    """None after a dry run."""
    packs: tuple[Chosen, ...]
    """In the order of their numbers, with the terms that were left out."""
    retention: Retention | None
    """None where it was not asked for."""
    new_tokens: int = 0
    """Of all packs together."""


def install(
    packs: str | Path | Sequence[str | Path],
    model: str | Path,
    output: str | Path,
    *,
    prefer: Sequence[str | Path] = (),
    revision: str | None = None,
    verify: bool = True,
    dry_run: bool = False,
    progress: Progress = _SILENT,
) -> Installed:
    """Puts packs into the model that they were taught on, and writes it as a plain checkpoint.

    Args:
        packs: files that `lexigraft pack` wrote. All are read and checked before anything else.
        model: their base: a folder, a hub id, a GGUF file or the embedded base's name. A folder
            that `install` wrote counts as its base with its packs before the new ones.
        output: a new or empty folder.
        prefer: packs whose terms win where a form stands in two, the first one first.
        revision: of a hub id.
        verify: ask each pack's terms again, and write what is left to `packs-verdict.json`.
        dry_run: stop before anything is written: whether the packs fit the base and each other.
        progress: is told the steps.

    Raises:
        PackError: a file that is no sound pack, one for another base, a form in two packs that
            `prefer` does not decide, or packs that do not stand beside each other.
        RunError: `output` holds something, or cannot be written.
        ModelError: the model cannot be loaded.
        SpellingError, ExportError: the packs together are not exact, or did not reload equal.
    """
    given = [packs] if isinstance(packs, str | Path) else list(packs)
    chosen = _read(given)
    place = free_folder(output)
    before = _before(model, chosen)
    names = [*(one.pack.name for one in before), *given]
    # Packs that are there already come first. Decided before a minute is spent on loading.
    chosen = without_losers([*before, *chosen], _preferred(prefer, names))
    _require_terms(chosen)
    with progress.stage("Loading the base", None):
        host = _base(model, revision, bool(before), progress)
    base = identity_of(host)
    for one in chosen:
        require_base(one.pack.base, base, one.pack.name)
    with progress.stage("Spelling the terms together", None):
        composed = compose(host, chosen)
    tokens = len(composed.spelling.new_tokens)
    if dry_run:
        return Installed(None, tuple(chosen), None, tokens)
    floor = Judged(copy.deepcopy(host.model), host.tokenizer) if verify else None
    write_installed(place, host, base, chosen, composed, progress)
    found = None
    if floor is not None:
        del host
        # What was written, in the base's own type, as a run's own verification judges it.
        written = load_host(place)
        taught = Judged(written.model, written.tokenizer, composed.spelling)
        found = retention(chosen, composed.spellings, floor, taught, progress)
        Workspace(place).write_json(place / VERDICT, found)
    return Installed(place, tuple(chosen), found, tokens)


def _read(paths: Sequence[str | Path]) -> list[Chosen]:
    if not paths:
        raise PackError("No pack was given. Name one or several files that `lexigraft pack` wrote.")
    chosen = []
    seen: dict[str, str] = {}
    for path in paths:
        found = read_pack(path)
        if found.sha256 in seen:
            raise PackError(f"{path} is the same pack as {seen[found.sha256]}. Give it once.")
        seen[found.sha256] = str(path)
        chosen.append(Chosen(found))
    return chosen


def _preferred(prefer: Sequence[str | Path], given: Sequence[str | Path]) -> list[int]:
    """The places in `given` that `prefer` names: as paths, or as file names.

    Packs that are installed already are known by their file names alone.
    """
    places = []
    for name in prefer:
        found = [
            place
            for place, path in enumerate(given)
            if str(name) in (str(path), Path(path).name, Path(path).stem)
            or Path(name).expanduser().resolve() == Path(path).expanduser().resolve()
        ]
        if len(found) != 1:
            listed = ", ".join(str(path) for path in given)
            what = "names several packs" if found else "is none of the packs"
            raise PackError(f"--prefer {name} {what}. Give one of {listed}.")
        places.append(found[0])
    return places


def _before(model: str | Path, chosen: Sequence[Chosen]) -> list[Chosen]:
    """The packs that `model` holds already, if it stands for its base and they are to stay.

    A model that packs were installed into can itself be what a pack was taught on: then it is the
    base, and nothing is before.
    """
    folder = Path(model).expanduser()
    record = read_record(folder)
    if record is None or any(differences(one.pack.base, record.base) for one in chosen):
        return []
    before = chosen_in(folder, record)
    if any(one.pack.lora for one in before):
        paths = " ".join(str(pack_path(folder, n)) for n in range(1, len(before) + 1))
        raise PackError(
            f"{folder} holds packs with a LoRA, which cannot be taken out of its weights exactly. "
            f"Install all packs together on {record.base.name}: the old ones are {paths}."
        )
    if known := {one.pack.sha256 for one in before} & {one.pack.sha256 for one in chosen}:
        name = next(one.pack.name for one in chosen if one.pack.sha256 in known)
        raise PackError(f"{name} is installed in {folder} already ({RECORD}).")
    return before


def _base(model: str | Path, revision: str | None, has_packs: bool, progress: Progress) -> Host:
    folder = Path(model).expanduser()
    if has_packs and (record := read_record(folder)) is not None:
        return bare_base(folder, record)
    return load_host(model, revision=revision, progress=progress.say)


def _require_terms(chosen: Sequence[Chosen]) -> None:
    """Packs that lost every term would be nothing but a LoRA, or nothing at all."""
    for one in chosen:
        if not len(one.lexicon):
            raise PackError(
                f"Every term of {one.pack.name} has a form in a preferred pack. Leave it out."
            )
