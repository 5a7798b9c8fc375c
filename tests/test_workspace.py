"""A run's folder: atomic writes, the lock, refusals, resuming."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lexigraft.errors import RunError
from lexigraft.workspace import Identity, Workspace, installed_versions


def identity(**changes: Any) -> Identity:
    values: dict[str, Any] = {
        "model": "base",
        "fingerprint": "f0",
        "lexicon": "demo",
        "lexicon_digest": "l0",
        "terms": {"zorblax": "a", "энтелехия": "b"},
        "recipe": {"training": {"learning_rate": 2e-4, "steps": 100}, "seed": 0},
        "recipe_digest": "r0",
        "seed": 0,
    }
    return Identity(**{**values, **changes})


def begun(path: Path, **changes: Any) -> Path:
    with Workspace.open(path, create=True) as run:
        run.begin(identity(**changes), {"torch": "2"})
    return path


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python with the same path, so that locks and kills are real."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_a_new_run_is_recorded_and_read_back(tmp_path: Path) -> None:
    run = begun(tmp_path / "deep" / "run")
    with Workspace.open(run, create=True, resume=True) as space:
        assert not space.is_done("rows")
        space.mark_done("rows", 1.5)
    read = Workspace.open(run, create=False)
    assert read.record.terms == {"zorblax": "a", "энтелехия": "b"}
    assert read.record.versions == {"torch": "2"}
    assert read.is_done("rows")
    assert read.record.stages["rows"].seconds == 1.5


def test_a_stage_can_be_forgotten(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with Workspace.open(run, create=True, resume=True) as space:
        space.mark_done("rows", 1)
        space.mark_done("training", 2)
        space.forget("training")
    read = Workspace.open(run, create=False)
    assert read.is_done("rows")
    assert not read.is_done("training")


def test_a_folder_with_a_run_needs_resume(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with pytest.raises(RunError, match=r"(?s)demo.*--resume.*another folder"):
        Workspace.open(run, create=True)


def test_resume_starts_a_run_where_there_is_none(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "new", create=True, resume=True) as space:
        assert not space.has_begun
        with pytest.raises(RunError, match="no run yet"):
            _ = space.record


@pytest.mark.parametrize("name", ["thesis.docx", "README.md", "model", ".hidden"])
@pytest.mark.parametrize("options", [{}, {"resume": True}, {"force": True}])
def test_a_foreign_folder_is_refused_and_left_as_it_was(
    tmp_path: Path, name: str, options: dict[str, bool]
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        Workspace.open(tmp_path, create=True, **options)
    assert [item.name for item in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(RunError, match="is a file"):
        Workspace.open(path, create=True)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"name": "npm"}'])
def test_a_foreign_or_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    for options in ({"create": False}, {"create": True, "resume": True}, {"create": True}):
        with pytest.raises(RunError, match=r"run\.json is not the record"):
            Workspace.open(tmp_path, **options)


def test_a_newer_layout_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema_version": 99}')
    with pytest.raises(RunError, match="newer lexigraft"):
        Workspace.open(tmp_path, create=False)


@pytest.mark.parametrize("make", [False, True])
def test_reading_what_is_no_run(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "none"
    if make:
        folder.mkdir()
    with pytest.raises(RunError, match="holds no run" if make else "does not exist"):
        Workspace.open(folder, create=False)
    assert folder.exists() == make


def test_force_throws_the_run_away_and_nothing_else(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with Workspace.open(run, create=True, resume=True) as space:
        space.write_text(space.verdict, "{}")
        with space.writing_folder(space.model) as folder:
            (folder / "weights").write_text("w")
        space.mark_done("verdict", 1)
    (run / "notes.txt").write_text("mine")
    with Workspace.open(run, create=True, force=True) as space:
        assert not space.has_begun
        assert not space.verdict.exists()
        assert not space.model.exists()
        space.begin(identity(seed=5), {})
        assert not space.is_done("verdict")
    assert (run / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "other"}, ["model: 'base' then, 'other' now"]),
        ({"revision": "main"}, ["revision: None then, 'main' now"]),
        ({"seed": 3}, ["seed: 0 then, 3 now"]),
        ({"fingerprint": "f1"}, ["'base' has other weights"]),
        (
            {"lexicon_digest": "l1", "terms": {"zorblax": "A", "эйдос": "c"}},
            ["lexicon: added эйдос; removed энтелехия; changed zorblax"],
        ),
        ({"lexicon_digest": "l1"}, ["lexicon: changed"]),
        (
            {
                "recipe_digest": "r1",
                "recipe": {"training": {"learning_rate": 1e-3, "steps": 100}, "seed": 0},
            },
            ["recipe: training.learning_rate 0.0002 then, 0.001 now"],
        ),
        ({"seed": 3, "model": "other"}, ["seed: 0 then", "model: 'base' then"]),
    ],
)
def test_another_run_is_not_resumed_and_every_difference_is_named(
    tmp_path: Path, changes: dict[str, Any], said: list[str]
) -> None:
    run = begun(tmp_path)
    before = (run / "run.json").read_bytes()
    with Workspace.open(run, create=True, resume=True) as space:
        with pytest.raises(RunError) as caught:
            space.begin(identity(**changes), {})
        for line in said:
            assert line in str(caught.value)
        space.begin(identity(), {"torch": "3"})  # the same run still goes on
    assert (run / "run.json").read_bytes() == before


def test_a_second_process_gets_no_lock(tmp_path: Path) -> None:
    run = begun(tmp_path)
    code = """
        import sys
        from lexigraft.errors import RunError
        from lexigraft.workspace import Workspace
        try:
            Workspace.open(sys.argv[1], create=True, resume=True).close()
            print("open")
        except RunError as error:
            print(error)
    """
    with Workspace.open(run, create=True, resume=True):
        assert "Another lexigraft is working" in child(code, run).communicate()[0]
        Workspace.open(run, create=False)  # reading needs no lock
    assert child(code, run).communicate()[0].strip() == "open"


def test_a_refusal_gives_the_lock_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path)

    def fail(self: Workspace) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Workspace, "_clean_up", fail)
    with pytest.raises(RunError, match="full"):
        Workspace.open(run, create=True, resume=True)
    monkeypatch.undo()
    Workspace.open(run, create=True, resume=True).close()


def test_the_old_file_stays_whole_when_the_writer_fails(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        space.write_text(space.rows, "old")

        def fail() -> None:
            with space.writing_file(space.rows) as partial:
                partial.write_text("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert space.rows.read_text() == "old"
        assert not list(tmp_path.glob("*.partial*"))
        assert not list(tmp_path.glob(".*.partial*"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_full_disk_says_how_much_is_needed(tmp_path: Path, error: Exception, kind: str) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        with space.writing_folder(space.model) as folder:
            (folder / "weights").write_text("old")
        space.write_text(space.rows, "old")
        writing = space.writing_file if kind == "file" else space.writing_folder
        target = space.rows if kind == "file" else space.model

        def fill() -> None:
            with writing(target, needs=123_400) as partial:
                if kind == "folder":
                    (partial / "weights").write_text("half")
                raise error

        with pytest.raises(RunError, match=r"(?s)full.*needs 123\.4 kB.*free.*--resume"):
            fill()
        assert space.rows.read_text() == "old"
        assert (space.model / "weights").read_text() == "old"
        assert not list(tmp_path.glob(".*.partial*"))


def test_what_cannot_fit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        too_big = space.writing_folder(space.model, needs=10**18)
        with pytest.raises(RunError, match=r"model needs .* GB, .* are free"), too_big:
            pytest.fail("the block must not run")
        assert not space.model.exists()


def test_an_error_of_the_writer_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with pytest.raises(ValueError, match="mine"), space.writing_file(space.rows):
        raise ValueError("mine")


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        for name in ("old", "new"):
            with space.writing_folder(space.model) as folder:
                (folder / name).write_text(name)
        assert [item.name for item in space.model.iterdir()] == ["new"]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from lexigraft.workspace import Workspace
    space = Workspace.open(sys.argv[1], create=True, resume=True)
    where = sys.argv[2]
    die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
    if where == "between renames":
        rename = Path.rename
        def once(self, target):
            result = rename(self, target)
            if str(target).endswith(".aside"):
                die()
            return result
        Path.rename = once
    with space.writing_folder(space.model) as folder:
        (folder / "weights").write_text("new")
        if where == "in the middle":
            die()
    with space.writing_file(space.rows) as partial:
        partial.write_text("half")
        die()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the platform has no kill")
@pytest.mark.parametrize(
    ("where", "weights"), [("in the middle", "old"), ("between renames", "old"), ("later", "new")]
)
def test_a_kill_leaves_old_or_new_but_never_half(tmp_path: Path, where: str, weights: str) -> None:
    run = begun(tmp_path / "run")
    with Workspace.open(run, create=True, resume=True) as space:
        with space.writing_folder(space.model) as folder:
            (folder / "weights").write_text("old")
        space.write_text(space.rows, "old")
    killed = child(KILLED, run, where)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    with Workspace.open(run, create=True, resume=True) as space:
        assert (space.model / "weights").read_text() == weights
        assert space.rows.read_text() == "old"
        assert {item.name for item in run.iterdir()} <= {
            "run.json", "model", "rows.safetensors", ".lock",
        }  # fmt: skip


def test_json_and_lines_keep_every_script(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        space.write_json(space.diagnosis, {"term": "энтелехия \u2028"})
        assert space.read_json(space.diagnosis) == {"term": "энтелехия \u2028"}
        assert "энтелехия" in space.diagnosis.read_text(encoding="utf-8")
        space.write_lines(space.texts, [{"text": "a\nb\u2028c"}, {"text": "эйдос"}])
        assert space.read_lines(space.texts) == [{"text": "a\nb\u2028c"}, {"text": "эйдос"}]
        space.write_text(space.recipe, "seed: 3\n")
        assert space.read_yaml(space.recipe) == {"seed": 3}


def test_a_log_survives_a_cut_line(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        log = space.training / "log.jsonl"
        assert space.read_lines(log) == []
        space.append_line(log, {"step": 1})
        with log.open("a") as file:
            file.write('{"step": 2, "lo')
        space.append_line(log, {"step": 2})
        assert [line["step"] for line in space.read_lines(log)] == [1, 2]


@pytest.mark.parametrize("damage", [b"", b'{"text": "a"}\n{"te', b'{"text": "a"}\n\x00\n', None])
def test_lines_that_were_written_at_once_are_all_there(
    tmp_path: Path, damage: bytes | None
) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        space.write_lines(space.texts, [{"text": "a"}, {"text": "б"}])
        assert len(space.read_whole_lines(space.texts)) == 2
        space.texts.unlink()
        if damage is not None:
            space.texts.write_bytes(damage)
        with pytest.raises(RunError, match=r"texts\.jsonl is missing or damaged"):
            space.read_whole_lines(space.texts)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, create=True) as space:
        with pytest.raises(RunError, match=r"has no diagnosis\.json"):
            space.read_json(space.diagnosis)
        space.write_text(space.diagnosis, "{")
        with pytest.raises(RunError, match=r"diagnosis\.json is damaged"):
            space.read_json(space.diagnosis)
        with pytest.raises(RunError, match=r"recipe\.yaml is missing"):
            space.read_yaml(space.recipe)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match="cannot be written"):
        Workspace.open(tmp_path / "run", create=True)


def test_versions_name_what_computes() -> None:
    assert {"python", "torch", "transformers", "peft"} <= set(installed_versions())
