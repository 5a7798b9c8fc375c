"""Where terms stand in a text: finding, framing, marking and unmarking.

A term is found in any of its forms, bare or inside a marker, longest form first:

- a *word* needs a word's edge on both sides: `zorb` is not found in `zorblax`, but is in
  `zorb's` and `zorb-like`; a *symbol*, and a term with `inside_words`, is found anywhere;
- nothing is found in the middle of a character as people see it (a letter and its accent, the
  parts of an emoji joined by ZWJ);
- the first letter may be capitalised (not a symbol's); composed and decomposed spellings (NFC,
  NFD), `ё` written `е`, the no-break space and the curly apostrophe count as the same.

Inside a marker stands the dictionary form, exactly. Anything else between `~[` and `]` is a
`MarkerError` for `mark` and `unmark`; `find_term` and `frame` pass it over unread.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from lexigraft.errors import MarkerError
from lexigraft.lexicon.schema import Lexicon, Marker, Term

__all__ = [
    "SLOT",
    "Finder",
    "Occurrence",
    "find",
    "find_term",
    "fold",
    "frame",
    "mark",
    "mark_stream",
    "marked_terms",
    "unmark",
]

SLOT = "\ufffc"
"""Stands for the term in a frame: OBJECT REPLACEMENT CHARACTER, which no lexicon may contain."""

# One character for one character: offsets into the folded text are offsets into the text.
_FOLD = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u02bc": "'", "\u2011": "-"})
_EMOJI_STYLE = "\ufe0f"
_JOINER = "\u200d"
_INSIDE_WORDS = frozenset("_\u00ad\u200c\u200d")


def fold(text: str) -> str:
    """`text` with the spaces, apostrophes and hyphens that count as the same made one."""
    return text.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place where a term stands: `text[start:end]`, the marker included where there is one."""

    start: int
    end: int
    form: str
    """the form as the lexicon lists it; inside a marker always the dictionary form"""
    marked: bool
    term: str
    """the dictionary form of the term found"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A marker that is unclosed (`content` is None) or names no term."""

    start: int
    end: int
    content: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    term: str
    form: str
    open_left: bool
    open_right: bool


class Finder:
    """All terms of a lexicon compiled once: a regex of starts, and a table of spellings.

    The table, not one alternative per form, keeps the cost of a text independent of the number
    of terms: Python's `re` tries alternatives one after the other.
    """

    def __init__(self, terms: Iterable[Term], marker: Marker) -> None:
        self.marker = marker
        self._entries: dict[str, _Entry] = {}
        self._inside: dict[str, str] = {}
        listed = list(terms)
        for term in listed:
            for spelling in _compositions(term.term):
                self._inside.setdefault(spelling, term.term)
        # The spellings as listed go first: another term's variant may not take one over.
        for as_listed in (True, False):
            for term in listed:
                self._enter(term, as_listed)
        self._lengths = _lengths_by_start(self._entries)
        self._starts = self._compile()

    def _enter(self, term: Term, as_listed: bool) -> None:
        free = term.kind == "symbol" or bool(term.inside_words)
        for form in term.surfaces:
            if not form:
                continue
            entry = _Entry(
                term.term,
                form,
                open_left=free or not _is_word(form[0]),
                open_right=free or not _is_word(form[-1]),
            )
            spellings = [form] if as_listed else _variants(form, capital=term.kind != "symbol")
            for spelling in spellings:
                self._entries.setdefault(spelling.translate(_FOLD), entry)

    def _compile(self) -> re.Pattern[str]:
        free = {key[0] for key, entry in self._entries.items() if entry.open_left}
        bound = {key[0] for key in self._entries} - free
        parts = []
        if free:
            parts.append(f"[{re.escape(''.join(sorted(free)))}]")
        if bound:
            parts.append(rf"(?<!\w)[{re.escape(''.join(sorted(bound)))}]")
        return re.compile("|".join(parts) or r"(?!)")

    def scan(self, text: str) -> Iterator[Occurrence | Fault]:
        """Every occurrence and every faulty marker, left to right, never overlapping."""
        folded = text.translate(_FOLD)
        # Markers are sought in the text itself: folding could change a marker's own characters.
        opened = text.find(self.marker.open)
        position = 0
        glued = False  # the last thing found was a marked word that ends right here
        while True:
            if 0 <= opened < position:
                opened = text.find(self.marker.open, position)
            limit = len(text) if opened < 0 else opened
            found = self._starts.search(folded, position, limit)
            if found is None and opened < 0:
                return
            start = limit if found is None else found.start()
            event = self._at(text, folded, start, glued and start == position)
            position = start + 1 if event is None else event.end
            glued = isinstance(event, Occurrence) and event.marked and _is_word(event.form[-1])
            if event is not None:
                yield event

    def _at(self, text: str, folded: str, start: int, glued: bool) -> Occurrence | Fault | None:
        if not text.startswith(self.marker.open, start):
            return self._bare(text, folded, start, glued)
        if (marked := self._marked(text, start)) is not None:
            return marked
        # `[[[term]]` with the marker `[[`: the marker starts one character later.
        inner = range(start + 1, start + len(self.marker.open))
        if any(self._marked(text, place) is not None for place in inner):
            return self._bare(text, folded, start, glued)
        return self._fault(text, start)

    def _marked(self, text: str, start: int) -> Occurrence | None:
        marker = self.marker
        if not text.startswith(marker.open, start):
            return None
        content_start = start + len(marker.open)
        close = text.find(marker.close, content_start)
        # `x]]]` with the marker `]]`: the term may itself end in `]`.
        for end in range(close, close + len(marker.close)):
            if close < 0 or not text.startswith(marker.close, end):
                break
            term = self._inside.get(text[content_start:end])
            if term is not None:
                return Occurrence(start, end + len(marker.close), term, True, term)
        return None

    def _fault(self, text: str, start: int) -> Fault:
        content_start = start + len(self.marker.open)
        line_end = text.find("\n", content_start)
        limit = len(text) if line_end < 0 else line_end
        close = text.find(self.marker.close, content_start, limit)
        opened = text.find(self.marker.open, content_start, limit)
        if close < 0 or 0 <= opened < close:
            return Fault(start, content_start, None)
        return Fault(start, close + len(self.marker.close), text[content_start:close])

    def _bare(self, text: str, folded: str, start: int, glued: bool) -> Occurrence | None:
        if text.startswith(_JOINER, start - 1) and start:
            return None
        inside_word = glued or _ends_in_word(text, start)
        for length in self._lengths.get(folded[start], ()):
            spelling = folded[start : start + length]  # shorter than `length` at the text's end
            entry = self._entries.get(spelling)
            if entry is None or (inside_word and not entry.open_left):
                continue
            end = self._end(text, start + len(spelling), entry)
            if end is not None and not self._opens_within(text, start, end):
                return Occurrence(start, end, entry.form, False, entry.term)
        return None

    def _end(self, text: str, end: int, entry: _Entry) -> int | None:
        """Where an occurrence that reaches `end` ends, or None if it may not end there."""
        if entry.open_right and text.startswith(_EMOJI_STYLE, end):
            end += 1
        after = text[end : end + 1]
        if after and _continues_character(after):
            return None
        if entry.open_right:
            return end
        if after and _is_word(after):
            return None
        # A marked word right behind was part of the same word before it was marked.
        glued = self._marked(text, end)
        return None if glued is not None and _is_word(glued.form[0]) else end

    def _opens_within(self, text: str, start: int, end: int) -> bool:
        """A marker goes before a term that would reach into its opening string."""
        return text.find(self.marker.open, start + 1, end + len(self.marker.open) - 1) >= 0

    def spellings(self) -> Iterator[tuple[str, str, bool]]:
        """Each spelling that is sought bare, folded; its term; whether it must be a whole word."""
        for spelling, entry in self._entries.items():
            whole = not (entry.open_left or entry.open_right) and _is_word(spelling[0])
            yield spelling, entry.term, whole

    def term_of(self, spelling: str) -> str | None:
        """The term of which `spelling` is some form."""
        entry = self._entries.get(spelling.translate(_FOLD))
        return None if entry is None else entry.term

    def explain(self, fault: Fault) -> str:
        """What is wrong with a marker and what to do, without its place."""
        marker = self.marker
        if fault.content is None:
            return (
                f"the marker “{marker.open}” is not closed by “{marker.close}” on its line: "
                f"close it, or remove it"
            )
        written = marker.wrap(fault.content)
        term = self.term_of(fault.content)
        if term is not None:
            return (
                f"“{written}” is not the dictionary form: inside a marker write "
                f"“{marker.wrap(term)}” whatever the grammar around it"
            )
        close = difflib.get_close_matches(fault.content, list(self._inside)[:2000], n=1)
        hint = f" (did you mean “{marker.wrap(self._inside[close[0]])}”?)" if close else ""
        return (
            f"“{written}” names no term of the lexicon{hint}: correct it, add the term, "
            "or remove the marker"
        )


def _is_word(character: str) -> bool:
    return (
        character.isalnum()
        or character in _INSIDE_WORDS
        or unicodedata.category(character)[0] == "M"
    )


def _ends_in_word(text: str, end: int) -> bool:
    """Whether the last character before `end`, its combining marks apart, belongs to a word."""
    last = end - 1
    # Bounded: what piles up more marks than this is no word.
    while last > max(0, end - 17) and unicodedata.category(text[last])[0] == "M":
        last -= 1
    if last < 0 or unicodedata.category(text[last])[0] == "M":
        return False
    return _is_word(text[last])


def _continues_character(character: str) -> bool:
    """Combining marks, ZWJ and skin tones belong to the character before them."""
    if character.isascii():
        return False
    return (
        character == _JOINER
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or unicodedata.category(character)[0] == "M"
    )


def _compositions(spelling: str) -> list[str]:
    """The spelling as it is, composed (NFC) and decomposed (NFD)."""
    composed = unicodedata.normalize("NFC", spelling)
    return list(dict.fromkeys((spelling, composed, unicodedata.normalize("NFD", spelling))))


def _variants(form: str, capital: bool) -> list[str]:
    spellings = [form]
    upper = form[0].upper()
    if capital and upper != form[0] and len(upper) == 1:
        spellings.append(upper + form[1:])
    composed = [unicodedata.normalize("NFC", spelling) for spelling in spellings]
    spellings += [plain for word in composed if (plain := _without_yo(word)) != word]
    return [composition for spelling in spellings for composition in _compositions(spelling)]


def _without_yo(word: str) -> str:
    return word.replace("ё", "е").replace("Ё", "Е")


def _lengths_by_start(spellings: Iterable[str]) -> dict[str, tuple[int, ...]]:
    lengths: dict[str, set[int]] = {}
    for spelling in spellings:
        lengths.setdefault(spelling[0], set()).add(len(spelling))
    return {start: tuple(sorted(found, reverse=True)) for start, found in lengths.items()}


@lru_cache(maxsize=1024)
def _finder_of_term(term: Term, marker: Marker) -> Finder:
    return Finder([term], marker)


# By identity, as hashing thousands of terms for every line costs more than reading the line. The
# lexicon is kept beside its finder, so that its id cannot pass to another object.
_finders: OrderedDict[int, tuple[Lexicon, Finder]] = OrderedDict()


def _finder_of(lexicon: Lexicon) -> Finder:
    kept = _finders.get(id(lexicon))
    if kept is not None and kept[0] is lexicon:
        return kept[1]
    finder = Finder(lexicon.terms, lexicon.marker)
    _finders[id(lexicon)] = (lexicon, finder)
    while len(_finders) > 8:
        _finders.popitem(last=False)
    return finder


def find_term(text: str, term: Term, marker: Marker) -> list[Occurrence]:
    """Every place in `text` where `term` stands, in any form, marked or bare.

    Whatever stands inside another marker is not looked into. Never raises for faulty markers.
    """
    events = _finder_of_term(term, marker).scan(text)
    return [event for event in events if isinstance(event, Occurrence)]


def find(text: str, lexicon: Lexicon) -> list[Occurrence]:
    """Every place where any term of `lexicon` stands; where two overlap, the first and longest."""
    return [event for event in _finder_of(lexicon).scan(text) if isinstance(event, Occurrence)]


def frame(text: str, term: Term, marker: Marker) -> str:
    """`text` with every occurrence of `term`, its marker included, replaced by `SLOT`."""
    pieces: list[str] = []
    position = 0
    for occurrence in find_term(text, term, marker):
        pieces += (text[position : occurrence.start], SLOT)
        position = occurrence.end
    return "".join((*pieces, text[position:]))


def marked_terms(lexicon: Lexicon) -> tuple[str, ...]:
    """The terms that `mark` wraps by default.

    Those with `route: marker`; if no term has that route, those that are concepts (and leave
    their route open); if there is none, all.
    """
    routed = tuple(term.term for term in lexicon if term.route == "marker")
    if routed:
        return routed
    concepts = tuple(t.term for t in lexicon if t.kind == "concept" and t.route is None)
    return concepts or tuple(term.term for term in lexicon)


def mark(text: str, lexicon: Lexicon, terms: Iterable[str] | None = None) -> str:
    """`text` with every bare occurrence of the chosen terms wrapped in the lexicon's marker.

    Inside the marker stands the dictionary form, so inflection and capital letters are lost.
    What is marked already stays as it is: marking twice is marking once.

    Args:
        text: any text; a marker may not span lines.
        lexicon: its terms and marker.
        terms: dictionary forms to wrap; None means `marked_terms(lexicon)`.

    Raises:
        MarkerError: the text has a marker that is unclosed or names no term.
    """
    wrapped = frozenset(marked_terms(lexicon) if terms is None else terms)
    return _rewrite(text, lexicon, 1, wrapped)


def unmark(text: str, lexicon: Lexicon) -> str:
    """`text` without markers; the dictionary form inside each stays as it is.

    Raises:
        MarkerError: the text has a marker that is unclosed or names no term.
    """
    return _rewrite(text, lexicon, 1, None)


def mark_stream(lines: Iterable[str], lexicon: Lexicon, undo: bool = False) -> Iterator[str]:
    """`mark`, or with `undo` `unmark`, line by line, holding one line at a time.

    Raises:
        MarkerError: at the first line with a faulty marker; every line before it was yielded.
    """
    wrapped = None if undo else frozenset(marked_terms(lexicon))
    for number, line in enumerate(lines, start=1):
        yield _rewrite(line, lexicon, number, wrapped)


def _rewrite(text: str, lexicon: Lexicon, line: int, wrapped: frozenset[str] | None) -> str:
    """Wraps the terms in `wrapped`, or strips every marker if it is None."""
    finder = _finder_of(lexicon)
    marker = lexicon.marker
    pieces: list[str] = []
    faults: list[Fault] = []
    position = 0
    for event in finder.scan(text):
        if isinstance(event, Fault):
            faults.append(event)
            continue
        if wrapped is None and event.marked:
            inner = text[event.start + len(marker.open) : event.end - len(marker.close)]
            new = inner
        elif wrapped is not None and not event.marked and event.term in wrapped:
            new = marker.wrap(event.term)
        else:
            continue
        pieces += (text[position : event.start], new)
        position = event.end
    if faults:
        raise MarkerError("\n".join(_placed(text, fault, line, finder) for fault in faults))
    return "".join((*pieces, text[position:]))


def _placed(text: str, fault: Fault, first_line: int, finder: Finder) -> str:
    line = first_line + text.count("\n", 0, fault.start)
    column = fault.start - (text.rfind("\n", 0, fault.start) + 1) + 1
    return f"line {line}, column {column}: {finder.explain(fault)}"
