"""The built-in templates, English and Russian, as plain tables; `templates` fills them.

{t} is the term, {a} the term with its article, {d} its definition, {n} 'word' or 'symbol'; of
another term {o} is the word, {b} the word with its article, {e} its definition, and {x} says how
the two differ. A capital letter begins a sentence. None resembles a prompt of the battery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lexigraft.lexicon import Language

__all__ = ["BUILT_IN", "RELATIONS", "SHAPES", "Direction", "LanguageTables", "Shape", "Tables"]

Shape = Literal["noun", "verb", "adjective", "adverb", "quoted"]
"""What a definition is to its term: the same part of speech, or something to be quoted."""
Direction = Literal["definition", "reverse"]
SHAPES: dict[Language, tuple[Shape, ...]] = {
    "en": ("noun", "verb", "adjective", "adverb", "quoted"),
    "ru": ("noun", "verb", "quoted"),
}
"""The shapes of a language: what is neither noun nor verb is only quoted in Russian."""
RELATIONS = ("synonym", "broader", "narrower", "part_of")


@dataclass(frozen=True)
class LanguageTables:
    """The templates of one language.

    `contrast` fits any two terms, `contrast_nouns` two that are defined as nouns; `related_nouns`
    stands in the place of `related` where the term is a noun, if the language has it.
    """

    defining: Mapping[Shape, Mapping[Direction, tuple[str, ...]]]
    contrast: tuple[str, ...]
    contrast_nouns: tuple[str, ...]
    related: Mapping[str, tuple[str, ...]]
    related_nouns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


Tables = Mapping[Language, LanguageTables]

BUILT_IN: Tables = {
    "en": LanguageTables(
        defining={
            "noun": {
                "definition": (
                    "{A} is {d}.",
                    "{T}: {d}.",
                    "{T} means {d}.",
                    "What is {a}? It is {d}.",
                    "Q: What does {t} mean?\nA: {D}.",
                ),
                "reverse": (
                    "{D}: this is called {a}.",
                    "The {n} for {d} is {t}.",
                    "{D} is known as {a}.",
                    "If something is {d}, then it is {a}.",
                    "Q: What do you call {d}?\nA: {A}.",
                ),
            },
            "verb": {
                "definition": (
                    "To {t} is {d}.",
                    "{T}: {d}.",
                    "To {t} means {d}.",
                    "What is it to {t}? It is {d}.",
                    "Q: What does {t} mean?\nA: {D}.",
                ),
                "reverse": (
                    "{D}: this is to {t}.",
                    "The {n} for this is {t}: {d}.",
                    "{D} is to {t}.",
                    "Q: What {n} means {d}?\nA: {T}.",
                ),
            },
            "adjective": {
                "definition": (
                    "Something that is {t} is {d}.",
                    "{T}: {d}.",
                    "{T} means {d}.",
                    "What is it to be {t}? It is to be {d}.",
                    "Q: What does {t} mean?\nA: {D}.",
                ),
                "reverse": (
                    "{D}: such a thing is {t}.",
                    "The {n} for something that is {d} is {t}.",
                    "If something is {d}, then it is {t}.",
                    "Q: What {n} means {d}?\nA: {T}.",
                ),
            },
            "adverb": {
                "definition": (
                    "To do something {t} is to do it {d}.",
                    "{T}: {d}.",
                    "{T} means {d}.",
                    "How is it done {t}? It is done {d}.",
                    "Q: What does {t} mean?\nA: {D}.",
                ),
                "reverse": (
                    "What is done {d} is done {t}.",
                    "If you do it {d}, then you do it {t}.",
                    "Q: What {n} means {d}?\nA: {T}.",
                ),
            },
            "quoted": {
                "definition": (
                    "{T}: {d}.",
                    "{T} means: {d}.",
                    "The meaning of {t} is this: {d}.",
                    "Q: What does {t} mean?\nA: {D}.",
                ),
                "reverse": (
                    "{D}: the {n} for this is {t}.",
                    "There is a {n} that means this: {d}. It is {t}.",
                    "Q: Which {n} means this: {d}?\nA: {T}.",
                ),
            },
        },
        contrast=(
            "Do not confuse {a} with {b}: {x}.",
            "{T} and {o} are not the same: {x}.",
            "{A} must not be taken for {b}: {x}.",
            "There is a difference between {a} and {b}: {x}.",
            "Q: How do {a} and {b} differ?\nA: {X}.",
            "Q: Is {a} the same as {b}?\nA: No, {x}.",
            "{T} means this: {d}. But {o} means this: {e}.",
        ),
        contrast_nouns=(
            "{A} is {d}, while {b} is {e}.",
            "Q: Which of the two is {d}, {a} or {b}?\nA: {A}.",
            "If it is {d}, it is {a} and not {b}.",
        ),
        # English words that are no nouns are no kinds and no parts of anything.
        related={
            "synonym": ("{T} is close in meaning to {o}.",),
            "broader": ("{O} is a more general word than {t}.",),
            "narrower": ("{O} is a more special word than {t}.",),
            "part_of": ("{T} has to do with {o}.",),
        },
        related_nouns={
            "synonym": ("{T} is close in meaning to {o}.",),
            "broader": ("{A} is a kind of {o}.",),
            "narrower": ("{B} is a kind of {t}.",),
            "part_of": ("{A} is a part of {b}.",),
        },
    ),
    "ru": LanguageTables(
        defining={
            "noun": {
                "definition": (
                    "{T} — это {d}.",
                    "{T}: {d}.",
                    "{N} {t} означает: {d}.",
                    "Что такое {t}? Это {d}.",
                    "Вопрос: что значит {t}?\nОтвет: {d}.",
                ),
                "reverse": (
                    "{D}: это называется {t}.",
                    "{D} — вот что такое {t}.",
                    "Если речь идёт о том, что есть {d}, говорят: {t}.",
                    "Вопрос: как это называется: {d}?\nОтвет: {t}.",
                ),
            },
            "verb": {
                "definition": (
                    "{T} — значит {d}.",
                    "{T}: {d}.",
                    "{N} {t} означает: {d}.",
                    "Что значит {t}? Это значит {d}.",
                    "Вопрос: что значит {t}?\nОтвет: {d}.",
                ),
                "reverse": (
                    "{D} — это и значит {t}.",
                    "{D}: это называется {t}.",
                    "Вопрос: каким словом называют такое действие: {d}?\nОтвет: {t}.",
                ),
            },
            "quoted": {
                "definition": (
                    "{T}: {d}.",
                    "{N} {t} означает: {d}.",
                    "Что значит {t}? Это значит: {d}.",
                    "Вопрос: что значит {t}?\nОтвет: {d}.",
                ),
                "reverse": (
                    "{D}: для этого есть {n} {t}.",
                    "Есть {n}, которое означает: {d}. Это {n} — {t}.",
                    "Вопрос: как это назвать: {d}?\nОтвет: {t}.",
                ),
            },
        },
        contrast=(
            "Не путайте слова «{t}» и «{o}»: {x}.",
            "{T} — не то же, что {o}: {x}.",
            "«{T}» и «{o}» различаются: {x}.",
            "«{T}» не следует принимать за «{o}»: {x}.",
            "Вопрос: чем отличаются «{t}» и «{o}»?\nОтвет: {x}.",
            "Вопрос: {t} и {o} — это одно и то же?\nОтвет: нет, {x}.",
            "{T} означает вот что: {d}. А {o} означает другое: {e}.",
        ),
        contrast_nouns=(
            "{T} — это {d}, а {o} — это {e}.",
            "Вопрос: что из этого {d}: {t} или {o}?\nОтвет: {t}.",
            "Если это {d}, то это {t}, а не {o}.",
        ),
        related={
            "synonym": ("{N} {t} по смыслу близко к слову «{o}».",),
            "broader": ("{T} относится к более общему понятию «{o}».",),
            "narrower": ("«{O}» — частный случай понятия «{t}».",),
            "part_of": ("{T} — часть того, что называют «{o}».",),
        },
    ),
}
