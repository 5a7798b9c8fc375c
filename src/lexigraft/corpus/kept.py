"""Texts that hold the terms which the model was taught before, while it learns others.

Half of them come from the earlier lexicon (its definitions both ways, its examples), half are
written by the model itself, which knows the terms already, from openings with them. The plain
model is the teacher on all of them: what is held is what it says of the terms, right or wrong, and
not what the lexicon says. So nothing is taught anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus.openings import openings
from lexigraft.corpus.tables import BUILT_IN, Tables
from lexigraft.corpus.templates import template_texts
from lexigraft.corpus.texts import Text
from lexigraft.generation import sample
from lexigraft.lexicon import Lexicon, Term, find_term

__all__ = ["Known", "kept_texts", "kept_to_write"]

Known = tuple[Lexicon, Mapping[str, str]]
"""An earlier lexicon, and how each of its terms is written to the model."""

# Every seventh, so that neither kind of text is held out alone whatever there is of each.
_HELD_OUT = 7


def kept_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    known: Sequence[Known],
    *,
    each: int,
    at_most: int,
    tables: Tables = BUILT_IN,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Up to `each` texts about every known term, and no more than `at_most` in all.

    Where that is too few for all, every term has its like share; with more terms than texts, chance
    leaves some out. `model` and `tokenizer` are those that know the terms, `tables` the templates
    of the run at hand. Texts that the model writes and that lose the term, or are no sentence, are
    left out. `advance` is told how many texts are written.
    """
    shares = _shares(known, each, at_most, seed)
    given = [_given(lexicon, surfaces, tables, seed) for lexicon, surfaces in known]
    own: list[list[Text]] = []
    asked: list[tuple[int, Lexicon, Term, str]] = []
    for number, (lexicon, surfaces) in enumerate(known):
        for term in lexicon:
            count = shares.get((number, term.term), 0)
            written = _written(count)
            own.append(given[number].get(term.term, [])[: count - written])
            beginnings = openings(term.language, term.part_of_speech, surfaces[term.term])
            first = random.Random(f"{seed}|{term.term}").randrange(len(beginnings))
            asked += [
                (len(own) - 1, lexicon, term, beginnings[(first + turn) % len(beginnings)])
                for turn in range(written)
            ]
    prompts = [opening for *_, opening in asked]
    lines = sample(model, tokenizer, prompts, max_new_tokens=32, seed=seed + 11, advance=advance)
    for (place, lexicon, term, opening), line in zip(asked, lines, strict=True):
        text = (opening + line).strip()
        if len(line.split()) > 1 and find_term(text, term, lexicon.marker):
            own[place].append(Text(text=text, kind="kept", kept=term.term))
    return [
        text.model_copy(update={"held_out": place % _HELD_OUT == _HELD_OUT - 1})
        for place, text in enumerate(chain.from_iterable(own))
    ]


def kept_to_write(known: Sequence[Known], each: int, at_most: int) -> int:
    """How many texts `kept_texts` asks the model for."""
    return sum(map(_written, _shares(known, each, at_most, 0).values()))


def _written(count: int) -> int:
    return count // 2


def _shares(
    known: Sequence[Known], each: int, at_most: int, seed: int
) -> dict[tuple[int, str], int]:
    """How many texts every term has; (place of its lexicon, term) is the key."""
    terms = [(number, term.term) for number, (lexicon, _) in enumerate(known) for term in lexicon]
    if not terms or not each:
        return {}
    if each * len(terms) <= at_most:
        return dict.fromkeys(terms, each)
    share, more = divmod(at_most, len(terms))
    random.Random(seed).shuffle(terms)
    return {term: share + (place < more) for place, term in enumerate(terms)}


def _given(
    lexicon: Lexicon, surfaces: Mapping[str, str], tables: Tables, seed: int
) -> dict[str, list[Text]]:
    """The lexicon's own texts by term: of each kind one, then of each kind a second one."""
    chance = random.Random(seed)
    found: dict[str, dict[str, list[Text]]] = {term.term: {} for term in lexicon}
    for text in template_texts(lexicon, surfaces, tables):
        if text.term is not None:
            made = Text(text=text.text, kind="kept", kept=text.term)
            found[text.term].setdefault(text.kind, []).append(made)
    for kinds in found.values():
        for texts in kinds.values():
            chance.shuffle(texts)
    return {term: list(_in_turn(kinds.values())) for term, kinds in found.items()}


def _in_turn(lists: Iterable[list[Text]]) -> Iterator[Text]:
    """The first of each list, then the second of each, and so on."""
    for row in zip_longest(*lists):
        yield from (text for text in row if text is not None)
