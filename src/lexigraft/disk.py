"""A full or read-only disk, told in words, before and while something is written."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lexigraft.errors import LexigraftError, RunError

__all__ = [
    "explained_writes",
    "free_bytes",
    "fsync_folder",
    "require_space",
    "size_text",
    "temporary_folder",
]

_FULL = {errno.ENOSPC, errno.EDQUOT}


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk of `folder` or of its nearest parent that exists."""
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def require_space(folder: Path, what: str, needs: int | None) -> None:
    """Raises RunError when `needs` bytes for `what` do not fit on the disk of `folder`."""
    free = None if needs is None else free_bytes(folder)
    if needs is not None and free is not None and free < needs:
        raise RunError(_full(folder, what, needs))


@contextmanager
def explained_writes(folder: Path, what: str = "it", needs: int | None = None) -> Iterator[None]:
    """Turns a full disk, a file too large or a folder that cannot be written into a RunError.

    safetensors and torch raise errors of their own for a full disk, so the text is looked at too.
    """
    try:
        yield
    except LexigraftError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL or "No space left" in str(error) or "os error 28" in str(error):
            raise RunError(_full(folder, what, needs)) from error
        if number == errno.EFBIG or "os error 27" in str(error):
            raise RunError(
                f"{what} grew too large for one file in {folder}: a limit of the file system (FAT: "
                "4 GB) or of this shell (ulimit -f).\nNothing finished is lost: lift the limit and "
                "run the same command with --resume, or name a folder on another disk."
            ) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(
                f"{folder} cannot be written ({os.strerror(number)}). Name another folder."
            ) from error
        raise


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards. RunError where the disk of such folders is full."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise RunError(f"{error.strerror}. Name a folder in TMPDIR.") from error
    with (
        explained_writes(place, "a temporary file"),
        tempfile.TemporaryDirectory(prefix="lexigraft-") as folder,
    ):
        yield Path(folder)


def _full(folder: Path, what: str, needs: int | None) -> str:
    free = free_bytes(folder)
    wanted = f" {what} needs {size_text(needs)}," if needs is not None else ""
    there = f" {size_text(free)} are free" if free is not None else ""
    facts = f":{wanted}{there}" if wanted or there else ""
    return (
        f"The disk of {folder} is full{facts}.\n"
        "Nothing finished is lost: free some space, then run the same command with --resume."
    )


def size_text(size: int) -> str:
    """`size` bytes as people say them: 540.1 MB."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def fsync_folder(folder: Path) -> None:
    """Makes renames in `folder` last over a power cut, where the platform can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
