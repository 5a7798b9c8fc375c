"""What `lexigraft doctor` says of a machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from lexigraft import doctor as rooms
from lexigraft.cli import app
from lexigraft.doctor import Finding, Health, doctor


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    """What is found with some of the machine's answers replaced, by what was looked at."""
    monkeypatch.setattr(rooms, "_WATCHED", 0.01)

    def look(busy: float = 0.0) -> dict[str, Finding]:
        monkeypatch.setattr(rooms.psutil, "cpu_percent", lambda interval: busy)
        return {finding.what: finding for finding in doctor().findings}

    return look


def test_this_machine_can_teach(found: Callable[..., dict[str, Finding]]) -> None:
    health = found()
    assert {"python", "libraries", "processor", "memory", "embedded base"} <= set(health)
    assert f"torch {torch.__version__.split('+')[0]}" in health["libraries"].found
    assert Health(findings=tuple(health.values())).well


def test_a_busy_machine_is_told_how_many_threads_are_left(
    found: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(rooms, "_usable_cores", lambda: 4)
    monkeypatch.setattr(rooms.torch, "get_num_threads", lambda: 4)
    assert found(busy=2.0)["other work"].state == "good"
    told = found(busy=50.0)["other work"]
    assert told.state == "note"
    assert told.found == "2.0 of 4 cores busy"
    assert "OMP_NUM_THREADS=2" in str(told.advice)
    # Who has left them a core each already is told nothing.
    monkeypatch.setattr(rooms.torch, "get_num_threads", lambda: 2)
    assert found(busy=50.0)["other work"].state == "good"


def test_little_memory_and_too_many_threads_are_notes(
    found: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SimpleNamespace(available=2_000_000_000, total=8_000_000_000)
    monkeypatch.setattr(rooms.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(rooms, "_usable_cores", lambda: 2)
    monkeypatch.setattr(rooms.torch, "get_num_threads", lambda: 8)
    health = found()
    assert health["memory"].state == "note"
    assert health["memory"].found == "2.0 GB free of 8.0 GB"
    assert "OMP_NUM_THREADS=2" in str(health["processor"].advice)


def test_what_is_missing_stands_in_the_way(
    found: Callable[..., dict[str, Finding]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    real = rooms.version

    def version(name: str) -> str:
        if name == "peft":
            raise PackageNotFoundError(name)
        return real(name)

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LEXIGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setattr(rooms, "version", version)
    monkeypatch.setattr(rooms, "free_bytes", lambda folder: 1_000_000)
    monkeypatch.setattr(rooms, "find_spec", lambda name: None)
    health = found()
    assert health["libraries"].found == "missing: peft"
    assert health["embedded base"].state == "bad"
    assert "1.0 MB free" in health["embedded base"].found
    assert health["launcher"].state == "bad"
    assert "pip install 'lexigraft[gguf]'" in str(health["extra gguf"].advice)
    assert not Health(findings=tuple(health.values())).well
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_WATCHED", 0.01)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    assert "Nothing stands in the way." in done.stdout
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 3
    assert {f["what"] for f in json.loads(done.stdout)["findings"]} >= {"python", "launcher"}
