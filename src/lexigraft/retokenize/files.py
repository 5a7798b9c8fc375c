"""Which files a corpus is: files, folders and globs as given, in a fixed order."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lexigraft.errors import CorpusError
from lexigraft.retokenize.values import Compression, CorpusFile, Format

__all__ = ["KNOWN", "Corpus", "Paths", "find_files", "require_unchanged"]

_FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst"}
KNOWN = ".txt, .jsonl, .ndjson (each also .gz, .bz2, .xz or .zst) and .parquet"

Paths = str | Path | Iterable[str | Path]


class Corpus(NamedTuple):
    """The files to read, and those of an unknown kind that a folder or a glob held besides."""

    files: tuple[CorpusFile, ...]
    skipped: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files on the disk."""
        return sum(file.size for file in self.files)


def find_files(given: Paths, without: Path | None = None) -> Corpus:
    """The files behind `given`: files, folders (walked in the order of names), globs.

    A file that is reached twice is read once. Hidden files and everything inside the folder
    `without` are passed over. Raises CorpusError for what is missing, for a named file of an
    unknown kind, and where nothing is left.
    """
    listed = [given] if isinstance(given, str | Path) else given
    names = [os.fspath(item) for item in listed]
    inside = None if without is None else _real(without)
    files: dict[str, CorpusFile] = {}
    skipped: dict[str, None] = {}
    for name in names:
        for path, named in _expanded(name):
            real = _real(path)
            if real in files or (
                inside is not None and (real + os.sep).startswith(inside + os.sep)
            ):
                continue
            kind = _kind(path)
            if kind is not None:
                files[real] = _corpus_file(path, *kind)
            elif named:
                raise CorpusError(f"{_shown(path)} is of an unknown kind. Known: {KNOWN}.")
            else:
                skipped[_shown(path)] = None
    if not files:
        raise CorpusError(_nothing(names, list(skipped)))
    return Corpus(tuple(files.values()), tuple(skipped))


def _nothing(names: Sequence[str], skipped: Sequence[str]) -> str:
    where = ", ".join(_shown(Path(name)) for name in names[:5]) or "no path"
    found = f" (found: {', '.join(skipped[:5])}{', …' if len(skipped) > 5 else ''})"
    return f"There is nothing to read in {where}{found if skipped else ''}. Known: {KNOWN}."


def _expanded(name: str) -> Iterator[tuple[Path, bool]]:
    """Each file behind one argument, and whether it was named itself."""
    path = Path(name).expanduser()
    if path.is_dir():
        yield from ((found, False) for found in _walked(path))
    elif path.exists():
        yield path, True
    elif glob.has_magic(name):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 -- may be absolute
        if not matches:
            raise CorpusError(f"No file matches {_shown(path)}.")
        for match in map(Path, matches):
            if match.is_dir():
                # `**` gives every folder as well as what is in it.
                yield from () if "**" in name else ((found, False) for found in _walked(match))
            else:
                yield match, False
    else:
        raise CorpusError(f"There is no file or folder {_shown(path)}.")


def _walked(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise CorpusError(f"{_shown(folder)} cannot be read: {error.strerror}.")

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place, name)


def _kind(path: Path) -> tuple[Format, Compression | None] | None:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression is not None:
        suffixes.pop()
    format = _FORMATS.get(suffixes[-1]) if suffixes else None
    # Parquet has a compression of its own and is read from its end: nothing wraps it.
    if format is None or (format == "parquet" and compression is not None):
        return None
    return format, compression


def _corpus_file(path: Path, format: Format, compression: Compression | None) -> CorpusFile:
    found = _stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise CorpusError(f"{_shown(path)} is no regular file. Write its content to one first.")
    return CorpusFile(
        name=_shown(path),
        path=str(path),
        size=found.st_size,
        modified=found.st_mtime_ns,
        format=format,
        compression=compression,
    )


def require_unchanged(file: CorpusFile) -> None:
    """Raises CorpusError when `file` is no longer as it was when the run began."""
    found = _stat(Path(file.path))
    if (found.st_size, found.st_mtime_ns) != (file.size, file.modified):
        raise CorpusError(f"{file.name} was changed while it was read. Start again with --force.")


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise CorpusError(f"{_shown(path)} cannot be read: {error.strerror}.") from error


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _shown(path: Path) -> str:
    """The path as text that UTF-8 can hold: a name may be any bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
