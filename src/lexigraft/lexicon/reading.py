"""Reading a lexicon from YAML, JSONL or CSV, and writing one back.

Every problem of a file is reported together, each with its line and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lexigraft.errors import LexiconError, Problem
from lexigraft.lexicon.drafts import draft_lexicon
from lexigraft.lexicon.schema import Lexicon, Marker, Term
from lexigraft.lexicon.sources import FORMATS, Fields, Format, Items, Problems, Scalar, parse
from lexigraft.lexicon.validation import SpecialTokens, validate

__all__ = [
    "check_against_tokenizer",
    "dump_lexicon",
    "lexicon_from_text",
    "plain_lexicon",
    "read_lexicon",
]

_SUFFIXES: dict[str, Format] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
# With more broken bytes than this a file is in another encoding, and each would be a problem.
_FEW_BAD_BYTES = 3


def read_lexicon(path: str | Path, special_tokens: Iterable[str] = ()) -> Lexicon:
    """The lexicon in the file at `path`; its suffix tells the format.

    `.yaml`, `.yml`: a mapping with `terms`. `.jsonl`: a term a line. `.csv`, `.tsv`: a term a row,
    several values separated by ` | `, a contrast as `term: difference`, a property as
    `right // wrong`. Where a file gives no name, the file's name without its suffix is the
    lexicon's.

    Args:
        path: the file.
        special_tokens: a tokenizer's special tokens, which no term may equal or contain.

    Raises:
        LexiconError: the file cannot be read, or has problems: all of them, in its order.
    """
    path = Path(path)
    problems = Problems(str(path))
    text, format = _file_text(path, problems)
    return _lexicon(text, path.stem, format, special_tokens, problems)


def lexicon_from_text(
    text: str, name: str, format: Format, special_tokens: Iterable[str] = ()
) -> Lexicon:
    """`read_lexicon` on a text; `name` stands for the file in messages and names the lexicon.

    Raises:
        LexiconError: with all problems.
        ValueError: `format` is none of yaml, jsonl, csv.
    """
    if format not in FORMATS:
        raise ValueError(f"format {format!r} is unknown: use one of {', '.join(FORMATS)}")
    return _lexicon(text, name, format, special_tokens, Problems(name))


def _lexicon(
    text: str, name: str, format: Format, special_tokens: Iterable[str], problems: Problems
) -> Lexicon:
    tree = parse(text, format, problems)
    if tree is None:
        raise problems.error()
    drafted = draft_lexicon(tree, name, problems)
    validate(drafted, SpecialTokens(special_tokens), problems)
    if problems.found:
        raise problems.error()
    return Lexicon(
        name=drafted.name,
        language=drafted.language,
        marker=drafted.marker,
        terms=tuple(draft.finished() for draft in drafted.drafts),
    )


def _file_text(path: Path, problems: Problems) -> tuple[str, Format]:
    """The file's text and format. A few bytes that are not UTF-8 are reported and read over."""
    format = _SUFFIXES.get(path.suffix.lower())
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.add(None, _unreadable(path, error))
        raise problems.error() from error
    if format is None:
        suffixes = ", ".join(_SUFFIXES)
        problems.add(None, f"the suffix “{path.suffix}” names no lexicon: use {suffixes}")
        raise problems.error()
    text, readable = _decoded(data, problems)
    if not readable:
        raise problems.error()
    return text, format


def _unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return "this is a folder: name the lexicon file inside it"
    if isinstance(error, FileNotFoundError):
        return f"no such file: check the path, or write one with `lexigraft new {path.name}`"
    return f"cannot be read ({error.strerror or os.strerror(error.errno or 0)})"


def _decoded(data: bytes, problems: Problems) -> tuple[str, bool]:
    """The text, and whether it is worth reading on."""
    try:
        return data.decode("utf-8"), True
    except UnicodeDecodeError as error:
        offset = error.start
    encoding = ""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = " (it looks like UTF-16)"
    problems.add(
        data.count(b"\n", 0, offset) + 1,
        f"not UTF-8{encoding}: byte 0x{data[offset]:02X} at offset {offset}; "
        "save the file as UTF-8",
    )
    replaced = data.decode("utf-8", errors="replace")
    bad = replaced.count("\ufffd") - data.count("\ufffd".encode())
    return replaced, not encoding and bad <= _FEW_BAD_BYTES


def check_against_tokenizer(
    lexicon: Lexicon, special_tokens: Iterable[str], path: str | Path | None = None
) -> None:
    """Checks that no term or form equals or contains a special token, or chat markup.

    Args:
        lexicon: a lexicon as read.
        special_tokens: those of the tokenizer that is to be taught.
        path: the lexicon's file, for the lines in the message; without it, it has none.

    Raises:
        LexiconError: with every term that clashes.
    """
    special = SpecialTokens(special_tokens)
    clashes = [
        (term, form, clash)
        for term in lexicon
        for form in term.surfaces
        if (clash := special.clash(form)) is not None
    ]
    if not clashes:
        return
    lines = {} if path is None else _lines_of_terms(Path(path))
    file = lexicon.name if path is None else str(path)
    raise LexiconError(
        [
            Problem(
                file,
                lines.get(term.term),
                f"“{form}” {clash}: the model would take it for a command; choose another spelling",
            )
            for term, form, clash in clashes
        ]
    )


def _lines_of_terms(path: Path) -> dict[str, int]:
    problems = Problems(str(path))
    text, format = _file_text(path, problems)
    tree = parse(text, format, problems)
    terms = tree.entries.get("terms") if tree is not None else None
    if terms is None or not isinstance(terms[1], Items):
        return {}
    lines: dict[str, int] = {}
    for term in terms[1].items:
        if isinstance(term, Fields) and "term" in term.entries:
            line, node = term.entries["term"]
            if isinstance(node, Scalar):
                lines.setdefault(node.text, line)
    return lines


def plain_lexicon(lexicon: Lexicon) -> dict[str, Any]:
    """The lexicon as the plain data of its file; what is a default is left out."""
    top: dict[str, Any] = {"name": lexicon.name, "language": lexicon.language}
    if lexicon.marker != Marker():
        top["marker"] = lexicon.marker.model_dump()
    top["terms"] = [_dumped(term, lexicon.language) for term in lexicon]
    return top


def dump_lexicon(lexicon: Lexicon) -> str:
    """The lexicon as YAML that reads back equal; what is a default is left out."""
    plain = plain_lexicon(lexicon)
    return str(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100))


def _dumped(term: Term, language: str) -> dict[str, Any]:
    dumped = term.model_dump(mode="json", exclude_defaults=True)
    dumped.pop("language", None)
    if term.language != language:
        dumped["language"] = term.language
    if len(term.definition) == 1:
        dumped["definition"] = term.definition[0]
    if "related" in dumped:
        dumped["related"] = {key: words for key, words in dumped["related"].items() if words}
    return dumped
