"""From a file to a `Pack`: every part is looked at, and held against the others. No torch.

The digest only tells that a file is whole: anybody can make a new one. So nothing is believed
because of it, and what could do harm is refused by rules of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy
from pydantic import BaseModel, ValidationError

from lexigraft.checks.results import Verdict
from lexigraft.errors import LexiconError, PackError
from lexigraft.lexicon import Lexicon, Route, lexicon_from_text, plain_lexicon
from lexigraft.pack.format import (
    Container,
    Stored,
    inflated,
    joined_planes,
    parsed_json,
    plain_json,
    read_container,
)
from lexigraft.pack.values import Manifest, Pack, RowsShape
from lexigraft.spelling.plan import wanted_pieces
from lexigraft.spelling.spell import spelled_term
from lexigraft.spelling.values import NewToken, Spelling

__all__ = ["DOCUMENTS", "ITEM_BYTES", "pack_from_bytes", "read_pack"]

DOCUMENTS = ("lexicon", "spelling", "verdict")
"""Tensors that hold JSON."""

ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

_MOST_JSON = 64_000_000
_MOST_ROWS = 4_000_000_000
_LONGEST_NAME = 200
# All bits of the exponent: what is not finite has them all.
_EXPONENTS = {"float32": 0x7F800000, "bfloat16": 0x7F80, "float16": 0x7C00}
_WORDS = {2: "<u2", 4: "<u4"}
_LORA = "lora."
_LORA_NAME = re.compile(r"base_model\.model(\.[A-Za-z0-9_]+)+\.lora_[AB]\.weight")
_MODULE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
# A folder above, an absolute place, a home, a drive.
_PATH = re.compile(r"(?:^|[\\/])\.\.(?:[\\/]|$)|^[\\/]|^~[\\/]|^[A-Za-z]:[\\/]")
# Overrides and isolates of direction: a name could be shown as another one.
_REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_Value = TypeVar("_Value", bound=BaseModel)


def read_pack(path: str | Path) -> Pack:
    """The pack in the file at `path`. Nothing in it is executed, and nothing is written.

    Raises:
        PackError: the file is no pack, of an unknown version, damaged or cut, or holds something
            that no pack may: a name that is a path or a special token, numbers that are none, rows
            that do not fit, parts that contradict each other.
    """
    path = Path(path).expanduser()
    return _pack(read_container(path, path.name), path.name)


def pack_from_bytes(data: bytes, name: str) -> Pack:
    """`read_pack` on the bytes of a file that messages call `name`."""
    return _pack(read_container(data, name), name)


def _pack(container: Container, name: str) -> Pack:
    manifest = _value(Manifest, parsed_json(container.manifest, f"{name}: its manifest"), name)
    _require_manifest(manifest, name)
    tensors = dict(container.tensors)
    documents = {key: _document(tensors, key, name) for key in DOCUMENTS}
    lexicon = _lexicon(documents["lexicon"], name)
    spelling = _value(Spelling, documents["spelling"], name)
    verdict = _value(Verdict, documents["verdict"], name)
    _require_spelling(spelling, lexicon, manifest, name)
    _require_verdict(verdict, lexicon, spelling, name)
    rows = _rows(tensors, spelling, manifest, name)
    lora = {key: tensors.pop(key) for key in sorted(tensors) if key.startswith(_LORA)}
    if tensors:
        raise PackError(f"{name} holds what no pack has: the tensor {min(tensors)[:60]!r}.")
    return Pack(
        name=name,
        manifest=manifest,
        lexicon=lexicon,
        spelling=spelling,
        verdict=verdict,
        input_rows=rows["input"],
        output_rows=rows["output"],
        lora=_lora(lora, manifest, name),
        sha256=container.sha256,
        parts=container.parts,
    )


# --- the manifest and the documents ---


def _value(kind: type[_Value], plain: Any, name: str) -> _Value:
    """`plain` as a value of `kind`, with no type bent to fit."""
    try:
        return kind.model_validate_json(plain_json(plain), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))[:80]
        raise PackError(
            f"{name} is damaged or made by hand: its {kind.__name__.lower()} has {place!r} wrong "
            f"({first['msg'][:120]})."
        ) from error
    except (ValueError, RecursionError) as error:
        # A lone surrogate is no character that could be written.
        raise PackError(f"{name} is damaged: its {kind.__name__.lower()} holds no text.") from error


def _require_manifest(manifest: Manifest, name: str) -> None:
    base, rows = manifest.base, manifest.rows
    texts = {
        "the licence": manifest.licence,
        "the author": manifest.author,
        "the version": manifest.lexigraft,
        "the base's name": base.name,
        "the base's revision": base.revision,
        "the base's architecture": base.architecture,
        "the base's model type": base.model_type,
        "the base's type": base.dtype,
    }
    for what, text in texts.items():
        if text is not None and (wrong := _wrong_name(text)) is not None:
            raise PackError(f"{name} is refused: {what} {wrong}.")
    if not _DATE.fullmatch(manifest.created):
        raise PackError(f"{name} is damaged: its date is {manifest.created[:40]!r}.")
    if rows is not None and (rows.width, rows.output) != (base.hidden_size, not base.tied):
        raise PackError(
            f"{name} is damaged: its rows do not fit the base that it names: they are {rows.width} "
            f"wide and the base {base.hidden_size}, or output rows are missing, or one too many."
        )
    if manifest.lora is None and rows is None:
        raise PackError(f"{name} teaches nothing: it has neither rows nor a LoRA.")
    for module in () if manifest.lora is None else manifest.lora.target_modules:
        if not _MODULE.fullmatch(module):
            raise PackError(f"{name} is refused: {module[:40]!r} names no module of a model.")


def _wrong_name(text: str) -> str | None:
    """What of a name could be taken for something else, in words."""
    if not text.strip() or text != text.strip():
        return "is empty, or begins or ends with a space"
    if len(text) > _LONGEST_NAME:
        return f"has {len(text)} characters, and {_LONGEST_NAME} are enough"
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            return f"holds the control character U+{ord(character):04X}"
        if character in _REORDERING:
            return f"holds U+{ord(character):04X}, which reorders what stands after it"
    if _PATH.search(text) or PurePath(text).is_absolute():
        return f"is a path ({text[:40]!r})"
    return None


def _document(tensors: dict[str, Stored], key: str, name: str) -> Any:
    stored = tensors.pop(key, None)
    if stored is None or stored.dtype != "U8" or len(stored.shape) != 1:
        raise PackError(f"{name} is damaged: its {key} is missing, or no row of bytes.")
    what = f"{name}: its {key}"
    return parsed_json(inflated(stored, _MOST_JSON, what), what)


def _lexicon(plain: Any, name: str) -> Lexicon:
    """The lexicon, read by the reader of lexicons: all its rules hold for strangers' terms too."""
    if not isinstance(plain, dict) or not isinstance(plain.get("name"), str):
        raise PackError(f"{name} is damaged: its lexicon is no JSON object with a name.")
    terms = plain.get("terms")
    for term in terms if isinstance(terms, list) else ():
        # `forms: auto` would load a library, and guess.
        if isinstance(term, dict) and not isinstance(term.get("forms", []), list):
            raise PackError(f"{name} is made by hand: its lexicon does not list its forms.")
    try:
        lexicon = lexicon_from_text(_as_yaml(plain), name, "yaml")
    except LexiconError as error:
        problems = "; ".join(problem.message for problem in error.problems[:3])
        raise PackError(f"{name} is refused, for its lexicon has problems: {problems}.") from error
    if plain_lexicon(lexicon) != plain:
        raise PackError(
            f"{name} is damaged or made by hand: its lexicon is not written as `lexigraft pack` "
            "writes one (every form listed, no default named)."
        )
    named = [("its lexicon's name", lexicon.name)]
    named += [(f"the form {form[:40]!r}", form) for term in lexicon for form in term.surfaces]
    for what, text in named:
        if (wrong := _wrong_name(text)) is not None:
            raise PackError(f"{name} is refused: {what} {wrong}.")
    return lexicon


def _as_yaml(plain: Mapping[str, Any]) -> str:
    """JSON that YAML reads alike: YAML would fold these characters as line ends."""
    text = plain_json(plain)
    for character in "\x85\u2028\u2029\ufeff":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# --- what must agree ---


def _require_spelling(spelling: Spelling, lexicon: Lexicon, manifest: Manifest, name: str) -> None:
    def damaged(why: str) -> PackError:
        return PackError(f"{name} is damaged: its spelling does not fit {why}.")

    if spelling.marker != lexicon.marker or len(spelling) != len(lexicon):
        raise damaged("its lexicon")
    routes: dict[str, Route] = {}
    for term, spelled in zip(lexicon, spelling.terms, strict=True):
        if spelled != spelled_term(term, spelled.route, lexicon.marker):
            raise damaged(f"the term {term.term[:40]!r}")
        routes[term.term] = spelled.route
    ids = spelling.new_ids
    rows, used = manifest.rows, manifest.base.rows
    if len(ids) != (0 if rows is None else rows.count):
        raise damaged("the number of rows")
    after = spelling.rows_before
    if ids:
        if ids != tuple(range(ids[0], ids[0] + len(ids))) or not 0 < ids[0] <= used:
            raise damaged("ids that follow the base's own")
        after = max(after, ids[-1] + 1)
    if spelling.rows_before != used or spelling.rows_after != after:
        raise damaged("the base's number of rows")
    wanted = {piece.content: piece for piece in wanted_pieces(lexicon, routes)}
    for token in spelling.new_tokens:
        piece = wanted.pop(token.content, None)
        if piece is None or (piece.term, piece.form, piece.inside_words) != (
            token.term,
            token.form,
            token.inside_words,
        ):
            raise damaged(f"the forms of {token.term[:40]!r}: {token.content[:40]!r} is none")
        _require_token(token, ids[0], name)


def _require_token(token: NewToken, first: int, name: str) -> None:
    """What can be told of a token without the tokenizer; the rest is told when it is installed."""
    added = token.mechanism == "added"
    wrong = (
        not token.pieces
        or not all(0 <= piece < first for piece in token.pieces)
        or (added and (token.token != token.content or token.spaced))
        or not token.token
        or len(token.token) > 8 * _LONGEST_NAME
    )
    if wrong:
        raise PackError(f"{name} is damaged: the token of {token.form[:40]!r} cannot be one.")


def _require_verdict(verdict: Verdict, lexicon: Lexicon, spelling: Spelling, name: str) -> None:
    about = (verdict.lexicon, verdict.lexicon_digest, verdict.language)
    if about != (lexicon.name, lexicon.digest(), lexicon.language) or verdict.taught is None:
        raise PackError(
            f"{name} is damaged: its verdict is about another lexicon or no taught model."
        )
    judged = [(term.term, term.surface, term.route) for term in verdict.terms]
    if judged != [(term.term, term.surface, term.route) for term in spelling.terms]:
        raise PackError(f"{name} is damaged: its verdict is about other terms.")
    if any(name_ != found.check for name_, found in verdict.checks.items()):
        raise PackError(f"{name} is damaged: its verdict names one check as another.")


# --- numbers ---


def _rows(
    tensors: dict[str, Stored], spelling: Spelling, manifest: Manifest, name: str
) -> dict[str, bytes]:
    shape = manifest.rows
    found = {"input": b"", "output": b""}
    sides = [] if shape is None else ["input", *(["output"] if shape.output else [])]
    for side in sides:
        stored = _require_rows_tensor(tensors.pop(f"rows.{side}", None), side, name)
        found[side] = _unpacked_rows(stored, shape, f"{name}: its {side} rows")
    return found


def _require_rows_tensor(stored: Stored | None, side: str, name: str) -> Stored:
    if stored is None or stored.dtype != "U8" or len(stored.shape) != 1:
        raise PackError(f"{name} is damaged: its {side} rows are missing, or no row of bytes.")
    return stored


def _unpacked_rows(stored: Stored, shape: RowsShape | None, what: str) -> bytes:
    if shape is None:
        return b""
    item = ITEM_BYTES[shape.dtype]
    size = shape.count * shape.width * item
    if size > _MOST_ROWS:
        raise PackError(f"{what} would take {size} bytes, and {_MOST_ROWS} are the most.")
    data = inflated(stored, size, what)
    if len(data) != size:
        raise PackError(f"{what} have {len(data)} bytes, and {size} were to be there.")
    data = joined_planes(data, item)
    _require_finite(data, shape.dtype, what)
    return data


def _require_finite(data: bytes | memoryview, dtype: str, what: str) -> None:
    exponent = _EXPONENTS[dtype]
    words = numpy.frombuffer(data, dtype=_WORDS[ITEM_BYTES[dtype]])
    if bool(numpy.any((words & exponent) == exponent)):
        raise PackError(f"{what} hold numbers that are not finite. It would spoil any model.")


def _lora(found: dict[str, Stored], manifest: Manifest, name: str) -> dict[str, Stored]:
    """The matrices by PEFT's names, each pair whole and of the rank that the manifest names."""
    matrices = {key.removeprefix(_LORA): stored for key, stored in found.items()}
    shape = manifest.lora
    if bool(matrices) != (shape is not None):
        raise PackError(f"{name} is damaged: its LoRA is missing, or not spoken of.")
    for key, stored in matrices.items():
        what = f"{name}: the LoRA matrix {key[:80]!r}"
        if not _LORA_NAME.fullmatch(key):
            raise PackError(f"{what} has a name that PEFT does not write.")
        other = (
            key.replace(".lora_A.", ".lora_B.")
            if ".lora_A." in key
            else key.replace(".lora_B.", ".lora_A.")
        )
        side = 0 if ".lora_A." in key else 1
        if other not in matrices or stored.dtype != "F32" or len(stored.shape) != 2:
            raise PackError(f"{what} has no other half, or is no matrix of F32.")
        if shape is None or stored.shape[side] != shape.rank or 0 in stored.shape:
            raise PackError(f"{what} has the shape {stored.shape}, which is not of its rank.")
        _require_finite(stored.data, "float32", what)
    return matrices
