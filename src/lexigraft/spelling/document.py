"""`tokenizer.json` as data: the few questions and edits that spelling needs.

A document is the parsed JSON of a fast tokenizer. Functions named with a participle return a new
document; nothing here changes its argument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexigraft.disk import temporary_folder
from lexigraft.errors import SpellingError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "GPT2_PATTERN",
    "MARKS",
    "SPACE_MARK",
    "Document",
    "byte_characters",
    "document_of",
    "first_free_id",
    "forgets_entries",
    "is_byte_level",
    "is_part_of_character",
    "is_sentencepiece_bpe",
    "marked_entries",
    "marks_spaces",
    "model_alone",
    "model_with_splits",
    "pre_tokenizer_steps",
    "readable",
    "rebuilt",
    "unknown_id",
    "unmarked",
    "without_model",
    "with_every_id_in_vocabulary",
    "with_steps",
]

Document = dict[str, Any]

SPACE_MARK = "\u2581"
"""SentencePiece's '▁', which stands for a space."""

MARKS = tuple(map(chr, range(0xFDD0, 0xFDF0)))
"""Noncharacters that stand before new tokens of a Unigram vocabulary; see `unigram`."""

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What `ByteLevel(use_regex=True)` splits by (GPT-2's encoder)."""


def document_of(tokenizer: PreTrainedTokenizerBase) -> Document:
    """The tokenizer as data, as it is now (not as its file was).

    Raises:
        SpellingError: the tokenizer is a slow one, without a `tokenizers` backend.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise SpellingError(
            f"{type(tokenizer).__name__} has no fast backend, so no token can be added to it "
            "exactly. Use a model with a tokenizer.json, or the subword or marker route."
        )
    document: Document = json.loads(backend.to_str())
    return document


@cache
def byte_characters() -> tuple[str, ...]:
    """The printable character that stands for each byte in a byte-level vocabulary (GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    table = {b: chr(b) for b in printable}
    return tuple(table[b] if b in table else chr(next(others)) for b in range(256))


def pre_tokenizer_steps(document: Document) -> list[Document]:
    """The pre-tokenizer as a flat list of steps, outermost first."""

    def flat(step: Document | None) -> Iterator[Document]:
        if step is None:
            return
        if step["type"] == "Sequence":
            for inner in step["pretokenizers"]:
                yield from flat(inner)
        else:
            yield step

    return list(flat(document["pre_tokenizer"]))


def with_steps(document: Document, steps: list[Document]) -> Document:
    """The same document with another pre-tokenizer."""
    return {**document, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}


def is_byte_level(document: Document) -> bool:
    """Whether this is a BPE over bytes written as printable characters (GPT-2, Llama 3, Qwen)."""
    steps = [step["type"] for step in pre_tokenizer_steps(document)]
    return document["model"]["type"] == "BPE" and "ByteLevel" in steps


def is_sentencepiece_bpe(document: Document) -> bool:
    """Whether this is a BPE over text in which '▁' stands for a space (Llama 2, Gemma)."""
    return document["model"]["type"] == "BPE" and marks_spaces(document)


def marks_spaces(document: Document) -> bool:
    """Whether '▁' stands for a space in the text that the model sees (BPE or Unigram)."""
    if document["model"]["type"] not in ("BPE", "Unigram") or is_byte_level(document):
        return False
    rest = json.dumps([document["normalizer"], document["pre_tokenizer"]], ensure_ascii=False)
    return SPACE_MARK in rest


def first_free_id(document: Document) -> int:
    """One more than the highest id in use, special and added tokens included."""
    vocabulary = document["model"]["vocab"]
    used = vocabulary.values() if isinstance(vocabulary, dict) else [len(vocabulary) - 1]
    added = (token["id"] for token in document["added_tokens"])
    highest: int = max((*used, *added), default=-1)
    return highest + 1


def with_every_id_in_vocabulary(document: Document) -> Document:
    """The same document with special and added tokens in `model.vocab` at their own ids.

    Without it an entry above their ids silently re-numbers them when the file is read: ids of
    added tokens that the model does not know are handed out anew after its highest one.
    """
    own = {token["content"]: token["id"] for token in document["added_tokens"]}
    model = {**document["model"], "vocab": {**document["model"]["vocab"], **own}}
    return {**document, "model": model}


def unknown_id(document: Document) -> int | None:
    """The id that stands for what the vocabulary cannot spell; None in a byte-level vocabulary."""
    model = document["model"]
    if isinstance(model["vocab"], dict):
        found: int | None = model["vocab"].get(model.get("unk_token"))
        return found
    number: int | None = model.get("unk_id")
    return number


def without_model(document: Document) -> Tokenizer:
    """Normaliser and pre-tokenizer alone: quick to build, whatever the vocabulary's size."""
    from tokenizers import Tokenizer

    model = {"type": "BPE", "vocab": {}, "merges": []}
    bare = {**document, "model": model, "added_tokens": [], "post_processor": None}
    return Tokenizer.from_str(json.dumps({**bare, "truncation": None, "padding": None}))


def model_alone(document: Document) -> Tokenizer:
    """The model without normaliser, pre-tokenizer and added tokens, its merges never ignored."""
    from tokenizers import Tokenizer

    nothing = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    model = document["model"]
    if model["type"] == "BPE":
        model = {**model, "ignore_merges": False, "dropout": None}
    alone = {**document, **nothing, "model": model, "added_tokens": []}
    return Tokenizer.from_str(json.dumps({**alone, "truncation": None, "padding": None}))


def rebuilt(tokenizer: PreTrainedTokenizerBase, document: Document) -> PreTrainedTokenizerBase:
    """A new tokenizer like `tokenizer` (special tokens, chat template, settings) over `document`.

    It is transformers' plain fast class: `Qwen2Tokenizer`, `LlamaTokenizer` and others build
    their pre-tokenizer and model anew from the vocabulary and merges, and so drop
    `ignore_merges` and every added splitting step. The input is untouched.
    """
    from transformers import PreTrainedTokenizerFast

    with temporary_folder() as folder:
        tokenizer.save_pretrained(folder)
        config_file = Path(folder, "tokenizer_config.json")
        config = json.loads(config_file.read_text(encoding="utf-8"))
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        # The file's own list would be added once more, under ids that may have become others'.
        config.pop("added_tokens_decoder", None)
        config_file.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        text = json.dumps(document, ensure_ascii=False)
        Path(folder, "tokenizer.json").write_text(text, encoding="utf-8")
        new: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder)
    new.name_or_path = tokenizer.name_or_path
    return new


_UNMARKED = str.maketrans("", "", "".join(MARKS))
_PLAIN = str.maketrans({**dict.fromkeys(MARKS[:-1], ""), MARKS[-1]: " "})


@cache
def forgets_entries(model_type: str | None) -> bool:
    """Whether AutoTokenizer, beside a config of this type, rebuilds a tokenizer without its flags.

    transformers forces some classes on some models whatever tokenizer_config.json says
    (Qwen2Tokenizer on `qwen2`), and those take vocabulary and merges from the file and nothing
    else. It is asked with a tokenizer of three entries, since its list changes with its versions.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if model_type is None:
        return False
    model = models.BPE({"a": 0, "b": 1, "ab": 2}, [], ignore_merges=True)
    tiny = Tokenizer(model)
    tiny.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    with temporary_folder() as folder:
        PreTrainedTokenizerFast(tokenizer_object=tiny).save_pretrained(folder)
        Path(folder, "config.json").write_text(json.dumps({"model_type": model_type}))
        try:
            again = AutoTokenizer.from_pretrained(folder)
        except (ValueError, KeyError, OSError):
            return False  # a type that this transformers does not know: nothing is forced on it
        ids: list[int] = again.encode("ab", add_special_tokens=False)
        return ids != [2]


def model_with_splits(document: Document) -> Tokenizer:
    """The model and the splitting steps before it, on text in which '▁' stands for the space."""
    from tokenizers import Tokenizer

    nothing = dict.fromkeys(("normalizer", "post_processor", "decoder", "truncation", "padding"))
    splits = [step for step in pre_tokenizer_steps(document) if step["type"] == "Split"]
    alone = {**document, **nothing, "model": {**document["model"]}, "added_tokens": []}
    if document["model"]["type"] == "BPE":
        alone["model"]["dropout"] = None
    return Tokenizer.from_str(json.dumps(with_steps(alone, splits)))


def unmarked(text: str) -> str:
    """`text` without the marks of a Unigram tokenizer, its spaces spaces again."""
    return text.translate(_PLAIN)


def marked_entries(document: Document) -> dict[str, int]:
    """Entries of a Unigram vocabulary that stand behind a mark, by their text without it."""
    if document["model"]["type"] != "Unigram":
        return {}
    pieces = ((str(piece), number) for number, (piece, _) in enumerate(document["model"]["vocab"]))
    return {
        unmarked(piece).replace(" ", SPACE_MARK): number
        for piece, number in pieces
        if not piece.isascii() and not set(MARKS).isdisjoint(piece)
    }


def is_part_of_character(token: str, *, byte_level: bool) -> bool:
    """Whether a vocabulary string stands for bytes that are no whole characters."""
    if not byte_level:
        return re.fullmatch(r"<0x[0-9A-F]{2}>", token) is not None
    table = {character: byte for byte, character in enumerate(byte_characters())}
    if not all(character in table for character in token):
        return False
    return "\ufffd" in bytes(map(table.__getitem__, token)).decode(errors="replace")


def readable(tokens: Iterable[str]) -> tuple[str, ...]:
    """Vocabulary strings as a reader would write them: a space as '␣', a lone byte as '<F0>'."""
    table = {character: byte for byte, character in enumerate(byte_characters())}
    tokens = tuple(token.translate(_UNMARKED) for token in tokens)
    if any(SPACE_MARK in token for token in tokens):
        return tuple(token.replace(SPACE_MARK, "␣") for token in tokens)
    return tuple(_readable(token, table) for token in tokens)


def _readable(token: str, table: dict[str, int]) -> str:
    if not all(character in table for character in token):
        return token.replace(" ", "␣")
    raw = bytes(table[character] for character in token)
    text = raw.decode("utf-8", errors="backslashreplace")
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: f"<{m[1].upper()}>", text).replace(" ", "␣")
