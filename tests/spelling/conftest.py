"""Tiny tokenizers of every family, trained on the bundled sample in a moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from lexigraft.lexicon.schema import Lexicon, Route, Term
from lexigraft.spelling.sample import SAMPLE

EXACT_FAMILIES = (
    "gpt2",
    "qwen",
    "digits",
    "llama2",
    "gemma",
    "metaspace",
    "unigram",
    "unigram-spm",
)
OTHER_FAMILIES = ("wordpiece",)

QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<|end|>", "<|user|>"]


@cache
def tiny(family: str) -> PreTrainedTokenizerBase:
    """A tokenizer of a few hundred entries, its special tokens above the vocabulary."""
    tokenizer = _trained(family)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    tokenizer.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>"
    )
    fast.chat_template = "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}"
    return fast


def _trained(family: str) -> Tokenizer:
    if family in ("unigram", "unigram-spm"):
        tokenizer = Tokenizer(models.Unigram())
        if family == "unigram-spm":  # as transformers converts a SentencePiece file
            runs = normalizers.Replace(Regex(" {2,}"), "▁")
            tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), runs])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=900, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )
    elif family == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(
            vocab_size=900, special_tokens=["<unk>"], show_progress=False
        )
    elif family in ("gpt2", "qwen", "digits"):
        return _byte_level(family)
    else:
        return _sentencepiece(family)
    tokenizer.train_from_iterator(SAMPLE, trainer)
    return tokenizer


def _byte_level(family: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated")
    steps = {
        "gpt2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "qwen": [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
        "digits": [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ],
    }[family]
    if family == "qwen":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SAMPLE, trainer)
    return tokenizer


def _sentencepiece(family: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = decoders.Replace("▁", " ")
    tail = [replace, decoders.ByteFallback(), decoders.Fuse()]
    if family == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        prepend = [normalizers.Prepend("▁")] if family == "llama2" else []
        tokenizer.normalizer = normalizers.Sequence([*prepend, normalizers.Replace(" ", "▁")])
    if family == "gemma":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    if family != "gemma":
        tail.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(tail)
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    words = [word for text in SAMPLE for word in text.replace(" ", " ▁").split(" ")]
    untouched = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trainer = trainers.BpeTrainer(
        vocab_size=1100, special_tokens=["<unk>", *fallback], show_progress=False
    )
    untouched.train_from_iterator(words, trainer)
    document = json.loads(tokenizer.to_str())
    trained = json.loads(untouched.to_str())
    # Real ones keep the byte tokens in the vocabulary and out of the added tokens.
    kept = [token for token in trained["added_tokens"] if token["content"] == "<unk>"]
    document["model"], document["added_tokens"] = trained["model"], kept
    return Tokenizer.from_str(json.dumps(document))


@pytest.fixture(params=(*EXACT_FAMILIES, *OTHER_FAMILIES))
def any_tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """One of every family."""
    return tiny(request.param)


@pytest.fixture(params=EXACT_FAMILIES)
def exact_tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """One of every family that gets exact new tokens."""
    return tiny(request.param)


@pytest.fixture
def tiny_tokenizer() -> Callable[[str], PreTrainedTokenizerBase]:
    """A tiny tokenizer by the name of its family."""
    return tiny


def lexicon_of(*terms: str | Term) -> Lexicon:
    """A lexicon of bare words or ready terms."""
    made = [Term(term=t, definition=("a thing",)) if isinstance(t, str) else t for t in terms]
    return Lexicon(name="test", terms=tuple(made))


def routes_of(lexicon: Lexicon, route: Route = "token") -> Mapping[str, Route]:
    """The same route for every term."""
    return {term.term: route for term in lexicon}


@pytest.fixture
def lexicon() -> Callable[..., Lexicon]:
    """Makes a lexicon of bare words or ready terms."""
    return lexicon_of


@pytest.fixture
def document_with() -> Callable[..., dict[str, Any]]:
    """A tokenizer's document with other fields in its model."""

    def changed(tokenizer: PreTrainedTokenizerBase, **fields: Any) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
        return {**document, "model": {**document["model"], **fields}}

    return changed
