"""The shipped lexicons and recipes: they read, and their examinations are fair."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from lexigraft.lexicon import Lexicon, Route, Term, find, find_term, read_lexicon
from lexigraft.recipe import read_recipe

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(
    path for folder in ("examples", "benchmarks") for path in (ROOT / folder).glob("*.yaml")
)
LEXICONS = [path for path in FILES if "terms" in yaml.safe_load(path.read_text("utf-8"))]
DEMO = ROOT / "examples" / "demo.yaml"
DEV = ROOT / "benchmarks" / "dev.yaml"

every_lexicon = pytest.mark.parametrize("path", LEXICONS, ids=lambda path: path.name)


def grams(text: str, length: int = 8) -> set[tuple[str, ...]]:
    """Every run of `length` words, without case and punctuation."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def read_by_the_model(lexicon: Lexicon) -> list[str]:
    """All of a lexicon that may become a training text."""
    texts: list[str] = []
    for term in lexicon:
        texts += (*term.definition, *term.examples)
        texts += (contrast.difference for contrast in term.contrast)
    return texts


def shape(term: Term) -> tuple[Any, ...]:
    """What a term is like, whatever it means."""
    return (
        term.route,
        term.kind,
        len(term.forms),
        len(term.examples),
        len(term.tests),
        len(term.contrast),
        term.term.isascii(),
    )


def test_the_demo_and_its_double_are_shipped() -> None:
    assert {DEMO, DEV, ROOT / "examples" / "entelechy-ru.yaml"} <= set(LEXICONS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_reads(path: Path) -> None:
    if path in LEXICONS:
        assert len(read_lexicon(path)) > 0
    else:
        read_recipe(path)


@every_lexicon
def test_every_term_can_be_learnt_and_examined(path: Path) -> None:
    for term in read_lexicon(path):
        assert len(term.examples) >= 4, term.term
        assert len(term.tests) >= 4, term.term


@every_lexicon
def test_no_test_shares_eight_words_with_what_is_read(path: Path) -> None:
    lexicon = read_lexicon(path)
    read = set().union(*map(grams, read_by_the_model(lexicon)))
    shared = {test: common for t in lexicon for test in t.tests if (common := grams(test) & read)}
    assert shared == {}


@every_lexicon
def test_a_test_holds_its_own_term_once_and_no_other(path: Path) -> None:
    lexicon = read_lexicon(path)
    for term in lexicon:
        for test in term.tests:
            own = find_term(test, term, lexicon.marker)
            assert len(own) == 1, test
            assert own[0].form == term.term, f"not the dictionary form: {test}"
            assert own[0].marked == (term.route == "marker"), test
            assert [found.term for found in find(test, lexicon)] == [term.term], test


@every_lexicon
def test_no_sentence_stands_twice(path: Path) -> None:
    lexicon = read_lexicon(path)
    sentences = [*itertools.chain.from_iterable((*t.examples, *t.tests) for t in lexicon)]
    assert len(set(sentences)) == len(sentences)


@every_lexicon
def test_contrasts_are_drawn_from_both_sides(path: Path) -> None:
    lexicon = read_lexicon(path)
    pairs = {(term.term, contrast.term) for term in lexicon for contrast in term.contrast}
    assert {(other, term) for term, other in pairs} == pairs


@pytest.mark.parametrize("path", [DEMO, DEV], ids=lambda path: path.name)
def test_ten_terms_by_all_three_routes(path: Path) -> None:
    lexicon = read_lexicon(path)
    assert len(lexicon) == 10
    assert [term.route for term in lexicon] == ["subword"] * 5 + ["token"] * 3 + ["marker"] * 2
    # Rare words of readable pieces; whether they are readable only a tokenizer knows: see below.
    for term in lexicon.terms[:5]:
        assert term.kind == "word"
        assert re.fullmatch("[a-z]{4,8}", term.term)
        assert len(term.surfaces) < 4
    token = lexicon.terms[5:8]
    assert [term.kind == "symbol" for term in token] == [False, True, False]
    assert [len(term.forms) for term in token] == [3, 0, 0]
    assert len(token[1].term) == 1
    assert len(token[1].term.encode()) >= 3
    for term in lexicon.terms[8:]:
        assert term.kind == "concept"
        assert re.fullmatch("[а-яё]+", term.term)
        assert all(definition.isascii() for definition in term.definition)


@pytest.mark.slow
@pytest.mark.parametrize("path", [DEMO, DEV], ids=lambda path: path.name)
def test_all_three_routes_are_taken_on_the_real_base(path: Path, real_base: Path) -> None:
    from lexigraft.diagnose import diagnose

    found = diagnose(read_lexicon(path), real_base, probe=False)
    assert {term.route for term in found.terms} == set(get_args(Route))
    assert [term.seen for term in found.terms[:5]] == ["pieces"] * 5
    assert found.terms[6].seen == "bytes"


def test_the_development_lexicon_has_the_demos_shape() -> None:
    assert [*map(shape, read_lexicon(DEV))] == [*map(shape, read_lexicon(DEMO))]


def test_the_development_lexicon_gives_nothing_of_the_demo_away() -> None:
    demo, dev = read_lexicon(DEMO), read_lexicon(DEV)
    assert {s for t in demo for s in t.surfaces} & {s for t in dev for s in t.surfaces} == set()
    texts = [
        set().union(
            *(grams(text, 4) for text in read_by_the_model(lexicon)),
            *(grams(test, 4) for term in lexicon for test in term.tests),
        )
        for lexicon in (demo, dev)
    ]
    assert texts[0] & texts[1] == set()
