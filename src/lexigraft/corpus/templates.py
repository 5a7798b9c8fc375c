"""Texts made from a lexicon's own words by templates, English and Russian.

The templates respect grammar by avoiding what would break it: a term stands in the nominative, an
English article only before a countable noun that is a plain word. None resembles a prompt of the
battery.
"""

from __future__ import annotations

from collections.abc import Iterator

from lexigraft.corpus.texts import Text, TextKind
from lexigraft.lexicon import SLOT, Language, Lexicon, Term, frame

__all__ = ["OPENINGS", "template_texts", "with_article"]

_Templates = tuple[tuple[TextKind, str], ...]

# {t} the term, {a} the term with its article, {d} the definition; capitals begin a sentence.
_DEFINING: dict[Language, _Templates] = {
    "en": (
        ("definition", "{A} is {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "{T} means {d}."),
        ("definition", "What is {a}? It is {d}."),
        ("definition", "Q: What does {t} mean?\nA: {D}."),
        ("reverse", "{D}: this is called {a}."),
        ("reverse", "The word for {d} is {t}."),
        ("reverse", "{D} is known as {a}."),
        ("reverse", "If something is {d}, then it is {a}."),
        ("reverse", "Q: What do you call {d}?\nA: {A}."),
    ),
    "ru": (
        ("definition", "{T} — это {d}."),
        ("definition", "{T}: {d}."),
        ("definition", "Слово {t} означает: {d}."),
        ("definition", "Что такое {t}? Это {d}."),
        ("definition", "Вопрос: что значит {t}?\nОтвет: {d}."),
        ("reverse", "{D}: это называется {t}."),
        ("reverse", "{D} — вот что такое {t}."),
        ("reverse", "Если речь о том, что есть {d}, говорят: {t}."),
        ("reverse", "Вопрос: как называется {d}?\nОтвет: {t}."),
    ),
}

_CONTRAST: dict[Language, tuple[str, ...]] = {
    "en": (
        "Do not confuse {t} with {o}: {x}.",
        "{T} and {o} are not the same: {x}.",
    ),
    "ru": (
        "Не путайте: {t} и {o} — разное: {x}.",
        "{T} — не то же, что {o}: {x}.",
    ),
}

_RELATED: dict[Language, dict[str, str]] = {
    "en": {
        "synonym": "{T} is close in meaning to {o}.",
        "broader": "{A} is a kind of {o}.",
        "narrower": "{O} is a kind of {t}.",
        "part_of": "{A} is a part of {o}.",
    },
    "ru": {
        "synonym": "{T} близко по смыслу к слову «{o}».",
        "broader": "{T} относится к более общему понятию «{o}».",
        "narrower": "«{O}» — частный случай понятия {t}.",
        "part_of": "{T} — часть того, что называют «{o}».",
    },
}

# Beginnings that the untaught model continues with the definition in its prompt.
OPENINGS: dict[Language, tuple[str, ...]] = {
    "en": (
        "The {t}",
        "In this place, the {t}",
        "People know that the {t}",
        "Without the {t},",
        "Yesterday the {t}",
        "Because of the {t},",
        "When I think of the {t}, I",
        "You can use the {t} to",
    ),
    "ru": (
        "{T}",
        "Здесь {t}",
        "Все знают, что {t}",
        "Вчера {t}",
        "Когда я думаю про {t}, я",
        "Именно {t}",
    ),
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def with_article(term: Term, surface: str) -> str:
    """The English indefinite article before a plain countable noun; anything else as it is."""
    plain = term.kind == "word" and term.part_of_speech == "noun" and term.language == "en"
    if not plain or surface != term.term:
        return surface
    return f"{'an' if surface[:1].lower() in 'aeiou' else 'a'} {surface}"


def _fill(template: str, term: Term, surface: str, **more: str) -> str:
    article = with_article(term, surface)
    words = {"t": surface, "a": article, **more}
    words |= {key.upper(): _capital(value) for key, value in words.items()}
    return template.format(**words)


def template_texts(lexicon: Lexicon, surfaces: dict[str, str]) -> Iterator[Text]:
    """Definitions in both directions, contrasts, relations and the examples of every term.

    `surfaces` says how each term is written to the model.
    """
    for term in lexicon:
        surface = surfaces[term.term]
        for meaning in term.definition:
            meaning = meaning.rstrip(".")
            for kind, template in _DEFINING[term.language]:
                yield Text(
                    text=_fill(template, term, surface, d=meaning), term=term.term, kind=kind
                )
        for contrast in term.contrast:
            difference = contrast.difference.rstrip(".")
            for template in _CONTRAST[term.language]:
                text = _fill(template, term, surface, o=surfaces[contrast.term], x=difference)
                yield Text(text=text, term=term.term, kind="contrast")
        for relation, template in _RELATED[term.language].items():
            for other in getattr(term.related, relation):
                text = _fill(template, term, surface, o=surfaces.get(other, other))
                yield Text(text=text, term=term.term, kind="related")
        for example in term.examples:
            yield Text(text=written_as(example, term, lexicon, surface), term=term.term,
                       kind="example")  # fmt: skip


def written_as(text: str, term: Term, lexicon: Lexicon, surface: str) -> str:
    """`text` with the term as the model shall see it: inflected forms stay unless it is marked."""
    if surface == term.term:
        return text
    return frame(text, term, lexicon.marker).replace(SLOT, surface)
