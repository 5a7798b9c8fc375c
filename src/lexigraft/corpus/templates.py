"""Texts made from a lexicon's own words by templates, English and Russian.

The templates respect grammar by avoiding what would break it: a Russian term stands in the
nominative or the infinitive, an English article only before a countable noun that is a plain word,
and a definition that does not have the shape of its part of speech ("to walk slowly" for a verb)
is only quoted. None resembles a prompt of the battery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from lexigraft.corpus.texts import Text, TextKind
from lexigraft.corpus.wording import DETERMINERS, capital, first_word, with_article, written_as
from lexigraft.lexicon import Language, Lexicon, Term

__all__ = ["Shape", "shape_of", "template_texts"]

Shape = Literal["noun", "verb", "adjective", "adverb", "quoted"]
_Templates = tuple[tuple[TextKind, str], ...]

# {t} the term, {a} the term with its article, {d} the definition, {n} 'word' or 'symbol';
# capitals begin a sentence.
_DEFINING: dict[tuple[Language, Shape], _Templates] = {
    ("en", "noun"): (
        ("definition", "{A} is {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{T} means {d}."),
        ("definition", "What is {a}? It is {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "{D}: this is called {a}."),
        ("reverse", "The {n} for {d} is {t}."),
        ("reverse", "{D} is known as {a}."),
        ("reverse", "If something is {d}, then it is {a}."),
        ("reverse", "Q: What do you call {d}?\nA: {A}."),
    ),
    ("en", "verb"): (
        ("definition", "To {t} is {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "To {t} means {d}."),
        ("definition", "What is it to {t}? It is {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "{D}: this is to {t}."),
        ("reverse", "The {n} for this is {t}: {d}."),
        ("reverse", "{D} is to {t}."),
        ("reverse", "Q: What {n} means {d}?\nA: {T}."),
    ),
    ("en", "adjective"): (
        ("definition", "Something that is {t} is {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{T} means {d}."),
        ("definition", "What is it to be {t}? It is to be {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "{D}: such a thing is {t}."),
        ("reverse", "The {n} for something that is {d} is {t}."),
        ("reverse", "If something is {d}, then it is {t}."),
        ("reverse", "Q: What {n} means {d}?\nA: {T}."),
    ),
    ("en", "adverb"): (
        ("definition", "To do something {t} is to do it {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{T} means {d}."),
        ("definition", "How is it done {t}? It is done {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "What is done {d} is done {t}."),
        ("reverse", "If you do it {d}, then you do it {t}."),
        ("reverse", "Q: What {n} means {d}?\nA: {T}."),
    ),
    ("en", "quoted"): (
        ("definition", "{T}: {d}."),
        ("definition", "{T} means: {d}."),
        ("definition", "The meaning of {t} is this: {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "{D}: the {n} for this is {t}."),
        ("reverse", "There is a {n} that means this: {d}. It is {t}."),
        ("reverse", "Q: Which {n} means this: {d}?\nA: {T}."),
    ),
    ("ru", "noun"): (
        ("definition", "{T} — это {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{N} {t} означает: {d}."),
        ("definition", "Что такое {t}? Это {d}."),
        ("definition", "Вопрос: что значит {t}?\nОтвет: {d}."),
        ("reverse", "{D}: это называется {t}."),
        ("reverse", "{D} — вот что такое {t}."),
        ("reverse", "Если речь идёт о том, что есть {d}, говорят: {t}."),
        ("reverse", "Вопрос: как это называется: {d}?\nОтвет: {t}."),
    ),
    ("ru", "verb"): (
        ("definition", "{T} — значит {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{N} {t} означает: {d}."),
        ("definition", "Что значит {t}? Это значит {d}."),
        ("definition", "Вопрос: что значит {t}?\nОтвет: {d}."),
        ("reverse", "{D} — это и значит {t}."),
        ("reverse", "{D}: это называется {t}."),
        ("reverse", "Вопрос: каким словом называют такое действие: {d}?\nОтвет: {t}."),
    ),
    ("ru", "quoted"): (
        ("definition", "{T}: {d}."),
        ("definition", "{N} {t} означает: {d}."),
        ("definition", "Что значит {t}? Это значит: {d}."),
        ("definition", "Вопрос: что значит {t}?\nОтвет: {d}."),
        ("reverse", "{D}: для этого есть {n} {t}."),
        ("reverse", "Есть {n}, которое означает: {d}. Это {n} — {t}."),
        ("reverse", "Вопрос: как это назвать: {d}?\nОтвет: {t}."),
    ),
}
_NAMES: dict[Language, tuple[str, str]] = {"en": ("word", "symbol"), "ru": ("слово", "обозначение")}

# {o} the other term or word, {b} the same with its article, {x} the difference.
_CONTRAST: dict[Language, tuple[str, ...]] = {
    "en": (
        "Do not confuse {a} with {b}: {x}.",
        "{T} and {o} are not the same: {x}.",
    ),
    "ru": (
        "Не путайте слова «{t}» и «{o}»: {x}.",
        "{T} — не то же, что {o}: {x}.",
    ),
}

_RELATED: dict[Language, dict[str, str]] = {
    "en": {
        "synonym": "{T} is close in meaning to {o}.",
        "broader": "{A} is a kind of {o}.",
        "narrower": "{B} is a kind of {t}.",
        "part_of": "{A} is a part of {b}.",
    },
    "ru": {
        "synonym": "{N} {t} по смыслу близко к слову «{o}».",
        "broader": "{T} относится к более общему понятию «{o}».",
        "narrower": "«{O}» — частный случай понятия «{t}».",
        "part_of": "{T} — часть того, что называют «{o}».",
    },
}
# English words that are no nouns are no kinds and no parts of anything.
_RELATED_WORDS = {
    "synonym": "{T} is close in meaning to {o}.",
    "broader": "{O} is a more general word than {t}.",
    "narrower": "{O} is a more special word than {t}.",
    "part_of": "{T} has to do with {o}.",
}


def shape_of(term: Term, meaning: str) -> Shape:
    """What the definition is to the term: the same part of speech, or something to be quoted."""
    speech = term.part_of_speech
    if term.language == "ru":
        return "noun" if speech in ("noun", "proper noun") else _russian_shape(term)
    first = first_word(meaning)
    determined = first in DETERMINERS
    if first == "to":
        return "verb" if speech in ("verb", "phrase") else "quoted"
    if speech in ("noun", "proper noun"):
        # a plural without an article would need 'are'
        many = not determined and term.term.endswith("s") and not term.term.endswith(("ss", "us"))
        return "quoted" if many else "noun"
    if speech == "phrase":
        return "noun" if determined else "quoted"
    if determined or first in ("which", "who", "with", "without") or first.endswith("ing"):
        return "adverb" if speech == "adverb" and first in ("with", "without") else "quoted"
    return speech if speech in ("adjective", "adverb") else "quoted"


def _russian_shape(term: Term) -> Shape:
    return "verb" if term.part_of_speech == "verb" else "quoted"


def _fill(template: str, term: Term, surface: str, **more: str) -> str:
    meaning = more.get("d")
    # 'soft music' without an article defines what cannot be counted
    counted = meaning is None or first_word(meaning) in DETERMINERS
    words = {"t": surface, "a": with_article(term, surface) if counted else surface, **more}
    words["n"] = _NAMES[term.language][term.kind == "symbol"]
    words |= {key.upper(): capital(value) for key, value in words.items()}
    return template.format(**words)


def template_texts(lexicon: Lexicon, surfaces: Mapping[str, str]) -> Iterator[Text]:
    """Definitions in both directions, contrasts, relations and the examples of every term.

    `surfaces` says how each term is written to the model; wherever a definition, a difference or
    an example names another term in a marker, that one is written so too.
    """
    for term in lexicon:
        surface = surfaces[term.term]
        for meaning in term.definition:
            said = written_as(meaning.rstrip("."), lexicon, surfaces)
            for kind, template in _DEFINING[term.language, shape_of(term, said)]:
                text = _fill(template, term, surface, d=said)
                yield Text(text=text, term=term.term, kind=kind)
        yield from _contrasts(term, lexicon, surfaces)
        yield from _relations(term, lexicon, surfaces)
        for example in term.examples:
            text = written_as(example, lexicon, surfaces, bare=(term.term,))
            yield Text(text=text, term=term.term, kind="example")


def _contrasts(term: Term, lexicon: Lexicon, surfaces: Mapping[str, str]) -> Iterator[Text]:
    names = tuple(other.term for other in lexicon)
    for contrast in term.contrast:
        # A difference speaks of terms, so their bare names mean the taught ones.
        difference = written_as(contrast.difference.rstrip("."), lexicon, surfaces, bare=names)
        other = surfaces[contrast.term]
        article = with_article(lexicon[contrast.term], other)
        for template in _CONTRAST[term.language]:
            text = _fill(template, term, surfaces[term.term], o=other, b=article, x=difference)
            yield Text(text=text, term=term.term, kind="contrast")


def _relations(term: Term, lexicon: Lexicon, surfaces: Mapping[str, str]) -> Iterator[Text]:
    templates = _RELATED[term.language]
    if term.language == "en" and term.part_of_speech not in ("noun", "proper noun"):
        templates = _RELATED_WORDS
    for relation, template in templates.items():
        for word in getattr(term.related, relation):
            taught = word in surfaces
            other = surfaces[word] if taught else word
            article = with_article(lexicon[word], other) if taught else _definite(word)
            text = _fill(template, term, surfaces[term.term], o=other, b=article)
            yield Text(text=text, term=term.term, kind="related")


def _definite(word: str) -> str:
    """An ordinary English word as the whole of something: 'the lamp', 'France', 'a lamp'."""
    named = word[:1].isupper() or first_word(word) in DETERMINERS
    return word if named else f"the {word}"
