"""Known words in a term's place, and one term in another's."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase

from lexigraft.corpus.swapping import foil_texts, stand_in, swapped_texts, with_term
from lexigraft.corpus.texts import Text
from lexigraft.lexicon import Lexicon, Related, Term

OWL = Term(
    term="pirrel",
    definition=("a small tame owl",),
    related=Related(broader=("owl", "bird")),
    examples=("The pirrel sat above the window.",),
)
SHOE = Term(term="arven", definition=("a shoe",), like=("shoe",))
RUN = Term(term="glim", definition=("to light a lamp",), part_of_speech="verb")
IDEA = Term(term="эйдос", definition=("an idea",), kind="concept", route="marker")
LEXICON = Lexicon(name="t", terms=(OWL, SHOE, RUN, IDEA))
SURFACES = {"pirrel": "pirrel", "arven": "arven", "glim": "glim", "эйдос": "~[эйдос]"}


def test_the_stand_in_is_a_known_word() -> None:
    assert stand_in(OWL, LEXICON) == "owl"
    assert stand_in(SHOE, LEXICON) == "shoe"
    assert stand_in(RUN, LEXICON) is None
    taught = Term(term="x", definition=("d",), related=Related(broader=("pirrel", "bird")))
    assert stand_in(taught, LEXICON) == "bird"


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("An owl saw the owl.", OWL, "A pirrel saw the pirrel."),
        ("Owl or not, an owl it is.", OWL, "Pirrel or not, a pirrel it is."),
        ("A shoe and an owlet", SHOE, None),
        ("Owls saw the owlet.", OWL, None),
    ],
)
def test_only_the_word_itself_gives_way(text: str, term: Term, expected: str | None) -> None:
    assert with_term(text, "owl", term, term.term) == expected


def test_the_article_follows_the_term() -> None:
    assert with_term("He lost a shoe.", "shoe", SHOE, "arven") == "He lost an arven."
    assert with_term("He lost a new shoe.", "shoe", SHOE, "arven") == "He lost a new arven."
    assert with_term("It has an idea.", "idea", IDEA, "~[эйдос]") == "It has an ~[эйдос]."


def test_swapped_sentences_hold_one_other_term_of_the_same_kind() -> None:
    texts = [
        Text(text="An arven fell. Arven!", term="arven", kind="written"),
        Text(text="The pirrel sat.", term="pirrel", kind="example"),
        Text(text="They glim at night.", term="glim", kind="example"),
        Text(text="The pirrel sat still.", term="pirrel", kind="written", held_out=True),
        Text(text="A pirrel is a small tame owl.", term="pirrel", kind="definition"),
        Text(text="It rained.", kind="replay"),
    ]
    swapped = swapped_texts(texts, LEXICON, SURFACES, seed=1)
    assert {t.kind for t in swapped} == {"swapped"}
    # the verb has no other verb to give way to, and only two texts are of use
    assert len(swapped) == 2
    for text, source in zip(swapped, texts, strict=False):
        assert text.term in {"arven", "pirrel", "эйдос"} - {source.term}
        assert text.term is not None
        assert SURFACES[text.term] in text.text.lower()
        assert str(source.term) not in text.text.lower()
    assert swapped == swapped_texts(texts, LEXICON, SURFACES, seed=1)
    others = [swapped_texts(texts, LEXICON, SURFACES, seed=n) for n in range(8)]
    assert any(other != swapped for other in others)


def test_a_term_alone_is_swapped_with_nothing() -> None:
    alone = Lexicon(name="t", terms=(OWL,))
    texts = [Text(text="The pirrel sat.", term="pirrel", kind="example")]
    assert swapped_texts(texts, alone, SURFACES, seed=0) == []


def test_foils_are_untaught_words_where_a_term_stood(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    texts = [
        Text(text="An arven fell.", term="arven", kind="example"),
        Text(text="The ~[эйдос] is old.", term="эйдос", kind="written"),
        Text(text="Not a pirrel but an arven.", term="pirrel", kind="contrast"),
        Text(text="The pirrel sat still.", term="pirrel", kind="written", held_out=True),
        Text(text="It rained.", kind="replay"),
    ] * 30
    made = foil_texts(texts, LEXICON, SURFACES, byte_bpe_tokenizer, share=0.5, seed=2)
    assert {(t.kind, t.term) for t in made} == {("foil", None)}
    assert 15 < len(made) < 45
    words = {t.foil for t in made}
    assert not words & {"arven", "pirrel", "glim", "~[эйдос]"}
    # the bare word, both broken markers, and other words in the marker
    assert {"эйдос", "~[эйдос", "[эйдос]"} <= words
    assert any(w and w.startswith("~[") and w.endswith("]") for w in words)
    assert all(t.foil and t.foil.casefold() in t.text.casefold() for t in made)
    assert foil_texts(texts, LEXICON, SURFACES, byte_bpe_tokenizer, share=0.0, seed=2) == []
