"""YAML, JSONL and CSV as one tree of values, each with the line it stands on.

Nothing here knows what a term is. A syntax error is added to the `Problems` and ends the file (or,
in JSONL, the line); everything else is left to `drafts` and `validation`, so that all problems
come out together.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from lexigraft.errors import LexiconError, Problem

__all__ = ["FORMATS", "Fields", "Format", "Items", "Node", "Problems", "Scalar", "parse"]

Format = Literal["yaml", "jsonl", "csv"]

# Deeper than any lexicon, and far from where libyaml's recursion overflows the C stack.
_DEEPEST = 20
_SUGGESTIONS = 30
# Of a message: what it quotes may be a whole file, where a quote is missing.
_LONGEST_MESSAGE = 1000
_TEXT = "text"
_NOTHING = "nothing"
_TRUTH = "true or false"
# What a text may hold, newline and tab apart; a lone surrogate cannot even be printed.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written, and what the format takes it for: text, a number, nothing …"""

    text: str
    line: int
    kind: str = _TEXT

    @property
    def is_text(self) -> bool:
        return self.kind == _TEXT

    @property
    def is_nothing(self) -> bool:
        return self.kind == _NOTHING

    @property
    def is_truth(self) -> bool:
        return self.kind == _TRUTH


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping: each key with its own line and its value."""

    entries: dict[str, tuple[int, Node]]
    line: int


Node = Scalar | Items | Fields


@dataclass
class Problems:
    """Collects everything wrong with one file."""

    file: str
    found: list[Problem] = field(default_factory=list)
    _suggested: int = 0

    def add(self, line: int | None, message: str) -> None:
        if len(message) > _LONGEST_MESSAGE:
            # What to do stands at the end.
            message = f"{message[: _LONGEST_MESSAGE - 300]} … {message[-290:]}"
        self.found.append(Problem(self.file, line, message))

    def did_you_mean(self, given: str, known: Iterable[str]) -> str:
        """` (did you mean “…”?)`, or nothing. The first few only: each looks at every name."""
        self._suggested += 1
        if self._suggested > _SUGGESTIONS:
            return ""
        by_small = {name.casefold(): name for name in known}
        close = difflib.get_close_matches(given.casefold(), list(by_small), n=1)
        return f" (did you mean “{by_small[close[0]]}”?)" if close else ""

    def error(self) -> LexiconError:
        """All problems, in the order of the file."""
        return LexiconError(sorted(self.found, key=lambda problem: problem.line or 0))


def parse(text: str, format: Format, problems: Problems) -> Fields | None:
    """The file's tree: a mapping with `terms`, or None (and a problem) where nothing can be read.

    Control characters are reported here and replaced by U+FFFD, so that the rest can be read.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        problems.add(1, "the file is empty: `lexigraft new` writes a lexicon to start from")
        return None
    return FORMATS[format](_printable(text, problems), problems)


def _printable(text: str, problems: Problems) -> str:
    line, counted, reported = 1, 0, 0
    for found in _UNPRINTABLE.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if line != reported:
            code = ord(found.group())
            problems.add(line, f"the control character U+{code:04X} stands here: remove it")
            reported = line
    return _UNPRINTABLE.sub("\ufffd", text)


# YAML


def _parse_yaml(text: str, problems: Problems) -> Fields | None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        deep = _too_deep(text, loader)
        if deep is not None:
            problems.add(deep, "lists or mappings are nested too deeply for a lexicon")
            return None
        # Nodes, not values: nothing is constructed, and every node knows its line.
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        problems.add(*_yaml_problem(text, error))
        return None
    if root is None:
        problems.add(1, "there is nothing but comments: add `terms:` with at least one term")
        return None
    tree = _YamlTree(problems).node(root)
    if isinstance(tree, Fields):
        return tree
    problems.add(tree.line, "a lexicon is a mapping with `terms:`, and its terms in a list below")
    return None


def _too_deep(text: str, loader: Any) -> int | None:
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return _line(event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _yaml_problem(text: str, error: yaml.YAMLError) -> tuple[int, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    # libyaml counts from the end of a construct, which may be one past the last line.
    last = text.count("\n") + (not text.endswith("\n"))
    line = min(mark.line + 1, max(last, 1)) if mark is not None else 1
    hint = "check the indentation and the quotes"
    if "mapping values" in what:
        hint = "put a text that contains “: ” in quotes, or check the indentation"
    elif "tab" in what.lower() or "cannot start any token" in what:
        hint = "indent with spaces, and put a text that begins with a special sign in quotes"
    elif "alias" in what:
        hint = "put a text that begins with “*” in quotes"
    elif "document" in what:
        hint = "a lexicon is one document: remove the “---”"
    return line, f"not valid YAML ({what}): {hint}"


_YAML_KINDS = {
    "tag:yaml.org,2002:str": _TEXT,
    "tag:yaml.org,2002:value": _TEXT,  # a plain `=`
    "tag:yaml.org,2002:merge": _TEXT,  # a plain `<<`
    "tag:yaml.org,2002:null": _NOTHING,
    "tag:yaml.org,2002:bool": _TRUTH,
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:timestamp": "a date",
}


class _YamlTree:
    """Converts nodes; one that aliases repeat is converted once, so aliases cannot explode."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._done: dict[int, Node | None] = {}

    def node(self, node: yaml.Node) -> Node:
        line = _line(node.start_mark)
        known = self._done.get(id(node), node)
        if known is None:
            self._problems.add(line, "an alias stands inside what it names: write it out")
            return Scalar("", line, _NOTHING)
        if not isinstance(known, yaml.Node):
            return known
        self._done[id(node)] = None
        made = self._convert(node, line)
        self._done[id(node)] = made
        return made

    def _convert(self, node: yaml.Node, line: int) -> Node:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line)
        if isinstance(node, yaml.SequenceNode):
            return Items(tuple(self.node(item) for item in node.value), line)
        kind = _YAML_KINDS.get(node.tag, f"a value with the tag {node.tag}")
        return Scalar(str(node.value), line, kind)

    def _mapping(self, node: yaml.MappingNode, line: int) -> Fields:
        entries: dict[str, tuple[int, Node]] = {}
        for key_node, value_node in node.value:
            key_line = _line(key_node.start_mark)
            value = self.node(value_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(key_line, "a key must be a word, not a list or a mapping")
                continue
            _enter(entries, str(key_node.value), key_line, value, self._problems)
        return Fields(entries, line)


def _enter(
    entries: dict[str, tuple[int, Node]], key: str, line: int, value: Node, problems: Problems
) -> None:
    if key in entries:
        first = entries[key][0]
        where = "in this object" if first == line else f"first on line {first}"
        problems.add(line, f"the key “{key}” stands twice ({where}): keep one")
    else:
        entries[key] = (line, value)


# JSONL


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, repeated keys included."""


class _Number(str):
    """A JSON number as it is written: converting one may fail (too many digits)."""


def _parse_jsonl(text: str, problems: Problems) -> Fields | None:
    terms: list[Node] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(
                line,
                object_pairs_hook=_Pairs,
                parse_int=_Number,
                parse_float=_Number,
                parse_constant=_Number,
            )
        except json.JSONDecodeError as error:
            problems.add(
                number,
                f"not valid JSON ({error.msg}, column {error.colno}): each line is one term, "
                f'as {{"term": …, "definition": …}}',
            )
        except RecursionError:
            problems.add(number, "lists or objects are nested too deeply for a lexicon")
        else:
            terms.append(_json_node(value, number, problems))
    return _headed(terms, problems)


def _json_node(value: Any, line: int, problems: Problems, depth: int = 0) -> Node:
    if depth > _DEEPEST:
        problems.add(line, "lists or objects are nested too deeply for a lexicon")
        return Scalar("", line, _NOTHING)
    if isinstance(value, _Pairs):
        entries: dict[str, tuple[int, Node]] = {}
        for key, inner in value:
            node = _json_node(inner, line, problems, depth + 1)
            _enter(entries, key, line, node, problems)
        return Fields(entries, line)
    if isinstance(value, list):
        return Items(tuple(_json_node(v, line, problems, depth + 1) for v in value), line)
    if value is None:
        return Scalar("null", line, _NOTHING)
    if isinstance(value, bool):
        return Scalar("true" if value else "false", line, _TRUTH)
    if isinstance(value, _Number):
        return Scalar(str(value), line, "a number")
    return Scalar(str(value), line)


def _headed(terms: list[Node], problems: Problems) -> Fields | None:
    """The tree of a format that has no place for the lexicon's own language: its first term's."""
    if not terms:
        if not problems.found:
            problems.add(1, "the file has no terms: add one with a term and a definition")
        return None
    entries: dict[str, tuple[int, Node]] = {"terms": (1, Items(tuple(terms), 1))}
    first = terms[0]
    if isinstance(first, Fields) and "language" in first.entries:
        line, language = first.entries["language"]
        if isinstance(language, Scalar) and language.text in ("en", "ru"):
            entries["language"] = (line, language)
    return Fields(entries, 1)


# CSV

_RELATIONS = ("synonym", "broader", "narrower", "part_of")
_SINGLE = ("term", "kind", "part_of_speech", "language", "route", "inside_words")
_SEVERAL = (
    "definition", "forms", "examples", "like", "tests", "contrast", "properties", *_RELATIONS
)  # fmt: skip
_SEPARATOR = " | "
# What one pair is, its two keys, and what stands between them.
_PAIRS = {
    "contrast": ("contrast", "term", "difference", ": "),
    "properties": ("property", "right", "wrong", " // "),
}


def _parse_csv(text: str, problems: Problems) -> Fields | None:
    header_line = text.lstrip("\n").split("\n", 1)[0]
    # Spreadsheets write `;` where the comma is the decimal sign, as in Russian.
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    terms: list[Node] = []
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                if columns is None:
                    columns = _csv_columns(cells, line, problems)
                    if "term" not in columns:
                        return None
                else:
                    terms.append(_csv_term(columns, cells, line, problems))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(line, f"not valid CSV ({error}): check the quotes of this row")
    return _headed(terms, problems)


def _csv_columns(cells: list[str], line: int, problems: Problems) -> list[str]:
    known = (*_SINGLE, *_SEVERAL)
    columns = [cell.casefold() for cell in cells]
    for position, column in enumerate(columns):
        if column not in known:
            hint = problems.did_you_mean(column, known)
            problems.add(line, f"unknown column “{column}”{hint}: use {', '.join(known)}")
        elif column in columns[:position]:
            problems.add(line, f"the column “{column}” stands twice: keep one")
    if "term" not in columns:
        problems.add(line, "no column “term”: the first row names the columns")
    return columns


def _csv_term(columns: list[str], cells: list[str], line: int, problems: Problems) -> Fields:
    if any(cells[len(columns) :]):
        problems.add(
            line,
            f"{len(cells)} cells in a row of {len(columns)} columns: put a text that contains "
            "the separator in quotes",
        )
    entries: dict[str, tuple[int, Node]] = {}
    related: dict[str, tuple[int, Node]] = {}
    for column, cell in zip(columns, cells, strict=False):
        if not cell:
            continue
        if column in _RELATIONS:
            related.setdefault(column, (line, _csv_several(cell, line)))
        elif column in _PAIRS:
            pairs = (_csv_pair(column, pair, line, problems) for pair in _csv_split(cell))
            entries.setdefault(column, (line, Items(tuple(filter(None, pairs)), line)))
        elif column in _SEVERAL and not (column == "forms" and cell == "auto"):
            entries.setdefault(column, (line, _csv_several(cell, line)))
        elif column == "inside_words" and cell.casefold() in ("true", "false", "yes", "no"):
            entries.setdefault(column, (line, Scalar(cell, line, _TRUTH)))
        elif column in _SINGLE or column == "forms":
            entries.setdefault(column, (line, Scalar(cell, line)))
    if related:
        entries["related"] = (line, Fields(related, line))
    return Fields(entries, line)


def _csv_split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(_SEPARATOR)]


def _csv_several(cell: str, line: int) -> Items:
    return Items(tuple(Scalar(part, line) for part in _csv_split(cell)), line)


def _csv_pair(column: str, pair: str, line: int, problems: Problems) -> Fields | None:
    what, first, second, between = _PAIRS[column]
    left, found, right = pair.partition(between)
    if not found:
        problems.add(line, f"the {what} “{pair}” is not written as “{first}{between}{second}”")
        return None
    both = {first: left.strip(), second: right.strip()}
    return Fields({key: (line, Scalar(text, line)) for key, text in both.items()}, line)


FORMATS: dict[str, Callable[[str, Problems], Fields | None]] = {
    "yaml": _parse_yaml,
    "jsonl": _parse_jsonl,
    "csv": _parse_csv,
}
