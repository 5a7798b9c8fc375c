"""The command line: what reaches the functions, what stands where, and every exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

import lexigraft
from lexigraft import cli, errors
from lexigraft.cli import app

WORDS = """\
name: words
terms:
  - {term: zorblax, definition: a small brass tool, examples: [He took the zorblax.]}
  - {term: stillpoint, definition: the moment when nothing is missing, kind: concept, route: marker}
"""
COMMANDS = (
    "diagnose", "teach", "verify", "compare", "report", "export", "push", "pull", "pack", "inspect",
    "install", "uninstall", "mark", "retokenize", "new",
)  # fmt: skip


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A lexicon of two terms."""
    path = tmp_path / "words.yaml"
    path.write_text(WORDS, encoding="utf-8")
    return path


def call(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """The command in this process. What it raises by mistake is raised."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def shell(
    *arguments: object, code: str | None = None, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own; `code` runs before it."""
    start = (
        ["-m", "lexigraft"]
        if code is None
        else ["-c", f"{code}\nfrom lexigraft.cli import main; main()"]
    )
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1", **environment},
    )


class Recorder:
    """Stands for a function: keeps what it was called with."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.given: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}
        self.calls = 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.given, self.named = given, named
        self.calls += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts functions in the place of a module, so that nothing is trained or loaded."""

    def replace(name: str, **functions: Any) -> None:
        module = ModuleType(f"lexigraft.{name}")
        if name in lexigraft._VERBS:
            module.__class__ = lexigraft._Verb
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(vars(lexigraft), name, module)

    monkeypatch.delitem(vars(lexigraft), "verify", raising=False)
    return replace


# --- help and usage ---


def test_help_names_every_command_and_every_exit_code() -> None:
    said = call("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in said
    assert "..." not in said.split("Commands:")[1].split("Exit codes:")[0], "a summary is cut"
    codes = {getattr(errors, name).exit_code for name in errors.__all__ if name != "Problem"}
    for code in {0, 70, *codes}:
        assert f"\n    {code} " in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"    lexigraft {command} " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 84


def test_no_command_shows_help_and_version_shows_the_version() -> None:
    assert "Commands:" in call().output
    assert call("--version").stdout == f"lexigraft {lexigraft.__version__}\n"


def test_importing_the_command_line_imports_almost_nothing() -> None:
    code = "import sys, lexigraft.cli; print([m for m in ('rich', 'yaml', 'pydantic', 'torch') "
    result = subprocess.run(
        [sys.executable, "-c", code + "if m in sys.modules])"], capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]"


def test_the_choices_are_those_of_the_recipe_and_the_lexicon() -> None:
    from lexigraft.lexicon import Language
    from lexigraft.lexicon import Route as LexiconRoute
    from lexigraft.recipe import Tune

    teach, new = call("teach", "--help").stdout, call("new", "--help").stdout
    assert f"<{'|'.join(get_args(Tune))}>" in teach
    assert f"<auto|{'|'.join(get_args(LexiconRoute))}>" in teach
    assert f"<{'|'.join(get_args(Language))}>" in new


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("teach",),
        ("teach", "w.yaml", "--model", "m"),
        ("teach", "w.yaml", "--model", "m", "--output", "r", "--tune", "all"),
        ("teach", "w.yaml", "--model", "m", "--output", "r", "--resume", "--force"),
        ("export", "run"),
        ("export", "run", "--to", "adapter", "--dtype", "float64"),
        ("push", "words.lexpack"),
        ("pull", "me/words"),
        ("export", "run", "--to", "onnx"),
        ("export", "run", "--to", "gguf", "--type", "Q2_K"),
        ("export", "run", "--to", "merged", "--type", "F16"),
        ("verify", "run", "--revision", "main"),
        ("diagnose", "w.yaml", "--model", "m", "--colour"),
        ("retokenize", "--lexicon", "w.yaml", "--model", "m", "--output", "d"),
        ("retokenize", "c", "--model", "m", "--output", "d"),
        ("retokenize", "c", "--lexicon", "w", "--model", "m", "--output", "d", "--workers", "0"),
        ("retokenize", "c", "--lexicon", "w", "--model", "m", "--output", "d", "--split", "word"),
    ],
)
def test_a_wrong_command_line_exits_2(arguments: Sequence[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert result.stdout == ""


# --- errors ---


@pytest.mark.parametrize(
    "kind",
    [
        errors.RecipeError,
        errors.ModelError,
        errors.RunError,
        errors.ExportError,
        errors.RequirementNotMet,
        errors.Interrupted,
    ],
)
def test_an_error_is_its_message_and_its_exit_code(
    kind: type[errors.LexigraftError], stand_in: Callable[..., None], words: Path
) -> None:
    stand_in("teach", teach=Recorder(kind("What happened.\nWhat to do.")))
    result = call("teach", words, "--model", "m", "--output", "r")
    assert result.exit_code == kind.exit_code
    assert result.stderr == "What happened.\nWhat to do.\n"
    assert result.stdout == ""


def test_a_message_cannot_move_the_cursor_nor_flood_the_screen(
    stand_in: Callable[..., None], words: Path
) -> None:
    message = "\n".join(["a\x1b[2Jb", "[bold]c", *(f"line {i}" for i in range(999))])
    stand_in("teach", teach=Recorder(errors.LexigraftError(message)))
    lines = call("teach", words, "--model", "m", "--output", "r").stderr.splitlines()
    assert lines[:2] == ["a␛[2Jb", "[bold]c"]
    assert len(lines) < 80
    assert lines[-1] == f"… and {1001 - (len(lines) - 1)} more lines"


def test_ctrl_c_says_how_to_go_on(stand_in: Callable[..., None], words: Path) -> None:
    stand_in("teach", teach=Recorder(KeyboardInterrupt()))
    result = call("teach", words, "--model", "m", "--output", "r")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Run the same command again with --resume to go on.\n"
    stand_in("retokenize", retokenize=Recorder(KeyboardInterrupt()), plan=Recorder())
    result = call("retokenize", "c", "--lexicon", words, "--model", "m", "--output", "d")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Run the same command again with --resume to go on.\n"
    stand_in("export", export=Recorder(KeyboardInterrupt()))
    result = call("export", "r", "--to", "merged")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Run the same command again.\n"


def test_a_fault_of_ours_is_one_line_and_a_hint(
    stand_in: Callable[..., None], words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEXIGRAFT_DEBUG", raising=False)
    stand_in("teach", teach=Recorder(IndexError("row 7 of 5")))
    result = call("teach", words, "--model", "m", "--output", "r")
    assert result.exit_code == 70
    assert result.stderr.splitlines() == [
        "IndexError: row 7 of 5",
        "Run again with LEXIGRAFT_DEBUG=1 for the traceback.",
    ]
    monkeypatch.setenv("LEXIGRAFT_DEBUG", "1")
    result = call("teach", words, "--model", "m", "--output", "r")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


def test_all_problems_of_a_lexicon_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("terms:\n  - {term: a, definition: ''}\n  - {term: b, colour: red}\n")
    result = shell("diagnose", path, "--model", "smollm2-135m")
    told = result.stderr.decode()
    assert result.returncode == 2
    assert "Traceback" not in told
    assert "bad.yaml:2" in told
    assert "bad.yaml:3" in told


def test_exit_codes_of_the_real_command(tmp_path: Path, words: Path) -> None:
    missing = shell("diagnose", words, "--model", tmp_path / "no-model")
    assert missing.returncode == 3
    assert b"There is no model at" in missing.stderr
    no_run = shell("report", tmp_path)
    assert no_run.returncode == 4
    assert b"holds no run" in no_run.stderr
    for result in (missing, no_run):
        assert result.stdout == b""
        assert b"Traceback" not in result.stderr
        assert len(result.stderr.splitlines()) <= 3


def test_a_real_fault_and_a_real_interrupt(words: Path) -> None:
    code = "import lexigraft.lexicon as l\ndef boom(*_): raise {}\nl.read_lexicon = boom"
    fault = shell("mark", words, code=code.format("ValueError('x')"), LEXIGRAFT_DEBUG="")
    assert fault.returncode == 70
    assert fault.stderr.startswith(b"ValueError: x\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "lexigraft", "mark", str(words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"a stillpoint\n")
    process.stdin.flush()
    # It streams: the line comes back while the input is still open.
    assert process.stdout.readline() == b"a ~[stillpoint]\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told == b"Stopped. Run the same command again.\n"


def test_a_closed_pipe_is_quiet(words: Path, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text("a stillpoint in a line\n" * 50_000)
    with subprocess.Popen(
        [sys.executable, "-m", "lexigraft", "mark", str(words), str(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"a ~[stillpoint] in a line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# --- diagnose ---


def test_diagnose_prints_json_alone(words: Path, tiny_folders: dict[str, Path]) -> None:
    result = shell("diagnose", words, "--model", tiny_folders["byte-tied"], "--json")
    assert result.returncode == 0, result.stderr
    found = lexigraft.Diagnosis.model_validate(json.loads(result.stdout))
    assert found.routes == {"zorblax": "subword", "stillpoint": "marker"} or found["zorblax"].chosen
    # Progress, and nothing that another library says.
    assert [line[:9] for line in result.stderr.decode().splitlines()] == ["Looking a", "✓ Looking"]


def test_diagnose_shows_truths_pieces_and_the_next_command(
    words: Path, tiny_folders: dict[str, Path]
) -> None:
    result = call("diagnose", words, "--model", tiny_folders["byte-tied"], "--route", "token")
    assert result.exit_code == 0
    said = result.stdout
    for part in (
        "What is true of this model",
        "zorblax  →  token (given)",
        "stillpoint  →  token (given)",
        "Rows added to the embedding matrix",
        f"lexigraft teach {words} --model {tiny_folders['byte-tied']} --output runs/words",
    ):
        assert part in said, said
    assert "\x1b" not in said


def test_diagnose_speaks_the_lexicon_s_language(
    tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    path = tmp_path / "слова.yaml"
    path.write_text("language: ru\nterms: [{term: эйдос, definition: идея, kind: concept}]")
    said = call("diagnose", path, "--model", tiny_folders["byte-tied"]).stdout
    for part in ("Что верно для этой модели", "части", "почему", "~[эйдос]  →  marker", "Дальше"):
        assert part in said, said
    assert "true of" not in said


# --- teach ---


def test_teach_passes_everything_on_and_shows_the_run(
    stand_in: Callable[..., None], words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []
    monkeypatch.setattr("lexigraft.console.show_run", shown.append)
    done = Recorder(SimpleNamespace(root=tmp_path / "run"))
    stand_in("teach", teach=done)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("tune: rows\ntraining: {rank: 4}\n")
    options = ["--revision", "v1", "--route", "token", "--seed", 7, "--resume", "--recipe", recipe]
    options += ["--replace", "zorblax", "--replace", "velkin"]
    result = call("teach", words, "--model", "m/x", "--output", "run", "--tune", "full", *options)
    assert result.exit_code == 0, result.output
    assert done.given == ("m/x", words, Path("run"))
    passed = done.named
    assert (passed["recipe"].tune, passed["recipe"].training.rank) == ("full", 4)
    assert passed["recipe"].route == "token"
    rest = {name: passed[name] for name in ("revision", "seed", "resume", "force")}
    assert rest == {"revision": "v1", "seed": 7, "resume": True, "force": False}
    assert passed["replace"] == ["zorblax", "velkin"]
    assert callable(passed["progress"].stage)
    assert shown == [tmp_path / "run"]


def test_teach_alone_uses_the_defaults_and_the_recipe_s_tune(
    stand_in: Callable[..., None], words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexigraft.console.show_run", lambda run: None)
    done = Recorder(SimpleNamespace(root=tmp_path))
    stand_in("teach", teach=done)
    call("teach", words, "--model", "m", "--output", "run")
    assert done.named["recipe"] == lexigraft.Recipe()
    assert done.named["seed"] == 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("tune: rows\nroute: token\n")
    call("teach", words, "--model", "m", "--output", "run", "--recipe", recipe)
    assert done.named["recipe"].tune == "rows"
    assert done.named["recipe"].route == "token"
    recipe.write_text("tunes: rows\n")
    result = call("teach", words, "--model", "m", "--output", "run", "--recipe", recipe)
    assert result.exit_code == 2
    assert "tunes: unknown" in result.stderr


def test_a_dry_run_only_plans(
    stand_in: Callable[..., None], words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("lexigraft.console.show_plan", shown.append)
    done, planned = Recorder(), Recorder("the plan")
    stand_in("teach", teach=done)
    stand_in("plan", plan=planned)
    options = ("--dry-run", "--route", "marker", "--tune", "lora", "--replace", "zorblax")
    result = call("teach", words, "--model", "m", "--output", "run", *options)
    assert result.exit_code == 0
    assert done.calls == 0
    assert planned.given == ("m", words)
    assert planned.named["recipe"].route == "marker"
    assert planned.named["recipe"].tune == "lora"
    assert planned.named["replace"] == ["zorblax"]
    assert planned.named["output"] == Path("run")
    assert shown == ["the plan"]
    assert not Path("run").exists()


# --- verify ---


class Judged:
    """Stands for a verdict that prints itself."""

    def model_dump_json(self, indent: int) -> str:
        return '{"knows": 1}'


def test_verify_takes_a_run_or_a_model_with_a_lexicon(
    stand_in: Callable[..., None], words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("lexigraft.console.show_verdict", lambda v, run: shown.append((v, run)))
    run, model = Recorder("of the run"), Recorder("of the model")
    stand_in("verdict", verify=run, verify_model=model)
    assert call("verify", "runs/x").exit_code == 0
    assert run.given == (Path("runs/x"),)
    assert call("verify", words, "--model", "m/x", "--revision", "v2").exit_code == 0
    assert model.given == ("m/x", lexigraft.read_lexicon(words))
    assert (model.named["revision"], model.named["checks"]) == ("v2", None)
    some = ("--checks", "cloze, definition")
    assert call("verify", "runs/x", *some).exit_code == 0
    assert run.named["checks"] == ("definition", "cloze")
    assert call("verify", words, "--model", "m/x", *some).exit_code == 0
    assert model.named["checks"] == ("definition", "cloze")
    assert shown[:2] == [("of the run", Path("runs/x")), ("of the model", None)]


def test_verify_prints_its_json_before_a_requirement_fails(stand_in: Callable[..., None]) -> None:
    short = Recorder(errors.RequirementNotMet("knows: 0.5, and 0.8 was required"))
    judged = Judged()
    stand_in("verdict", verify=Recorder(judged))
    stand_in("requirements", require=short, parse_requirements=Recorder(()))
    result = call("verify", "run", "--json", "--require", "knows=0.8")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"knows": 1}
    assert "0.8 was required" in result.stderr
    assert short.given == (judged, "knows=0.8")


def test_verify_refuses_a_mistyped_requirement_before_it_judges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Recorder(Judged())
    monkeypatch.setattr("lexigraft.verdict.verify", run)
    result = call("verify", "run", "--require", "know=0.8")
    assert (result.exit_code, run.calls) == (2, 0)
    assert "'know=0.8' cannot be required; there are knows, definition, term_from" in result.stderr
    result = call("verify", "run", "--checks", "definition,clozze")
    assert (result.exit_code, run.calls) == (2, 0)
    assert "No such check: clozze. There are definition, term_from_definition" in result.stderr


# --- compare ---


def comparison(prompt: str) -> SimpleNamespace:
    return SimpleNamespace(prompt=prompt, before="a bird", after="a brass [tool]")


def test_compare_shows_both_answers(stand_in: Callable[..., None]) -> None:
    asked = Recorder([comparison("A zorblax is"), comparison("Зорблакс —")])
    stand_in("compare", compare=asked, Comparer=Recorder())
    result = call("compare", "run", "A zorblax is", "Зорблакс —")
    assert asked.given == (Path("run"), ["A zorblax is", "Зорблакс —"])
    for part in ("A zorblax is", "Said before", "a bird", "a brass [tool]", "Говорит теперь"):
        assert part in result.stdout


def test_compare_without_a_prompt_asks_until_an_empty_line(stand_in: Callable[..., None]) -> None:
    opened = Recorder(SimpleNamespace(ask=comparison))
    stand_in("compare", compare=Recorder(), Comparer=opened)
    result = call("compare", "run", stdin="first\nsecond\n\nthird\n")
    assert result.exit_code == 0
    assert opened.given == (Path("run"),)
    assert "first" in result.stdout
    assert "second" in result.stdout
    assert "third" not in result.stdout
    assert call("compare", "run", stdin="no line end").exit_code == 0


def test_a_slip_while_typing_keeps_the_models_and_in_a_pipe_is_an_error(
    stand_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(prompt: str) -> SimpleNamespace:
        if "~[" in prompt:
            raise errors.MarkerError("unclosed marker")
        return comparison(prompt)

    stand_in("compare", compare=Recorder(), Comparer=Recorder(SimpleNamespace(ask=ask)))
    piped = call("compare", "run", stdin="a ~[b\nafterwards\n")
    assert piped.exit_code == 2
    assert piped.stderr.endswith("unclosed marker\n")
    assert "afterwards" not in piped.stdout
    monkeypatch.setattr("lexigraft.console.is_typed", lambda: True)
    typed = call("compare", "run", stdin="a ~[b\nafterwards\n")
    assert typed.exit_code == 0
    assert typed.stderr.endswith("unclosed marker\n")
    assert "afterwards" in typed.stdout


# --- report, export, mark, new ---


def test_report_writes_the_page_and_the_card(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    result = call("report", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        str(tmp_path / "report.html"), str(tmp_path / "README.md"),
    ]  # fmt: skip
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_export_passes_everything_on(stand_in: Callable[..., None]) -> None:
    done = Recorder(Path("there"))
    stand_in("export", export=done)
    result = call("export", "run", "--to", "adapter", "--output", "there")
    assert done.given == (Path("run"), "adapter", Path("there"))
    assert done.named["dtype"] == "auto"
    assert result.stdout == "there\n"
    assert "types" not in done.named
    call("export", "run", "--to", "gguf", "--type", "Q8_0", "--type", "F16", "--allow-changes")
    assert done.named["types"] == ["Q8_0", "F16"]
    assert done.named["allow_changes"] is True


def test_push_passes_everything_on_and_shows_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    from lexigraft.sharing import Shipment
    from lexigraft.sharing.files import SharedFile

    files = (SharedFile(name="words\x1b.lexpack", size=70_300),)
    plan = Shipment(repository="me/words", kind="pack", files=files, private=True, notes=("so",))
    done = Recorder(plan)
    monkeypatch.setattr(lexigraft, "push", done, raising=False)
    shown = call(
        "push", "words.lexpack", "--to", "me/words", "--public", "--overwrite", "--dry-run"
    )
    assert done.given == (Path("words.lexpack"), "me/words")
    assert callable(done.named.pop("progress").stage)
    assert done.named == {"public": True, "overwrite": True, "dry_run": True}
    for part in ("words␛.lexpack", "70.3 kB", "only you", "• so", "Nothing was sent."):
        assert part in shown.stdout, shown.stdout
    given = call("push", "words.lexpack", "--to", "me/words", "--json")
    assert json.loads(given.stdout)["repository"] == "me/words"


def test_pull_passes_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from lexigraft.sharing import Pulled

    found = Pulled(
        repository="me/w", revision="a" * 40, kind="adapter", files=(), left_out=("x.py",), path="w"
    )
    done = Recorder(found)
    monkeypatch.setattr(lexigraft, "pull", done, raising=False)
    shown = call("pull", "me/w", "--output", "w", "--revision", "v1")
    assert done.given == ("me/w", Path("w"))
    assert done.named["revision"] == "v1"
    assert "Left out: x.py" in shown.stdout
    assert json.loads(call("pull", "me/w", "--output", "w", "--json").stdout)["path"] == "w"


def test_mark_and_undo_keep_every_byte_around_the_terms(words: Path, tmp_path: Path) -> None:
    text = "Its stillpoint.\r\nzorblax\tstays\r\x0c and\u2028 no end".encode()
    marked = shell("mark", words, stdin=text)
    assert marked.returncode == 0, marked.stderr
    assert marked.stdout == text.replace(b"stillpoint", b"~[stillpoint]")
    file = tmp_path / "marked.txt"
    file.write_bytes(marked.stdout)
    # Whatever the locale says, texts are UTF-8.
    back = shell("mark", words, file, "--undo", PYTHONIOENCODING="latin-1")
    assert back.stdout == text


def test_mark_reports_what_it_cannot_take(words: Path, tmp_path: Path) -> None:
    result = call("mark", words, stdin="good stillpoint\nbad ~[stillpoin]\n")
    assert result.exit_code == 2
    assert result.stdout == "good ~[stillpoint]\n"
    assert "line 2, column 5" in result.stderr
    result = call("mark", words, stdin=b"caf\xe9\n")
    assert result.exit_code == 2
    assert "stdin is not UTF-8 (byte 0xE9)" in result.stderr
    result = call("mark", words, tmp_path / "none.txt")
    assert result.exit_code == 2
    assert "none.txt cannot be read: No such file" in result.stderr


# --- retokenize ---


def test_retokenize_passes_everything_on(stand_in: Callable[..., None], words: Path) -> None:
    done, planned = Recorder(Judged()), Recorder(Judged())
    stand_in("retokenize", retokenize=done, plan=planned)
    given = ["retokenize", "a.txt", "*.jsonl", "--lexicon", words, "--model", "m", "--output", "d"]
    options = ["--field", "body", "--split", "line", "--passages", 3, "--eos", "--workers", 2]
    more = ["--skip-bad", "--allow-changes", "--resume", "--revision", "v1", "--json"]
    result = call(*given, *options, *more)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"knows": 1}
    assert done.given == (["a.txt", "*.jsonl"], words, "m", Path("d"))
    assert callable(done.named.pop("progress").stage)
    assert done.named == {
        "revision": "v1", "field": "body", "split": "line", "eos": True, "passages": 3,
        "workers": 2, "engine": "local", "skip_bad": True, "allow_changes": True, "resume": True,
        "force": False,
    }  # fmt: skip
    assert call(*given, "--dry-run", "--json").exit_code == 0
    assert (planned.calls, done.calls) == (1, 1)
    assert planned.named["workers"] is None
    refused = call(*given, "--resume", "--force")
    assert refused.exit_code == 2
    assert "give one" in refused.stderr


def test_retokenize_shows_what_it_saved_and_refuses_a_taken_folder(
    tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    lexicon, corpus, output = tmp_path / "w.yaml", tmp_path / "c\x1b[2J.txt", tmp_path / "ids"
    lexicon.write_text(WORDS + "  - {term: эйдос, definition: идея, language: ru}\n", "utf-8")
    corpus.write_text("The zorblax, a zorblax.\n\nВот эйдос.\n\nA stillpoint.\n", "utf-8")
    given = ["retokenize", corpus, "--lexicon", lexicon, "--model", tiny_folders["byte-tied"],
             "--output", output, "--workers", 1]  # fmt: skip
    planned = call(*given, "--dry-run").stdout
    assert "c␛[2J.t" in planned  # a long path is folded
    for part in ("1 files", "эйдос", "stillpoint (marker)", "Nothing was written."):
        assert part in planned, planned
    assert not output.exists()
    result = call(*given)
    assert result.exit_code == 0, result.output
    for part in ("3 documents", "bytes per token", "zorblax", "“ эйдос” 1", "marker", str(output)):
        assert part in result.stdout, result.stdout
    assert "\x1b" not in result.stdout
    taken = call(*given)
    assert taken.exit_code == 4
    assert "by --resume, throw it away by --force" in taken.stderr
    counted = json.loads(call(*given, "--force", "--json").stdout)
    assert counted == json.loads((output / "summary.json").read_text("utf-8"))
    assert counted["documents"] == 3


def test_retokenize_tells_the_bad_line(tmp_path: Path, tiny_folders: dict[str, Path]) -> None:
    lexicon, corpus = tmp_path / "w.yaml", tmp_path / "c.jsonl"
    lexicon.write_text(WORDS)
    corpus.write_text('{"text": "x"}\n{"text": \n')
    given = ["retokenize", corpus, "--lexicon", lexicon, "--model", tiny_folders["byte-tied"]]
    result = call(*given, "--output", tmp_path / "ids", "--workers", 1)
    assert result.exit_code == 2
    assert f"{corpus}:2: no JSON" in result.stderr


@pytest.mark.parametrize(("language", "told"), [("en", "Next"), ("ru", "Дальше")])
def test_new_writes_refuses_and_says_what_to_do_next(
    tmp_path: Path, language: str, told: str
) -> None:
    path = tmp_path / "my words.yaml"
    result = call("new", path, "--language", language)
    assert result.exit_code == 0
    assert told in result.stdout
    # A path with a space is quoted, and no command is broken over two lines.
    assert f"lexigraft diagnose '{path}' --model " in result.stdout
    assert lexigraft.read_lexicon(path).language == language
    before = path.read_bytes()
    refused = call("new", path)
    assert refused.exit_code == 2
    assert "exists" in refused.stderr
    assert path.read_bytes() == before
    assert call("new", path, "--force").exit_code == 0


# --- what other libraries say ---


def test_other_libraries_are_quiet_unless_debugging() -> None:
    code = (
        "import lexigraft.lexicon as l\n"
        "def noisy(*_):\n"
        "    import logging, os, warnings\n"
        "    warnings.warn('a warning'); logging.getLogger('transformers').warning('a log')\n"
        "    raise l.MarkerError if 0 else SystemExit(os.environ['HF_HUB_DISABLE_PROGRESS_BARS'])\n"
        "l.read_lexicon = noisy"
    )
    quiet = shell("mark", "x.yaml", code=code, LEXIGRAFT_DEBUG="")
    assert quiet.stderr.strip() == b"1"
    code = code.replace("SystemExit(os.environ['HF_HUB_DISABLE_PROGRESS_BARS'])", "SystemExit(0)")
    loud = shell("mark", "x.yaml", code=code, LEXIGRAFT_DEBUG="1").stderr
    assert b"a warning" in loud
    assert b"a log" in loud


def test_the_screen_need_not_know_unicode(words: Path) -> None:
    result = shell("new", words, PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    ok = shell("new", words, "--force", "--language", "ru", PYTHONIOENCODING="ascii")
    assert ok.returncode == 0, ok.stderr
    assert b"\\u0414" in ok.stdout


def test_main_is_the_installed_command() -> None:
    from importlib.metadata import entry_points

    found = entry_points(group="console_scripts", name="lexigraft")
    assert [point.load() for point in found] == [cli.main]
