"""Exact new tokens for Unigram vocabularies: entries behind a mark that only whole forms get.

A Unigram model takes the likeliest way to cut a text, so that a plain entry for a new word either
loses to the old pieces or wins inside longer words too; no score does one without the other. So
the last step of the normaliser puts a mark before each form that stands as a whole word, and the
entry begins with that mark: `▁` + mark + `zorblax`. Nothing else can match the entry, nothing else
matches the mark, and the old pieces of every other text compete as before. The decoder takes the
mark away again.

A phrase would still be cut at its spaces (Metaspace splits there): inside a marked form each space
becomes a noncharacter of its own.

The marks are noncharacters of Unicode, which no text may interchange. A form that begins another
one ('dark matter', 'dark matter halo') has a mark of its own, or the longer entry would fire
behind the shorter one's mark. A form that can begin inside another one waits for a later step,
which sees the other's mark and passes it over.

A tokenizer that was extended before keeps its marks and its steps. New forms take marks that
nothing uses yet, and their steps come first: the old ones pass over what is marked. Where an old
and a new form overlap, the old one may then be cut another way; the proof says so.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lexigraft.spelling.byte_bpe import Entry, vocabulary_strings
from lexigraft.spelling.document import (
    MARKS,
    SPACE_MARK,
    Document,
    first_free_id,
    marks_spaces,
    without_model,
)
from lexigraft.spelling.pattern import trie_pattern
from lexigraft.spelling.plan import Wanted

__all__ = ["extend_unigram"]

*_MARKS, _INNER = MARKS


def extend_unigram(
    document: Document, wanted: Sequence[Wanted]
) -> tuple[Document, tuple[Entry, ...], tuple[Wanted, ...]]:
    """A document in which each wanted piece is one token, and what could not be made so.

    Args:
        document: of a Unigram tokenizer; only one that writes spaces as '▁' is extended.
        wanted: both pieces, bare and spaced, of forms of which one is not one token yet.

    Returns:
        the new document (the given one is untouched), the entries made, and the pieces left
        over for another mechanism. Ids follow the highest one in use, in the order of `wanted`.
    """
    if not marks_spaces(document):
        return document, (), tuple(wanted)
    vocabulary = _with_added_in_place(document)
    taken = _marks_in_use(str(piece) for piece, _ in vocabulary)
    space = _space_of(document)
    strings = vocabulary_strings(document, [piece.content for piece in wanted])
    inside = {
        string.removeprefix(SPACE_MARK).replace(SPACE_MARK, space): piece.inside_words
        for piece, string in zip(wanted, strings, strict=True)
    }
    deep = {form: depth + taken for form, depth in _depths(inside).items()}
    depths = {form: depth for form, depth in deep.items() if depth < len(_MARKS)}
    entries: dict[str, Entry] = {}
    left = []
    start = first_free_id(document)
    for piece, string in zip(wanted, strings, strict=True):
        token = _token(string, depths, space)
        if token is None or token in entries:
            left.append(piece)
        else:
            entries[token] = Entry(piece, token, start + len(entries))
    if not entries:
        return document, (), tuple(left)
    # The best score there is: only a marked form can match, and then it must win.
    vocabulary = [*vocabulary, *([token, 0.0] for token in entries)]
    new = {**document, "model": {**document["model"], "vocab": vocabulary}}
    forms = {form: inside[form] for form in depths}
    return _with_marks(new, forms, depths, space), tuple(entries.values()), tuple(left)


def _token(string: str, depths: Mapping[str, int], space: str) -> str | None:
    """The vocabulary string of a piece: its own space, the mark, and the form in one run."""
    bare = string.removeprefix(SPACE_MARK)
    depth = depths.get(bare.replace(SPACE_MARK, space))
    if depth is None:
        return None
    return string[: len(string) - len(bare)] + _MARKS[depth] + bare.replace(SPACE_MARK, _INNER)


def _space_of(document: Document) -> str:
    """What the normaliser makes of a space: '▁' already, or the space that Metaspace replaces."""
    normalizer = without_model(document).normalizer
    text = "x x" if normalizer is None else normalizer.normalize_str("x x")
    return SPACE_MARK if SPACE_MARK in text.lstrip(SPACE_MARK) else " "


def _marks_in_use(pieces: Iterable[str]) -> int:
    """How many marks, from the first on, the pieces of a vocabulary use already."""
    numbers = {mark: number for number, mark in enumerate(_MARKS)}
    used = (numbers[c] for piece in pieces if not piece.isascii() for c in piece if c in numbers)
    return 1 + max(used, default=-1)


def _with_added_in_place(document: Document) -> list[list[object]]:
    """The vocabulary with added tokens above it as entries, so that new ones may follow them.

    They get the lowest score there is: a lower one would change what an unknown character costs.
    """
    vocabulary = [list(entry) for entry in document["model"]["vocab"]]
    lowest = min((score for _, score in vocabulary), default=0.0)
    above = {t["id"]: t["content"] for t in document["added_tokens"]}
    missing = range(len(vocabulary), first_free_id(document))
    return [*vocabulary, *([above.get(i, f"<unused {i}>"), lowest] for i in missing)]


def _depths(inside: Mapping[str, bool]) -> dict[str, int]:
    """How many other forms each form begins with."""
    depths: dict[str, int] = {}
    for form in sorted(filter(None, inside), key=len):
        heads = [depths[form[:end]] for end in range(1, len(form)) if form[:end] in depths]
        depths[form] = 1 + max(heads) if heads else 0
    return depths


@dataclass(frozen=True)
class _Blocked:
    """What must not stand before a form: the beginning of another one, behind its mark."""

    heads: tuple[str, ...]
    level: int


def _with_marks(
    document: Document, forms: Mapping[str, bool], depths: Mapping[str, int], space: str
) -> Document:
    """The normaliser with its marking steps, and the decoder that undoes them."""
    blocked = _blocked(forms, depths)
    steps = []
    marks = sorted({depths[form] for form in forms})
    for level in range(1 + max(b.level for b in blocked.values())):
        for depth in reversed(marks):
            chosen = [f for f in forms if blocked[f].level == level and depths[f] == depth]
            if chosen:
                pattern = _marking_pattern(chosen, forms, blocked)
                steps.append(_replace({"Regex": pattern}, _MARKS[depth]))
    if closing := _inner_spaces(forms, depths, space):
        steps.append(_replace({"Regex": closing}, _INNER))
    unmarking = [_replace({"String": _MARKS[depth]}, "") for depth in marks]
    unmarking.append(_replace({"String": _INNER}, " "))
    normalizer = document["normalizer"]
    decoder = document["decoder"]
    before, older = _parted(normalizer)
    after = [] if decoder is None else [decoder]
    return {
        **document,
        "normalizer": {"type": "Sequence", "normalizers": [*before, *steps, *older]},
        "decoder": {"type": "Sequence", "decoders": [*unmarking, *after]},
    }


def _parted(normalizer: Document | None) -> tuple[list[Document], list[Document]]:
    """The host's own normaliser, and the marking steps of terms that were added before."""
    if normalizer is None:
        return [], []
    if normalizer["type"] != "Sequence":
        return [normalizer], []
    steps: list[Document] = normalizer["normalizers"]
    first = next((i for i, s in enumerate(steps) if s.get("content") in MARKS), None)
    if first is None:
        return [normalizer], []
    return steps[:first], steps[first:]


def _inner_spaces(forms: Mapping[str, bool], depths: Mapping[str, int], space: str) -> str:
    """A pattern that matches each space inside a marked form."""
    places = [
        f"(?<={re.escape(_MARKS[depths[form]] + form[: at + 1])})(?={re.escape(form[at + 1 :])})"
        for form in forms
        for at, character in enumerate(form)
        if character == space
    ]
    return f"{space}(?:{'|'.join(places)})" if places else ""


def _replace(pattern: Mapping[str, str], content: str) -> Document:
    return {"type": "Replace", "pattern": dict(pattern), "content": content}


def _blocked(forms: Mapping[str, bool], depths: Mapping[str, int]) -> dict[str, _Blocked]:
    """For each form the heads of longer or earlier ones in which it can begin, and its step.

    Steps are numbered so that a form comes after all that block it; of two that overlap each
    other the longer one goes first.
    """
    order = sorted(forms, key=lambda form: (-len(form), form))
    place = {form: number for number, form in enumerate(order)}
    by_text = sorted(forms)
    heads: dict[str, list[tuple[str, str]]] = {form: [] for form in forms}
    for other in order:
        for start in range(1, len(other)):
            tail = other[start:]
            for form in _beginning_in(tail, by_text, forms):
                whole = not forms[form] and other[start - 1].isalpha()
                if not whole and place[form] > place[other]:
                    heads[form].append((other, _MARKS[depths[other]] + other[:start]))
        for end in range(1, len(other)):
            if other[:end] in forms:
                heads[other[:end]].append((other, ""))
    blocked: dict[str, _Blocked] = {}
    for form in order:
        level = max((blocked[other].level + 1 for other, _ in heads[form]), default=0)
        before = tuple(dict.fromkeys(head for _, head in heads[form] if head))
        blocked[form] = _Blocked(before, level)
    return blocked


def _beginning_in(tail: str, by_text: Sequence[str], forms: Mapping[str, bool]) -> list[str]:
    """Forms that `tail` begins with, and forms that begin with `tail`."""
    found = [tail[:end] for end in range(1, len(tail)) if tail[:end] in forms]
    for form in by_text[bisect.bisect_left(by_text, tail) :]:
        if not form.startswith(tail):
            break
        found.append(form)
    return found


def _marking_pattern(
    chosen: Sequence[str], forms: Mapping[str, bool], blocked: Mapping[str, _Blocked]
) -> str:
    """A pattern that matches nothing but a place: before a form of `chosen` that stands there.

    Whole words as in `isolating_pattern`: no letter or mark on either side, and no digit beside a
    form that begins or ends with one.
    """
    free = [form for form in chosen if not blocked[form].heads]
    parts = [_place(group, around, ()) for group, around in _groups(free, forms)]
    for form in (form for form in chosen if blocked[form].heads):
        [(group, around)] = _groups([form], forms)
        parts.append(_place(group, around, blocked[form].heads))
    return "|".join(parts)


def _groups(forms: Sequence[str], inside: Mapping[str, bool]) -> list[tuple[list[str], str]]:
    numbered = [f for f in forms if not inside[f] and (f[0].isnumeric() or f[-1].isnumeric())]
    lettered = [f for f in forms if not inside[f] and f not in set(numbered)]
    loose = [f for f in forms if inside[f]]
    named = ((numbered, r"\p{L}\p{M}\p{N}"), (lettered, r"\p{L}\p{M}"), (loose, ""))
    return [(group, around) for group, around in named if group]


def _place(forms: Sequence[str], around: str, heads: Sequence[str]) -> str:
    marked = "".join(_MARKS)
    before = "".join(f"(?<!{re.escape(head)})" for head in heads)
    behind = f"(?![{around}])" if around else ""
    return f"(?<![{around}{marked}]){before}(?={trie_pattern(sorted(forms))}{behind})"
