"""`lexigraft uninstall`: terms or whole packs go out of a model again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lexigraft.earlier import run_around
from lexigraft.embedded import EMBEDDED_NAME
from lexigraft.errors import PackError
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Language
from lexigraft.lexicon.validation import same
from lexigraft.pack.composing import Chosen, compose, language_of
from lexigraft.pack.format import SUFFIX
from lexigraft.pack.identity import identity_of, require_base
from lexigraft.pack.installed import (
    Record,
    bare_base,
    chosen_in,
    read_record,
    write_base,
    write_installed,
)
from lexigraft.pack.packing import pack_of_run
from lexigraft.pack.reading import read_pack
from lexigraft.progress import Progress, Silent
from lexigraft.workspace import Workspace, free_folder

__all__ = ["Removed", "uninstall"]

_SILENT = Silent()


@dataclass(frozen=True)
class Removed:
    """What `uninstall` did."""

    folder: Path
    packs: tuple[Chosen, ...]
    """What is left; empty where the model is its base again."""
    notes: tuple[str, ...]
    """What could not be taken out and stays, a sentence each."""
    language: Language
    """Of what was installed."""


def uninstall(
    names: str | Path | Sequence[str | Path],
    model: str | Path,
    output: str | Path,
    *,
    base: str | Path | None = None,
    revision: str | None = None,
    progress: Progress = _SILENT,
) -> Removed:
    """Takes terms or packs out of a model that packs were installed into, or that a run taught.

    Where rows alone were installed, the base is had back from `model` itself, bit for bit, and what
    is to stay is installed on it again. A LoRA cannot be taken out of weights exactly; there the
    base is loaded instead.

    Args:
        names: terms, by their dictionary forms; what ends in `.lexpack` is a pack, named by its
            file or by the name that it was installed under.
        model: a folder that `install` wrote, or a run. It is left as it is.
        output: a new or empty folder.
        base: where the base is now, if a LoRA was installed and the base's own name does not say.
        revision: of `base`, where that is a hub id.
        progress: is told the steps.

    Raises:
        PackError: a name that is not installed, a term that cannot go alone, a folder without
            packs or one that was changed, or a base that is needed and not at hand.
        RunError: `output` holds something, or the run is not finished.
        ModelError: a model cannot be loaded.
        ExportError: what was written did not reload equal.
    """
    given = [names] if isinstance(names, str | Path) else list(names)
    place = free_folder(output)
    folder = Path(model).expanduser()
    chosen, record = _installed(folder, progress)
    left, notes = _left(chosen, given, folder)
    for note in notes:
        progress.say(note)
    with progress.stage("Bringing the base back", None):
        host = _base(folder, record, chosen, base, revision, progress)
    if not left:
        write_base(place, host, progress)
        return Removed(place, (), notes, language_of(chosen))
    composed = compose(host, left)
    write_installed(place, host, identity_of(host), left, composed, progress)
    return Removed(place, tuple(left), notes, language_of(chosen))


def _installed(folder: Path, progress: Progress) -> tuple[list[Chosen], Record | None]:
    """The packs in a folder, with its record; a run is a pack that was never written."""
    record = read_record(folder)
    if record is not None:
        return chosen_in(folder, record), record
    run = run_around(folder)
    if run is None:
        raise PackError(
            f"{folder} holds no packs: it is neither a folder that `lexigraft install` wrote nor a "
            "run. Make a pack of a run by `lexigraft pack`, and install that."
        )
    made = pack_of_run(run, f"{run.resolve().name}{SUFFIX}", progress=progress)
    return [Chosen(made)], None


# --- what goes and what stays ---


def _left(
    chosen: Sequence[Chosen], names: Sequence[str | Path], folder: Path
) -> tuple[list[Chosen], tuple[str, ...]]:
    """The packs without what is named, and what stays of it all the same."""
    if not names:
        raise PackError("Nothing was named. Give a term, or a pack (NAME.lexpack).")
    left: list[Chosen | None] = list(chosen)
    notes = []
    for name in dict.fromkeys(map(str, names)):
        if name.endswith(SUFFIX):
            left[_place_of_pack(chosen, name, folder)] = None
            continue
        place, term = _place_of_term(chosen, name, folder)
        one = left[place]
        if one is not None:
            left[place] = one.without([term])
    for place, kept in enumerate(left):
        if kept is None or kept == chosen[place]:
            continue
        if not len(kept.lexicon):
            left[place] = None
        elif kept.pack.lora:
            notes.append(_what_stays(kept, chosen[place]))
    return [one for one in left if one is not None], tuple(notes)


def _place_of_pack(chosen: Sequence[Chosen], name: str, folder: Path) -> int:
    path = Path(name).expanduser()
    found = [place for place, one in enumerate(chosen) if one.pack.name == name]
    if path.is_file():
        sha256 = read_pack(path).sha256
        found = [place for place, one in enumerate(chosen) if one.pack.sha256 == sha256]
    if len(found) != 1:
        listed = ", ".join(one.pack.name for one in chosen)
        why = "is not" if not found else "is the name of several packs that are"
        raise PackError(
            f"{name} {why} installed in {folder}. There are {listed}; their files are in "
            f"{folder / 'packs'}."
        )
    return found[0]


def _place_of_term(chosen: Sequence[Chosen], name: str, folder: Path) -> tuple[int, str]:
    for place, one in enumerate(chosen):
        for term in one.lexicon:
            if same(term.term) == same(name):
                return place, term.term
    terms = [term.term for one in chosen for term in one.lexicon]
    listed = ", ".join(terms[:20]) + (", …" if len(terms) > 20 else "")
    raise PackError(
        f"{name} is no term that was installed in {folder}: there are {listed}. "
        f"A pack is named by a file that ends in {SUFFIX}."
    )


def _what_stays(kept: Chosen, before: Chosen) -> str:
    """What stays of a pack with a LoRA that loses terms; PackError where that is all of one."""
    pack = kept.pack
    gone = [term for term in kept.left_out if term not in before.left_out]
    bare = [term for term in gone if not pack.spelling.tokens_of(term)]
    if bare:
        raise PackError(
            f"{', '.join(bare)} of {pack.name} has no token of its own: all that was taught of it "
            "is in the pack's LoRA, which was taught for all of its terms together. Uninstall the "
            "whole pack, or teach its lexicon again without the term."
        )
    return (
        f"{', '.join(gone)}: the tokens and their rows are gone. The LoRA of {pack.name} was "
        "taught for all of its terms together and stays, with what it learnt of this one."
    )


# --- the base ---


def _base(
    folder: Path,
    record: Record | None,
    chosen: Sequence[Chosen],
    base: str | Path | None,
    revision: str | None,
    progress: Progress,
) -> Host:
    """The untouched base: stripped out of the model where rows alone are in it, else loaded."""
    if record is not None and base is None and not any(one.pack.lora for one in chosen):
        return bare_base(folder, record)
    pack = chosen[0].pack
    if base is None and record is None and (run := run_around(folder)) is not None:
        opened = Workspace.open(run, create=False).record
        base, revision = opened.model, opened.revision
    if base is None:
        base, revision = pack.base.name, pack.base.revision
        if not _is_public(base):
            raise PackError(
                f"A LoRA was installed in {folder}, and cannot be taken out of its weights "
                f"exactly. Give the base itself by --base: it is called {pack.base.name}."
            )
    host = load_host(base, revision=revision, progress=progress.say)
    require_base(pack.base, identity_of(host), pack.name)
    return host


def _is_public(name: str) -> bool:
    """Whether the name in a pack says where the base is: a hub id, or the embedded base."""
    return "/" in name or name == EMBEDDED_NAME
