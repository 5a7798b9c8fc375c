"""The name of the pre-tokenizer, found by what it does.

llama.cpp has the splitting patterns of every model compiled in and picks one by
`tokenizer.ggml.pre`. A wrong name is not noticed by anything: the file loads, and digits and
punctuation are cut in another way than in training. So the name is not taken from the model's
name; the tokenizer's own splitting is compared with each candidate's on the same texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lexigraft.spelling.document import GPT2_PATTERN, Document, with_steps, without_model
from lexigraft.spelling.sample import SAMPLE

__all__ = ["IGNORE_MERGES", "PRE_TOKENIZERS", "pre_tokenizer_name", "splitter_of"]

_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(pattern: str) -> Document:
    regex = {"Regex": pattern}
    return {"type": "Split", "pattern": regex, "behavior": "Isolated", "invert": False}


_DIGITS: Document = {"type": "Digits", "individual_digits": True}

PRE_TOKENIZERS: dict[str, tuple[Document, ...]] = {
    "gpt-2": (_split(GPT2_PATTERN),),
    "smollm": (_DIGITS, _split(GPT2_PATTERN)),
    "llama-bpe": (_split(rf"{_CONTRACTED}|{_WORD}|\p{{N}}{{1,3}}|{_TAIL}"),),
    "qwen2": (_split(rf"{_CONTRACTED}|{_WORD}|\p{{N}}|{_TAIL}"),),
    "tekken": (_split(_CASED),),
}
"""By llama.cpp's name: the same splitting as steps of the `tokenizers` library, from the
tokenizer.json of GPT-2, SmolLM, Llama 3, Qwen 2 and Mistral Nemo."""

IGNORE_MERGES = frozenset({"llama-bpe", "tekken"})
"""Those with which llama.cpp looks a whole word up before it tries any merge."""

_BYTES: Document = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
_PROBES = (
    *SAMPLE,
    "word123456 7890 12 3",
    "I'm you'LL we'VE it'S 'quoted 'sword' 't",
    "line\n\nnext\n\n\n  indented\r\n\r\nend \n ",
    "camelCaseWord ALLCAPS McDonald's HTMLParser",
    "a  b   c\td\t\te \u00a0f",
    "x=(y)->{z}//#!?? ...---===",
)
_LEAST = 12


def splitter_of(document: Document, name: str | None = None) -> Any:
    """The pre-tokenizer of `document`, or the one that llama.cpp knows as `name`."""
    if name is None:
        return without_model(document).pre_tokenizer
    return without_model(with_steps(document, [*PRE_TOKENIZERS[name], _BYTES])).pre_tokenizer


def pre_tokenizer_name(document: Document, words: Iterable[str]) -> str | None:
    """llama.cpp's name for what a byte-level tokenizer splits by; None where none is the same.

    Args:
        words: forms that new tokens stand for. The steps that were added for them touch texts in
            which they stand, so such texts say nothing about the tokenizer's own splitting.
    """
    known = [word.strip().casefold() for word in words]
    texts = [text for text in _PROBES if not any(word in text.casefold() for word in known)]
    if len(texts) < _LEAST:
        return None
    wanted = _pieces(splitter_of(document), texts)
    for name in PRE_TOKENIZERS:
        if _pieces(splitter_of(document, name), texts) == wanted:
            return name
    return None


def _pieces(splitter: Any, texts: Sequence[str]) -> list[list[str]]:
    return [[piece for piece, _ in splitter.pre_tokenize_str(text)] for text in texts]
