"""The documents tell the truth: commands, code, lexicons, links, tables and `--help`.

`UPDATE_DOCS=1 pytest tests/test_readme.py` writes the generated parts anew: docs/cli.md and the
tables in docs/recipe.md and docs/verdict.md.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import lexigraft
from lexigraft import errors
from lexigraft.checks.names import CHECKS, DECIDING, LIMITED
from lexigraft.checks.results import Verdict
from lexigraft.lexicon import Lexicon, Term, lexicon_from_text
from lexigraft.recipe import Recipe, read_recipe
from lexigraft.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", ROOT / "README.ru.md"]
DOCUMENTS = [*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CLI = ROOT / "docs" / "cli.md"
RECIPE = ROOT / "docs" / "recipe.md"
VERDICT = ROOT / "docs" / "verdict.md"
UPDATE = os.environ.get("UPDATE_DOCS") == "1"

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
each_readme = pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)


# --- reading Markdown ---


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str
    line: int


def blocks(path: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a document, all or those in `languages`."""
    text = path.read_text("utf-8")
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], match[2], line))
    assert text.count("```") == 2 * len(found), f"{path.name}: an unclosed or odd fence"
    return [block for block in found if not languages or block.language in languages]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def spans(path: Path) -> list[str]:
    """The inline code of a document."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(path))]


def table_codes(text: str) -> list[int]:
    """The exit codes in the first column of a table."""
    return [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]


# --- the command line, as typer has it ---


def root_command() -> Any:
    import typer

    from lexigraft.cli import app

    return typer.main.get_command(app)


def check_arguments(arguments: list[str]) -> None:
    """Parses one call of lexigraft as the real command line does, without running it."""
    group = root_command()
    assert arguments, "lexigraft alone"
    assert arguments[0] in group.commands, f"no command {arguments[0]!r}: {sorted(group.commands)}"
    try:
        group.commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise AssertionError(f"{shlex.join(arguments)}: {error.format_message()}") from error


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name[0] == "-"}


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a pipeline, redirections left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, "|"]:
        if word in ("|", ";", "&&"):
            assert words, f"an empty command: {line}"
            yield words
            words = []
        elif word in ("<", ">"):
            skip = True
        elif skip:
            skip = False
        else:
            words.append(word)


def command_lines(path: Path) -> list[str]:
    """Every line of the document's sh blocks that is a command."""
    lines = [line.strip() for block in blocks(path, "sh") for line in block.text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):(?!=)", text, re.MULTILINE))


def check_command(words: list[str]) -> None:
    """One command of a document: it exists here, with these options."""
    program, *arguments = words
    if program == "lexigraft":
        check_arguments(arguments)
    elif program == "make":
        assert set(arguments) <= make_targets(), f"no such target: {words}"
    elif program == ".venv/bin/pip":
        assert (ROOT / arguments[arguments.index("-c") + 1]).is_file()
        assert (ROOT / arguments[-1] / "pyproject.toml").is_file()
    else:
        assert program in ("echo", "python3"), f"no test knows {program!r}: {words}"


def check_line(line: str) -> None:
    for words in simple_commands(line):
        check_command(words)


# --- commands ---


@each_document
def test_every_command_parses(path: Path) -> None:
    for line in command_lines(path):
        check_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "lexigraft learn words.yaml",
        "lexigraft teach words.yaml --model m --output r --learning-rate 1",
        "lexigraft teach words.yaml --model m --output r --route tokens",
        "lexigraft teach words.yaml --output r",
        "lexigraft export runs/words --to onnx",
        "make everything",
        "echo a | lexigraft marks words.yaml",
        "git clone somewhere",
    ],
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    with pytest.raises(AssertionError):
        check_line(line)


@each_document
def test_commands_and_options_in_the_text_exist(path: Path) -> None:
    commands = root_command().commands
    known = {"--help"}.union(*map(options_of, commands.values()))
    for span in spans(path):
        words = span.split()
        if words[0] == "lexigraft" and len(words) > 1:
            assert words[1] in commands, span
            assert {w for w in words if w.startswith("--")} <= options_of(commands[words[1]]), span
        elif words[0] == "make":
            assert set(words[1:]) <= make_targets(), span
        else:
            assert {word for word in words if re.fullmatch("--[a-z-]+", word)} <= known, span


def test_the_readme_shows_every_command() -> None:
    shown = {words[1] for line in command_lines(READMES[0]) for words in simple_commands(line)
             if words[0] == "lexigraft"}  # fmt: skip
    assert {"new", "diagnose", "teach", "verify", "compare", "export", "mark"} <= shown


def test_the_russian_pair_is_taught_by_its_files_own_command() -> None:
    text = (ROOT / "examples" / "entelechy-ru.yaml").read_text("utf-8")
    (command,) = re.findall(r"^#\s+(lexigraft teach .*)$", text, re.MULTILINE)
    assert all(command in command_lines(path) for path in READMES)


@pytest.mark.parametrize("name", ["examples/demo.yaml", "examples/entelechy-ru.yaml",
                                  "benchmarks/dev.yaml"])  # fmt: skip
def test_commands_in_the_examples_comments_parse(name: str) -> None:
    found = re.findall(r"^#\s+(lexigraft .*)$", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert found
    for line in found:
        check_line(line)
        assert name in line


# --- what the quick commands really do ---


def run_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100",
                   "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a checkout, as far as the quick commands need one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    script = tmp_path / "bin" / "lexigraft"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lexigraft "$@"\n')
    script.chmod(0o755)
    return tmp_path


def test_the_quick_commands_run(checkout: Path, tiny_folders: dict[str, Path]) -> None:
    """`new`, `diagnose` and `mark` in the README's order, on a tiny model in place of the real."""
    ran: dict[str, str] = {}
    for line in command_lines(READMES[0]):
        verbs = [words[1] for words in simple_commands(line) if words[0] == "lexigraft"]
        if verbs and verbs[0] in ("new", "diagnose", "mark"):
            line = line.replace("smollm2-135m", shlex.quote(str(tiny_folders["byte-tied"])))
            ran[verbs[0]] = run_line(line, checkout).stdout
    assert sorted(ran) == ["diagnose", "mark", "new"]
    assert all(term in ran["diagnose"] for term in ("brellow", "stillpoint", "marker"))
    assert "brellow" in (checkout / "words.yaml").read_text("utf-8")
    assert ran["mark"] == shown_output(READMES[0], "lexigraft mark")


def shown_output(path: Path, command: str) -> str:
    """The text block that stands right behind the sh block with `command`."""
    pattern = rf"^```sh\n[^`]*{re.escape(command)}[^`]*^```\n\n```text\n(.*?)^```$"
    (output,) = re.findall(pattern, path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(output)


# --- code, lexicons, recipes ---


@each_document
def test_python_compiles_and_uses_public_names(path: Path) -> None:
    for block in blocks(path, "python"):
        tree = ast.parse(block.text, filename=f"{path.name}:{block.line}")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lexigraft"):
                names = set(sys.modules.get(node.module or "", lexigraft).__all__)
                assert {alias.name for alias in node.names} <= names, block.text
            if isinstance(node, ast.Attribute) and _is_lexigraft(node.value):
                assert node.attr in lexigraft.__all__, node.attr
            if isinstance(node, ast.Call) and _is_lexigraft(getattr(node.func, "value", None)):
                _check_call(node)


def _is_lexigraft(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "lexigraft"


def _check_call(call: ast.Call) -> None:
    """The arguments fit the function's signature."""
    assert isinstance(call.func, ast.Attribute)
    signature = inspect.signature(getattr(lexigraft, call.func.attr))
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    signature.bind(*call.args, **keywords)


@each_readme
def test_the_signature_of_teach_is_as_shown(path: Path) -> None:
    (shown,) = [span for span in spans(path) if span.startswith("teach(")]
    (wanted,) = ast.parse(f"def {shown}: ...").body
    assert isinstance(wanted, ast.FunctionDef)
    signature = inspect.signature(lexigraft.teach)
    names = [argument.arg for argument in wanted.args.args]
    assert names == list(signature.parameters)[: len(names)]
    for argument, default in zip(wanted.args.kwonlyargs, wanted.args.kw_defaults, strict=True):
        assert default is not None
        found = signature.parameters[argument.arg]
        assert found.kind is inspect.Parameter.KEYWORD_ONLY
        assert found.default == ast.literal_eval(default), argument.arg


@each_document
def test_lexicons_and_recipes_read(path: Path, tmp_path: Path) -> None:
    for block in blocks(path, "yaml", "jsonl", "csv"):
        if block.language == "yaml" and "terms" not in yaml.safe_load(block.text):
            file = tmp_path / "recipe.yaml"
            file.write_text(block.text, "utf-8")
            assert read_recipe(file) != Recipe()
        else:
            language: Any = block.language
            assert len(lexicon_from_text(block.text, path.name, language)) > 0
    for block in blocks(path, "json"):
        json.loads(block.text)


# --- links, the tree, the placeholder ---


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", prose(path)):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target
    for target in re.findall(r"\$schema=(\S+)", path.read_text("utf-8")):
        assert (ROOT / "examples" / target).is_file(), target


@each_readme
def test_the_tree_shows_what_is_there(path: Path) -> None:
    (tree,) = [block.text for block in blocks(path, "text") if block.text.startswith("src/")]
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = ROOT
            assert (ROOT / name).is_dir(), name
            folder = ROOT / name
        elif name.endswith("/"):
            assert any((folder / name).glob("*.py")), name
        else:
            assert (folder / name).is_file(), name


@each_readme
def test_the_demos_table_has_its_place(path: Path) -> None:
    text = path.read_text("utf-8")
    between = re.findall(r"<!-- demo table -->\n(.*?)<!-- /demo table -->", text, re.DOTALL)
    assert len(between) == 1
    assert between[0].strip()


# --- both READMEs say the same ---


def test_both_readmes_have_the_same_commands_in_the_same_order() -> None:
    english, russian = map(command_lines, READMES)
    assert russian == english


def test_both_readmes_have_the_same_parts() -> None:
    english, russian = READMES
    for pattern in (r"^#+", r"^\| `(\w+)` \|", r"\]\((?!README)([^)]+)\)", r"<!-- .*? -->"):
        found = [re.findall(pattern, prose(path), re.MULTILINE) for path in READMES]
        assert found[0] == found[1], pattern
    for languages in (("python",), ("yaml",)):
        assert [b.text for b in blocks(english, *languages)] == [
            b.text for b in blocks(russian, *languages)
        ]
    trees = [[line.split()[0] for line in blocks(p, "text")[-1].text.splitlines()] for p in READMES]
    assert trees[0] == trees[1]
    assert shown_output(english, "lexigraft mark") == shown_output(russian, "lexigraft mark")


def test_each_readme_is_in_its_language() -> None:
    shares = []
    for path in READMES:
        # What the demo's model says is English in both.
        text = re.sub(r"<!-- demo table -->.*?<!-- /demo table -->", "", prose(path), flags=re.S)
        letters = [c for c in re.sub(r"`[^`]*`", "", text) if c.isalpha()]
        shares.append(sum("а" <= c.lower() <= "ё" for c in letters) / len(letters))
    assert shares[0] < 0.05
    assert shares[1] > 0.75


@each_readme
def test_a_readme_is_read_in_three_minutes(path: Path) -> None:
    assert len(re.sub(r"\|.*\|", "", prose(path)).split()) < 900


# --- tables that must be complete ---


def test_exit_codes_are_those_of_the_errors_and_of_the_help() -> None:
    from lexigraft.cli import app

    codes = {getattr(errors, name).exit_code for name in errors.__all__ if name != "Problem"}
    helped = [int(code) for code in re.findall(r"^  (\d+) ", str(app.info.epilog), re.MULTILINE)]
    assert codes | {0} <= set(helped)
    for path in (*READMES, ROOT / "docs" / "run.md"):
        assert table_codes(path.read_text("utf-8")) == sorted(helped), path.name


def models_within(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from models_within(inner)


def first_column(path: Path) -> list[str]:
    """The names in the first column of a document's tables."""
    return re.findall(r"^\| `([\w.]+)` \|", prose(path), re.MULTILINE)


def test_the_lexicons_document_names_every_key_and_value() -> None:
    path = ROOT / "docs" / "lexicon.md"
    assert sorted(first_column(path)) == sorted([*Lexicon.model_fields, *Term.model_fields])
    named = set(spans(path))
    examples = "\n".join(block.text for block in blocks(path, "yaml"))
    for model in models_within(Lexicon):
        for name, field in model.model_fields.items():
            assert name in named, name
            assert re.search(rf"\b{name}:", examples), f"no example of {name}"
            if get_origin(field.annotation) is Literal:
                assert set(get_args(field.annotation)) <= named, name


def test_the_runs_document_names_everything_in_the_folder() -> None:
    space = Workspace(Path("run"))
    paths = [
        getattr(space, name).name
        for name, value in vars(Workspace).items()
        if isinstance(value, property) and value.fget.__annotations__["return"] == "Path"
    ]
    assert len(paths) > 10
    assert sorted(first_column(ROOT / "docs" / "run.md")) == sorted([*paths, "run.json"])


# --- generated documents ---


def settings_table() -> str:
    """Every setting of the recipe as Markdown."""
    lines = ["| setting | default | allowed | what it is |", "| --- | --- | --- | --- |"]
    lines += (f"| {' | '.join(cells)} |" for cells in settings_rows(Recipe))
    return "\n".join(lines) + "\n"


def settings_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings_rows(field.annotation, f"{prefix}{name}.")
        else:
            assert field.default is not PydanticUndefined
            assert field.description, name
            yield f"`{prefix}{name}`", f"`{field.default}`", allowed(field), field.description


def allowed(field: Any) -> str:
    """The choices or bounds of a setting, in words."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    bounds = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [
        f"{word} {getattr(limit, key)}"
        for limit in field.metadata
        for key, word in bounds.items()
        if getattr(limit, key, None) is not None
    ]
    return ", ".join(found)


def with_table(text: str) -> str:
    """docs/recipe.md with the table of today."""
    pattern = r"(<!-- settings: .*? -->\n).*?(<!-- /settings -->)"
    new, count = re.subn(pattern, lambda m: m[1] + settings_table() + m[2], text, flags=re.DOTALL)
    assert count == 1
    return new


def verdict_tables() -> str:
    """Every field of `verdict.json` as Markdown, a table for each kind of object."""
    parts = []
    for model in dict.fromkeys(models_within(Verdict)):
        what = str(model.__doc__).split("\n\n")[0]
        lines = [
            f"### {model.__name__}",
            "",
            what,
            "",
            "| field | type | what it is |",
            "| --- | --- | --- |",
        ]
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            lines.append(f"| `{name}` | {type_in_words(field.annotation)} | {field.description} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def type_in_words(kind: Any) -> str:
    """A field's type as a reader of JSON sees it."""
    inner = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if type(None) in inner:
        return f"{type_in_words(inner[0])} or null"
    if get_origin(kind) is dict:
        return f"object of {type_in_words(inner[1])}"
    if get_origin(kind) is tuple:
        several = inner[1:] == (...,)
        items = inner[:1] if several else inner
        return "list of " + ("" if several else "two: ") + ", ".join(map(type_in_words, items))
    names = {str: "text", float: "number", int: "whole number", bool: "true or false"}
    return names.get(kind) or f"[{kind.__name__}](#{kind.__name__.lower()})"


def with_verdict(text: str) -> str:
    """docs/verdict.md with the fields of today."""
    pattern = r"(<!-- verdict: .*? -->\n).*?(<!-- /verdict -->)"
    new, count = re.subn(pattern, lambda m: m[1] + verdict_tables() + m[2], text, flags=re.DOTALL)
    assert count == 1
    return new


def test_the_verdicts_fields_are_current() -> None:
    check_generated(VERDICT, with_verdict(VERDICT.read_text("utf-8")))


def test_the_verdicts_document_names_every_check_and_who_decides() -> None:
    table = VERDICT.read_text("utf-8").split("## verdict.json")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no|limit) \|$", table, re.MULTILINE)
    assert tuple(name for name, _ in rows) == CHECKS
    assert tuple(name for name, decides in rows if decides == "yes") == DECIDING
    assert tuple(name for name, decides in rows if decides == "limit") == LIMITED


_MAIN = "import sys; sys.argv[0] = 'lexigraft'; from lexigraft.cli import main; main()"


def real_helps(*commands: str) -> list[str]:
    """What `lexigraft --help` and `lexigraft COMMAND --help` print at 100 columns, no colour."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    plain = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    environment = {**kept, **plain, "PYTHONPATH": str(ROOT / "src")}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _MAIN, *arguments, "--help"],
            env=environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for arguments in ((), *((command,) for command in commands))
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return ["\n".join(line.rstrip() for line in text.strip("\n").splitlines()) for text in printed]


def command_page() -> str:
    """docs/cli.md, from `--help` alone."""
    commands = list(root_command().commands)
    overview, *helps = real_helps(*commands)
    parts = [
        "# The command line",
        "What `--help` says, of lexigraft and of each command. This page is generated: "
        "`UPDATE_DOCS=1 pytest\ntests/test_readme.py` writes it from `src/lexigraft/cli/`.",
        f"```text\n{overview}\n```",
    ]
    for name, text in zip(commands, helps, strict=True):
        parts += [f"## {name}", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def check_generated(path: Path, wanted: str) -> None:
    if UPDATE:
        path.write_text(wanted, "utf-8")
    assert path.is_file(), f"{path.name} is missing: UPDATE_DOCS=1 writes it"
    assert path.read_text("utf-8") == wanted, f"{path.name} is not current: UPDATE_DOCS=1 writes it"


def test_the_recipes_table_is_current() -> None:
    check_generated(RECIPE, with_table(RECIPE.read_text("utf-8")))


def test_the_command_lines_page_is_current() -> None:
    page = command_page()
    assert max(map(len, page.splitlines())) <= 100
    assert "\x1b" not in page
    check_generated(CLI, page)
