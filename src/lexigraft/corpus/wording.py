"""Small grammar for generated texts: articles, capitals, terms as the model sees them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping

from lexigraft.lexicon import Lexicon, Term, find

__all__ = [
    "DETERMINERS",
    "article_of",
    "capital",
    "first_word",
    "has_foreign_markers",
    "terms_in",
    "with_article",
    "written_as",
]

DETERMINERS = frozenset(
    {
        *("a", "an", "the", "any", "one", "some", "each", "every", "several", "two", "three"),
        *("this", "that", "these", "those", "its", "his", "her", "their", "our", "your", "my"),
        *("someone", "something", "somebody", "anyone", "anything", "anybody"),
    }
)
"""What begins an English noun phrase with its article, or instead of it."""

# The sound decides, not the letter: 'an hour', 'a unicorn', 'an NBX', 'an 8-ball'.
_AN = re.compile(
    r"(?:hour|honest|hono|heir|8|1[18](?!\d)|y[bcdfgjklmnpqrstvxz]|[аиоуыэ])"
    r"|(?!eu|ew|uni(?![nm])|u[bcfhjkqrst][aeiou]|on(?:e|ce)\b|ouija)[aeiou]"
)
_AN_LETTERS = frozenset("AEFHILMNORSX")


def _takes_an(word: str) -> bool:
    head = re.split(r"[\s\-'’.]", word, maxsplit=1)[0]
    if head.isascii() and head.isalpha():
        # Read letter by letter: a single letter, and capitals that no one could pronounce.
        unpronounced = len(head) <= 3 or not re.search(r"[AEIOUY]", head)
        if len(head) == 1 or (head.isupper() and unpronounced):
            return head[0].upper() in _AN_LETTERS
    return _AN.match(unicodedata.normalize("NFD", word.casefold())) is not None


def with_article(term: Term, surface: str) -> str:
    """The English indefinite article before a plain countable noun; anything else as it is.

    Inside a marker the term's own sound decides: 'an ~[hour]'.
    """
    if term.kind != "word" or term.part_of_speech != "noun" or term.language != "en":
        return surface
    return f"{article_of(term)} {surface}"


def article_of(term: Term) -> str:
    """'a' or 'an', whichever the term's own sound asks for."""
    return "an" if _takes_an(term.term) else "a"


def first_word(text: str) -> str:
    """The first word in small letters; empty where `text` begins with a sign."""
    found = re.match(r"[\w'’-]+", text)
    return found.group().casefold() if found else ""


def capital(text: str) -> str:
    """`text` as a sentence begins.

    A single character stays (the symbol λ is not Λ), and so does a word with a capital inside
    (pH, iPhone) and a letter whose capital is two ('ß').
    """
    first = re.match(r"\w*", text)
    inner = first.group()[1:] if first else ""
    head = text[:1].upper()
    if len(text) < 2 or len(head) != 1 or any(c.isupper() for c in inner):
        return text
    return head + text[1:]


def written_as(
    text: str, lexicon: Lexicon, surfaces: Mapping[str, str], bare: Collection[str] = ()
) -> str:
    """`text` with every term as the model shall see it.

    What stands in a marker is written as that term's surface: marked if its route is marker, else
    bare. What stands bare is left alone, inflected or not, for a marked concept's bare word keeps
    its old sense; only the terms in `bare`, of which the text is known to speak, become surfaces.
    """
    pieces: list[str] = []
    position = 0
    for place in find(text, lexicon):
        surface = surfaces[place.term]
        if not place.marked and (place.term not in bare or surface == place.term):
            continue
        starts = place.start == 0
        pieces += (text[position : place.start], capital(surface) if starts else surface)
        position = place.end
    return "".join((*pieces, text[position:]))


def terms_in(text: str, lexicon: Lexicon, surfaces: Mapping[str, str]) -> set[str]:
    """The terms that stand in `text` as they are taught: not the bare word of a marked concept."""
    return {p.term for p in find(text, lexicon) if p.marked or surfaces[p.term] == p.term}


def has_foreign_markers(text: str, lexicon: Lexicon) -> bool:
    """Whether a marker is left in `text` that wraps no term, or is not closed."""
    position, rest = 0, ""
    for place in find(text, lexicon):
        if place.marked:
            rest += text[position : place.start] + " "
            position = place.end
    return lexicon.marker.open in rest + text[position:]
