"""Does a model know a word already? Two measurements against invented words, no judgement.

- *Definition*: how surprising the definition is after the term, less how surprising it is after
  invented words of the same number of pieces (nats per token; below zero: the term helps).
- *String*: how surprising the term's later pieces are after its first one, less the same for the
  invented words. A word that the model has read many times completes itself.

Both differences are also given in standard deviations of the invented words, because a difference
that an invented word shows as well means nothing.
"""

from __future__ import annotations

import random
import re
import statistics
import unicodedata
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lexigraft.diagnose.values import Knowledge, Probe
from lexigraft.lexicon.schema import Language, Term

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lexigraft.likelihood import Pair

__all__ = ["invented_words", "probe_term", "verdict_of"]

_FRAMES: dict[Language, tuple[str, ...]] = {
    "en": ("{term}: {definition}", "The word {term} means: {definition}"),
    "ru": ("{term}: {definition}", "Слово {term} означает: {definition}"),
}
_SYLLABLES = {
    "LATIN": ("b c d f g h k l m n p r s t v w z bl dr gr pl st tr", "a e i o u ai ea oo"),
    "CYRILLIC": ("б в г д ж з к л м н п р с т ф х бл др гр пл ст тр", "а е и о у ы я ё"),
    "GREEK": ("β γ δ ζ θ κ λ μ ν π ρ σ τ φ χ", "α ε η ι ο υ ω"),
}


def invented_words(
    term: str, tokenizer: PreTrainedTokenizerBase, count: int, *, tries: int = 600
) -> tuple[str, ...]:
    """Words that nobody has used, in the script of `term` and with as many pieces after a space.

    Symbols and scripts without a table of syllables take characters from around those of `term`.
    Where too few words have the same number of pieces, those nearest to it are taken. The same
    term always gives the same words.
    """
    # crc32, not hash(): hash() differs from process to process
    chance = random.Random(zlib.crc32(term.encode()))
    drawn = list(dict.fromkeys(_invented(term, chance) for _ in range(tries)))
    drawn = [word for word in drawn if word.casefold() != term.casefold()]
    wanted, *sizes = map(len, _pieces(tokenizer, [term, *drawn]))
    ranked = sorted(zip(sizes, drawn, strict=True), key=lambda pair: abs(pair[0] - wanted))
    return tuple(word for _, word in ranked[:count])


def _invented(term: str, chance: random.Random) -> str:
    """Every run of letters replaced; spaces, hyphens and digits stay where letters are."""
    if not any(c.isalpha() for c in term):
        return "".join(_neighbour(c, chance) for c in term)
    return re.sub(r"[^\W\d_]+", lambda run: _invented_run(run.group(), chance), term)


def _invented_run(letters: str, chance: random.Random) -> str:
    script = unicodedata.name(letters[0], "?").split()[0]
    if script not in _SYLLABLES:
        return "".join(_neighbour(c, chance) for c in letters)
    onsets, vowels = (part.split() for part in _SYLLABLES[script])
    length = max(2, len(letters) + chance.randint(-1, 1)) if len(letters) > 1 else 1
    word = ""
    while len(word) < length:
        word += chance.choice(onsets) + chance.choice(vowels)
    word = word[:length]
    return word.capitalize() if letters[0].isupper() else word


def _neighbour(character: str, chance: random.Random) -> str:
    """A character of the same category within 64 code points; itself where there is none."""
    category = unicodedata.category(character)
    start = max(32, ord(character) - 64)
    near = [chr(n) for n in range(start, ord(character) + 64) if not 0xD800 <= n <= 0xDFFF]
    return chance.choice([c for c in near if unicodedata.category(c) == category] or [character])


def probe_term(
    term: Term,
    language: Language,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    controls: int = 10,
) -> Probe:
    """Asks `model` how well it knows `term`. A few forward passes, no gradient.

    Args:
        term: its first definition is used.
        language: of the frame around term and definition.
        controls: how many invented words to compare with.
    """
    invented = invented_words(term.term, tokenizer, controls)
    words = (term.term, *invented)
    by_definition = _definition_surprisals(words, term.definition[0], language, model, tokenizer)
    by_string = _string_surprisals(words, model, tokenizer)
    definition, definition_deviations = _against(by_definition)
    string, string_deviations = (None, None) if by_string is None else _against(by_string)
    return Probe(
        definition=round(definition, 4),
        definition_deviations=round(definition_deviations, 2),
        string=None if string is None else round(string, 4),
        string_deviations=None if string_deviations is None else round(string_deviations, 2),
        controls=invented,
        verdict=verdict_of(definition, definition_deviations, string, string_deviations),
    )


def verdict_of(
    definition: float,
    definition_deviations: float,
    string: float | None,
    string_deviations: float | None,
) -> Knowledge:
    """A careful word for the numbers: known only where the difference is large in both units.

    With ten invented words three standard deviations is about the 1% level; the bounds in
    nats keep a tiny but steady difference from counting.
    """
    strong = definition < -0.3 and definition_deviations < -3
    strong |= string is not None and string < -3 and (string_deviations or 0) < -2.5
    weak = definition < -0.1 and definition_deviations < -2
    weak |= string is not None and string < -1.5 and (string_deviations or 0) < -1.5
    return "known" if strong else "maybe known" if weak else "unknown"


def _against(values: Sequence[float]) -> tuple[float, float]:
    """The first value less the mean of the others, in their unit and in standard deviations."""
    own, others = values[0], values[1:]
    if len(others) < 2:
        return 0.0, 0.0
    difference = own - statistics.mean(others)
    spread = statistics.stdev(others)
    return difference, difference / spread if spread > 1e-6 else 0.0


def _pieces(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[list[int]]:
    """Ids of each word after a space, as inside a text.

    Not of ' word' alone: Llama 2's tokenizer would read two spaces there.
    """
    from lexigraft.likelihood import encode

    front = encode(tokenizer, "x")
    ids = tokenizer([f"x {word}" for word in words], add_special_tokens=False).input_ids
    return [list(one[len(front) :]) for one in ids]


def _definition_surprisals(
    words: Sequence[str],
    definition: str,
    language: Language,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> list[float]:
    from lexigraft.likelihood import pair

    pairs = [
        pair(tokenizer, frame.format(term=word, definition="").rstrip(), f" {definition}")
        for frame in _FRAMES[language]
        for word in words
    ]
    values = _surprisals(pairs, model)
    by_frame = [values[start : start + len(words)] for start in range(0, len(values), len(words))]
    return [statistics.fmean(column) for column in zip(*by_frame, strict=True)]


def _string_surprisals(
    words: Sequence[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[float] | None:
    """Mean surprisal of the pieces after the first; None where `words[0]` is one piece."""
    from lexigraft.likelihood import Pair, document_start

    pieces = _pieces(tokenizer, words)
    if len(pieces[0]) < 2:
        return None
    start = document_start(tokenizer)
    several = [ids for ids in pieces if len(ids) > 1]
    return _surprisals([Pair(start + ids[:1], ids[1:]) for ids in several], model)


def _surprisals(pairs: Sequence[Pair], model: PreTrainedModel) -> list[float]:
    """Mean surprisal of each continuation after its prefix, nats per token."""
    from lexigraft.likelihood import token_log_probabilities

    return [-statistics.fmean(row) for row in token_log_probabilities(model, pairs)]
