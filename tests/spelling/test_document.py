"""`tokenizer.json` as data: questions answered rightly, edits that leave their input alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import SpellingError
from lexigraft.spelling.byte_bpe import old_pieces
from lexigraft.spelling.document import (
    document_of,
    first_free_id,
    is_byte_level,
    is_part_of_character,
    is_sentencepiece_bpe,
    marks_spaces,
    model_alone,
    readable,
    rebuilt,
    unknown_id,
    with_every_id_in_vocabulary,
)

Family = Callable[[str], PreTrainedTokenizerBase]

FAMILIES = {
    "gpt2": (True, False, False), "qwen": (True, False, False), "digits": (True, False, False),
    "llama2": (False, True, True), "gemma": (False, True, True), "metaspace": (False, True, True),
    "unigram": (False, False, True), "wordpiece": (False, False, False),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_known(family: str, tiny_tokenizer: Family) -> None:
    document = document_of(tiny_tokenizer(family))
    found = is_byte_level(document), is_sentencepiece_bpe(document), marks_spaces(document)
    assert found == FAMILIES[family]
    assert (unknown_id(document) is None) == (family in ("gpt2", "qwen", "digits"))


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(SpellingError, match="no fast backend"):
        document_of(SimpleNamespace())  # type: ignore[arg-type]


def test_the_first_free_id_is_above_added_tokens(any_tokenizer: PreTrainedTokenizerBase) -> None:
    assert first_free_id(document_of(any_tokenizer)) == len(any_tokenizer)


def test_specials_get_their_own_ids_and_the_input_stays(tiny_tokenizer: Family) -> None:
    document = document_of(tiny_tokenizer("qwen"))
    before = copy.deepcopy(document)
    new = with_every_id_in_vocabulary(document)
    assert document == before
    for token in document["added_tokens"]:
        assert new["model"]["vocab"][token["content"]] == token["id"]


def test_the_model_alone_sees_text_as_it_is(any_tokenizer: PreTrainedTokenizerBase) -> None:
    alone = model_alone(document_of(any_tokenizer))
    assert alone.normalizer is alone.pre_tokenizer is alone.post_processor is None
    assert alone.encode("<|end|>").tokens != ["<|end|>"]


def test_pieces_stand_inside_a_text(tiny_tokenizer: Family) -> None:
    for family in ("llama2", "metaspace", "unigram", "gemma", "gpt2"):
        old = tiny_tokenizer(family)
        pieces = old_pieces(document_of(old), ["ferry", " ferry"])
        bare, spaced = (old.convert_ids_to_tokens(list(pieces[c])) for c in ("ferry", " ferry"))
        assert not bare[0].startswith("▁")
        assert "▁▁" not in "".join(spaced).replace("Ġ", "▁")


def test_rebuilt_is_the_same_tokenizer_in_a_plain_class(
    any_tokenizer: PreTrainedTokenizerBase,
) -> None:
    document = document_of(any_tokenizer)
    new = rebuilt(any_tokenizer, document)
    assert new is not any_tokenizer
    assert json.loads(new.backend_tokenizer.to_str()) == document
    assert new.chat_template == any_tokenizer.chat_template
    assert new.special_tokens_map == any_tokenizer.special_tokens_map
    assert new.get_vocab() == any_tokenizer.get_vocab()


@pytest.mark.parametrize(
    ("token", "byte_level", "part"),
    [
        ("Ġzorb", True, False),
        ("ðŁ", True, True),
        ("Ñį", True, False),
        ("<0xE2>", False, True),
        ("<0xe2>", False, False),
        ("zorb", False, False),
        ("<|end|>", True, False),
    ],
)
def test_parts_of_characters(token: str, byte_level: bool, part: bool) -> None:
    assert is_part_of_character(token, byte_level=byte_level) is part


def test_vocabulary_strings_for_a_reader() -> None:
    assert readable(["Ġzorb", "Ñį", "ðŁ"]) == ("␣zorb", "э", "<F0><9F>")
    assert readable(["▁zorb", "<0xE2>"]) == ("␣zorb", "<0xE2>")
