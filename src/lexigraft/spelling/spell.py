"""From routes to ids: the one entry of this room."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lexigraft.errors import SpellingError
from lexigraft.lexicon.schema import Lexicon, Marker, Route, Term
from lexigraft.spelling.document import (
    SPACE_MARK,
    Document,
    document_of,
    first_free_id,
    forgets_entries,
    marks_spaces,
    rebuilt,
    unknown_id,
)
from lexigraft.spelling.plan import Wanted, wanted_pieces
from lexigraft.spelling.values import NewToken, SpelledTerm, Spelling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from lexigraft.spelling.byte_bpe import Entry

__all__ = ["spell", "spelled_term"]


def spell(
    lexicon: Lexicon,
    routes: Mapping[str, Route],
    tokenizer: PreTrainedTokenizerBase,
    rows: int | None = None,
    *,
    model_type: str | None = None,
    multiple: int = 1,
) -> tuple[Spelling, PreTrainedTokenizerBase]:
    """Decides how each term becomes ids.

    Args:
        lexicon: the terms, with their languages and forms resolved.
        routes: a route for every term.
        tokenizer: the host's; left untouched.
        rows: rows of the embedding matrix, spare ones included; None takes `len(tokenizer)`.
        model_type: `config.model_type` of the host. Where AutoTokenizer forces a class on it that
            forgets vocabulary entries, added tokens are used, lone spaces and all.
        multiple: where the matrix must grow, it grows to a multiple of this many rows.

    Returns:
        the spelling, and the tokenizer that carries it out: a new object if any term takes the
        token route, else `tokenizer` itself. New ids follow the highest one in use, spare rows
        first; only what does not fit there makes `rows_after` larger than `rows_before`.

    Raises:
        SpellingError: a term without a route, or a form that this tokenizer cannot spell.
    """
    if missing := [term.term for term in lexicon if term.term not in routes]:
        raise SpellingError(f"No route was given for {', '.join(missing)}.")
    before = len(tokenizer) if rows is None else rows
    spelled = tuple(spelled_term(term, routes[term.term], lexicon.marker) for term in lexicon)
    wanted = wanted_pieces(lexicon, routes)
    if not wanted:
        unchanged = Spelling(
            marker=lexicon.marker, terms=spelled, rows_before=before, rows_after=before
        )
        return unchanged, tokenizer
    new_tokens, new = _with_tokens(tokenizer, wanted, model_type)
    highest = max((token.id for token in new_tokens), default=-1)
    spelling = Spelling(
        marker=lexicon.marker,
        terms=spelled,
        new_tokens=new_tokens,
        rows_before=before,
        rows_after=before if highest < before else -(-(highest + 1) // multiple) * multiple,
    )
    return spelling, new


def spelled_term(term: Term, route: Route, marker: Marker) -> SpelledTerm:
    """How `term` is written to a model on `route`: its forms, or the marker around it alone."""
    if route == "marker":
        surface = marker.wrap(term.term)
        return SpelledTerm(term=term.term, route=route, surface=surface, forms=(surface,))
    return SpelledTerm(term=term.term, route=route, surface=term.term, forms=term.surfaces)


def _with_tokens(
    tokenizer: PreTrainedTokenizerBase, wanted: Sequence[Wanted], model_type: str | None
) -> tuple[tuple[NewToken, ...], PreTrainedTokenizerBase]:
    from tokenizers import Tokenizer

    from lexigraft.spelling.added import extend_with_added
    from lexigraft.spelling.byte_bpe import old_pieces

    document = document_of(tokenizer)
    _check_space_mark(document, wanted)
    _check_special(document, wanted)
    pieces = old_pieces(document, [w.content for w in wanted])
    unknown = unknown_id(document)
    several = {c for c, ids in pieces.items() if len(ids) > 1 or ids == (unknown,)}
    extended, entries, left = _with_entries(document, wanted, several, model_type)
    tokens = [_token(e.wanted, e.id, e.token, pieces) for e in entries]
    if left:
        backend = Tokenizer.from_str(json.dumps(extended))
        for piece, number in extend_with_added(extended, backend, left):
            tokens.append(_token(piece, number, None, pieces))
        extended = json.loads(backend.to_str())
    if not tokens:
        return (), tokenizer
    _check_ids(document, extended, tokens)
    return tuple(tokens), rebuilt(tokenizer, extended)


def _with_entries(
    document: Document, wanted: Sequence[Wanted], several: set[str], model_type: str | None
) -> tuple[Document, tuple[Entry, ...], tuple[Wanted, ...]]:
    """Vocabulary entries by the rule of the tokenizer's family, and the pieces left over.

    `several`: the contents of `wanted` that are no single token yet; only these are left over.
    """
    from lexigraft.spelling.byte_bpe import extend
    from lexigraft.spelling.unigram import extend_unigram

    needed = [piece for piece in wanted if piece.content in several]
    if forgets_entries(model_type):
        return document, (), tuple(needed)
    if document["model"]["type"] != "Unigram":
        return extend(document, needed)
    # The mark goes before every place of a form, so that both of its pieces need an entry.
    forms = {piece.form for piece in needed}
    both = [piece for piece in wanted if piece.form in forms]
    extended, entries, left = extend_unigram(document, both)
    return extended, entries, tuple(piece for piece in left if piece.content in several)


def _check_space_mark(document: Document, wanted: Sequence[Wanted]) -> None:
    """A form with a '▁' of its own reads as a space to a tokenizer that writes spaces so."""
    if not marks_spaces(document):
        return
    if bad := dict.fromkeys(w.form for w in wanted if SPACE_MARK in w.content):
        raise SpellingError(
            f"This tokenizer reads '{SPACE_MARK}' as a space, so it cannot tell "
            f"{', '.join(repr(form) for form in bad)} from one. Use another spelling, or the "
            "subword or marker route."
        )


def _check_special(document: Document, wanted: Sequence[Wanted]) -> None:
    """A special token is cut from the text before any word is: it cannot mean something else."""
    special = {token["content"] for token in document["added_tokens"] if token["special"]}
    if bad := dict.fromkeys(w.form for w in wanted if w.content in special):
        raise SpellingError(
            f"{', '.join(map(repr, bad))} is a special token of this tokenizer, and the model "
            "would take it for a command. Choose another spelling."
        )


def _token(
    wanted: Wanted, number: int, entry: str | None, pieces: Mapping[str, tuple[int, ...]]
) -> NewToken:
    return NewToken(
        id=number,
        content=wanted.content,
        token=wanted.content if entry is None else entry,
        form=wanted.form,
        term=wanted.term,
        pieces=pieces[wanted.content],
        mechanism="added" if entry is None else "vocabulary",
        inside_words=wanted.inside_words,
    )


def _check_ids(old: Document, new: Document, tokens: Sequence[NewToken]) -> None:
    start = first_free_id(old)
    if [token.id for token in tokens] != list(range(start, start + len(tokens))):
        raise SpellingError(f"New ids do not follow {start - 1}; this tokenizer has holes.")
    before = {token["content"]: token["id"] for token in old["added_tokens"]}
    after = {token["content"]: token["id"] for token in new["added_tokens"]}
    if moved := [content for content, number in before.items() if after.get(content) != number]:
        raise SpellingError(f"Special or added tokens would change their ids: {moved[:5]}.")
