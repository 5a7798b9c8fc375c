"""One word in another's place: a known word, another term, or a foil that was never taught.

- A small model writes best with words that it knows, so some texts are written with the broader
  word (`owl`) under the term's definition, and the term takes its place.
- A sentence made for one term is read with another in it: what the teacher expects there is how the
  two differ in use.
- The same sentence is read with a *foil*: an invented word of the same shape or, for a concept in a
  marker, its bare word, broken markers and other words in the marker. There the model must go on
  as the untaught one does; so it learns the term itself and not everything that looks like it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from lexigraft.corpus.texts import Text
from lexigraft.corpus.wording import article_of, capital
from lexigraft.diagnose.probe import invented_words
from lexigraft.lexicon import SLOT, Lexicon, Term, find, frame

__all__ = ["foil_texts", "stand_in", "swapped_texts", "with_term"]

_FOILS = 6
_ARTICLE = re.compile(rf"\b([Aa])n?(?= {SLOT})")


def stand_in(term: Term, lexicon: Lexicon) -> str | None:
    """A known word that may stand where `term` does: broader, else alike, else a synonym."""
    for word in (*term.related.broader, *term.like, *term.related.synonym):
        if not find(word, lexicon) and word.casefold() == word:
            return word
    return None


def with_term(text: str, word: str, term: Term, surface: str) -> str | None:
    """`text` with `term` in the place of `word`; None where the word does not stand there.

    Only the word as it is given is replaced: other forms of it would need forms of the term.
    """
    pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
    framed, count = re.subn(pattern, SLOT, text)
    if text.startswith(capital(word)):
        framed, more = re.subn(rf"^{re.escape(capital(word))}(?!\w)", SLOT, framed)
        count += more
    return _filled(framed, term, surface) if count else None


def _filled(framed: str, term: Term, surface: str) -> str:
    """The frame with `term` in it, an English article before it in the form that it needs."""
    if term.language == "en":
        article = article_of(term)
        framed = _ARTICLE.sub(lambda m: m[1] + article[1:], framed)
    if framed.startswith(SLOT):
        framed = capital(surface) + framed[len(SLOT) :]
    return framed.replace(SLOT, surface)


def swapped_texts(
    texts: Sequence[Text], lexicon: Lexicon, surfaces: Mapping[str, str], *, seed: int
) -> list[Text]:
    """Every example and self-written text once more, with a term drawn at random in it.

    Held-out texts stay out. Terms of the same language and part of speech take each other's place,
    every second time one that the lexicon contrasts; with one term alone there are none.
    """
    chance = random.Random(f"{seed}|swapped")
    out = []
    for text in texts:
        if text.term is None or text.kind not in ("example", "written") or text.held_out:
            continue
        term = lexicon[text.term]
        alike = _alike(term, lexicon)
        framed = frame(text.text, term, lexicon.marker)
        if not alike or SLOT not in framed:
            continue
        confusable = [other for other in alike if other.term in {c.term for c in term.contrast}]
        other = chance.choice(confusable if confusable and chance.random() < 0.5 else alike)
        swapped = _filled(framed, other, surfaces[other.term])
        out.append(Text(text=swapped, term=other.term, kind="swapped"))
    return out


def _alike(term: Term, lexicon: Lexicon) -> list[Term]:
    """The other terms that could stand where `term` does."""
    same = (term.language, term.part_of_speech)
    return [t for t in lexicon if t.term != term.term and (t.language, t.part_of_speech) == same]


def foil_texts(
    texts: Sequence[Text],
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    share: float,
    seed: int,
) -> list[Text]:
    """A `share` of the texts about each term once more with a foil in its place, as replay.

    A concept in a marker has each of its definitions said of the bare word as well.
    Held-out texts stay out. A term whose surface is one new token needs no foils, but they hold
    what its pieces mean; they are made of it all the same.
    """
    chance = random.Random(f"{seed}|foil")
    words = {t.term: _foils(t, lexicon, surfaces[t.term], tokenizer) for t in lexicon}
    out = []
    for text in texts:
        # Contrasts and relations name other terms, which the untaught model must not speak for.
        fit = text.kind in ("definition", "reverse", "example", "written") and not text.held_out
        if text.term is None or not fit:
            continue
        term = lexicon[text.term]
        framed = frame(text.text, term, lexicon.marker)
        if SLOT not in framed:
            continue
        drawn = chance.random() < share and bool(words[term.term])
        foils = [chance.choice(words[term.term])] if drawn else []
        if surfaces[term.term] == lexicon.marker.wrap(term.term) and text.kind == "definition":
            foils.append(term.term)  # what the marked word means, the bare one does not
        for foil in dict.fromkeys(foils):
            out.append(Text(text=_filled(framed, term, foil), kind="foil", foil=foil))
    return out


def _foils(
    term: Term, lexicon: Lexicon, surface: str, tokenizer: PreTrainedTokenizerBase
) -> list[str]:
    marker = lexicon.marker
    invented = [w for w in invented_words(term.term, tokenizer, _FOILS) if not find(w, lexicon)]
    if surface != marker.wrap(term.term):
        return invented
    broken = [marker.open + term.term, marker.open[1:] + term.term + marker.close]
    # As many of each kind: the bare word, a broken marker, another word in a whole one.
    return [term.term] * _FOILS + broken * (_FOILS // 2) + [marker.wrap(w) for w in invented]
