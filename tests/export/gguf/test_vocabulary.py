"""How new words are written for llama.cpp: by mechanism, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import ExportError
from lexigraft.export.gguf.pre_tokenizer import PRE_TOKENIZERS, pre_tokenizer_name
from lexigraft.export.gguf.texts import COUNT, inside_longer_words, thousand_texts
from lexigraft.export.gguf.vocabulary import Vocabulary, vocabulary_of
from lexigraft.export.gguf.word_merges import merged, word_merges
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.spelling import spell
from lexigraft.spelling.document import Document, document_of

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def grown(
    tokenizer: PreTrainedTokenizerBase, *terms: str, inside: bool = False
) -> PreTrainedTokenizerBase:
    routes: dict[str, Route] = dict.fromkeys(terms, "token")
    lexicon = Lexicon(name="t", terms=tuple(Term(term=t, definition=("x",)) for t in terms))
    return spell(lexicon, routes, tokenizer)[1]


def kinds(vocabulary: Vocabulary) -> dict[str, int]:
    return dict(zip(vocabulary.tokens, vocabulary.types, strict=True))


def as_type(name: str) -> Callable[[Document], Document]:
    """A change of a byte-level tokenizer: split as llama.cpp's `name`."""

    def change(document: Document) -> Document:
        last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        steps = [*PRE_TOKENIZERS[name], {**last, "use_regex": False}]
        return {**document, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}

    return change


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_the_pre_tokenizer_is_known_by_what_it_does(
    changed: Callable[..., Any], byte_bpe_tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    tokenizer = changed(byte_bpe_tokenizer, as_type(name))
    assert pre_tokenizer_name(document_of(tokenizer), []) == name
    new = grown(tokenizer, "zorblax", "dark matter")
    assert vocabulary_of(new, len(new)).pre == name


def test_a_built_in_pattern_is_gpt2s(byte_bpe_tokenizer: PreTrainedTokenizerBase) -> None:
    assert pre_tokenizer_name(document_of(byte_bpe_tokenizer), []) == "gpt-2"


def test_an_unknown_pre_tokenizer_is_refused(
    changed: Callable[..., Any], byte_bpe_tokenizer: PreTrainedTokenizerBase
) -> None:
    def change(document: Document) -> Document:
        new = as_type("qwen2")(document)
        new["pre_tokenizer"]["pretokenizers"].insert(
            0, {"type": "Punctuation", "behavior": "Isolated"}
        )
        return new

    tokenizer = changed(byte_bpe_tokenizer, change)
    with pytest.raises(ExportError, match=r"knows no pre-tokenizer.*--to merged"):
        vocabulary_of(tokenizer, len(tokenizer))


def test_words_are_never_hidden_and_specials_are(
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
) -> None:
    new = grown(byte_bpe_tokenizer, "zorblax", "<|word|>", "dark matter")
    found = kinds(vocabulary_of(new, len(new) + 3))
    assert found["<|im_end|>"] == found["<|endoftext|>"] == CONTROL
    words = {t: k for t, k in found.items() if any(w in t for w in ("orblax", "word|", "matter"))}
    assert len(words) >= 8
    assert set(words.values()) <= {NORMAL, USER_DEFINED}
    # The pre-tokenizer cuts it at its space, so that no merge can build it.
    assert found["dark matter"] == found[" dark matter"] == USER_DEFINED
    assert [t for t, k in found.items() if k == UNUSED] == [
        f"[UNUSED {n}]" for n in range(len(new), len(new) + 3)
    ]


@pytest.mark.parametrize("name", ["qwen2", "llama-bpe", "tekken"])
def test_words_that_are_cut_out_of_their_signs_are_user_defined(
    changed: Callable[..., Any], byte_bpe_tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    new = grown(changed(byte_bpe_tokenizer, as_type(name)), "zorblax")
    found = kinds(vocabulary_of(new, len(new)))
    assert found["zorblax"] == found[" zorblax"] == found[" Zorblax"] == USER_DEFINED


def test_nothing_changes_without_new_tokens(byte_bpe_tokenizer: PreTrainedTokenizerBase) -> None:
    found = vocabulary_of(byte_bpe_tokenizer, len(byte_bpe_tokenizer))
    document = document_of(byte_bpe_tokenizer)
    assert found.words == {}
    assert set(found.types) == {NORMAL, CONTROL}
    assert found.merges == tuple(" ".join(merge) for merge in document["model"]["merges"])


def test_sentencepiece_tokens_have_their_kinds_and_scores(
    gemma_tokenizer: PreTrainedTokenizerBase,
) -> None:
    new = grown(gemma_tokenizer, "zorblax")
    found = vocabulary_of(new, len(new))
    named = kinds(found)
    assert (found.model, found.merges, found.space_prefix) == ("llama", None, False)
    assert (named["<unk>"], named["<0x0A>"], named["<|im_end|>"]) == (UNKNOWN, BYTE, CONTROL)
    assert named["zorblax"] == named[" zorblax"] == USER_DEFINED
    assert found.scores is not None
    scores = dict(zip(found.tokens, found.scores, strict=True))
    first, later = (("".join(m)) for m in document_of(new)["model"]["merges"][:40:39])
    assert scores[first] > scores[later] > scores["zorblax"]


def test_a_space_put_first_and_new_words_do_not_go_together(
    sentencepiece_tokenizer: PreTrainedTokenizerBase,
) -> None:
    new = grown(sentencepiece_tokenizer, "zorblax")
    with pytest.raises(ExportError, match=r"cannot write .*zorblax.*subword and marker.*merged"):
        vocabulary_of(new, len(new))
    assert vocabulary_of(sentencepiece_tokenizer, len(sentencepiece_tokenizer)).space_prefix


def test_unigram_is_refused(unigram_tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ExportError, match=r"kind Unigram.*--to merged"):
        vocabulary_of(unigram_tokenizer, len(unigram_tokenizer))


def test_fewer_rows_than_tokens_is_refused(byte_bpe_tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ExportError, match="do not belong together"):
        vocabulary_of(byte_bpe_tokenizer, len(byte_bpe_tokenizer) - 1)


# --- merges ---


def test_two_pieces_need_one_merge() -> None:
    assert word_merges({"zorblax": ["zor", "blax"]}, ["blaxon"]) == ([("zor", "blax")], set())


def test_a_merge_on_the_way_must_be_no_part_of_a_known_word() -> None:
    pieces = ["ab", "cde", "fgh"]
    merges, left = word_merges({"abcdefgh": pieces}, ["xabcdex"])
    assert (merges, left) == ([("cde", "fgh"), ("ab", "cdefgh")], set())
    assert word_merges({"abcdefgh": pieces}, ["xabcdex", "cdefghi"]) == ([], {"abcdefgh"})


def test_short_ones_on_the_way_are_not_trusted_but_single_bytes_are() -> None:
    assert word_merges({"abcd": ["ab", "c", "d"]}, [])[1] == set()
    assert word_merges({"abcde": ["ab", "c", "de"]}, [])[1] == {"abcde"}


def test_words_that_share_their_end_share_merges() -> None:
    words = {"blaxoring": ["blax", "or", "ing"], "Ġblaxoring": ["Ġblax", "or", "ing"]}
    merges, left = word_merges(words, [])
    assert left == set()
    assert all(merged(pieces, merges) == [word] for word, pieces in words.items())
    assert len(merges) == len(set(merges))


def test_merges_are_tried_in_their_order_and_from_the_left() -> None:
    assert merged(["a", "b", "c"], [("b", "c"), ("a", "b")]) == ["a", "bc"]
    assert merged(["a", "a", "a"], [("a", "a")]) == ["aa", "a"]


# --- texts ---


def test_there_are_a_thousand_texts_and_every_form_stands_in_some() -> None:
    forms = [f"zorb{letter}lax" for letter in "abcdefgh"]
    texts = thousand_texts(forms, ["the run's own sentence"])
    assert len(set(texts)) == len(texts) == COUNT
    assert texts == thousand_texts(forms, ["the run's own sentence"])
    assert "the run's own sentence" in texts
    for form in forms:
        assert sum(form in text for text in texts) > 20
    assert len(set(thousand_texts([]))) == COUNT


def test_texts_are_composed_and_begin_without_a_space_where_asked() -> None:
    import unicodedata

    texts = thousand_texts(["x"], composed=True, no_space_first=True)
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)
    assert not any(text[0].isspace() for text in texts)
    assert not all(unicodedata.is_normalized("NFC", text) for text in thousand_texts(["x"]))
    assert any(text.startswith("  ") for text in thousand_texts(["x"]))


def test_forms_inside_longer_words() -> None:
    assert inside_longer_words(["x", "x"])[0] == "a unx"
    assert len(inside_longer_words([f"form{n}" for n in range(500)])) == 200


# --- with llama.cpp ---


@pytest.mark.parametrize("name", ["smollm", "llama-bpe", "qwen2", "tekken"])
def test_llama_cpp_cuts_as_each_pre_tokenizer_does(
    changed: Callable[..., Any],
    make_taught: Callable[..., Any],
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    name: str,
) -> None:
    pytest.importorskip("xllamacpp")
    case = make_taught(changed(byte_bpe_tokenizer, as_type(name)))
    [checked] = case.write(tmp_path, "F16")
    assert (checked.texts, checked.differing) == (1000, 0)


def with_two_line_ends(document: Document) -> Document:
    """A token for two line ends, as every large vocabulary has it."""
    model = document["model"]
    vocabulary = {**model["vocab"], "ĊĊ": len(model["vocab"])}
    merges = [*model["merges"], ["Ċ", "Ċ"]]
    return {**document, "model": {**model, "vocab": vocabulary, "merges": merges}}


def test_a_word_after_an_empty_line_is_refused_unless_accepted(
    changed: Callable[..., Any],
    make_taught: Callable[..., Any],
    byte_bpe_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    pytest.importorskip("xllamacpp")
    # What its pieces give on the way is a part of known words, so that no merges may build it.
    # And of two line ends GPT-2's pattern takes the last one apart where a word follows it: cut
    # out of the text, a word does not follow it any more.
    tokenizer = changed(byte_bpe_tokenizer, with_two_line_ends)
    case = make_taught(tokenizer, routes={"timetable": "token"})
    with pytest.raises(ExportError, match=r"into other tokens.*\\n\\n.*--allow-changes"):
        case.write(tmp_path, "F16")
    [checked] = case.write(tmp_path, "F16", allow_changes=True)
    assert 0 < checked.differing < 500
    assert any("\n\n" in text for text in checked.examples)
