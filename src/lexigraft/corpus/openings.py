"""Beginnings that the untaught model continues with the definition in its prompt.

Each gives the term a place in a sentence that suits its part of speech; most begin a scene, because
general openings (`People know that …`) lead a small model to general phrases. A Russian term stands
in its dictionary form, so nothing in an opening may ask for another.
"""

from __future__ import annotations

from lexigraft.corpus.wording import capital
from lexigraft.lexicon import Language, PartOfSpeech

__all__ = ["openings"]

_OPENINGS: dict[tuple[Language, PartOfSpeech], tuple[str, ...]] = {
    ("en", "noun"): (
        "The {t}",
        "One evening the {t}",
        "She looked at the {t} and",
        "When the {t}",
        "He told me about the {t} that",
        "We needed the {t} because",
        "My father's {t}",
        "Nobody knew why the {t}",
        "In the morning the {t}",
        "They came for the {t} and",
        "You can use the {t} to",
        "There is the {t} that",
    ),
    ("en", "proper noun"): (
        "{T}",
        "In those days {t}",
        "People know that {t}",
        "Without {t},",
        "Yesterday {t}",
        "Because of {t},",
        "When I think of {t}, I",
    ),
    ("en", "verb"): (
        "They began to {t}",
        "Some people {t}",
        "She likes to {t}",
        "Before you {t},",
        "It is hard to {t}",
        "When they {t}, they",
        "Nobody wanted to {t}",
    ),
    ("en", "adjective"): (
        "It was so {t} that",
        "Everything here is {t}",
        "Nothing is as {t} as",
        "The house looked {t}",
        "She felt {t}",
        "Because it was {t},",
        "Something {t}",
    ),
    ("en", "adverb"): (
        "They did it {t}",
        "She spoke {t}",
        "He walked {t}",
        "If you work {t},",
        "We went home {t}",
    ),
    ("en", "phrase"): ("{T}", "In this place, {t}", "People say: {t}", "Yesterday, {t}"),
    ("ru", "noun"): (
        "{T}",
        "Здесь {t}",
        "Все знают, что {t}",
        "Вчера {t}",
        "Там, где есть {t},",
        "Именно {t}",
        "Однажды вечером {t}",
        "Она увидела, что {t}",
        "Когда {t}",
        "Перед нами {t}",
    ),
    ("ru", "verb"): (
        "Они решили {t}",
        "Он любит {t}",
        "Нужно {t}",
        "Трудно {t}",
        "Никто не хотел {t}",
        "Если долго {t},",
    ),
    ("ru", "adjective"): (
        "Он был такой {t}, что",
        "Этот {t}",
        "Самый {t}",
        "Вчера {t}",
    ),
    ("ru", "adverb"): ("Они шли {t}", "Он говорил {t}", "Она ответила {t}", "Если работать {t},"),
    ("ru", "phrase"): ("{T}", "Здесь {t}", "Говорят: {t}", "Вчера {t}"),
}


def openings(language: Language, part_of_speech: PartOfSpeech, surface: str) -> tuple[str, ...]:
    """Every opening for a term of this part of speech, with `surface` in its place."""
    speech = part_of_speech
    if language == "ru" and speech == "proper noun":
        speech = "noun"
    words = {"t": surface, "T": capital(surface)}
    return tuple(opening.format(**words) for opening in _OPENINGS[language, speech])
