"""Which pieces of text should become one token each, before any tokenizer is looked at.

For each surface form: the form as it is and the form capitalised (where its script has case),
each bare and after a space. Pure text: no tokenizer, no ids.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lexigraft.lexicon.schema import Lexicon, Route, Term

__all__ = ["Wanted", "capitalised", "fires_inside_words", "is_unspaced", "wanted_pieces"]

# Scripts that write no space between words, by the first word of their characters' names.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "YI")


@dataclass(frozen=True)
class Wanted:
    """A piece of text that should become one token."""

    term: str
    form: str
    content: str
    inside_words: bool


def capitalised(form: str) -> str:
    """`form` with its first character in title case; `form` itself where that changes nothing.

    A capital that does not come back when lowered ('ß' → 'Ss', 'ŉ') is no spelling of the form.
    """
    head = form[:1].title()
    return head + form[1:] if len(head) == 1 and head.lower() == form[:1] else form


def is_unspaced(text: str) -> bool:
    """Whether `text` has a letter of a script that writes no spaces between words."""
    return any(unicodedata.name(c, "").startswith(_UNSPACED) for c in text if c.isalpha())


def fires_inside_words(term: Term) -> bool:
    """Whether the token may stand inside a longer word: what the lexicon says, else the default.

    The default is yes for symbols, for text without any letter or digit, and for scripts that
    write no spaces.
    """
    if term.inside_words is not None:
        return term.inside_words
    wordless = not any(c.isalnum() for c in term.term)
    return term.kind == "symbol" or wordless or is_unspaced(term.term)


def wanted_pieces(lexicon: Lexicon, routes: Mapping[str, Route]) -> tuple[Wanted, ...]:
    """Every piece wanted by the terms on the token route, without repeats.

    Forms as written come before capitalised ones, so that 'Март' the name keeps its own token
    when 'март' the month is a term too.
    """
    terms = [term for term in lexicon if routes[term.term] == "token"]
    wanted: dict[str, Wanted] = {}
    for term, form in [*_forms(terms, capital=False), *_forms(terms, capital=True)]:
        for content in (form, " " + form):
            piece = Wanted(term.term, form, content, fires_inside_words(term))
            wanted.setdefault(content, piece)
    return tuple(wanted.values())


def _forms(terms: Iterable[Term], *, capital: bool) -> list[tuple[Term, str]]:
    return [(t, capitalised(form) if capital else form) for t in terms for form in t.surfaces]
