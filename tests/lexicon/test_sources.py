from __future__ import annotations

import pytest

from lexigraft.errors import LexiconError
from lexigraft.lexicon.sources import Fields, Format, Items, Problems, Scalar, parse


def read(text: str, format: Format = "yaml") -> tuple[Fields | None, list[tuple[int | None, str]]]:
    problems = Problems("words")
    tree = parse(text, format, problems)
    return tree, [(problem.line, problem.message) for problem in problems.found]


def test_every_value_knows_its_line() -> None:
    tree, found = read("# comment\nname: a\nterms:\n  - term: x\n    forms:\n      - y\n")
    assert found == []
    assert tree is not None
    line, terms = tree.entries["terms"]
    assert (line, isinstance(terms, Items)) == (3, True)
    assert isinstance(terms, Items)
    term = terms.items[0]
    assert isinstance(term, Fields)
    assert term.entries["term"] == (4, Scalar("x", 4))
    assert term.entries["forms"][1] == Items((Scalar("y", 6),), 6)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("no", "true or false"),
        ("5", "a number"),
        ("2024-01-01", "a date"),
        ("~", "nothing"),
        ("=", "text"),
        ("<<", "text"),
        ('"5"', "text"),
        (
            "!!python/name:os.system x",
            "a value with the tag tag:yaml.org,2002:python/name:os.system",
        ),
    ],
)
def test_yaml_values_keep_what_was_written(written: str, kind: str) -> None:
    tree, _ = read(f"a: {written}\n")
    assert tree is not None
    value = tree.entries["a"][1]
    assert isinstance(value, Scalar)
    assert value.kind == kind


@pytest.mark.parametrize(
    ("text", "format", "line", "expected"),
    [
        ("", "yaml", 1, "empty"),
        (" \n\n", "csv", 1, "empty"),
        ("# only\n", "yaml", 1, "comments"),
        ("- term: x\n", "yaml", 1, "mapping"),
        ("terms:\n- term: a: b\n", "yaml", 2, "in quotes"),
        ("terms:\n\t- x\n", "yaml", 2, "spaces"),
        ('a: "open\n', "yaml", 1, "not valid YAML"),
        ("a: *b\n", "yaml", 1, "alias"),
        ("a: b\n---\nc: d\n", "yaml", 2, "one document"),
        ("a: 1\nb: 2\na: 3\n", "yaml", 3, "first on line 1"),
        ("a: b\n? [x]\n: y\n", "yaml", 2, "a key must be a word"),
        ("a: b\nc: d\x07\n", "yaml", 2, "U+0007"),
        ('{"term": "x"}\n{"term": \n', "jsonl", 2, "not valid JSON"),
        ('{"term": "x", "term": "y"}\n', "jsonl", 1, "stands twice"),
        ("definition\na\n", "csv", 1, "no column “term”"),
        ("term,definition,term\na,b,c\n", "csv", 1, "stands twice"),
        ("term,definiton\na,b\n", "csv", 1, "did you mean “definition”"),
        ("term,definition\n\na,b,c\n", "csv", 3, "3 cells in a row of 2"),
        ('term,definition\na,"b\n', "csv", 2, "not valid CSV"),
        ("term,definition,contrast\na,b,c\n", "csv", 2, "“term: difference”"),
        ("term,definition,properties\na,b,a c\n", "csv", 2, "“right // wrong”"),
        ("term,definition\n", "csv", 1, "no terms"),
    ],
)
def test_a_syntax_error_has_a_line_and_a_remedy(
    text: str, format: Format, line: int, expected: str
) -> None:
    _, found = read(text, format)
    assert len(found) == 1
    assert found[0][0] == line
    assert expected in found[0][1]


def test_a_broken_line_of_jsonl_does_not_hide_the_others() -> None:
    tree, found = read('{"term": "x"}\n{oops\n[[1]]\n{"term": "y"}\n', "jsonl")
    assert [line for line, _ in found] == [2]
    assert tree is not None
    terms = tree.entries["terms"][1]
    assert isinstance(terms, Items)
    assert [item.line for item in terms.items] == [1, 3, 4]


def test_the_lines_of_csv_count_quoted_line_breaks() -> None:
    tree, _ = read('term,definition\na,"two\nlines"\nb,c\n', "csv")
    assert tree is not None
    terms = tree.entries["terms"][1]
    assert isinstance(terms, Items)
    assert [item.line for item in terms.items] == [2, 4]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_count_the_same_with_every_line_ending(ending: str) -> None:
    _, found = read(ending.join(["a: 1", "b: 2", "a: 3", ""]))
    assert [line for line, _ in found] == [3]


def test_a_huge_number_is_no_crash() -> None:
    tree, found = read('{"term": ' + "9" * 5000 + "}", "jsonl")
    assert found == []
    assert tree is not None


def test_problems_come_in_the_order_of_the_file() -> None:
    problems = Problems("words")
    for line in (7, 2, None, 5):
        problems.add(line, "wrong")
    error = problems.error()
    assert isinstance(error, LexiconError)
    assert [problem.line for problem in error.problems] == [None, 2, 5, 7]
