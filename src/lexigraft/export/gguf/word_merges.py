"""Merges that build a new word out of its old pieces, where that does no harm elsewhere.

Most pre-tokenizers of llama.cpp know no whole words: a token is reached by merges or not at all.
Merges appended after all the others act on the pieces into which a word was cut before, so the
last of them gives the word. But the ones before it also fire in other words that hold the same two
pieces side by side, and what they leave there is no token: llama.cpp then writes it byte by byte.
So a merge on the way is only used when what it gives is not a part of any known word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lexigraft.spelling.document import readable
from lexigraft.spelling.sample import SAMPLE

__all__ = ["merged", "word_merges"]

Merge = tuple[str, str]
_LEAST_LETTERS = 4


def word_merges(
    words: Mapping[str, Sequence[str]], vocabulary: Iterable[str]
) -> tuple[list[Merge], set[str]]:
    """Merges by which words become whole, and the words for which there are none.

    Args:
        words: by its vocabulary string, the pieces of each word by the old merges.
        vocabulary: every other vocabulary string: known parts of words.

    Returns:
        the merges, to be appended in this order; and the words that need another way.
    """
    known = "\n".join((*readable(vocabulary), *SAMPLE)).casefold()
    merges: list[Merge] = []
    for pieces in sorted(words.values(), key=lambda pieces: (len(pieces), list(pieces))):
        now = merged(pieces, merges)
        steps = _tree(now, known) if len(now) > 1 else []
        merges += steps or []
    left = {word for word, pieces in words.items() if merged(pieces, merges) != [word]}
    return _used(words, merges, left), left


def merged(pieces: Sequence[str], merges: Sequence[Merge]) -> list[str]:
    """`pieces` after `merges`: the first of them first, and of two alike the left one first."""
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    now = list(pieces)
    while True:
        pairs = [
            (ranks[pair], at)
            for at in range(len(now) - 1)
            if (pair := (now[at], now[at + 1])) in ranks
        ]
        if not pairs:
            return now
        _, at = min(pairs)
        now[at : at + 2] = [now[at] + now[at + 1]]


def _tree(pieces: Sequence[str], known: str) -> list[Merge] | None:
    """Merges of neighbours, inner ones first, of which all but the last are harmless."""
    found: dict[tuple[int, int], list[Merge] | None] = {}
    count = len(pieces)
    for length in range(1, count + 1):
        for start in range(count - length + 1):
            end = start + length
            whole = length == count
            if length == 1:
                found[start, end] = []
            elif not whole and not _is_harmless(pieces[start:end], known):
                found[start, end] = None
            else:
                found[start, end] = _joined(pieces, start, end, found)
    return found[0, count]


def _joined(
    pieces: Sequence[str],
    start: int,
    end: int,
    found: Mapping[tuple[int, int], list[Merge] | None],
) -> list[Merge] | None:
    for middle in range(start + 1, end):
        left, right = found[start, middle], found[middle, end]
        if left is not None and right is not None:
            join = ("".join(pieces[start:middle]), "".join(pieces[middle:end]))
            return [*left, *right, join]
    return None


def _is_harmless(pieces: Sequence[str], known: str) -> bool:
    """Whether a merge that gives all of `pieces` may be left half way in another word.

    Where each piece is one byte it is harmless: written byte by byte it is what it was.
    """
    if all(len(piece) == 1 for piece in pieces):
        return True
    text = readable(["".join(pieces)])[0].replace("␣", "").casefold()
    return len(text) >= _LEAST_LETTERS and text.isalpha() and text not in known


def _used(
    words: Mapping[str, Sequence[str]], merges: Sequence[Merge], left: set[str]
) -> list[Merge]:
    """`merges` without those that only words in `left` would have needed."""
    if not left:
        return list(merges)
    built = {word: pieces for word, pieces in words.items() if word not in left}
    needed = [merge for merge in merges if any("".join(merge) in word for word in built)]
    intact = all(merged(pieces, needed) == [word] for word, pieces in built.items())
    return needed if intact else list(merges)
