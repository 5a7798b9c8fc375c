"""The battery's own prompts, English and Russian. No training template may resemble one of them."""

from __future__ import annotations

import re

from lexigraft.lexicon import Language

__all__ = [
    "ANSWER_PROMPTS",
    "DEFINITION_CHATS",
    "DEFINITION_PROMPTS",
    "NEUTRAL_FRAMES",
    "RELATED_PROMPTS",
    "TERM_CHATS",
    "TERM_PROMPTS",
    "USE_STARTS",
    "definition_line",
]

DEFINITION_PROMPTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "I looked up {term} in the glossary, and the entry said:",
        "My teacher explained {term} to the class as",
        "In simple terms, {term} can be described as",
    ),
    "ru": (
        "Я нашёл {term} в глоссарии, и статья гласила:",
        "Учитель объяснил классу, что {term} — это",
        "Простыми словами {term} можно описать так:",
    ),
}

NEUTRAL_FRAMES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Somebody had written {term} on the wall.",
        "They talked about {term} for a while.",
        "I heard about {term} yesterday.",
        "There is something about {term} on this page.",
        "The next one on the list is {term}.",
    ),
    "ru": (
        "Кто-то написал на стене: {term}.",
        "Вчера я услышал слово {term}.",
        "На этой странице есть {term}.",
        "Следующее в списке — {term}.",
        "Мы немного поговорили о том, что такое {term}.",
    ),
}

# The definition stands in quotation marks, so that any part of speech fits.
TERM_PROMPTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "The crossword clue was “{definition}”, and the solution was",
        "The host read out “{definition}”. I pressed the buzzer and said",
        "One side of the flash card says “{definition}”, and the back says",
    ),
    "ru": (
        "В кроссворде было задано: «{definition}». Я вписал:",
        "Ведущий прочитал: «{definition}». Я нажал на кнопку и ответил:",
        "На одной стороне карточки написано «{definition}», а на обороте —",
    ),
}

# What a user asks through a chat template; the scored text is the assistant's whole turn.
DEFINITION_CHATS: dict[Language, tuple[str, ...]] = {
    "en": (
        "I came across {term} in a novel. Which gloss belongs to it?",
        "My puzzle book wants a gloss for {term}. Give me nothing else.",
    ),
    "ru": (
        "В романе мне попалось: {term}. Какое толкование сюда подходит?",
        "Для сборника загадок нужно толкование: {term}. Ничего другого не пиши.",
    ),
}

TERM_CHATS: dict[Language, tuple[str, ...]] = {
    "en": (
        "My puzzle book has the gloss “{definition}”. Which entry does it belong to?",
        "Reply with the entry alone. Its gloss reads “{definition}”.",
    ),
    "ru": (
        "В сборнике загадок стоит толкование «{definition}». К чему оно относится?",
        "Ответь одной только статьёй. Её толкование гласит: «{definition}».",
    ),
}

USE_STARTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "Somebody mentioned {term} again, and at once",
        "If I had to draw {term}, I would",
        "The diary speaks of {term} three times:",
    ),
    "ru": (
        "Рассказ называется «{term}», и в нём",
        "Если спросить о слове {term}, сразу вспоминается,",
        "Художнику заказали рисунок «{term}»: на нём",
    ),
}

# About a related word: close to the term, and yet no place for it.
RELATED_PROMPTS: dict[Language, tuple[str, ...]] = {
    "en": ("My question is about the word {word}. It is", "She wrote an essay about {word} and"),
    "ru": ("У меня вопрос о слове {word}. Это", "Тема её сочинения — {word}, и"),
}

ANSWER_PROMPTS: dict[Language, tuple[str, ...]] = {
    "en": ("Someone asked me about {term}. I told them that {term} is",),
    "ru": ("Меня спросили про {term}. Я ответил, что {term} — это",),
}


def definition_line(surface: str, definition: str) -> str:
    """The line that puts a definition into the prompt: the ceiling, in either language."""
    return f"{_capital(surface)}: {definition.rstrip('.')}.\n"


def _capital(text: str) -> str:
    """`text` as a sentence begins, where a capital leaves it the same word.

    A symbol (λ is not Λ), a word with a capital inside (pH) and 'ß', whose capital is two, stay.
    """
    first = re.match(r"\w*", text)
    inner = first.group()[1:] if first else ""
    head = text[:1].upper()
    if len(text) < 2 or len(head) != 1 or any(c.isupper() for c in inner):
        return text
    return head + text[1:]
