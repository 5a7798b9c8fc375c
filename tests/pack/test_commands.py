"""`pack`, `inspect`, `install` and `uninstall` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lexigraft.cli import app
from lexigraft.pack.reading import pack_from_bytes


def call(*arguments: object) -> Result:
    """The command in this process. What it raises by mistake is raised."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_from_a_run_to_a_model_and_back(make_run: Any, tmp_path: Path) -> None:
    run = make_run("words", {"zorblax": "token", "brellow": "token"})
    path = tmp_path / "words.lexpack"
    done = call("pack", run.folder, "--output", path, "--license", "MIT", "--author", "A. Name")
    assert done.exit_code == 0, done.stderr
    assert "A. Name" in done.stdout
    assert f"lexigraft install {path}" in done.stdout

    shown = call("inspect", path)
    assert shown.exit_code == 0
    for words in ("words.lexpack", "byte-tied", "MIT", "zorblax", "a thing called 0", "token (4)"):
        assert words in shown.stdout
    plain = json.loads(call("inspect", path, "--json").stdout)
    assert plain["knows"] == 2
    assert plain["rows"]["count"] == 8
    assert plain["lora"] is None
    assert [term["tokens"] for term in plain["terms"]] == [4, 4]
    assert plain["size"] == path.stat().st_size

    model = tmp_path / "model"
    done = call("install", path, "--model", run.base, "--output", model)
    assert done.exit_code == 0, done.stderr
    assert "words.lexpack" in done.stdout
    assert done.stdout.strip().endswith(model.name)
    assert (model / "packs-verdict.json").is_file()

    done = call("uninstall", "zorblax", "--model", model, "--output", tmp_path / "fewer")
    assert done.exit_code == 0, done.stderr
    assert "Left in it: words.lexpack." in done.stdout
    done = call("uninstall", path, "--model", model, "--output", tmp_path / "bare")
    assert done.exit_code == 0, done.stderr
    assert "The base, as it was." in done.stdout


def test_no_verify_leaves_the_question_out(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("one", {"zorblax": "token"})
    done = call("install", path, "--model", run.base, "--output", tmp_path / "m", "--no-verify")
    assert done.exit_code == 0, done.stderr
    assert not (tmp_path / "m" / "packs-verdict.json").exists()


def test_a_dry_run_writes_nothing(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("one", {"zorblax": "token"})
    target = "--model", run.base, "--output", tmp_path / "m", "--dry-run"
    done = call("install", path, *target)
    assert done.exit_code == 0, done.stderr
    assert "Terms: 1; new tokens: 4." in done.stdout
    assert not (tmp_path / "m").exists()
    other, _ = make_pack("two", {"zorblax": "token"})
    clash = call("install", path, other, *target)
    assert clash.exit_code == 2
    assert "--prefer" in clash.stderr


@pytest.mark.parametrize("command", ["inspect", "install"])
def test_a_damaged_pack_is_told_in_a_line(make_pack: Any, tmp_path: Path, command: str) -> None:
    path, run = make_pack("one", {"zorblax": "token"})
    path.write_bytes(path.read_bytes()[:-1])
    more = ["--model", run.base, "--output", tmp_path / "m"] if command == "install" else []
    done = call(command, path, *more)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "one.lexpack is cut short" in done.stderr
    assert "Traceback" not in done.stderr


def test_hostile_text_is_shown_harmless(make_pack: Any, tmp_path: Path, mangling: Any) -> None:
    path, _ = make_pack("one", {"zorblax": "token"})
    parts = mangling.apart(path.read_bytes())
    parts.manifest["author"] = "[red]Name[/red]"
    parts.documents["verdict"]["notes"] = ["\x1b[2J\x1b]0;title\x07 and\r\nmore \u202egnp.exe"]
    path.write_bytes(parts.joined())
    pack_from_bytes(path.read_bytes(), "one.lexpack")
    shown = call("inspect", path).stdout
    assert "[red]Name[/red]" in shown
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(shown)
