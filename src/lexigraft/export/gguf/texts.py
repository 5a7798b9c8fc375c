"""A thousand texts on which llama.cpp must cut words as the run's tokenizer does."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Sequence

from lexigraft.spelling.sample import PROSE, SAMPLE

__all__ = ["COUNT", "inside_longer_words", "thousand_texts"]

COUNT = 1_000

_PLACES = (
    "{}",
    " {}",
    "{} is here.",
    "we saw {} again",
    "this is {}",
    "Yes, {}. Also, {}!",
    'the word "{}" is',
    "the word '{}' is",
    "слово «{}» тут",
    "see ({}) below",
    "one line\n{}, and\n\n{} once more",
    "# {}\n\n* {}: a thing\n* the {}'s edge\n",
    "a {}-like thing, 7 {} and {}2",
    "  two spaces, then  {}  and a tab\t{}",
    "{}/{}_{}",
)
_SPACES = (" ", " ", " ", " ", ", ", ". ", "\n", "\n\n", " — ", "  ", " (", ") ", ": ", "-")
_FRAMES = ("un{}", "{}ish", "re{}ed", "{}{}")


def thousand_texts(
    forms: Sequence[str],
    own: Iterable[str] = (),
    *,
    composed: bool = False,
    no_space_first: bool = False,
    seed: int = 0,
) -> tuple[str, ...]:
    """A thousand different texts, the same ones for the same arguments.

    Prose in many scripts, code, numbers and odd white space; each form wherever a word may stand;
    the run's `own` texts; and, up to the number, random mixtures of words, forms and signs.

    Args:
        composed: all in composed characters (NFC), for a tokenizer that composes them itself:
            llama.cpp never does, for the untaught model neither.
        no_space_first: none begins with a space, for a tokenizer that puts one there itself:
            versions of one tokenizer already differ in whether they put it before another.
    """
    generator = random.Random(seed)
    own = list(own)
    placed = [place.replace("{}", form) for form in forms for place in _PLACES]
    texts: dict[str, None] = {}

    def take(text: str) -> None:
        text = unicodedata.normalize("NFC", text) if composed else text
        text = text.lstrip() if no_space_first else text
        if text and len(texts) < COUNT:
            texts[text] = None

    for part, most in ((SAMPLE, COUNT), (placed, COUNT // 2), (own, COUNT // 5)):
        for text in part if len(part) <= most else generator.sample(part, most):
            take(text)
    words = [word for prose in PROSE.values() for word in prose.split()]
    while len(texts) < COUNT:
        take(_mixture(words, forms, generator))
    return tuple(texts)


def _mixture(words: Sequence[str], forms: Sequence[str], generator: random.Random) -> str:
    pieces = []
    for _ in range(generator.randint(3, 14)):
        source = forms if forms and generator.random() < 0.3 else words
        pieces += [generator.choice(source), generator.choice(_SPACES)]
    return "".join(pieces).rstrip(" ")


def inside_longer_words(forms: Sequence[str], most: int = 50) -> tuple[str, ...]:
    """Texts in which forms stand inside longer words."""
    distinct = list(dict.fromkeys(forms))
    step = max(1, -(-len(distinct) // most))
    return tuple(f"a {frame.replace('{}', form)}" for form in distinct[::step] for frame in _FRAMES)
