"""Sentences with a word filled in, as one model finds them: what cloze and its kin are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import definition_line
from lexigraft.lexicon import SLOT, Lexicon, frame
from lexigraft.likelihood import Pair, pair

__all__ = ["BLANK", "Filling", "blank", "rest_of", "frames_of_tests"]

BLANK = "____"


def frames_of_tests(lexicon: Lexicon) -> dict[str, list[str]]:
    """The test sentences of every term that has some, with SLOT for the term."""
    return {t.term: [frame(s, t, lexicon.marker) for s in t.tests] for t in lexicon if t.tests}


def blank(sentence: str) -> str:
    """The sentence as people read it, without its word."""
    return sentence.replace(SLOT, BLANK)


def rest_of(sentence: str) -> str:
    """What follows the last slot; nothing where that is only punctuation."""
    rest = sentence.rpartition(SLOT)[2]
    return rest if any(c.isalnum() for c in rest) else ""


@dataclass
class Filling:
    """Collects sentences with words in them, asks for all at once, then tells each likelihood.

    `with_definition` puts before a sentence the definition of the term that is filled in, and
    nothing before an untaught word: the ceiling.
    """

    judged: Judged
    lexicon: Lexicon
    surfaces: Mapping[str, str]
    with_definition: bool = False
    _places: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    _pairs: list[Pair] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)

    def ask(self, word: str, sentences: Iterable[str], *, rests: bool = False) -> None:
        """`word` (a term, or an untaught word as it is written) in each of the sentences.

        `rests` asks for what follows the word as well; that costs nothing beside the whole.
        """
        surface = self.surfaces.get(word, word)
        before = ""
        if self.with_definition and word in self.surfaces:
            before = definition_line(surface, self.lexicon[word].definition[0])
        for sentence in sentences:
            whole = sentence.replace(SLOT, surface)
            self._add((word, sentence, False), before, whole)
            rest = rest_of(sentence) if rests else ""
            if rest:
                self._add((word, sentence, True), before + whole.removesuffix(rest), rest)

    def _add(self, key: tuple[str, str, bool], prefix: str, continuation: str) -> None:
        if key not in self._places:
            self._places[key] = len(self._pairs)
            self._pairs.append(pair(self.judged.tokenizer, prefix, continuation))

    def read(self, advance: Callable[[int], None] | None = None) -> None:
        """Asks the model about all of it; what it was asked before, by any check, it remembers."""
        self._values = self.judged.log_probabilities(self._pairs, advance)

    def whole(self, word: str, sentence: str) -> float:
        """ℓ(sentence with the word)."""
        return self._values[self._places[word, sentence, False]]

    def rest(self, word: str, sentence: str) -> float:
        """ℓ(what follows the word | what stands before it, and the word)."""
        return self._values[self._places[word, sentence, True]]
