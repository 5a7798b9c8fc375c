"""The walls between the rooms, and what keeps the command line quick and the files clean."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src"
HEAVY = ("torch", "transformers", "peft", "tokenizers", "numpy", "pandas", "gguf")
LIGHT = (
    "lexigraft",
    "lexigraft.errors",
    "lexigraft.lexicon",
    "lexigraft.pack",
    "lexigraft.recipe",
    "lexigraft.report",
    "lexigraft.workspace",
    "lexigraft.checks.results",
    "lexigraft.cli",
)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "COLUMNS": "100"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_imports_run_one_way() -> None:
    code = "import sys; from importlinter.cli import lint_imports; "
    code += "sys.exit(lint_imports(no_cache=True, config_filename='pyproject.toml'))"
    result = python("-c", code)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"[1-9]\d* kept, 0 broken", result.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    result = python("-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def children_seconds() -> float:
    """Processor time of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def test_help_answers_at_once() -> None:
    times = []
    for _ in range(4):
        start = children_seconds()
        result = python("-m", "lexigraft", "--help")
        times.append(children_seconds() - start)
        assert result.returncode == 0, result.stderr
        assert "teach" in result.stdout
    # Processor time, and the best of a few: a busy machine is no fault of ours, and the first one
    # may compile files.
    assert min(times) < 0.5, times


def tracked_files() -> list[Path]:
    """Files of the repository: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# Written in halves, so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": r"/(?:home|Users)/(?!somebody|someone|you|user)\w+/|/tmp"
    r"/x/|/wor"
    r"k/(?:main|shared)|[A-Z]:\\\\Users\\\\",
    "a registry's host": r"pypi\.(?:org|python)|pythonhosted|registry\.npm" r"js|index-ur" r"l",
    "an unmerged conflict": r"^(?:<{7}|>{7}) ",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names_a_machine_or_a_registry(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = []
    files = tracked_files()
    assert len(files) > 10
    for path in files:
        if path == Path(__file__).resolve():
            continue
        for match in pattern.finditer(path.read_bytes().decode("utf-8", errors="ignore")):
            found.append(f"{path.relative_to(ROOT)}: {match.group()}")
    assert found == []


def test_files_stay_readable_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in SOURCES.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_every_dependency_is_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    names = {re.split("==", pin)[0].lower().replace("_", "-") for pin in pins}
    assert len(names) == len(pins)
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [item for group in project["optional-dependencies"].values() for item in group]
    asked = {re.split(r"[\[<>=!~ ]", item)[0].lower() for item in project["dependencies"] + extras}
    missing = {name.replace("_", "-") for name in asked} - names - {"lexigraft"}
    assert missing == set()
