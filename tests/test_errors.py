"""The exception tree: as drawn, with the exit codes that are drawn, each said once."""

from __future__ import annotations

import re

import pytest

from lexigraft import errors
from lexigraft.errors import LexiconError, LexigraftError, Problem


def drawn() -> dict[str, int]:
    lines = re.findall(r"^[ │├└─]*(\w+) {2,}(\d+)  ", errors.__doc__ or "", flags=re.MULTILINE)
    return {name: int(code) for name, code in lines}


def real() -> dict[str, int]:
    found: dict[str, int] = {}
    todo: list[type[LexigraftError]] = [LexigraftError]
    while todo:
        kind = todo.pop()
        found[kind.__name__] = kind.exit_code
        todo += [k for k in kind.__subclasses__() if k.__module__ == errors.__name__]
    return found


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert drawn() == real()
    assert len(drawn()) >= 9


def test_every_branch_hangs_from_the_base() -> None:
    # the drawing has one level
    for name in drawn().keys() - {"LexigraftError"}:
        assert getattr(errors, name).__bases__ == (LexigraftError,)


def test_all_is_complete() -> None:
    assert set(errors.__all__) == {*real(), "Problem"}


def test_every_problem_of_a_lexicon_is_listed() -> None:
    problems = [Problem("a.yaml", 3, "no term"), Problem("a.yaml", None, "not UTF-8")]
    error = LexiconError(problems)
    assert str(error) == "2 problems in the lexicon:\na.yaml:3: no term\na.yaml: not UTF-8"
    assert error.problems == tuple(problems)
    assert str(LexiconError(problems[:1])).startswith("1 problem in the lexicon:")
    with pytest.raises(AttributeError):
        problems[0].line = 4  # type: ignore[misc]
