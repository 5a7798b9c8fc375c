"""Where terms stand in a document, quickly: most documents are ruled out by their words alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from lexigraft.lexicon.occurrences import Finder, Occurrence, find, fold
from lexigraft.lexicon.schema import Lexicon

__all__ = ["Sieve", "Spotter", "passage"]

_WORD = re.compile(r"\w+")
_LONG = 500  # characters; a longer document is looked through line by line
_PASSAGE = 400  # characters at most
_SHORT = 60  # a passage with less takes in the sentence beside it
# The end of a sentence, or of a paragraph.
_END = re.compile(r"[.!?…]+[\"'»”’)\]]*\s+|\n\s*\n")
_OPENING = "\"'«“‘([—–- "


class Sieve:
    """Tells which texts cannot have any of some terms, without looking for the terms themselves."""

    def __init__(self, finder: Finder, terms: Collection[str] | None = None) -> None:
        """`terms` are dictionary forms; None means all of the finder's."""
        self._words: set[str] = set()
        parts: set[str] = {finder.marker.open}
        for spelling, term, whole in finder.spellings():
            if terms is not None and term not in terms:
                continue
            first = _WORD.match(spelling)
            if whole and first is not None:
                self._words.add(first.group())
            else:
                parts.add(spelling)
        self._parts = re.compile("|".join(map(re.escape, sorted(parts))))

    def may_hold(self, text: str) -> bool:
        """False only if the finder finds none of the terms in `text`."""
        folded = text if text.isascii() else fold(text)
        return (
            not self._words.isdisjoint(_WORD.findall(folded))
            or self._parts.search(folded) is not None
            # A marker is sought as it is written.
            or self._parts.search(text) is not None
        )


class Spotter:
    """The terms of a lexicon, sought in documents.

    `sought` are those that are counted by looking for them in the text: nothing in a document's
    ids tells them.
    """

    def __init__(self, lexicon: Lexicon, sought: Collection[str]) -> None:
        self._lexicon = lexicon
        finder = Finder(lexicon.terms, lexicon.marker)
        self._any = Sieve(finder)
        self._sought = Sieve(finder, frozenset(sought)) if sought else None

    def may_hold_sought(self, text: str) -> bool:
        """False only if none of the sought terms stands in `text`."""
        return self._sought is not None and self._sought.may_hold(text)

    def occurrences(self, text: str) -> Iterator[tuple[int, int, Occurrence]]:
        """Start and end in `text` of every occurrence of any term, as `find` has them.

        No term spans lines, so that of a long text only the lines with something in them are read.
        """
        start = 0
        for line in text.split("\n") if len(text) > _LONG else (text,):
            if len(text) <= _LONG or self._any.may_hold(line):
                for found in find(line, self._lexicon):
                    yield start + found.start, start + found.end, found
            start += len(line) + 1


def passage(text: str, start: int, end: int) -> str:
    """The sentences around `text[start:end]`: one, or more if it is short; bounded; white space
    made single spaces."""
    low, high = max(0, start - _PASSAGE), min(len(text), end + _PASSAGE)
    ends = [low, *_sentence_ends(text, low, high), high]
    first = max(place for place, at in enumerate(ends) if at <= start)
    last = min(place for place, at in enumerate(ends) if at >= end)
    while ends[last] - ends[first] < _SHORT and (first > 0 or last < len(ends) - 1):
        if last < len(ends) - 1:
            last += 1
        else:
            first -= 1
    return " ".join(_bounded(text, start, end, ends[first], ends[last]).split())


def _sentence_ends(text: str, low: int, high: int) -> Iterator[int]:
    for match in _END.finditer(text, low, high):
        rest = text[match.end() : match.end() + 8].lstrip(_OPENING)
        # 'e.g. this', '3. das': a small letter goes on with the sentence.
        if "\n\n" in match.group() or not rest[:1].islower():
            yield match.end()


def _bounded(text: str, start: int, end: int, low: int, high: int) -> str:
    """`text[low:high]`, cut at white space around the occurrence if it is too long."""
    if high - low <= _PASSAGE:
        return text[low:high]
    spare = max(0, _PASSAGE - (end - start)) // 2
    left, right = max(low, start - spare), min(high, end + spare)
    if left > low:
        space = re.search(r"\s", text[left:start])
        left = start if space is None else left + space.end()
    if right < high:
        spaces = list(re.finditer(r"\s", text[end:right]))
        right = end + spaces[-1].start() if spaces else end
    return text[left:right]
