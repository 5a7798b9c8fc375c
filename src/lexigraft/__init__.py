"""Teach a language model words that it does not know, and prove that it knows them.

Every public name is imported when it is first asked for: `import lexigraft` costs nothing.

A verb names the command, the function and, for most, the module that holds it. Importing a module
binds it on the package, over a function of the same name; so these modules are made callable, and
whatever was imported before, `lexigraft.teach` is the module and `lexigraft.teach(...)` teaches.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature

    from lexigraft.checks.results import Verdict
    from lexigraft.compare import compare
    from lexigraft.diagnose import Diagnosis, diagnose
    from lexigraft.errors import (
        CorpusError,
        ExportError,
        HubError,
        Interrupted,
        LexiconError,
        LexigraftError,
        MarkerError,
        ModelError,
        PackError,
        Problem,
        RecipeError,
        RequirementNotMet,
        RunError,
        SpellingError,
        WriterError,
    )
    from lexigraft.export import export
    from lexigraft.lexicon import Lexicon, Term, mark, read_lexicon
    from lexigraft.lexicon import new_lexicon as new
    from lexigraft.pack import install, pack, uninstall
    from lexigraft.pack import read_pack as inspect
    from lexigraft.progress import Progress
    from lexigraft.recipe import Recipe, read_recipe
    from lexigraft.report import write_report as report
    from lexigraft.retokenize import retokenize
    from lexigraft.sharing import pull, push
    from lexigraft.teach import teach
    from lexigraft.verdict import verify

    __version__: str

__all__ = [
    "diagnose",
    "teach",
    "verify",
    "compare",
    "report",
    "export",
    "push",
    "pull",
    "pack",
    "install",
    "uninstall",
    "inspect",
    "mark",
    "retokenize",
    "new",
    "Lexicon",
    "Term",
    "read_lexicon",
    "Recipe",
    "read_recipe",
    "Diagnosis",
    "Verdict",
    "Progress",
    "LexigraftError",
    "CorpusError",
    "ExportError",
    "HubError",
    "Interrupted",
    "LexiconError",
    "MarkerError",
    "ModelError",
    "PackError",
    "Problem",
    "RecipeError",
    "RequirementNotMet",
    "RunError",
    "SpellingError",
    "WriterError",
]

# Modules that are called as a function of theirs.
_VERBS = {
    "diagnose": "diagnose",
    "teach": "teach",
    "compare": "compare",
    "report": "write_report",
    "export": "export",
    "pack": "pack",
    "retokenize": "retokenize",
}
# Every other public name: its module, and its name there where that is another.
_HOMES = {
    "verify": ("verdict", "verify"),
    "push": ("sharing", "push"),
    "pull": ("sharing", "pull"),
    "install": ("pack.installing", "install"),
    "uninstall": ("pack.removing", "uninstall"),
    "inspect": ("pack.reading", "read_pack"),
    "mark": ("lexicon", "mark"),
    "new": ("lexicon", "new_lexicon"),
    "Lexicon": ("lexicon", "Lexicon"),
    "Term": ("lexicon", "Term"),
    "read_lexicon": ("lexicon", "read_lexicon"),
    "Recipe": ("recipe", "Recipe"),
    "read_recipe": ("recipe", "read_recipe"),
    "Diagnosis": ("diagnose", "Diagnosis"),
    "Verdict": ("checks.results", "Verdict"),
    "Progress": ("progress", "Progress"),
    **{name: ("errors", name) for name in __all__ if name.endswith(("Error", "NotMet"))},
    "Interrupted": ("errors", "Interrupted"),
    "Problem": ("errors", "Problem"),
}


class _Verb(ModuleType):
    """A module that is called as the function of its name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _function(self)(*arguments, **options)

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(_function(self))


def _function(module: ModuleType) -> Any:
    return getattr(module, _VERBS[module.__name__.rpartition(".")[2]])


class _Root(ModuleType):
    """This package. The import system binds a submodule here once it is loaded."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _VERBS and type(value) is ModuleType:
            value.__class__ = _Verb
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Root


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("lexigraft")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
