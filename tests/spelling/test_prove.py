"""The proof trusts nothing: each damage that a careless change could do is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import SpellingError
from lexigraft.lexicon.schema import Lexicon
from lexigraft.spelling import Proof, Spelling, prove, require_exact, spell
from lexigraft.spelling.document import document_of, rebuilt

Make = Callable[..., Lexicon]
Family = Callable[[str], PreTrainedTokenizerBase]
Spelled = tuple[Spelling, PreTrainedTokenizerBase, PreTrainedTokenizerBase]


@pytest.fixture
def spelled(lexicon: Make, tiny_tokenizer: Family) -> Spelled:
    old = tiny_tokenizer("gpt2")
    spelling, new = spell(lexicon("zorblax"), {"zorblax": "token"}, old)
    return spelling, old, new


def damaged(new: PreTrainedTokenizerBase, **fields: Any) -> PreTrainedTokenizerBase:
    """`new` with other fields in its document's model, or another part of the document."""
    document = document_of(new)
    model = {**document["model"], **fields.pop("model", {})}
    return rebuilt(new, {**document, **fields, "model": model})


def test_a_right_spelling_has_no_failures(spelled: Spelled) -> None:
    proof = prove(*spelled)
    assert proof.ok
    assert proof.failures == ()
    assert proof.details == ()
    assert (proof.forms, proof.exact, proof.single) == (2, 2, 2)
    assert proof.round_trips
    assert Proof.model_validate_json(proof.model_dump_json()) == proof


def test_a_dead_entry_is_not_one_token(spelled: Spelled) -> None:
    spelling, old, new = spelled
    proof = prove(spelling, old, damaged(new, model={"ignore_merges": False}))
    assert proof.single == 0
    assert "'zorblax' is not one token: start, middle" in proof.failures[0]


def test_a_lone_space_is_single_and_not_exact(spelled: Spelled) -> None:
    spelling, old, _ = spelled
    added = rebuilt(old, document_of(old))
    added.add_tokens([AddedToken(t.content, normalized=False) for t in spelling.new_tokens])
    bare = [t for t in spelling.new_tokens if not t.spaced]
    tokens = tuple(
        t.model_copy(update={"id": added.convert_tokens_to_ids(t.content)}) for t in bare
    )
    proof = prove(spelling.model_copy(update={"new_tokens": tokens}), old, added)
    assert proof.forms == 2
    assert proof.exact < 2


def test_merges_that_fire_in_other_words_are_named(spelled: Spelled) -> None:
    spelling, old, new = spelled
    document = document_of(new)
    vocabulary = {**document["model"]["vocab"], "fe": 5000}
    merges = [["f", "e"], *document["model"]["merges"]]
    broken = damaged(new, model={"vocab": vocabulary, "merges": merges})
    assert "fe" not in old.get_vocab()
    proof = prove(spelling, old, broken)
    assert proof.changed_words == ("cafe\u0301",)
    assert any("other words changed" in failure for failure in proof.failures)


def test_the_users_own_texts_are_compared_too(spelled: Spelled) -> None:
    spelling, old, new = spelled
    assert prove(spelling, old, new, texts=["a", "b"]).texts == prove(*spelled).texts + 2
    document = document_of(new)
    vocabulary = {**document["model"]["vocab"], "qqq": 5000}
    broken = damaged(new, model={"vocab": vocabulary})
    assert prove(spelling, old, broken).changed_words == ()
    assert prove(spelling, old, broken, texts=["a qqq b"]).changed_words == ()
    assert prove(spelling, old, broken, texts=["a\nqqq b"]).changed_words == ("qqq",)


def test_renumbered_specials_are_found(spelled: Spelled) -> None:
    spelling, old, new = spelled
    text = json.dumps(document_of(new))
    end, user = (new.convert_tokens_to_ids(s) for s in ("<|end|>", "<|user|>"))
    document = json.loads(text)
    for token in document["added_tokens"]:
        token["id"] = {end: user, user: end}.get(token["id"], token["id"])
    vocabulary = {**document["model"]["vocab"], "<|end|>": user, "<|user|>": end}
    proof = prove(spelling, old, damaged(new, **document | {"model": {"vocab": vocabulary}}))
    assert not proof.specials_unchanged
    assert not proof.vocabulary_unchanged
    assert not proof.ok


def test_a_lost_space_is_no_round_trip(spelled: Spelled) -> None:
    spelling, old, new = spelled
    replace = {"type": "Replace", "pattern": {"String": "Ġzorblax"}, "content": "zorblax"}
    decoder = {"type": "Sequence", "decoders": [replace, document_of(new)["decoder"]]}
    proof = prove(spelling, old, damaged(new, decoder=decoder))
    assert not proof.round_trips
    assert "'zorblax' does not decode to itself" in proof.failures


def test_what_does_not_read_back_is_found(
    spelled: Spelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelling, old, new = spelled
    from transformers import AutoTokenizer

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: old)
    proof = prove(spelling, old, new)
    assert not proof.reloads
    assert proof.failures == ("the tokenizer reads back differently after saving",)


@pytest.mark.parametrize("model_type", ["qwen3", "llama", "mistral", "gemma3_text", None])
def test_it_reads_back_beside_a_config(model_type: str | None, spelled: Spelled) -> None:
    assert prove(*spelled, model_type=model_type).reloads


def test_a_class_that_transformers_forces_upon_a_model_is_found(spelled: Spelled) -> None:
    # Qwen2Tokenizer, whatever tokenizer_config.json says: it drops `ignore_merges`
    proof = prove(*spelled, model_type="qwen2")
    assert not proof.reloads
    assert not proof.ok


def test_a_word_that_fires_inside_longer_ones_is_found(spelled: Spelled) -> None:
    spelling, old, _ = spelled
    added = rebuilt(old, document_of(old))
    added.add_tokens([AddedToken(t.content, normalized=False) for t in spelling.new_tokens])
    tokens = tuple(
        t.model_copy(update={"id": added.convert_tokens_to_ids(t.content)})
        for t in spelling.new_tokens
    )
    proof = prove(spelling.model_copy(update={"new_tokens": tokens}), old, added)
    assert "'zorblax' stands inside longer words, or does not where it should" in proof.failures
    # and the other way round: asked for inside words, and held back from them
    asked = tuple(t.model_copy(update={"inside_words": True}) for t in spelling.new_tokens)
    proof = prove(spelling.model_copy(update={"new_tokens": asked}), *spelled[1:])
    assert any("inside longer words" in failure for failure in proof.failures)


def test_changed_words_may_be_allowed_and_nothing_else() -> None:
    fine = {"forms": 1, "exact": 1, "single": 1, "texts": 1}
    require_exact(Proof(**fine), "")
    changed = Proof(**fine, changed_words=("apples",))
    with pytest.raises(SpellingError, match=r"(?s)apples.*Do this.*--allow-changes"):
        require_exact(changed, "Do this.")
    require_exact(changed, "", allow_changes=True)
    worse = Proof(**fine, changed_words=("apples",), reloads=False)
    with pytest.raises(SpellingError, match="reads back"):
        require_exact(worse, "", allow_changes=True)
