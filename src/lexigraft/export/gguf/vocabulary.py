"""The tokenizer as llama.cpp reads it: tokens, their kinds, scores and merges.

How a new word is written depends on what reads it. Where llama.cpp looks whole words up (Llama 3),
or where harmless merges build the word, it is a NORMAL token like any other. Else it is
USER_DEFINED: such a token is cut out of the raw text before anything else happens, and unlike a
CONTROL token it is shown when the model says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gguf import TokenType

from lexigraft.errors import ExportError
from lexigraft.export.gguf.families import merged_instead
from lexigraft.export.gguf.pre_tokenizer import IGNORE_MERGES, pre_tokenizer_name, splitter_of
from lexigraft.export.gguf.word_merges import word_merges
from lexigraft.spelling.document import (
    SPACE_MARK,
    Document,
    byte_characters,
    document_of,
    is_byte_level,
    is_sentencepiece_bpe,
    model_alone,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Vocabulary", "vocabulary_of"]

_BEFORE = ("", "\n", "(", '"', "'", "«", "-", "/", ".", "*", "_", "\t", "1")
_AFTER = ("", ".", ",", ")", '"', "'", "»", "-", "\n", "'s", "1", " a")
_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Vocabulary:
    """Everything about the tokenizer that goes into the file."""

    model: str
    """'gpt2' for byte-level BPE, 'llama' for BPE in which '▁' stands for a space."""
    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...] | None
    merges: tuple[str, ...] | None
    space_prefix: bool
    """Whether a space is put before the text."""
    words: dict[int, str]
    """The text of each token that stands for a whole word and was added to the vocabulary."""
    composed: bool
    """Whether the tokenizer composes characters (NFC) first; llama.cpp does not."""


def vocabulary_of(tokenizer: PreTrainedTokenizerBase, rows: int) -> Vocabulary:
    """The vocabulary of `tokenizer`, filled up to `rows` tokens with unused ones.

    Raises:
        ExportError: llama.cpp cannot read such a tokenizer, or cannot write its new words.
    """
    document = document_of(tokenizer)
    if is_byte_level(document):
        return _byte_level(tokenizer, document, rows)
    if is_sentencepiece_bpe(document):
        return _sentencepiece(tokenizer, document, rows)
    kind = document["model"]["type"]
    raise ExportError(
        merged_instead(f"llama.cpp reads no tokenizer of the kind {kind} for this model.")
    )


def _byte_level(tokenizer: PreTrainedTokenizerBase, document: Document, rows: int) -> Vocabulary:
    words = _words(tokenizer, document)
    pre = pre_tokenizer_name(document, words.values())
    if pre is None:
        raise ExportError(
            merged_instead("llama.cpp knows no pre-tokenizer that splits as this tokenizer does.")
        )
    loose, added = _ways(document, pre, words)
    tokens, types = _tokens(document, rows, loose)
    merges = [_pair(merge) for merge in document["model"]["merges"]]
    return Vocabulary(
        model="gpt2",
        pre=pre,
        tokens=tokens,
        types=types,
        scores=None,
        merges=tuple(" ".join(merge) for merge in (*merges, *added)),
        space_prefix=False,
        # Llama 3 has whole words of its own that no merge gives.
        words=loose if pre in IGNORE_MERGES else words,
        composed=document["normalizer"] is not None,
    )


def _ways(
    document: Document, pre: str, words: Mapping[int, str]
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """The words that must be cut out of the raw text, and the merges that build the others."""
    loose = {n: t for n, t in words.items() if _is_isolated(document, pre, t)}
    if pre in IGNORE_MERGES:
        return _with_longer(loose, words), []
    vocabulary = document["model"]["vocab"]
    others = [string for string, number in vocabulary.items() if number not in words]
    pieces = _pieces(document, [s for s, number in vocabulary.items() if number in words])
    while True:
        loose = _with_longer(loose, words)
        fixed = {s: p for s, p in pieces.items() if vocabulary[s] not in loose}
        merges, left = word_merges(fixed, others)
        if not left:
            return loose, merges
        loose |= {vocabulary[string]: words[vocabulary[string]] for string in left}


def _with_longer(loose: Mapping[int, str], words: Mapping[int, str]) -> dict[int, str]:
    """`loose` with every word that holds one of them: its own text would be cut apart first."""
    texts = tuple(loose.values())
    return {n: t for n, t in words.items() if n in loose or any(text in t for text in texts)}


def _sentencepiece(tokenizer: PreTrainedTokenizerBase, document: Document, rows: int) -> Vocabulary:
    words = _words(tokenizer, document)
    prefix = _puts_space_first(tokenizer)
    if prefix and words:
        named = ", ".join(sorted({word.strip() for word in words.values()})[:5])
        raise ExportError(
            merged_instead(
                "llama.cpp puts a space before the text and after each new word with this "
                f"tokenizer, so it cannot write {named} as the model was taught. Terms of the "
                "subword and marker routes can be exported."
            )
        )
    tokens, types = _tokens(document, rows, words)
    return Vocabulary(
        model="llama",
        pre="default",
        tokens=tokens,
        types=types,
        scores=_scores(document, tokens),
        merges=None,
        space_prefix=prefix,
        words=words,
        composed=False,
    )


def _words(tokenizer: PreTrainedTokenizerBase, document: Document) -> dict[int, str]:
    """The text of every entry that no merge gives and that the tokenizer gives all the same."""
    added = {token["content"] for token in document["added_tokens"]}
    vocabulary = document["model"]["vocab"]
    strings = [string for string in vocabulary if string not in added]
    encoded = model_alone(document).encode_batch(strings, add_special_tokens=False)
    lone = {s: _text(document, s) for s, e in zip(strings, encoded, strict=True) if len(e.ids) > 1}
    texts = [text for text in lone.values() if text]
    asked = [text.removeprefix(" ") for text in texts] if _puts_space_first(tokenizer) else texts
    ids = tokenizer(asked, add_special_tokens=False).input_ids if asked else []
    reached = {text: found for text, found in zip(texts, ids, strict=True) if len(found) == 1}
    return {
        vocabulary[string]: text
        for string, text in lone.items()
        if text in reached and reached[text] == [vocabulary[string]]
    }


_BYTES = {character: byte for byte, character in enumerate(byte_characters())}


def _text(document: Document, string: str) -> str:
    """What a vocabulary string stands for; empty where that is no whole characters."""
    if not is_byte_level(document):
        return "" if _BYTE_TOKEN.fullmatch(string) else string.replace(SPACE_MARK, " ")
    if not all(character in _BYTES for character in string):
        return ""
    text = bytes(map(_BYTES.__getitem__, string)).decode(errors="replace")
    return "" if "\ufffd" in text else text


def _is_isolated(document: Document, pre: str, text: str) -> bool:
    """Whether steps of the tokenizer's own cut `text` out of places where `pre` would not."""
    own, usual = splitter_of(document), splitter_of(document, pre)
    before = ("", "a") if text.startswith(" ") else _BEFORE
    texts = (*(b + text for b in before), *(text + a for a in _AFTER))
    return any(own.pre_tokenize_str(t) != usual.pre_tokenize_str(t) for t in texts)


def _pieces(document: Document, strings: Sequence[str]) -> dict[str, list[str]]:
    encoded = model_alone(document).encode_batch(strings, add_special_tokens=False)
    return {string: e.tokens for string, e in zip(strings, encoded, strict=True)}


def _pair(merge: Sequence[str] | str) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _tokens(
    document: Document, rows: int, loose: Mapping[int, str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The text and the kind of each token.

    A token is hidden by its flag in the tokenizer, never by its looks: `<|word|>` may be a word.
    """
    strings = {number: string for string, number in document["model"]["vocab"].items()}
    types = dict.fromkeys(strings, TokenType.NORMAL)
    if document["model"].get("byte_fallback"):
        types |= {n: TokenType.BYTE for n, s in strings.items() if _BYTE_TOKEN.fullmatch(s)}
    for token in document["added_tokens"]:
        special = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
        types[token["id"]] = special
        raw = token["content"]
        strings[token["id"]] = raw if token["special"] else raw.replace(SPACE_MARK, " ")
    strings.update(loose)
    types |= dict.fromkeys(loose, TokenType.USER_DEFINED)
    unknown = document["model"].get("unk_token")
    types |= {n: TokenType.UNKNOWN for n, s in strings.items() if s == unknown}
    for number in range(rows):
        if number not in strings:
            strings[number] = f"[UNUSED {number}]"
            types[number] = TokenType.UNUSED
    _require_distinct(strings, rows)
    ordered = range(rows)
    return tuple(strings[n] for n in ordered), tuple(int(types[n]) for n in ordered)


def _require_distinct(strings: Mapping[int, str], rows: int) -> None:
    if len(strings) > rows:
        raise ExportError(
            f"The tokenizer has {len(strings)} tokens and the model {rows} rows: they do not "
            "belong together."
        )
    seen: dict[str, int] = {}
    for number, string in strings.items():
        if (other := seen.setdefault(string, number)) != number:
            raise ExportError(
                merged_instead(f"Tokens {other} and {number} would both be {string!r} in the file.")
            )


def _scores(document: Document, tokens: Sequence[str]) -> tuple[float, ...]:
    """What llama.cpp merges by, the highest first: minus the rank of the merge that gives a token.

    A token that no merge gives has the lowest score.
    """
    ranks: dict[str, int] = {}
    merges: list[Any] = document["model"]["merges"]
    for rank, merge in enumerate(merges):
        ranks.setdefault("".join(_pair(merge)), rank)
    lowest = len(merges)
    return tuple(-float(ranks.get(token, lowest)) for token in tokens)


def _puts_space_first(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a word at the beginning of a text reads as one after a space."""
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False).input_ids)
    return bool(tokens) and tokens[0].startswith(SPACE_MARK)
