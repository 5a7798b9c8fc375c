"""The names at the root: pinned, lazy, and callable whatever was imported before."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lexigraft

NAMES = [
    "diagnose", "teach", "verify", "compare", "report", "export", "push", "pull", "pack", "install",
    "uninstall", "inspect", "mark", "retokenize", "new",
    "Lexicon", "Term", "read_lexicon", "Recipe", "read_recipe", "Diagnosis", "Verdict", "Progress",
    "LexigraftError", "CorpusError", "ExportError", "HubError", "Interrupted", "LexiconError",
    "MarkerError", "ModelError", "PackError", "Problem", "RecipeError", "RequirementNotMet",
    "RunError",
    "SpellingError", "WriterError",
]  # fmt: skip
# A verb whose module has its name, and the function of that module which it calls.
VERBS = {
    "diagnose": "diagnose",
    "teach": "teach",
    "compare": "compare",
    "report": "write_report",
    "export": "export",
    "pack": "pack",
    "retokenize": "retokenize",
}


def python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_public_names_are_pinned() -> None:
    assert lexigraft.__all__ == NAMES
    assert set(NAMES) <= set(dir(lexigraft))


def test_type_checkers_see_every_name() -> None:
    source = Path(inspect.getfile(lexigraft)).read_text(encoding="utf-8")
    guard = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    assert ast.unparse(guard.test) == "TYPE_CHECKING"
    imports = [node for node in guard.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname or alias.name for node in imports for alias in node.names}
    assert seen - {"Signature"} == set(NAMES)


def test_every_error_is_public() -> None:
    from lexigraft import errors

    assert set(errors.__all__) <= set(NAMES)
    for name in errors.__all__:
        assert getattr(lexigraft, name) is getattr(errors, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_what_it_should_be(name: str) -> None:
    found = getattr(lexigraft, name)
    if name[0].isupper():
        assert inspect.isclass(found)
    else:
        assert "return" in found.__annotations__ or name in VERBS
        assert inspect.signature(found).return_annotation is not inspect.Signature.empty


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, lexigraft; print([m for m in sys.modules if m.startswith('lexigraft.')])"
    assert python(code) == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lexigraft.nothing
    with pytest.raises(ImportError):
        exec("from lexigraft import nothing")


def test_the_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert lexigraft.__version__ == version("lexigraft")


# Two verbs whose modules are light stand for all in every order.
@pytest.mark.parametrize("verb", ["diagnose", "report"])
@pytest.mark.parametrize(
    "before",
    [
        "from lexigraft import {verb}",
        "import lexigraft.{verb}",
        "import lexigraft.{verb} as module",
        "from lexigraft.{verb} import {function}",
        "from lexigraft import {verb}; import lexigraft.{verb}",
        "import lexigraft.{verb}; from lexigraft import {verb}",
    ],
)
def test_a_verb_is_called_in_every_order_of_imports(verb: str, before: str) -> None:
    function = VERBS[verb]
    code = f"""
{before.format(verb=verb, function=function)}
import sys, inspect, lexigraft
from lexigraft import {verb} as called
module = sys.modules["lexigraft.{verb}"]
assert called is lexigraft.{verb}
assert inspect.signature(called) == inspect.signature(module.{function})
module.{function} = lambda *given, **named: (given, named)
print(called(1, b=2), lexigraft.{verb}(3))
"""
    assert python(code) == "((1,), {'b': 2}) ((3,), {})"


def test_every_verb_calls_the_function_of_its_module() -> None:
    code = f"""
import importlib, lexigraft
for verb, function in {VERBS!r}.items():
    module = importlib.import_module("lexigraft." + verb)
    assert callable(getattr(module, function))
    setattr(module, function, lambda: verb)
    print(getattr(lexigraft, verb)())
"""
    assert python(code).split() == list(VERBS)


def test_what_stands_inside_a_verb_s_module_stays_reachable() -> None:
    code = """
import lexigraft
lexigraft.report
import lexigraft.report.html as html
import lexigraft.diagnose.sentences
print(html.__name__, lexigraft.diagnose.sentences.byte_count(2000, "en"), lexigraft.report.card)
"""
    assert python(code).startswith("lexigraft.report.html 2.0 kB <module")


def test_the_root_s_verbs_are_those_of_the_modules() -> None:
    assert lexigraft.mark is __import__("lexigraft.lexicon", fromlist=["mark"]).mark
    assert lexigraft.new.__name__ == "new_lexicon"
    assert lexigraft.Lexicon.__module__ == "lexigraft.lexicon.schema"
