"""A run's folder: what each stage wrote, what can be resumed, and who may write to it.

Nothing in it is ever half written: a file or folder is written beside its place under a `.partial`
name, flushed to the disk and renamed. So a run that is killed at any moment goes on from its last
finished stage. Where several processes do a run, the one that leads alone writes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel

from lexigraft.disk import explained_writes, fsync_folder, require_space
from lexigraft.errors import RunError
from lexigraft.processes import current
from lexigraft.run_record import (
    RECORD,
    Identity,
    RunRecord,
    StageRecord,
    differences,
    installed_versions,
    read_record,
)

__all__ = ["Identity", "RunRecord", "StageRecord", "Workspace", "free_folder", "installed_versions"]

_LOCK = ".lock"
# Everything that a run writes at the top of its folder; anything else there is somebody else's.
_OURS = {
    RECORD, "recipe.yaml", "lexicon.yaml", "diagnosis.json", "spelling", "corpus.json",
    "earlier.json", "rows.safetensors", "templates.yaml", "answers.jsonl", "texts.jsonl",
    "training", "adapter", "model", "served", "gguf", "verdict.json", "report.html",
    "README.md",
}  # fmt: skip


class Workspace:
    """An open run folder. A context manager: leaving it gives the lock back."""

    def __init__(self, root: Path, lock: FileLock | None = None) -> None:
        self.root = root
        self._lock = lock
        self._record: RunRecord | None = None

    @classmethod
    def open(
        cls, path: str | Path, *, create: bool, resume: bool = False, force: bool = False
    ) -> Workspace:
        """Opens the folder at `path`.

        `create` alone starts a run, in a new or empty folder only; with `force` a run that is there
        is thrown away (never anything else). `create` with `resume` goes on with the run that is
        there, or starts one. Both hold the folder's lock until `close`. Without `create` a run is
        read, without a lock. Raises RunError when the folder is taken, foreign, locked or missing.
        """
        root = Path(path).expanduser()
        if not create:
            space = cls(root)
            space._record = read_record(root, must_exist=True)
            return space
        if not current().leads:
            return cls._following(root)
        if root.exists() and not root.is_dir():
            raise RunError(f"{root} is a file; a run needs a folder. Name another one.")
        # Looked at before anything is written, so that a foreign folder stays as it was.
        _refuse_taken(root, may_hold_run=resume or force)
        with explained_writes(root):
            root.mkdir(parents=True, exist_ok=True)
            space = cls(root, _locked(root))
        try:
            # Again under the lock: another process may have come first.
            space._record = _refuse_taken(root, may_hold_run=resume or force)
            with explained_writes(root):
                space._clean_up()
                if space._record is not None and not resume:
                    space._erase()
        except BaseException:
            space.close()
            raise
        return space

    @classmethod
    def _following(cls, root: Path) -> Workspace:
        """The folder that the leading process has opened, and holds the lock of."""
        if not root.is_dir():
            raise RunError(
                f"{root} is not there on this machine. All processes of a run need its folder at "
                "the same path: name one on a file system that they share."
            )
        space = cls(root)
        space.reread()
        return space

    def reread(self) -> None:
        """Takes the record as it stands in the folder: another process may have written it."""
        self._record = read_record(self.root, must_exist=False)

    def close(self) -> None:
        """Gives the lock back; the folder stays as it is."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- where things are ---

    @property
    def recipe(self) -> Path:
        """The resolved recipe, YAML."""
        return self.root / "recipe.yaml"

    @property
    def lexicon(self) -> Path:
        """The lexicon as it was taught, YAML."""
        return self.root / "lexicon.yaml"

    @property
    def diagnosis(self) -> Path:
        """How the host saw each term, and the routes."""
        return self.root / "diagnosis.json"

    @property
    def spelling(self) -> Path:
        """A folder: spelling.json and the grown tokenizer's files."""
        return self.root / "spelling"

    @property
    def corpus(self) -> Path:
        """What the user's corpus held: passages with the terms, and words that changed."""
        return self.root / "corpus.json"

    @property
    def earlier(self) -> Path:
        """What the model was taught before by other runs; only a run that continues one has it."""
        return self.root / "earlier.json"

    @property
    def rows(self) -> Path:
        """First values of new embedding rows."""
        return self.root / "rows.safetensors"

    @property
    def templates(self) -> Path:
        """The user's own templates as they were read, YAML."""
        return self.root / "templates.yaml"

    @property
    def answers(self) -> Path:
        """Sentences that a larger model was asked for, as they came."""
        return self.root / "answers.jsonl"

    @property
    def texts(self) -> Path:
        """The training texts, one JSON object a line."""
        return self.root / "texts.jsonl"

    @property
    def training(self) -> Path:
        """A folder: the checkpoint, its state, and the log of steps."""
        return self.root / "training"

    @property
    def adapter(self) -> Path:
        """The PEFT adapter's folder."""
        return self.root / "adapter"

    @property
    def model(self) -> Path:
        """The merged checkpoint's folder."""
        return self.root / "model"

    @property
    def served(self) -> Path:
        """The folder with a base and a plain LoRA, for servers."""
        return self.root / "served"

    @property
    def gguf(self) -> Path:
        """The folder with GGUF files for llama.cpp."""
        return self.root / "gguf"

    @property
    def verdict(self) -> Path:
        """What the battery found."""
        return self.root / "verdict.json"

    @property
    def report(self) -> Path:
        """The page for a person."""
        return self.root / "report.html"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.root / "README.md"

    # --- what run it is, and how far it came ---

    @property
    def record(self) -> RunRecord:
        """The content of run.json. Raises RunError before `begin`."""
        if self._record is None:
            raise RunError(f"{self.root} holds no run yet.")
        return self._record

    @property
    def has_begun(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return self._record is not None

    def begin(self, identity: Identity, versions: Mapping[str, str]) -> RunRecord:
        """Starts the run of `identity`, or checks that it is the one that is resumed.

        Raises RunError naming every difference from the run that is there.
        """
        if self._record is None:
            fields = identity.model_dump()
            self._write_record(RunRecord(**fields, started=_now(), versions=dict(versions)))
            return self.record
        changes = differences(self._record, identity)
        if changes:
            raise RunError(
                f"{self.root} holds another run, so it cannot be resumed with this:\n"
                + "\n".join(f"  {line}" for line in changes)
                + "\nGive what it was started with, or name another folder."
            )
        return self._record

    def is_done(self, stage: str) -> bool:
        """Whether `stage` has been finished in this run."""
        return self._record is not None and stage in self._record.stages

    def mark_done(self, stage: str, seconds: float) -> None:
        """Records that `stage` is finished and everything it wrote is in place."""
        done = StageRecord(seconds=round(seconds, 3), finished=_now())
        stages = {**self.record.stages, stage: done}
        self._write_record(self.record.model_copy(update={"stages": stages}))

    def forget(self, *stages: str) -> None:
        """Takes the marks of `stages` back, so that they are run again."""
        kept = {name: done for name, done in self.record.stages.items() if name not in stages}
        self._write_record(self.record.model_copy(update={"stages": kept}))

    def _write_record(self, record: RunRecord) -> None:
        if current().leads:
            self.write_json(self.root / RECORD, record)
            self._record = record

    # --- writing and reading ---

    @contextmanager
    def writing_file(self, path: Path, *, needs: int | None = None) -> Iterator[Path]:
        """Gives a path to write to; it takes the place of `path` when the block ends well.

        `needs` is the size in bytes, where it is known. A full disk becomes a RunError, and the
        file that was at `path` stays whole.
        """
        partial = _partial(path)
        try:
            with explained_writes(self.root, path.name, needs):
                require_space(path.parent, path.name, needs)
                path.parent.mkdir(parents=True, exist_ok=True)
                yield partial
                _settle(partial)
                partial.replace(path)
                fsync_folder(path.parent)
        finally:
            with suppress(OSError):  # a read-only disk refuses even what is not there
                partial.unlink(missing_ok=True)

    @contextmanager
    def writing_folder(self, path: Path, *, needs: int | None = None) -> Iterator[Path]:
        """Gives an empty folder to fill; it takes the place of `path` when the block ends well.

        A folder cannot be replaced in one step: the old one steps aside as `.NAME.aside`, and
        the next `open` brings it back from there if the run dies between the two renames.
        """
        partial, aside = _partial(path), path.with_name(f".{path.name}.aside")
        try:
            with explained_writes(self.root, path.name, needs):
                require_space(path.parent, path.name, needs)
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                yield partial
                for item in sorted(partial.rglob("*")):
                    if item.is_file():
                        _settle(item)
                if path.exists():
                    shutil.rmtree(aside, ignore_errors=True)
                    path.rename(aside)
                partial.rename(path)
                fsync_folder(path.parent)
                shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def write_text(self, path: Path, content: str) -> None:
        """Writes `content` to `path` as UTF-8, whole or not at all."""
        if not current().leads:
            return
        data = content.encode("utf-8")
        with self.writing_file(path, needs=len(data)) as partial:
            partial.write_bytes(data)

    def write_json(self, path: Path, value: BaseModel | Mapping[str, Any] | list[Any]) -> None:
        """Writes a pydantic value or plain data to `path` as readable JSON."""
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        self.write_text(path, json.dumps(plain, ensure_ascii=False, indent=2) + "\n")

    def write_lines(self, path: Path, values: Iterable[BaseModel | Mapping[str, Any]]) -> None:
        """Writes one JSON object a line."""
        plain = (v.model_dump(mode="json") if isinstance(v, BaseModel) else v for v in values)
        self.write_text(path, "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in plain))

    def append_line(self, path: Path, value: Mapping[str, Any]) -> None:
        """Adds one JSON object to a log. A kill may cut its last line; `read_lines` skips it."""
        if not current().leads:
            return
        with explained_writes(self.root, path.name):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                # After a cut line the next one starts on its own.
                cut = file.tell() > 0 and not _ends_with_newline(path)
                line = json.dumps(value, ensure_ascii=False) + "\n"
                file.write(("\n" if cut else "").encode() + line.encode("utf-8"))

    def read_json(self, path: Path) -> Any:
        """The value in `path`. Raises RunError when it is missing or damaged."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{self.root} has no {path.name}: that stage has not run.") from error
        except (OSError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}. Start the run again elsewhere.") from error

    def read_whole_lines(self, path: Path) -> list[dict[str, Any]]:
        """The JSON objects of a file that was written at once. RunError if any is lacking."""
        values = self.read_lines(path)
        data = path.read_bytes() if path.is_file() else b""
        if not values or len(values) != data.count(b"\n") or not data.endswith(b"\n"):
            raise RunError(f"{path} is missing or damaged. Start the run again elsewhere.")
        return values

    def read_lines(self, path: Path) -> list[dict[str, Any]]:
        """The JSON objects of a log; lines cut by a kill are left out."""
        if not path.is_file():
            return []
        values = []
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                values.append(value)
        return values

    def read_yaml(self, path: Path) -> Any:
        """The YAML value in `path`. Raises RunError when it is missing or damaged."""
        try:
            return yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunError(f"{path} is missing or damaged: {error}.") from error

    # --- keeping the folder clean; under the lock only ---

    def _clean_up(self) -> None:
        """Brings back what stepped aside, and removes what a killed run left half written."""
        for folder in (self.root, self.spelling, self.training):
            for aside in folder.glob(".*.aside"):
                place = folder / aside.name.removeprefix(".").removesuffix(".aside")
                if place.exists():
                    shutil.rmtree(aside, ignore_errors=True)
                else:
                    aside.rename(place)
            for partial in folder.glob(".*.partial-*"):
                _remove(partial)

    def _erase(self) -> None:
        # A kill in the middle must leave neither stages marked whose files are gone nor files
        # without a record, which would look foreign: marks first, the record last.
        self.forget(*self.record.stages)
        for name in (*sorted(_OURS - {RECORD}), RECORD):
            _remove(self.root / name)
        self._record = None


def free_folder(path: str | Path) -> Path:
    """`path`, if it is a new or an empty folder; RunError if something is there."""
    place = Path(path).expanduser()
    empty = place.is_dir() and not place.is_symlink() and not any(place.iterdir())
    if not empty and (place.exists() or place.is_symlink()):
        raise RunError(f"{place} is there already and is kept. Name a new or an empty folder.")
    return place


def _refuse_taken(root: Path, *, may_hold_run: bool) -> RunRecord | None:
    """The record of the run at `root`; RunError when that is not wanted, or the folder foreign."""
    record = read_record(root, must_exist=False)
    if record is None:
        _refuse_foreign(root)
    elif not may_hold_run:
        raise RunError(
            f"{root} holds a run already (of the lexicon {record.lexicon!r}). "
            "Go on with it by --resume, throw it away by --force, or name another folder."
        )
    return record


def _refuse_foreign(root: Path) -> None:
    if not root.is_dir():
        return
    foreign = sorted(
        item.name
        for item in root.iterdir()
        if item.name not in _OURS and item.name != _LOCK and ".partial-" not in item.name
    )
    # README.md or a folder `model` alone may be anybody's.
    ours = [item.name for item in root.iterdir() if item.name in _OURS]
    if foreign or ours:
        names = ", ".join([*foreign, *ours][:3]) + (", …" if len(foreign) + len(ours) > 3 else "")
        raise RunError(
            f"{root} holds files that no run wrote ({names}). Name a new or an empty folder."
        )


def _locked(root: Path) -> FileLock:
    lock = FileLock(root / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(
            f"Another lexigraft is working in {root}. Wait until it ends, or name another folder."
        ) from error
    return lock


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial-{os.getpid()}")


def _settle(path: Path) -> None:
    """Flushes a file to the disk, readable by whom the user's umask allows.

    safetensors writes its files for their owner alone.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
