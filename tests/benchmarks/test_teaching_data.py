"""The data of the teaching benchmark: what a measurement on it takes for granted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lexigraft.lexicon import Lexicon, Term, find, find_term, read_lexicon

TEACHING = Path(__file__).resolve().parents[2] / "benchmarks" / "teaching"
HAND_WRITTEN = ("english.yaml", "russian.yaml")
ENDINGS = {
    "а": "ы и е у ой ей ам ами ах",
    "о": "а у ом е ам ами ах",
    "": "а у ом е ы и ов ам ами ах",
}

hand_written = pytest.mark.parametrize("name", HAND_WRITTEN)
every_lexicon = pytest.mark.parametrize("name", [*HAND_WRITTEN, "wordnet.jsonl"])


def lexicon(name: str) -> Lexicon:
    return read_lexicon(TEACHING / name)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def grams(text: str, length: int = 8) -> set[tuple[str, ...]]:
    """Every run of `length` words, without case and punctuation."""
    found = words(text)
    return {tuple(found[i : i + length]) for i in range(len(found) - length + 1)}


def read_by_the_model(term: Term) -> list[str]:
    return [*term.definition, *term.examples, *(c.difference for c in term.contrast)]


@hand_written
def test_twelve_pairs_of_terms_of_one_shape(name: str) -> None:
    terms = lexicon(name).terms
    assert len(terms) == 24
    for term in terms:
        shape = (len(term.examples), len(term.tests), len(term.contrast), len(term.like))
        assert shape == (4, 6, 1, 2), term.term
        assert term.related.broader, term.term
        assert term.route is None, term.term
    # The small size is the first twelve: no pair may be torn.
    for first, second in zip(terms[::2], terms[1::2], strict=True):
        assert [c.term for c in first.contrast] == [second.term]
        assert [c.term for c in second.contrast] == [first.term]


def test_a_hundred_nouns_of_wordnet() -> None:
    terms = lexicon("wordnet.jsonl").terms
    assert len(terms) == 100
    assert all(term.tests and term.part_of_speech == "noun" for term in terms)


@every_lexicon
def test_a_definition_holds_no_term(name: str) -> None:
    read = lexicon(name)
    for term in read:
        for definition in term.definition:
            assert find(definition, read) == [], term.term


@every_lexicon
def test_a_sentence_holds_its_own_term_once_and_no_other(name: str) -> None:
    read = lexicon(name)
    for term in read:
        for text in (*term.examples, *term.tests):
            assert [found.term for found in find(text, read)] == [term.term], text


@every_lexicon
def test_a_test_has_the_dictionary_form(name: str) -> None:
    # Every other term is tried in its place.
    read = lexicon(name)
    for term in read:
        for test in term.tests:
            [found] = find_term(test, term, read.marker)
            assert found.form == term.term, test


@every_lexicon
def test_no_test_shares_eight_words_with_what_is_read(name: str) -> None:
    read = lexicon(name)
    seen = set().union(*(grams(text) for term in read for text in read_by_the_model(term)))
    shared = {test for term in read for test in term.tests if grams(test) & seen}
    assert shared == set()


@every_lexicon
def test_no_sentence_stands_twice(name: str) -> None:
    sentences = [text for term in lexicon(name) for text in (*term.examples, *term.tests)]
    assert len(set(sentences)) == len(sentences)


@hand_written
def test_two_statements_of_one_length_about_every_term(name: str) -> None:
    read = lexicon(name)
    for term in read:
        assert len(term.properties) == 2
        for pair in term.properties:
            assert pair.right != pair.wrong
            assert len(words(pair.right)) == len(words(pair.wrong)), pair
            for text in (pair.right, pair.wrong):
                assert [one.term for one in find(text, read)] == [term.term], text


@hand_written
def test_no_statement_stands_in_the_lexicon(name: str) -> None:
    read = lexicon(name)
    texts = {text for term in read for text in (*read_by_the_model(term), *term.tests)}
    statements = {text for term in read for p in term.properties for text in (p.right, p.wrong)}
    assert statements & texts == set()


def test_russian_forms_cover_every_case() -> None:
    read = lexicon("russian.yaml")
    for term in read:
        vowel = term.term[-1] if term.term[-1] in ENDINGS else ""
        stem = term.term.removesuffix(vowel)
        # The genitive plural has no ending where the nominative has one, and may gain a vowel.
        bare = {form for form in term.forms if vowel and form[-1] not in "аеиоуыйюмхв"}
        possible = {stem + ending for ending in ENDINGS[vowel].split()}
        assert set(term.forms) - bare <= possible, term.term
        assert len(term.forms) == (8 if vowel else 9), term.term
        statements = [text for p in term.properties for text in (p.right, p.wrong)]
        for text in (*read_by_the_model(term), *term.tests, *statements):
            like = {word for word in words(text) if word.startswith(stem)}
            assert like <= set(term.surfaces), text
