"""Grammar of the template texts: parts of speech, both languages, contrasts, relations, routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lexigraft.corpus.templates import shape_of, template_texts
from lexigraft.corpus.texts import Text
from lexigraft.lexicon import Contrast, Lexicon, Related, Term, find_term, read_lexicon

EXAMPLES = Path(__file__).parents[2] / "examples"


def made(*terms: Term, surfaces: dict[str, str] | None = None) -> list[Text]:
    lexicon = Lexicon(name="t", terms=terms)
    written = {term.term: term.term for term in terms} | (surfaces or {})
    return list(template_texts(lexicon, written))


def texts_of(term: str, definition: str, **fields: object) -> list[str]:
    values = {"term": term, "definition": (definition,), **fields}
    return [text.text for text in made(Term.model_validate(values))]


def test_an_english_noun_has_its_article_and_capitals() -> None:
    texts = texts_of("orrim", "a small lamp.")
    assert texts[0] == "An orrim is a small lamp."
    assert "What is an orrim? It is a small lamp." in texts
    assert "Q: What do you call a small lamp?\nA: An orrim." in texts
    assert not any(".." in text for text in texts)


def test_what_cannot_be_counted_has_no_article() -> None:
    texts = texts_of("mirvole", "warm rain in the sunshine")
    assert texts[0] == "Mirvole is warm rain in the sunshine."
    assert not any("a mirvole" in text.lower() for text in texts)


def test_a_plural_is_only_quoted() -> None:
    texts = texts_of("zorbs", "small lamps of copper")
    assert not any("is small lamps" in text for text in texts)
    assert "The meaning of zorbs is this: small lamps of copper." in texts


def test_a_verb_is_an_infinitive() -> None:
    texts = texts_of("glim", "to walk slowly", part_of_speech="verb")
    assert texts[0] == "To glim is to walk slowly."
    assert "To walk slowly is to glim." in texts
    assert not any(wrong in t for t in texts for wrong in (" a glim", "A glim", "Glim is to"))
    quoted = texts_of("glim", "walking slowly", part_of_speech="verb")
    assert "Glim means: walking slowly." in quoted


def test_an_adjective_and_an_adverb_stand_where_they_can() -> None:
    texts = texts_of("vorpish", "cold and wet", part_of_speech="adjective")
    assert texts[0] == "Something that is vorpish is cold and wet."
    assert "If something is cold and wet, then it is vorpish." in texts
    texts = texts_of("glimly", "at a slow pace", part_of_speech="adverb")
    assert texts[0] == "To do something glimly is to do it at a slow pace."


@pytest.mark.parametrize(
    ("speech", "meaning", "shape"),
    [
        ("noun", "a lamp", "noun"),
        ("noun", "to walk", "quoted"),
        ("noun", "warm rain", "noun"),
        ("proper noun", "the capital of a country", "noun"),
        ("verb", "to walk", "verb"),
        ("verb", "the act of walking", "quoted"),
        ("adjective", "cold", "adjective"),
        ("adjective", "having two tails", "quoted"),
        ("adjective", "a colour", "quoted"),
        ("adverb", "slowly", "adverb"),
        ("adverb", "without a word", "adverb"),
        ("adverb", "the slow way", "quoted"),
        ("phrase", "a kind of stuff", "noun"),
        ("phrase", "to die", "verb"),
        ("phrase", "never again", "quoted"),
    ],
)
def test_shapes(speech: str, meaning: str, shape: str) -> None:
    term = Term.model_validate({"term": "zorb", "definition": (meaning,), "part_of_speech": speech})
    assert shape_of(term, meaning) == shape


def test_a_symbol_is_called_one_and_keeps_its_size() -> None:
    texts = texts_of("λ", "a sign of loss", kind="symbol")
    assert texts[0] == "λ is a sign of loss."
    assert "The symbol for a sign of loss is λ." in texts
    assert not any("Λ" in text for text in texts)


def test_russian_nouns_verbs_and_the_rest() -> None:
    noun = texts_of("мирвол", "тёплый дождь при солнце", language="ru")
    assert noun[0] == "Мирвол — это тёплый дождь при солнце."
    assert "Тёплый дождь при солнце — вот что такое мирвол." in noun
    verb = texts_of("глимать", "идти медленно", language="ru", part_of_speech="verb")
    assert verb[0] == "Глимать — значит идти медленно."
    assert not any("Что такое" in text for text in verb)
    quality = texts_of("ворпый", "холодный и мокрый", language="ru", part_of_speech="adjective")
    assert "Слово ворпый означает: холодный и мокрый." in quality
    assert not any("— это холодный" in text for text in quality)


BRUNDEL = Term(
    term="brundel",
    definition=("a small lamp",),
    contrast=(Contrast(term="ideal", difference="a brundel is a thing, the ideal is none"),),
    related=Related(broader=("lamp",), part_of=("mine", "France")),
)
IDEAL = Term(
    term="ideal",
    definition=("the thought behind a ~[brundel]",),
    kind="concept",
    forms=("ideals",),
    examples=("Our ideals stay when the brundel breaks.",),
    related=Related(narrower=("brundel",)),
)


def test_a_difference_writes_every_term_as_the_model_sees_it() -> None:
    texts = made(BRUNDEL, IDEAL, surfaces={"ideal": "~[ideal]"})
    contrasts = [text.text for text in texts if text.kind == "contrast"]
    assert contrasts[0] == (
        "Do not confuse a brundel with ~[ideal]: a brundel is a thing, the ~[ideal] is none."
    )
    assert (
        "~[ideal] and brundel are not the same: a brundel is a thing, the ~[ideal] is none."
        in contrasts
    )
    # the marked term, and the other bare, in every text of either side
    assert all("~[ideal]" in text.replace("~[ideal] is none", "") for text in contrasts)
    assert not any("ideal" in text.replace("~[ideal]", "") for text in contrasts)


def contrasts_of(texts: list[Text], term: str) -> list[str]:
    return [text.text for text in texts if text.kind == "contrast" and text.term == term]


WIDE = Term(
    term="tussop",
    definition=("a lamp at sea",),
    contrast=(Contrast(term="brundel", difference="a tussop hangs, a brundel is carried"),),
)


def test_a_contrast_is_said_from_both_sides() -> None:
    other = Term(term="brundel", definition=("a lamp underground",))
    texts = made(WIDE, other)
    mine, theirs = contrasts_of(texts, "tussop"), contrasts_of(texts, "brundel")
    assert len(mine) == len(theirs) >= 6
    assert (
        "Q: How do a tussop and a brundel differ?\nA: A tussop hangs, a brundel is carried." in mine
    )
    assert "Q: How do a brundel and a tussop differ?\nA: A tussop hangs, a brundel is carried." in (
        theirs
    )
    assert "A tussop is a lamp at sea, while a brundel is a lamp underground." in mine
    assert "A brundel is a lamp underground, while a tussop is a lamp at sea." in theirs
    question = "Q: Which of the two is a lamp underground, a brundel or a tussop?\nA: A brundel."
    assert question in theirs
    assert len(set(mine) | set(theirs)) == len(mine) + len(theirs)


def test_a_contrast_that_both_list_is_not_said_twice() -> None:
    other = Term(
        term="brundel",
        definition=("a lamp underground",),
        contrast=(Contrast(term="tussop", difference="a brundel is small"),),
    )
    texts = made(WIDE, other)
    assert len(contrasts_of(texts, "brundel")) == len(contrasts_of(made(WIDE, other), "tussop"))
    said = [text for text in contrasts_of(texts, "brundel") if "hangs" in text]
    assert said == [], "it has its own words for the difference"


def test_what_is_no_noun_is_contrasted_by_quoting() -> None:
    verb = Term(
        term="glim",
        definition=("to walk slowly",),
        part_of_speech="verb",
        contrast=(Contrast(term="brundel", difference="one is done, the other is held"),),
    )
    texts = contrasts_of(made(verb, Term(term="brundel", definition=("a lamp",))), "glim")
    assert len(texts) >= 6
    assert "Glim means this: to walk slowly. But brundel means this: a lamp." in texts
    assert not any("Glim is to walk" in text or "a glim" in text.lower() for text in texts)


def test_russian_contrasts_stand_in_the_nominative() -> None:
    one = Term(
        term="мирвол",
        definition=("тёплый дождь",),
        language="ru",
        contrast=(Contrast(term="глимать", difference="одно падает, другое делают"),),
    )
    two = Term(term="глимать", definition=("идти медленно",), language="ru", part_of_speech="verb")
    three = Term(
        term="зорб",
        definition=("холодный дождь",),
        language="ru",
        contrast=(Contrast(term="мирвол", difference="зорб холоднее"),),
    )
    texts = made(one, two, three)
    verb = contrasts_of(texts, "глимать")
    assert (
        "Вопрос: глимать и мирвол — это одно и то же?\nОтвет: нет, одно падает, другое делают."
        in (verb)
    )
    assert (
        "Глимать означает вот что: идти медленно. А мирвол означает другое: тёплый дождь." in verb
    )
    assert not any("это идти" in text for text in verb)
    noun = contrasts_of(texts, "мирвол")
    assert "Мирвол — это тёплый дождь, а зорб — это холодный дождь." in noun
    assert "Если это тёплый дождь, то это мирвол, а не зорб." in noun


def test_two_languages_are_not_mixed_in_one_sentence() -> None:
    english = Term(
        term="brundel",
        definition=("a lamp",),
        contrast=(Contrast(term="мирвол", difference="one shines, the other falls"),),
    )
    texts = made(english, Term(term="мирвол", definition=("тёплый дождь",), language="ru"))
    assert not any("тёплый" in text for text in contrasts_of(texts, "brundel"))
    assert "There is a difference between a brundel and мирвол: one shines, the other falls." in (
        contrasts_of(texts, "brundel")
    )


def test_an_example_marks_its_own_term_and_a_marker_of_another_route_goes() -> None:
    texts = made(BRUNDEL, IDEAL, surfaces={"ideal": "~[ideal]"})
    [example] = [text.text for text in texts if text.kind == "example"]
    assert example == "Our ~[ideal] stay when the brundel breaks."
    assert "~[ideal] is the thought behind a brundel." in [text.text for text in texts]


def test_relations() -> None:
    related = [text.text for text in made(BRUNDEL, IDEAL) if text.kind == "related"]
    assert related == [
        "A brundel is a kind of lamp.",
        "A brundel is a part of the mine.",
        "A brundel is a part of France.",
        "A brundel is a kind of ideal.",
    ]
    verb = Term(
        term="glim",
        definition=("to walk",),
        part_of_speech="verb",
        related=Related(broader=("move",)),
    )
    assert [t.text for t in made(verb) if t.kind == "related"] == [
        "Move is a more general word than glim."
    ]


@pytest.mark.parametrize("name", ["demo.yaml", "entelechy-ru.yaml"])
def test_the_shipped_lexicons_keep_markers_in_place_or_lose_them_all(name: str) -> None:
    lexicon = read_lexicon(EXAMPLES / name)
    wrapped = {
        term.term: lexicon.marker.wrap(term.term) if term.route == "marker" else term.term
        for term in lexicon
    }
    for text in template_texts(lexicon, wrapped):
        term = lexicon[text.term or ""]
        places = find_term(text.text, term, lexicon.marker)
        assert places, text
        assert {place.marked for place in places} == {term.route == "marker"}, text
    bare = {term.term: term.term for term in lexicon}
    for text in template_texts(lexicon, bare):
        assert "~[" not in text.text
