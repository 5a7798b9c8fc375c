"""A full or read-only disk, told in words."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from lexigraft import disk
from lexigraft.disk import explained_writes, free_bytes, fsync_folder, require_space
from lexigraft.errors import ModelError, RunError


@pytest.fixture
def nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2_500_000))


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    expected = shutil.disk_usage(tmp_path).free
    found = free_bytes(tmp_path / "a" / "b")
    assert found is not None
    assert abs(found - expected) < 10**9


def test_a_disk_that_cannot_be_asked_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Path) -> None:
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert free_bytes(tmp_path) is None
    require_space(tmp_path, "the model", 10**30)


@pytest.mark.usefixtures("nearly_full")
def test_space_is_required_before_writing(tmp_path: Path) -> None:
    require_space(tmp_path, "the model", 2_500_000)
    require_space(tmp_path, "the model", None)
    with pytest.raises(RunError) as caught:
        require_space(tmp_path, "the model", 3_000_000_000)
    assert "the model needs 3.0 GB, 2.5 MB are free" in str(caught.value)
    assert "--resume" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        RuntimeError("PytorchStreamWriter failed: No space left on device"),
        Exception("Error while serializing: I/O error: (os error 28)"),
    ],
    ids=["full", "quota", "torch", "safetensors"],
)
@pytest.mark.usefixtures("nearly_full")
def test_a_full_disk_is_told(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"is full: 2\.5 MB are free") as caught,
        explained_writes(tmp_path),
    ):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_told(number: int, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Name another folder"), explained_writes(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No space left"), explained_writes(tmp_path):
        raise ModelError("No space left in this test")
    with pytest.raises(IsADirectoryError), explained_writes(tmp_path):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    with pytest.raises(KeyboardInterrupt), explained_writes(tmp_path):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (2_340_000, "2.3 MB")],
)
def test_sizes(size: int, said: str) -> None:
    assert disk.size_text(size) == said


def test_a_folder_is_synced_where_it_can_be(tmp_path: Path) -> None:
    fsync_folder(tmp_path)
    fsync_folder(tmp_path / "absent")
