"""Exact new tokens for BPE vocabularies: a vocabulary entry, found before any merge is tried.

The mechanism, and why it and not another:

- *Added tokens* match raw text before the pre-tokenizer runs. On a byte-level vocabulary the
  space before the word stays behind as a token of its own, which no text ever showed the model.
- *Merges* that build the word letter by letter fire in other words too (`zorro` → `zor, ro`).
- *A vocabulary entry with `ignore_merges`* is looked up with the whole pre-token, so that the
  word is one token exactly where the pre-tokenizer sees it as one, its leading space included.
  Llama 3's own vocabulary is read in this way.

`ignore_merges` also wakes old entries that their own merges never reach. Those are looked for,
and each is kept asleep by a *guard*, a split at the place where its merges leave a seam: since no
merge crossed that seam before, both halves come out as they did.

Where the pre-tokenizer does not see the form as a whole, splitting steps are added that touch no
text without it: an *isolating* step cuts the form, with its space, out of what surrounds it
(Qwen and Llama 3 glue the quotation mark in `"zorblax` to the word); where the form is itself cut
(`dark matter`, `B12`), each later step is taught to leave a whole form alone.

SentencePiece-style BPE (Llama 2, Gemma) has no words at all: there the isolating step comes last,
on text in which '▁' already stands for the space, and everything else is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tokenizers import Tokenizer

from lexigraft.spelling.document import (
    GPT2_PATTERN,
    SPACE_MARK,
    Document,
    byte_characters,
    first_free_id,
    is_byte_level,
    is_sentencepiece_bpe,
    marked_entries,
    marks_spaces,
    model_alone,
    model_with_splits,
    pre_tokenizer_steps,
    unmarked,
    with_every_id_in_vocabulary,
    with_steps,
    without_model,
)
from lexigraft.spelling.pattern import isolating_pattern, trie_pattern
from lexigraft.spelling.plan import Wanted

__all__ = ["Entry", "extend", "old_pieces", "sleeping_entries", "vocabulary_strings"]

_BEFORE = ("", "\n", "\t", "(", '"', "'", "«", "“", "‘", "[", "-", "—", "/", ".", ",", "*", "_")
_AFTER = ("", ".", ",", ")", '"', "'", "»", "-", "\n", " a", "'s")
_LETTERS = ("a", "я", "字")
_BYTES = {character: byte for byte, character in enumerate(byte_characters())}


@dataclass(frozen=True)
class Entry:
    """A wanted piece with its vocabulary string and its id."""

    wanted: Wanted
    token: str
    id: int


def vocabulary_strings(document: Document, contents: Sequence[str]) -> list[str]:
    """How each text piece is written in the vocabulary, normalised as the tokenizer does it."""
    normalizer = without_model(document).normalizer
    table = byte_characters()
    strings = []
    for content in contents:
        if normalizer is not None:
            # A letter in front keeps a normaliser that prepends '▁' from marking the piece itself.
            content = normalizer.normalize_str("x" + content)
            content = content[len(normalizer.normalize_str("x")) :]
        if is_byte_level(document):
            strings.append("".join(table[byte] for byte in content.encode()))
        else:
            strings.append(unmarked(content).replace(" ", SPACE_MARK))
    return strings


def extend(
    document: Document, wanted: Sequence[Wanted]
) -> tuple[Document, tuple[Entry, ...], tuple[Wanted, ...]]:
    """A document in which each wanted piece is one token, and what could not be made so.

    Args:
        document: any tokenizer; only a byte-level or SentencePiece-style BPE is extended.
        wanted: pieces that are not one token yet, without repeats.

    Returns:
        the new document (the given one is untouched), the entries made, and the pieces left
        over for another mechanism. Ids follow the highest one in use, in the order of `wanted`.
    """
    guard = _guard_pattern(document) if _supported(document) else None
    if guard is None:
        return document, (), tuple(wanted)
    strings = vocabulary_strings(document, [piece.content for piece in wanted])
    taken = document["model"]["vocab"].keys() | {a["content"] for a in document["added_tokens"]}
    cuts = _cuts(document, wanted, strings)
    protectable = _protected(pre_tokenizer_steps(document), "") is not None
    entries: dict[str, Entry] = {}
    left = []
    start = first_free_id(document)
    for piece, string, cut in zip(wanted, strings, cuts, strict=True):
        usable = string and string not in taken and string not in entries
        if not usable or (cut == "cut" and not protectable):
            left.append(piece)
        else:
            entries[string] = Entry(piece, string, start + len(entries))
    handled = {entry.wanted.content for entry in entries.values()}
    cut_forms = {w.form for w, c in zip(wanted, cuts, strict=True) if c == "cut"}
    glued = [w for w, c in zip(wanted, cuts, strict=True) if c and w.content in handled]
    new = _with_entries(document, tuple(entries.values()))
    return _with_splits(new, glued, cut_forms, guard), tuple(entries.values()), tuple(left)


def _supported(document: Document) -> bool:
    if is_byte_level(document):
        # ByteLevel's prefix space would be put before every piece that a new step cuts out.
        return not any(s.get("add_prefix_space") for s in pre_tokenizer_steps(document))
    return is_sentencepiece_bpe(document)


def _with_entries(document: Document, entries: Sequence[Entry]) -> Document:
    new = with_every_id_in_vocabulary(document)
    vocabulary = {**new["model"]["vocab"], **{e.token: e.id for e in entries}}
    return {**new, "model": {**new["model"], "vocab": vocabulary, "ignore_merges": True}}


def _with_splits(
    document: Document, glued: Sequence[Wanted], cut_forms: set[str], guard: str
) -> Document:
    """The pre-tokenizer with isolating, protecting and guarding steps, as far as needed."""
    steps = pre_tokenizer_steps(document)
    if not glued and not guard:
        return document
    space = " " if is_byte_level(document) else SPACE_MARK
    written = dict(zip(glued, _normalised(document, [w.form for w in glued]), strict=True))
    isolating = isolating_pattern(
        whole=[form for w, form in written.items() if not w.inside_words],
        anywhere=[form for w, form in written.items() if w.inside_words],
        space=space,
    )
    first = [_split(isolating)] if isolating else []
    last = [_split(guard)] if guard else []
    if not is_byte_level(document):
        steps, older = _parted(steps)
        forms = [form for w, form in written.items()]
        # Before the steps of earlier terms, which may stand inside a new one.
        older = (
            _protected(older, rf"\A{space}?{trie_pattern(forms)}\z") or older if forms else older
        )
        return with_steps(document, [*steps, *first, *older, *last])
    forms = [form for w, form in written.items() if w.form in cut_forms]
    if forms:
        steps = _protected(steps, rf"\A ?{trie_pattern(forms)}\z") or steps
    if guard:
        steps = _with_open_byte_level(steps)
    return with_steps(document, [*first, *steps[:-1], *last, steps[-1]])


def _parted(steps: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """The host's own steps, and the isolating and guarding ones that an earlier call added."""
    count = len(steps)
    while count and steps[count - 1]["type"] == "Split":
        if steps[count - 1]["behavior"] != "Isolated":
            break
        count -= 1
    return list(steps[:count]), list(steps[count:])


def _normalised(document: Document, texts: Sequence[str]) -> list[str]:
    """Each text as it reaches the pre-tokenizer's new steps."""
    strings = vocabulary_strings(document, texts)
    return [_text_of(s) for s in strings] if is_byte_level(document) else strings


def _split(pattern: str) -> Document:
    regex = {"Regex": pattern}
    return {"type": "Split", "pattern": regex, "behavior": "Isolated", "invert": False}


def _with_open_byte_level(steps: Sequence[Document]) -> list[Document]:
    """The steps with ByteLevel's built-in splitting written out as a step of its own."""
    opened: list[Document] = []
    for step in steps:
        if step["type"] == "ByteLevel" and step.get("use_regex", True):
            opened += [_split(GPT2_PATTERN), {**step, "use_regex": False}]
        else:
            opened.append(step)
    return opened


def _protected(steps: Sequence[Document], whole: str) -> list[Document] | None:
    """Steps that leave a piece matching `whole` uncut; None where a step cannot be taught to."""
    protected: list[Document] = []
    for step in _with_open_byte_level(steps):
        kind = step["type"]
        if kind == "Digits":
            each = r"\p{N}" if step["individual_digits"] else r"\p{N}+"
            protected.append(_split(f"{whole}|{each}"))
        elif kind == "Split":
            keeps = (step["behavior"], step["invert"]) in (("Isolated", False), ("Removed", True))
            if not keeps:
                return None
            pattern = step["pattern"]
            regex = pattern.get("Regex") or re.escape(pattern["String"])
            protected.append({**step, "pattern": {"Regex": f"{whole}|{regex}"}})
        elif kind == "ByteLevel":
            protected.append(step)
        else:
            return None
    return protected


Cut = Literal["", "glued", "cut"]


def _cuts(document: Document, wanted: Sequence[Wanted], strings: Sequence[str]) -> list[Cut]:
    """What the pre-tokenizer does to each piece: keeps it whole, glues it to signs, or cuts it."""
    if not is_byte_level(document):
        return ["glued"] * len(wanted)
    splitter = without_model(document).pre_tokenizer
    normal = {w.content: _text_of(s) for w, s in zip(wanted, strings, strict=True)}
    cuts = [
        _cut(splitter, normal[w.content], string, w.inside_words)
        for w, string in zip(wanted, strings, strict=True)
    ]
    # A form is isolated with and without its space alike: one step finds both.
    worst: dict[str, Cut] = {}
    for w, cut in zip(wanted, cuts, strict=True):
        worst[w.form] = max(worst.get(w.form, ""), cut, key=("", "glued", "cut").index)
    return [worst[w.form] for w in wanted]


def _text_of(token: str) -> str:
    return bytes(map(_BYTES.__getitem__, token)).decode(errors="replace")


def _cut(splitter: Any, content: str, token: str, inside_words: bool) -> Cut:
    def whole(text: str) -> bool:
        return any(piece == token for piece, _ in splitter.pre_tokenize_str(text))

    if not whole(content):
        return "cut"
    letters = _LETTERS if inside_words else ()
    before = (*(("a",) if content[0] == " " else _BEFORE), *letters)
    kept = all(whole(b + content) for b in before) and all(
        whole(content + a) for a in (*_AFTER, *letters)
    )
    return "" if kept else "glued"


def sleeping_entries(document: Document) -> tuple[str, ...]:
    """Old vocabulary strings that the model's own merges do not reach from their text.

    `ignore_merges` would wake them. Added and special tokens are left out: they are cut from the
    text before the model sees it. Empty where the flag is set already.
    """
    model = document["model"]
    if model.get("ignore_merges"):
        return ()
    added = {token["content"] for token in document["added_tokens"]}
    tokens = [token for token in model["vocab"] if token not in added]
    encoded = model_alone(document).encode_batch(tokens, add_special_tokens=False)
    pairs = zip(tokens, encoded, strict=True)
    return tuple(t for t, e in pairs if e.ids != [model["vocab"][t]] and _can_stand(document, t))


def _can_stand(document: Document, token: str) -> bool:
    """Whether a whole pre-token can be `token`: text never yields a part of a character."""
    return not is_byte_level(document) or "\ufffd" not in _text_of(token)


def _guard_pattern(document: Document) -> str | None:
    """A pattern that splits a text equal to a sleeping entry at a seam of its old pieces.

    Empty where nothing sleeps; None where an entry has no seam between two characters.
    """
    sleeping = sleeping_entries(document)
    if not sleeping:
        return ""
    alone = model_alone(document)
    branches = []
    for token in sleeping:
        # Offsets, not the pieces' strings: a character that the vocabulary lacks becomes bytes.
        spans = alone.encode(token, add_special_tokens=False).offsets
        seam = _seam(document, token, spans, set(sleeping))
        if seam is None:
            return None
        head, tail = seam
        branches.append(rf"{re.escape(head)}(?={re.escape(tail)}\z)")
    return rf"\A(?:{'|'.join(branches)})"


def _seam(
    document: Document, token: str, spans: Sequence[tuple[int, int]], sleeping: set[str]
) -> tuple[str, str] | None:
    """`token` as two texts, cut where one of its old pieces ends and the next begins."""
    for (_, end), (start, _) in pairwise(spans):
        head, tail = token[:end], token[end:]
        # The bytes of one character share its span: no text can be cut between them.
        if start != end or not head or not tail or head in sleeping or tail in sleeping:
            continue
        if not is_byte_level(document):
            return head, tail
        texts = _text_of(head), _text_of(tail)
        if not any("\ufffd" in text for text in texts):
            return texts
    return None


def old_pieces(document: Document, contents: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The ids that a tokenizer gives to each text piece as it stands inside a text.

    A SentencePiece-style tokenizer would put '▁' before a piece that stands alone, so there the
    model is asked without its normaliser. What was added before is known all the same: to a BPE by
    its splitting steps, in a Unigram vocabulary by the marks.
    """
    texts = list(contents)
    own: dict[str, int] = {}
    if marks_spaces(document):
        tokenizer = model_with_splits(document)
        texts = vocabulary_strings(document, contents)
        own = marked_entries(document)
    else:
        tokenizer = Tokenizer.from_str(json.dumps(document))
        tokenizer.no_truncation()
        tokenizer.no_padding()
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return {
        content: (own[text],) if text in own else tuple(e.ids)
        for content, text, e in zip(contents, texts, encoded, strict=True)
    }
