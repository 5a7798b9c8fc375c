"""Invented words that nobody taught: the control beside every term (BATTERY: four conditions).

They look like the term (script, length, capitals, hyphens, spaces) and cost the same number of
tokens, so that what is left between the two is what was taught.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, zip_longest

from transformers import PreTrainedTokenizerBase

from lexigraft.checks.neutral import neutral_texts
from lexigraft.lexicon import Lexicon

__all__ = ["shared_untaught", "untaught_words"]

# Vowels and consonants by how often words have them; two consonants that begin a word, and two that
# stand later in one: so that random words can be read aloud.
_ALPHABETS = (
    (
        "aaaaeeeeiiioooouuy",
        "bbccddffgghhjkkllllmmmnnnnpprrrrsssstttttvvwzqx",
        "bl br cl cr dr fl fr gl gr pl pr sk sl sm sn sp st sw tr tw th sh ch",
        "ck ct ft ld lf lk lm lp lt mb mp nd ng nk nt pt rb rd rf rg rk rl rm rn rp rt rv sk sp st",
    ),
    (
        "аааееиииоооуыюяэё",
        "ббввггддджзккклллммннннппрррссстттфхцчшщй",
        "бл бр вл гл гр дв др зв зл кл кр пл пр св ск сл см сн сп ст тр хв хр",
        "зд кт лк лн лт мб мп нд нк нт рб рв рг рд рк рл рм рн рп рт ск ст ст",
    ),
    (
        "αααεεειιιοοουυηω",
        "ββγγδδθκκλλμμνννπππρρρσσστττφχ",
        "βλ βρ γλ γρ δρ θρ κλ κρ πλ πρ σκ σπ στ τρ φλ φρ",
        "γκ λκ λτ μβ μπ νδ ντ ρκ ρμ ρν ρτ σκ στ φτ χτ",
    ),
)
_VOWELS = {letter: vowels for vowels, *_ in _ALPHABETS for letter in vowels}
_CONSONANTS = {letter: table for table in _ALPHABETS for letter in table[1]}
_DIGITS = "0123456789"
# What a sign made of nothing but ASCII punctuation may turn into: nothing that opens or closes.
_SIGNS = "!#$%&*+-/:;<=>?@^_|~"
# What an ending may be made of: kept in Russian, where it carries case and gender.
_ENDINGS = "аеёиоуыэюяйь"
# Marks of letters that stand only at certain places, or that nobody uses today.
_ODD = ("FINAL", "LIGATURE", "DOUBLE", "ISOLATED", "TRIANGLE")

_REPLACED = frozenset(("Lu", "Ll", "Lt", "Lo", "Lm", "So", "Sm", "Sc", "Co", "Nl", "No"))
_BATCH = 96
_MOST_BATCHES = 8
_ENOUGH = 3
_WINDOW = 64
_MOST_ALIKE = 0.4


def untaught_words(
    term: str,
    tokenizer: PreTrainedTokenizerBase,
    count: int = 8,
    seed: int = 0,
    exclude: Iterable[str] = (),
) -> tuple[str, ...]:
    """`count` invented words shaped like `term`, with as many tokens as it has after a space.

    The same arguments always give the same words. Letters are replaced by letters of their kind
    (vowels by vowels), symbols by rare symbols of their Unicode neighbourhood (ASCII signs by ASCII
    signs); spaces, a word's hyphens, combining marks, joiners and a Russian word's final vowels
    stay. A candidate is dropped when it
    resembles the term, when it is a common word (in the neutral texts, or one old token, alone or
    as a part) or when it is in `exclude`: give all forms of all terms of the lexicon there. Where
    too few words have the term's token count, those nearest to it are taken; among equals, those
    whose pieces are as long as the term's.

    Args:
        term: a bare form, outside any marker.
        tokenizer: the old one, before any term was added.
        count: how many words; fewer come back only if the script has no more to offer.
        seed: another seed gives other words.
        exclude: words that may not come out, whatever their capitals.
    """
    chance = random.Random(f"{seed}|{term}")
    banned = {word.casefold() for word in (*exclude, term)}
    [pattern] = _piece_lengths(tokenizer, [term])
    letters = sum(c.isalpha() for c in term)
    found: dict[str, tuple[int, int]] = {}
    for _ in range(_MOST_BATCHES):
        drawn = dict.fromkeys(_invented(term, chance) for _ in range(_BATCH))
        fresh = [w for w in drawn if w not in found and _acceptable(w, term, banned, letters)]
        fresh = _without_single_tokens(tokenizer, fresh, letters)
        for word, lengths in zip(fresh, _piece_lengths(tokenizer, fresh), strict=True):
            found[word] = _distance(lengths, pattern)
        if sum(difference == 0 for difference, _ in found.values()) >= _ENOUGH * count:
            break
    ranked = sorted(found, key=lambda word: found[word])  # stable: ties in the order drawn
    return tuple(ranked[:count])


def shared_untaught(
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    tokenizer: PreTrainedTokenizerBase,
    count: int = 8,
    seed: int = 0,
) -> dict[str, tuple[str, ...]]:
    """Untaught words for every term, written as it is written (inside a marker if it is).

    Terms of one script, one token count and one way of writing share their words, shaped like each
    of them in turn: the battery's cost grows with the number of different words. No word resembles
    or equals any term of the lexicon. `tokenizer` is the old one.
    """
    forms = [form for term in lexicon for form in term.surfaces]
    groups: dict[tuple[str, int, bool], list[str]] = {}
    for term in lexicon:
        [pieces] = _piece_lengths(tokenizer, [term.term])
        marked = surfaces[term.term] != term.term
        groups.setdefault((_script_of(term.term), len(pieces), marked), []).append(term.term)
    out: dict[str, tuple[str, ...]] = {}
    for (_, length, marked), members in groups.items():
        # Twice as many as asked: some resemble another term.
        drawn = [untaught_words(m, tokenizer, 2 * count, seed, exclude=forms) for m in members]
        words = [w for turn in zip_longest(*drawn) for w in turn if w is not None]
        words = [w for w in dict.fromkeys(words) if not any(_alike(w, m) for m in forms)]
        lengths = dict(zip(words, _piece_lengths(tokenizer, words), strict=True))
        words.sort(key=lambda w: abs(len(lengths[w]) - length))  # stable
        wrap = lexicon.marker.wrap if marked else str
        for member in members:
            out[member] = tuple(wrap(word) for word in words[:count])
    return {term.term: out[term.term] for term in lexicon}


def _script_of(term: str) -> str:
    """The script of the first letter; a symbol stands for itself: its neighbours are its own."""
    return next((_script(c) for c in term if c.isalpha()), term)


def _alike(word: str, term: str) -> bool:
    """Whether an invented word could be taken for `term`."""
    letters = sum(c.isalpha() for c in term)
    return not _acceptable(word, term, {term.casefold()}, letters)


def _piece_lengths(
    tokenizer: PreTrainedTokenizerBase, words: Sequence[str]
) -> list[tuple[int, ...]]:
    """How long each piece of each word is, as the vocabulary spells it, after a space."""
    if not words:
        return []
    encoded = tokenizer([" " + word for word in words], add_special_tokens=False)
    return [tuple(map(len, tokenizer.convert_ids_to_tokens(ids))) for ids in encoded.input_ids]


def _distance(lengths: Sequence[int], pattern: Sequence[int]) -> tuple[int, int]:
    """First the difference in token count, then in the lengths of the pieces."""
    apart = sum(abs(a - b) for a, b in zip(lengths, pattern, strict=False))
    return abs(len(lengths) - len(pattern)), apart


def _without_single_tokens(
    tokenizer: PreTrainedTokenizerBase, words: Sequence[str], letters: int
) -> list[str]:
    """The words without a part that is one old token: several letters in one are no invention."""
    parts = list(dict.fromkeys(p for word in words for p in word.split() if len(p) > 1))
    if letters < 2 or not parts:
        return list(words)
    lengths = zip(parts, _piece_lengths(tokenizer, parts), strict=True)
    known = {part for part, pieces in lengths if len(pieces) == 1}
    return [word for word in words if not known.intersection(word.split())]


def _acceptable(word: str, term: str, banned: set[str], letters: int) -> bool:
    if word.casefold() in banned:
        return False
    if letters < 3:
        return True
    if any(part in _common_words() for part in word.casefold().split()):
        return False
    pairs = [(a, b) for a, b in zip(word, term, strict=False) if b.isalpha()]
    alike = sum(a.casefold() == b.casefold() for a, b in pairs)
    # A Russian ending is alike on purpose: only the stem counts.
    kept = sum(len(part) - len(_stem(part)) for part in term.split())
    return alike - kept <= _MOST_ALIKE * max(1, letters - kept)


@lru_cache(maxsize=1)
def _common_words() -> frozenset[str]:
    texts = (text for language in ("en", "ru") for text in neutral_texts(language))
    words = (word.strip(".,:;!?()«»“”\"'—").casefold() for text in texts for word in text.split())
    return frozenset(words)


def _invented(term: str, chance: random.Random) -> str:
    """One word shaped like `term`, or like several where `term` has spaces."""
    if term.isascii() and not any(c.isalnum() for c in term):
        return "".join(c if c.isspace() else chance.choice(_SIGNS) for c in term)
    return " ".join(_invented_word(part, chance) for part in term.split(" "))


def _stem(word: str) -> str:
    """A Cyrillic word without its final vowels; any other word as it is."""
    stem = word.rstrip(_ENDINGS)
    return stem if len(stem) > 2 else word


def _invented_word(word: str, chance: random.Random) -> str:
    stem = _stem(word)
    out = ""
    for together, run in groupby(stem, key=lambda c: c.casefold() in _CONSONANTS):
        old = "".join(run)
        if together:
            new = _cluster(old.casefold(), chance, starts=not out)
            cased = zip(new, old, strict=True)
            out += "".join(n.upper() if o.isupper() else n for n, o in cased)
        else:
            out += "".join(_replaced(c, chance) for c in old)
    return out + word[len(stem) :]


def _cluster(old: str, chance: random.Random, *, starts: bool) -> str:
    """As many consonants as `old` has, two at a time where two can stand together."""
    _, single, first, later = _CONSONANTS[old[0]]
    new = ""
    while len(new) < len(old):
        if len(old) - len(new) == 1:
            new += chance.choice(single)
        else:
            pairs = first if starts and not new else later
            new += chance.choice(pairs.split())
    return new


def _replaced(character: str, chance: random.Random) -> str:
    """Another character of the same kind; marks, joiners and punctuation stay."""
    if character in _DIGITS:
        return chance.choice(_DIGITS)
    category = unicodedata.category(character)
    if category not in _REPLACED or (character.isascii() and not character.isalpha()):
        return character
    lower = character.casefold()
    first, *marks = list(unicodedata.normalize("NFD", lower))
    if lower in _VOWELS or first in _VOWELS:
        kept = [] if lower in _VOWELS else marks
        letter = unicodedata.normalize("NFC", chance.choice(_VOWELS[first]) + "".join(kept))
    elif first in _CONSONANTS:
        letter = chance.choice(_CONSONANTS[first][1])
    else:
        return chance.choice(_neighbours(character))
    return letter.upper() if character.isupper() else letter


@lru_cache(maxsize=4096)
def _neighbours(character: str) -> tuple[str, ...]:
    """Characters of the same category and script around it, itself apart if there is another."""
    category, script = unicodedata.category(character), _script(character)
    near = (chr(n) for n in range(max(33, ord(character) - _WINDOW), ord(character) + _WINDOW + 1))
    same = [c for c in near if unicodedata.category(c) == category and _script(c) == script]
    return tuple(c for c in same if c != character and not _odd(c)) or (character,)


def _odd(character: str) -> bool:
    name = unicodedata.name(character, "")
    return any(word in name.split() for word in _ODD)


def _script(character: str) -> str:
    """The script, for letters; symbols have none, and their neighbourhood is enough."""
    if not unicodedata.category(character).startswith("L"):
        return ""
    return unicodedata.name(character, "?").split()[0].split("-")[0]
