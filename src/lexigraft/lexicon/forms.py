"""Inflected forms for `forms: auto`: Russian by pymorphy3, English by inflect and regular endings.

Invented words are the usual case here. pymorphy3 predicts their paradigm from similar words;
English ones are taken as regular. The libraries are imported at the first use.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from lexigraft.errors import LexigraftError
from lexigraft.lexicon.schema import Language, PartOfSpeech

__all__ = ["inflect"]

_NOUNS = ("noun", "proper noun")
_VOWELS = "aeiou"
# What pymorphy3 calls the parts of a verb that stay verbs: participles decline like adjectives and
# would add some hundred forms.
_VERB_FORMS = frozenset({"INFN", "VERB", "GRND"})
# The longer ending first.
_REGULAR_VERBS = {
    "овать": "рисовать",
    "нуть": "толкнуть",
    "ать": "делать",
    "ять": "гулять",
    "еть": "белеть",
    "ить": "говорить",
    "аться": "делаться",
    "яться": "гуляться",
    "иться": "говориться",
}
_ADJECTIVE_FORMS = frozenset({"ADJF", "ADJS"})
_ADJECTIVE_ENDINGS = ("ый", "ий", "ой", "ая", "яя", "ое", "ее", "ые", "ие")
_NAMES = frozenset({"Name", "Surn", "Patr", "Geox", "Orgn", "Trad", "Sgtm"})
_UNUSUAL = frozenset({"Infr", "Slng", "Arch", "Litr", "Erro", "Dist", "V-be", "V-bi"})


def inflect(term: str, part_of_speech: PartOfSpeech, language: Language) -> tuple[str, ...]:
    """The forms of `term` besides the dictionary form, in the order of its paradigm.

    Russian nouns get every case and number, verbs their finite forms, past and gerunds,
    adjectives every case, gender, number and short form. English nouns get the plural, verbs -s,
    -ing and -ed; the possessive is no form of its own. Of several words the head is inflected,
    and in Russian the adjectives before it with it. What cannot be inflected sensibly (symbols,
    abbreviations, adverbs, phrases, another script) gets ().

    Raises:
        LexigraftError: the library for this language is not installed.
    """
    letters = [character for character in term if character.isalpha()]
    if len(letters) < 2 or all(letter.isupper() for letter in letters):
        return ()
    found = (_russian if language == "ru" else _english)(term, part_of_speech)
    return tuple(form for form in dict.fromkeys(found) if form != term)


def _russian(term: str, part_of_speech: PartOfSpeech) -> list[str]:
    if not re.fullmatch(r"[а-яё]+(?:[ -][а-яё]+)*", term, flags=re.IGNORECASE):
        return []
    words = term.split(" ")
    if part_of_speech in _NOUNS:
        return _russian_noun_phrase(words, named=part_of_speech == "proper noun")
    if part_of_speech == "verb":
        heads = [_cased(words[0], head) for head in _russian_verb(words[0].lower())]
        return [" ".join((head, *words[1:])) for head in heads]
    if part_of_speech == "adjective" and len(words) == 1:
        parse = _parse(term, "ADJF")
        if parse is not None:
            return [_cased(term, form) for form in _lexeme(parse, _ADJECTIVE_FORMS)]
    return []


def _russian_verb(infinitive: str) -> list[str]:
    parse = _parse(infinitive, "INFN")
    if parse is not None:
        return _lexeme(parse, _VERB_FORMS)
    # pymorphy3 takes some invented infinitives for nouns only: follow a regular verb instead.
    for ending, pattern in _REGULAR_VERBS.items():
        if infinitive.endswith(ending) and len(infinitive) > len(ending):
            model = _parse(pattern, "INFN")
            stem, model_stem = infinitive[: -len(ending)], pattern[: -len(ending)]
            forms = [] if model is None else _lexeme(model, _VERB_FORMS)
            return [stem + form.removeprefix(model_stem) for form in forms]
    return []


def _russian_noun_phrase(words: list[str], named: bool) -> list[str]:
    """The adjectives before the first noun agree with it; what follows it stays as it is."""
    adjectives: list[Any] = []
    for word in words[:-1]:
        # Before another word an adjective is likelier than a noun (`живой организм`).
        ends_like_one = word.lower().endswith(_ADJECTIVE_ENDINGS)
        adjective = _parse(word, "ADJF") or _parse(word, "PRTF") if ends_like_one else None
        if adjective is None:
            break
        adjectives.append(adjective)
    noun = _parse(words[len(adjectives)], "NOUN", named)
    return [] if noun is None else _agreeing(words, adjectives, noun)


def _agreeing(words: list[str], adjectives: list[Any], noun: Any) -> list[str]:
    position = len(adjectives)
    forms: list[str] = []
    for form in noun.lexeme:
        if _UNUSUAL & form.tag.grammemes:
            continue
        needed = {form.tag.number, form.tag.case}
        if form.tag.number == "sing":
            needed.add(form.tag.gender or noun.tag.gender)
        if form.tag.case == "accs" and (form.tag.number == "plur" or form.tag.gender == "masc"):
            needed.add(noun.tag.animacy)
        inflected = [adjective.inflect(needed - {None}) for adjective in adjectives]
        if any(one is None for one in inflected):
            return []
        heads = [*(one.word for one in inflected), form.word]
        cased = [_cased(word, head) for word, head in zip(words, heads, strict=False)]
        forms.append(" ".join((*cased, *words[position + 1 :])))
    return forms


def _parse(word: str, part_of_speech: str, named: bool = False) -> Any | None:
    """pymorphy3's likeliest parse of `word` as a dictionary form of this part of speech."""
    lowered = word.lower()
    plain = _without_yo(lowered)
    parses = [p for p in _morphology().parse(lowered) if _without_yo(p.word) == plain]
    fitting = [parse for parse in parses if part_of_speech == parse.tag.POS]
    if part_of_speech == "INFN":
        return fitting[0] if fitting else None
    nominative = [parse for parse in fitting if parse.tag.case == "nomn"]
    # A plural only for words that have no singular: the term is the dictionary form.
    singular = [p for p in nominative if p.tag.number == "sing" or "Pltm" in p.tag.grammemes]
    chosen = singular or nominative
    # A predicted name (`Алёша`) has no plural; the same ending as a common noun has.
    common = [parse for parse in chosen if not _NAMES & parse.tag.grammemes]
    return next(iter(chosen if named else common or chosen), None)


def _lexeme(parse: Any, parts: frozenset[str]) -> list[str]:
    return [
        form.word
        for form in parse.lexeme
        if form.tag.POS in parts and not _UNUSUAL & form.tag.grammemes
    ]


def _without_yo(word: str) -> str:
    return word.replace("ё", "е")


def _cased(term: str, form: str) -> str:
    """`form`, which pymorphy3 gives in small letters, with the capitals of `term`."""
    pairs = zip(term, form, strict=False)
    kept = [mine if mine.lower() == theirs else theirs for mine, theirs in pairs]
    return "".join(kept) + form[len(kept) :]


@lru_cache(maxsize=1)
def _morphology() -> Any:
    try:
        import pymorphy3
    except ImportError as error:
        raise LexigraftError(
            "`forms: auto` for Russian needs pymorphy3, which is not installed: "
            "`pip install pymorphy3`, or list the forms by hand"
        ) from error
    return pymorphy3.MorphAnalyzer(lang="ru")


@lru_cache(maxsize=1)
def _plurals() -> Any:
    try:
        import inflect as english
    except ImportError as error:
        raise LexigraftError(
            "`forms: auto` for English needs inflect, which is not installed: "
            "`pip install inflect`, or list the forms by hand"
        ) from error
    return english.engine()


def _english(term: str, part_of_speech: PartOfSpeech) -> list[str]:
    if not re.fullmatch(r"[A-Za-zÀ-ÖØ-öø-ÿ]+(?:[ '’-][A-Za-zÀ-ÖØ-öø-ÿ]+)*", term):
        return []
    if part_of_speech in _NOUNS:
        return [_plural(term)]
    if part_of_speech == "verb":
        # Of `glim out` the first word is the head.
        head, space, rest = term.partition(" ")
        return [form + space + rest for form in (_s(head), _ing(head), _ed(head))]
    return []


def _plural(term: str) -> str:
    plural = str(_plurals().plural_noun(term))
    # inflect takes an unknown word in -s for a plural and adds a bare -s.
    if plural == f"{term}s" and term.endswith("s"):
        return f"{term}es"
    return plural


def _s(verb: str) -> str:
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{verb}es"
    if _ends_in_consonant_y(verb):
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def _ing(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    return f"{_doubled(verb)}ing"


def _ed(verb: str) -> str:
    if verb.endswith("e"):
        return f"{verb}d"
    if _ends_in_consonant_y(verb):
        return f"{verb[:-1]}ied"
    return f"{_doubled(verb)}ed"


def _ends_in_consonant_y(word: str) -> bool:
    return len(word) > 1 and word.endswith("y") and word[-2].lower() not in _VOWELS


def _doubled(verb: str) -> str:
    """`glim` → `glimm`: one syllable, one vowel, one consonant; longer verbs stay as they are."""
    lowered = verb.lower()
    one_syllable = re.fullmatch(r"[^aeiouy]*[aeiouy][^aeiouywx]", lowered)
    after_qu = re.fullmatch(r"[^aeiouy]*qu[aeiouy][^aeiouywx]", lowered)
    return verb + verb[-1] if one_syllable or after_qu else verb
