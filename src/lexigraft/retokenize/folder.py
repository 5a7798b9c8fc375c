"""The folder that retokenizing fills: what run it is, which batches are done, who may write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexigraft.disk import explained_writes
from lexigraft.errors import RunError
from lexigraft.retokenize.shards import PASSAGES, shard_path
from lexigraft.retokenize.values import BatchRecord, CorpusFile, Options
from lexigraft.run_record import changed_names
from lexigraft.workspace import Workspace

__all__ = ["Folder", "Identity"]

_STATE, _BATCHES, _LOCK = "retokenize.json", "batches.jsonl", ".lock"
_OURS = {_STATE, _BATCHES, "tokenizer", "spelling.json", "summary.json", "passages.jsonl", PASSAGES}
_LAYOUT = 1


class Identity(BaseModel):
    """What makes a run that run; `retokenize.json`. A resumed one must have the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int = _LAYOUT
    model: str = Field(description="as it was given")
    fingerprint: str = Field(description="of the untaught tokenizer")
    lexicon: str
    lexicon_digest: str
    options: Options
    files: tuple[CorpusFile, ...] = Field(description="names, sizes and times of change")

    def differences(self, given: Identity) -> list[str]:
        """One line for each thing in which `given` is another run."""
        lines = []
        if self.fingerprint != given.fingerprint:
            lines.append(f"model: {self.model!r} then, {given.model!r} now (another tokenizer)")
        if self.lexicon_digest != given.lexicon_digest:
            lines.append(f"lexicon: {self.lexicon!r} then, {given.lexicon!r} now, or changed")
        then, now = self.options.model_dump(), given.options.model_dump()
        lines += [f"{k}: {then[k]!r} then, {now[k]!r} now" for k in now if then[k] != now[k]]
        return lines + _file_changes(_by_name(self.files), _by_name(given.files))


def _by_name(files: tuple[CorpusFile, ...]) -> dict[str, tuple[int, int]]:
    return {file.name: (file.size, file.modified) for file in files}


def _file_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    lines = changed_names(then, now)
    if {*then} == {*now} and list(then) != list(now):
        some = list(now)
        lines.append(f"in another order {', '.join(some[:5])}{', …' if len(some) > 5 else ''}")
    return [f"corpus: {line}" for line in lines]


class Folder:
    """An open folder, locked; a finished batch in it is never half written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.space = Workspace(root)

    @property
    def summary(self) -> Path:
        """What was found."""
        return self.root / "summary.json"

    @property
    def passages(self) -> Path:
        """Where the terms stand, one JSON object a line."""
        return self.root / "passages.jsonl"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer with the new tokens; a folder for transformers."""
        return self.root / "tokenizer"

    @property
    def spelling(self) -> Path:
        """How each term becomes ids."""
        return self.root / "spelling.json"

    @classmethod
    @contextmanager
    def open(cls, root: Path, identity: Identity, *, resume: bool, force: bool) -> Iterator[Folder]:
        """Begins the run of `identity` in `root`, or with `resume` goes on with it.

        `force` throws away a run that is there, and never anything else. Raises RunError for a
        folder that is taken, foreign or in use, or holds another run than is resumed.
        """
        if root.exists() and not root.is_dir():
            raise RunError(f"{root} is a file; the shards need a folder. Name another one.")
        # Looked at before anything is written, so that a foreign folder stays as it was.
        _refuse_taken(root, may_hold_run=resume or force)
        with explained_writes(root):
            root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / _LOCK)
        try:
            with explained_writes(root):
                lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"Another lexigraft is working in {root}. Wait until it ends, or name another one."
            ) from error
        try:
            # Again under the lock: another process may have come first.
            folder = cls(root)
            folder._begin(_refuse_taken(root, may_hold_run=resume or force), identity, resume)
            yield folder
        finally:
            lock.release()

    def _begin(self, there: Identity | None, identity: Identity, resume: bool) -> None:
        with explained_writes(self.root):
            for partial in self.root.glob(".*.partial-*"):
                _remove(partial)
            if there is not None and not resume:
                self._erase()
                there = None
        if there is None:
            self.space.write_json(self.root / _STATE, identity)
        elif changes := there.differences(identity):
            raise RunError(
                f"{self.root} holds another run, so it cannot be resumed with this:\n"
                + "\n".join(f"  {line}" for line in changes)
                + "\nGive what it was started with, name another folder, or use --force."
            )

    def finished(self) -> dict[int, BatchRecord]:
        """The records of the batches that are done, by their numbers."""
        records = {}
        for line in self.space.read_lines(self.root / _BATCHES):
            try:
                record = BatchRecord.model_validate(line)
            except ValidationError:
                continue
            if shard_path(self.root, record.batch).is_file():
                records[record.batch] = record
        return records

    def finish(self, record: BatchRecord) -> None:
        """Records that a batch is done; its files are in place already."""
        self.space.append_line(self.root / _BATCHES, record.model_dump(mode="json"))

    def sweep(self) -> None:
        """Removes what lost workers left of shards; no worker may be writing any more."""
        for partial in self.root.glob(".part-*.partial-*"):
            _remove(partial)

    def forget_parts(self) -> None:
        """Removes what was kept only for a resume."""
        shutil.rmtree(self.root / PASSAGES, ignore_errors=True)

    def _erase(self) -> None:
        # The records first: no batch may count as done whose shard is gone. The state last, as a
        # folder without it is foreign.
        names = [_BATCHES, *sorted(_OURS - {_BATCHES, _STATE})]
        shards = [path.name for path in self.root.iterdir() if _is_shard(path.name)]
        for name in (*names, *shards, _STATE):
            _remove(self.root / name)


def _refuse_taken(root: Path, *, may_hold_run: bool) -> Identity | None:
    """The run at `root`; RunError when none is wanted there, or for a foreign folder."""
    if not root.is_dir():
        return None
    state = root / _STATE
    if not state.is_file():
        _refuse_foreign(root)
        return None
    if not may_hold_run:
        raise RunError(
            f"{root} holds a retokenized corpus already. Go on with it by --resume, throw it "
            "away by --force, or name another folder."
        )
    try:
        return Identity.model_validate(_with_paths(json.loads(state.read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{state} is damaged or of another lexigraft. Name another folder, or remove this one."
        ) from error


def _with_paths(state: dict[str, Any]) -> dict[str, Any]:
    """Paths are not stored: what tells a file is its name, size and time of change."""
    return {**state, "files": [{"path": "", **file} for file in state["files"]]}


def _refuse_foreign(root: Path) -> None:
    names = sorted(
        item.name for item in root.iterdir() if item.name != _LOCK and ".partial-" not in item.name
    )
    if names:
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise RunError(
            f"{root} holds files that retokenizing did not write ({shown}). "
            "Name a new or an empty folder."
        )


def _is_shard(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
