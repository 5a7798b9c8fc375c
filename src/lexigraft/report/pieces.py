"""What the diagnosis and the spelling say about one term. Plain dicts, tolerant of missing keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lexigraft.report.files import RunFiles, mapping, number, sequence, text, texts
from lexigraft.report.page import Chip, Spelled
from lexigraft.report.vocabulary import piece_text, token_names

__all__ = ["chips", "diagnosed", "spelled_forms"]

_SPACES = str.maketrans({" ": "␣", "Ġ": "␣", "▁": "␣", "\n": "⏎", "Ċ": "⏎", "\t": "⇥"})
MOST_CHIPS = 60
MOST_FORMS = 12


def diagnosed(files: RunFiles) -> Mapping[str, Mapping[str, Any]]:
    """The diagnosis of each term, by term."""
    return {
        name: mapping(entry)
        for entry in sequence(files.diagnosis.get("terms"))
        if (name := text(mapping(entry), "term")) is not None
    }


def visible(piece: str) -> str:
    """A token's text with its spaces and line ends made visible, and cut where it is very long."""
    shown = piece.translate(_SPACES)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def chips(ids: object, readable: object, names: Mapping[int, str]) -> tuple[Chip, ...]:
    """Chips of the tokens `ids`, written as `readable` says, else by the vocabulary's `names`."""
    given = texts(readable)
    made = [
        Chip(
            visible(given[place] if place < len(given) else piece_text(names.get(token, ""))),
            str(token),
        )
        for place, token in enumerate(sequence(ids)[:MOST_CHIPS])
        if isinstance(token, int)
    ]
    if len(sequence(ids)) > MOST_CHIPS:
        made.append(Chip("…", None))
    return tuple(made)


def spelled_forms(files: RunFiles, term: str, surface: str, route: str) -> tuple[Spelled, ...]:
    """How the term's forms were cut before and are cut now; empty where nothing was recorded.

    With the token route one row for each new token; with the others the term as it usually
    stands, after a space, and its forms.
    """
    entry = diagnosed(files).get(term, {})
    names = token_names(files.folder)
    before = _pieces_before(entry, names)
    new = [
        token
        for token in map(mapping, sequence(files.spelling.get("new_tokens")))
        if text(token, "term") == term
    ]
    if new:
        return tuple(_from_new_token(token, before, names) for token in new[:MOST_FORMS])
    usual = [form for form in before if form.startswith(" ")] or list(before)
    if route == "marker":
        return _marked(entry, usual[:1], before, surface, names)
    return tuple(Spelled(visible(form), before[form], before[form]) for form in usual[:MOST_FORMS])


def _pieces_before(
    entry: Mapping[str, Any], names: Mapping[int, str]
) -> dict[str, tuple[Chip, ...]]:
    """Chips by text: "zorblax" at the start of a text and " zorblax" after a space differ."""
    found: dict[str, tuple[Chip, ...]] = {}
    for piece in map(mapping, sequence(entry.get("pieces"))):
        form = text(piece, "form") or ""
        found[f" {form}" if piece.get("spaced") else form] = _form_chips(piece, names)
    return {form: cut for form, cut in found.items() if cut}


def _form_chips(piece: Mapping[str, Any], names: Mapping[int, str]) -> tuple[Chip, ...]:
    return chips(piece.get("ids"), piece.get("readable") or piece.get("tokens"), names)


def _marked(
    entry: Mapping[str, Any],
    usual: list[str],
    before: Mapping[str, tuple[Chip, ...]],
    surface: str,
    names: Mapping[int, str],
) -> tuple[Spelled, ...]:
    # Not "marker, pieces, marker": a bracket and the letters after it may be one token.
    after = _form_chips(mapping(entry.get("marked")), names)
    written = None if after else visible(surface)
    return tuple(Spelled(visible(form), before[form], after, written) for form in usual)


def _from_new_token(
    token: Mapping[str, Any], before: Mapping[str, tuple[Chip, ...]], names: Mapping[int, str]
) -> Spelled:
    content = text(token, "content", "form") or ""
    at = number(token, "id")
    return Spelled(
        form=visible(content),
        before=before.get(content) or chips(token.get("pieces"), (), names),
        after=(Chip(visible(content), None if at is None else str(int(at)), new=True),),
    )
