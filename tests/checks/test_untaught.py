"""Invented words: enough, alike in cost, unlike every term, and the same every time."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from lexigraft.checks import untaught as module
from lexigraft.checks.neutral import neutral_texts
from lexigraft.checks.untaught import shared_untaught, untaught_words
from lexigraft.lexicon import Lexicon, Marker, Term
from lexigraft.likelihood import encode

TERMS = (
    "zorblax", "velkin", "brundel", "Snollygoster", "well-being", "thessaly knot", "энтелехия",
    "эйдос", "λ", "𝕽", "=>",
)  # fmt: skip


def lexicon_of(*terms: str, **forms: tuple[str, ...]) -> Lexicon:
    made = (Term(term=t, definition=("a thing",), forms=forms.get(t, ())) for t in terms)
    return Lexicon(name="t", terms=tuple(made))


def cost(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    return len(encode(tokenizer, " " + word))


@pytest.mark.parametrize("term", TERMS)
def test_words_are_eight_different_and_alike_in_cost(
    any_tokenizer: PreTrainedTokenizerBase, term: str
) -> None:
    words = untaught_words(term, any_tokenizer)
    assert len(set(words)) == 8
    costs = [cost(any_tokenizer, word) for word in words]
    assert costs.count(cost(any_tokenizer, term)) >= 6, (words, costs)
    assert term not in words


@pytest.mark.parametrize("term", TERMS)
def test_words_are_shaped_like_the_term(
    byte_bpe_tokenizer: PreTrainedTokenizerBase, term: str
) -> None:
    for word in untaught_words(term, byte_bpe_tokenizer):
        assert len(word) == len(term)
        for old, new in zip(term, word, strict=True):
            assert old.isalpha() == new.isalpha()
            assert old.isupper() == new.isupper()
            assert not old.isalnum() or old.isascii() == new.isascii()
            assert old not in " -" or new == old


def test_words_are_no_common_ones_and_unlike_the_term(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    common = {
        word.strip(".,;:!?").casefold()
        for language in ("en", "ru")
        for text in neutral_texts(language)
        for word in text.split()
    }
    for term in ("bat", "velkin", "thessaly knot", "эйдос"):
        for word in untaught_words(term, byte_bpe_tokenizer, 20):
            assert not common & set(word.split())
            alike = sum(a == b for a, b in zip(word, term, strict=True) if b.isalpha())
            assert alike <= 0.4 * len(term)


def test_the_same_arguments_give_the_same_words(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    first = untaught_words("velkin", byte_bpe_tokenizer, seed=1)
    assert first == untaught_words("velkin", byte_bpe_tokenizer, seed=1)
    assert set(first) != set(untaught_words("velkin", byte_bpe_tokenizer, seed=2))
    left = untaught_words("velkin", byte_bpe_tokenizer, seed=1, exclude=[first[0].upper()])
    assert first[0] not in left
    assert untaught_words("velkin", byte_bpe_tokenizer, 3, seed=1) == first[:3]


def test_a_sign_without_neighbours_has_no_words(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    assert untaught_words("…", byte_bpe_tokenizer) == ()


def shared(tokenizer: PreTrainedTokenizerBase, lexicon: Lexicon, **surfaces: str) -> Any:
    written = {t.term: surfaces.get(t.term, t.term) for t in lexicon}
    return shared_untaught(lexicon, written, tokenizer)


def test_terms_of_one_shape_share_their_words(any_tokenizer: PreTrainedTokenizerBase) -> None:
    lexicon = lexicon_of("velkin", "brundel", "zorblax", "эйдос", "λ")
    found = shared(any_tokenizer, lexicon)
    assert list(found) == [t.term for t in lexicon]
    assert all(len(words) >= 8 for words in found.values())
    by_cost: dict[int, set[Any]] = {}
    for term in ("velkin", "brundel", "zorblax"):
        by_cost.setdefault(cost(any_tokenizer, term), set()).add(found[term])
        mine = [cost(any_tokenizer, w) for w in found[term]]
        assert mine.count(cost(any_tokenizer, term)) >= 6
    assert all(len(words) == 1 for words in by_cost.values())
    assert not set(found["эйдос"]) & set(found["velkin"])


def test_no_word_is_or_resembles_any_term_or_form(
    any_tokenizer: PreTrainedTokenizerBase,
) -> None:
    # neighbours in sound: what is invented for one must not be the other
    forms = {"brunk": ("brunks", "brunked")}
    lexicon = lexicon_of("brunk", "brank", "brink", "prunk", "trunk", **forms)
    found = shared(any_tokenizer, lexicon)
    surfaces = [s for t in lexicon for s in t.surfaces]
    for words in found.values():
        for word in words:
            for surface in surfaces:
                same = sum(a == b for a, b in zip(word, surface, strict=False))
                assert same <= 0.4 * len(surface), (word, surface)


def test_the_nearest_in_cost_come_first_and_lookalikes_never(
    byte_bpe_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = untaught_words("velkin", byte_bpe_tokenizer, 3)
    far = untaught_words("anverlokandis", byte_bpe_tokenizer, 6)
    price = cost(byte_bpe_tokenizer, "velkin")
    assert {cost(byte_bpe_tokenizer, word) for word in near} == {price}
    assert min(cost(byte_bpe_tokenizer, word) for word in far) > price
    drawn = ("vulkan", "velkim", "brundle", *far, *near)
    monkeypatch.setattr(module, "untaught_words", lambda *_, **__: drawn)
    lexicon = lexicon_of("velkin", "brundel", velkin=("vulkano",))
    words = shared(byte_bpe_tokenizer, lexicon)["velkin"]
    assert words[:3] == near
    assert len(words) == 8
    assert not {"vulkan", "velkim", "brundle"} & set(words)


def test_marked_terms_have_marked_words_of_their_own(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    lexicon = lexicon_of("velkin", "vorlan")
    assert cost(byte_bpe_tokenizer, "velkin") == cost(byte_bpe_tokenizer, "vorlan")
    found = shared(byte_bpe_tokenizer, lexicon, vorlan="~[vorlan]")
    assert all(w.startswith("~[") and w.endswith("]") for w in found["vorlan"])
    assert len(found["vorlan"]) == 8
    assert not any("~" in w or "[" in w for w in found["velkin"])
    angle = lexicon.model_copy(update={"marker": Marker(open="<<", close=">>")})
    other = shared(byte_bpe_tokenizer, angle, vorlan="<<vorlan>>")
    assert all(w.startswith("<<") and w.endswith(">>") for w in other["vorlan"])
