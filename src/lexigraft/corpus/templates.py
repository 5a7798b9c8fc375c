"""Texts made from a lexicon's own words by templates, English and Russian.

The templates respect grammar by avoiding what would break it: a Russian term stands in the
nominative or the infinitive, an English article only before a countable noun that is a plain word,
and a definition that does not have the shape of its part of speech ("to walk slowly" for a verb)
is only quoted. None resembles a prompt of the battery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lexigraft.corpus.tables import BUILT_IN, LanguageTables, Shape, Tables
from lexigraft.corpus.texts import Text
from lexigraft.corpus.wording import DETERMINERS, capital, first_word, with_article, written_as
from lexigraft.lexicon import Language, Lexicon, Term

__all__ = ["shape_of", "template_texts"]

_NAMES: dict[Language, tuple[str, str]] = {"en": ("word", "symbol"), "ru": ("слово", "обозначение")}


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


def template_texts(
    lexicon: Lexicon, surfaces: Mapping[str, str], tables: Tables = BUILT_IN
) -> Iterator[Text]:
    """Definitions in both directions, contrasts, relations and the examples of every term.

    `surfaces` says how each term is written to the model; wherever a definition, a difference or
    an example names another term in a marker, that one is written so too. A contrast is said from
    either side, and each text belongs to the term that it asks about.
    """
    for term in lexicon:
        table = tables[term.language]
        surface = surfaces[term.term]
        for meaning in term.definition:
            said = written_as(meaning.rstrip("."), lexicon, surfaces)
            for kind, templates in table.defining[shape_of(term, said)].items():
                for template in templates:
                    text = _fill(template, term, surface, d=said)
                    yield Text(text=text, term=term.term, kind=kind)
        yield from _contrasts(term, lexicon, surfaces, tables)
        yield from _relations(term, lexicon, surfaces, table)
        for example in term.examples:
            text = written_as(example, lexicon, surfaces, bare=(term.term,))
            yield Text(text=text, term=term.term, kind="example")


def _contrasts(
    term: Term, lexicon: Lexicon, surfaces: Mapping[str, str], tables: Tables
) -> Iterator[Text]:
    """The differences that `term` lists, and from its side those that only the other lists."""
    names = tuple(other.term for other in lexicon)
    own = [(c.term, c.difference) for c in term.contrast]
    listed = {name for name, _ in own}
    theirs = [
        (other.term, c.difference)
        for other in lexicon
        for c in other.contrast
        if c.term == term.term and other.term not in listed
    ]
    for name, difference in (*own, *theirs):
        # A difference speaks of terms, so their bare names mean the taught ones.
        said = written_as(difference.rstrip("."), lexicon, surfaces, bare=names)
        yield from _told_apart(term, lexicon[name], said, lexicon, surfaces, tables)


def _told_apart(
    term: Term,
    other: Term,
    difference: str,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    tables: Tables,
) -> Iterator[Text]:
    """The contrast of `term` with `other`, as far as the templates fit the two."""
    table = tables[term.language]
    meanings = [written_as(t.definition[0].rstrip("."), lexicon, surfaces) for t in (term, other)]
    nouns = all(shape_of(t, m) == "noun" for t, m in zip((term, other), meanings, strict=True))
    # An English definition in a Russian sentence would be no sentence.
    alike = term.language == other.language
    for template in (*table.contrast, *(table.contrast_nouns if nouns else ())):
        if not alike and ("{e}" in template or "{E}" in template):
            continue
        text = _fill(
            template,
            term,
            surfaces[term.term],
            d=meanings[0],
            o=surfaces[other.term],
            b=_with_its_article(other, surfaces[other.term], meanings[1]),
            e=meanings[1],
            x=difference,
        )
        yield Text(text=text, term=term.term, kind="contrast")


def _with_its_article(term: Term, surface: str, meaning: str) -> str:
    """The term with its article, where its definition says that it can be counted."""
    return with_article(term, surface) if first_word(meaning) in DETERMINERS else surface


def _relations(
    term: Term, lexicon: Lexicon, surfaces: Mapping[str, str], table: LanguageTables
) -> Iterator[Text]:
    noun = term.part_of_speech in ("noun", "proper noun")
    relations = table.related_nouns if noun and table.related_nouns else table.related
    for relation, templates in relations.items():
        for word in getattr(term.related, relation):
            taught = word in surfaces
            other = surfaces[word] if taught else word
            article = with_article(lexicon[word], other) if taught else _definite(word)
            for template in templates:
                text = _fill(template, term, surfaces[term.term], o=other, b=article)
                yield Text(text=text, term=term.term, kind="related")


def _definite(word: str) -> str:
    """An ordinary English word as the whole of something: 'the lamp', 'France', 'a lamp'."""
    named = word[:1].isupper() or first_word(word) in DETERMINERS
    return word if named else f"the {word}"
