"""Check 7, use: sentences that a model writes with a term show what it takes the term for.

The model under judgement samples sentences that begin with the term. The term is masked in them,
and the untaught model, with one definition after the other in its prompt, says which makes them
likeliest: gain(s, d) = (ℓ(s | d) - mean over d' of ℓ(s | d')) per token, less the mean of the same
over sentences that the same model wrote with untaught words, for which no definition is right.

Beside it: how much of the sentences is copied, how varied they are, and whether the term is written
at all when a prompt gives its definition.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lexigraft.checks.answers import greedy_texts, shown
from lexigraft.checks.filling import BLANK
from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import portions
from lexigraft.checks.prompts import TERM_PROMPTS, USE_STARTS, definition_line
from lexigraft.checks.ranking import Ranking
from lexigraft.generation import sample
from lexigraft.lexicon import SLOT, Lexicon, Term, find_term, frame
from lexigraft.likelihood import pair

__all__ = ["Written", "copied_share", "distinct_pairs", "emitted_share", "use", "write"]

MOST_CANDIDATES = 8
"""Definitions offered for a term: its own, and others drawn at random where there are more."""

_TOKENS = 14
_EMIT_TOKENS = 10
_CONTROLS = 8
_CONTROL_SENTENCES = 1
_TEMPERATURE = 0.7
_TOP = 40
_RUN = 8
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Written:
    """One sampled sentence, cut behind its start: that was given, and is not scored."""

    start: str
    rest: str

    def masked(self, term: Term, lexicon: Lexicon) -> Written:
        """The same with a blank for the term, in any of its forms."""
        parts = (frame(part, term, lexicon.marker) for part in (self.start, self.rest))
        return Written(*(part.replace(SLOT, BLANK) for part in parts))


def write(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]] | None = None,
    *,
    with_definition: bool = False,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> dict[str, tuple[Written, ...]]:
    """Sentences with every term, and with a few untaught words where `untaught` gives some.

    Keys are terms, and untaught words as they are written. `with_definition` puts a term's
    definition before its sentences: the ceiling.
    """
    starts = USE_STARTS[lexicon.language]
    asked: list[tuple[str, str, str]] = []
    for term in lexicon:
        surface = surfaces[term.term]
        before = definition_line(surface, term.definition[0]) if with_definition else ""
        asked += [(term.term, before, start.format(term=surface)) for start in starts]
    for number, word in enumerate(_controls(untaught or {})):
        for turn in range(_CONTROL_SENTENCES):
            start = starts[(number + turn) % len(starts)].format(term=word)
            asked.append((word, "", start))
    tell = portions(advance, len(asked))
    texts = sample(
        judged.model,
        judged.tokenizer,
        [before + start for _, before, start in asked],
        max_new_tokens=_TOKENS,
        temperature=_TEMPERATURE,
        top_k=_TOP,
        seed=seed,
        advance=tell,
    )
    out: dict[str, list[Written]] = {}
    for (word, _, start), text in zip(asked, texts, strict=True):
        out.setdefault(word, []).append(Written(start, _sentence(text)))
    return {word: tuple(some) for word, some in out.items()}


def _controls(untaught: Mapping[str, Sequence[str]]) -> list[str]:
    """A few untaught words, taken from the terms by turns; all terms share them."""
    lists = [list(words) for words in untaught.values()]
    turns = [words[n] for n in range(max(map(len, lists), default=0)) for words in lists
             if n < len(words)]  # fmt: skip
    return list(dict.fromkeys(turns))[:_CONTROLS]


def _sentence(text: str) -> str:
    """`text` up to its first sentence's end, with the space that stands before it."""
    kept = shown(text)
    return f" {kept}" if kept and text[:1].isspace() else kept


def use(
    floor: Judged,
    lexicon: Lexicon,
    written: Mapping[str, Sequence[Written]],
    *,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each sentence that `write` gave for a term, over definitions.

    Args:
        floor: the untaught model, which reads the sentences; it need not be their author.
        lexicon: terms and definitions.
        written: sentences by term, and by untaught word for the control.
        seed: draws the wrong definitions where there are more than MOST_CANDIDATES terms.
        advance: told its progress in parts.
    """
    offered = _offered(lexicon, seed)
    meant = {t.term: t.definition[0] for t in lexicon}
    terms = {t.term: t for t in lexicon}
    wanted: list[tuple[Written, str]] = []
    masked: dict[str, list[Written]] = {}
    for word, sentences in written.items():
        if word in terms:
            masked[word] = [s.masked(terms[word], lexicon) for s in sentences]
            definitions: Iterable[str] = offered[word]
        else:
            masked[word] = [_masked_word(s, word) for s in sentences]
            definitions = dict.fromkeys(d for some in offered.values() for d in some)
        wanted += [(s, d) for s in masked[word] if s.rest.strip() for d in definitions]
    keys = list(dict.fromkeys(wanted))
    pairs = [
        pair(floor.tokenizer, definition_line(BLANK, meant[d]) + s.start, s.rest) for s, d in keys
    ]
    values = floor.log_probabilities(pairs, advance)
    sizes = [max(1, len(p.continuation)) for p in pairs]
    worth = {k: v / n for k, v, n in zip(keys, values, sizes, strict=True)}
    controls = [masked[w][:] for w in masked if w not in terms]
    out = []
    for term in lexicon:
        mine = offered[term.term]

        def gains(s: Written, among: Sequence[str] = mine) -> dict[str, float]:
            if not s.rest.strip():
                return dict.fromkeys(among, 0.0)
            found = {d: worth[s, d] for d in among}
            usual = fmean(found.values())
            return {d: value - usual for d, value in found.items()}

        others = [[gains(s) for s in some] for some in controls]
        usual = {d: fmean(g[d] for some in others for g in some) if others else 0.0 for d in mine}
        reached = tuple(fmean(g[term.term] for g in some) - usual[term.term] for some in others)
        for original, sentence in zip(written[term.term], masked[term.term], strict=True):
            scores = {d: value - usual[d] for d, value in gains(sentence).items()}
            question = original.start + original.rest
            out.append(Ranking(term.term, question, term.term, scores, reached))
    return out


def _masked_word(sentence: Written, word: str) -> Written:
    return Written(sentence.start.replace(word, BLANK), sentence.rest.replace(word, BLANK))


def _offered(lexicon: Lexicon, seed: int) -> dict[str, tuple[str, ...]]:
    """Whose definitions are candidates for each term, in the lexicon's order."""
    names = [t.term for t in lexicon]
    out = {}
    for term in names:
        others = [other for other in names if other != term]
        chance = random.Random(f"{seed}|use|{term}")
        drawn = {term, *chance.sample(others, min(len(others), MOST_CANDIDATES - 1))}
        out[term] = tuple(name for name in names if name in drawn)
    return out


def emitted_share(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    advance: Callable[[int], None] | None = None,
) -> float:
    """Share of terms that the model writes, greedily, after a prompt with their definition."""
    frames = TERM_PROMPTS[lexicon.language]
    prompts = [frames[0].format(definition=t.definition[0].rstrip(".")) for t in lexicon]
    tell = portions(advance, len(prompts))
    texts = greedy_texts(
        judged.model,
        judged.tokenizer,
        prompts,
        max_new_tokens=_EMIT_TOKENS,
        exact=False,
        advance=tell,
    )
    return fmean(
        surfaces[t.term] in text or bool(surfaces[t.term] == t.term and _holds(text, t, lexicon))
        for t, text in zip(lexicon, texts, strict=True)
    )


def _holds(text: str, term: Term, lexicon: Lexicon) -> bool:
    return bool(find_term(text, term, lexicon.marker))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[n : n + size]) for n in range(len(words) - size + 1)]


def copied_share(texts: Iterable[str], reference: Iterable[str]) -> float | None:
    """Share of the runs of eight words in `texts` that stand in `reference`; None without a run."""
    known = {run for text in reference for run in _runs(_words(text), _RUN)}
    runs = [run for text in texts for run in _runs(_words(text), _RUN)]
    return fmean(run in known for run in runs) if runs else None


def distinct_pairs(texts: Iterable[str]) -> float | None:
    """Different pairs of neighbouring words over all pairs; None without a pair."""
    pairs = [run for text in texts for run in _runs(_words(text), 2)]
    return len(set(pairs)) / len(pairs) if pairs else None
