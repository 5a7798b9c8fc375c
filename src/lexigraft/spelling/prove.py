"""The run-time proof that a new tokenizer does what its spelling says, and nothing else.

Nothing here trusts how the tokenizer was built: it is asked, in text after text, and its answers
are compared with the old one's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.disk import temporary_folder
from lexigraft.errors import SpellingError
from lexigraft.spelling.byte_bpe import old_pieces
from lexigraft.spelling.document import SPACE_MARK, document_of
from lexigraft.spelling.sample import SAMPLE
from lexigraft.spelling.values import NewToken, Spelling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["FormProof", "Proof", "Tokenizing", "changed_words", "own_ids", "prove", "require_exact"]

# Where a form is looked for: what stands before it, and what after it.
_POSITIONS: dict[str, tuple[str, str]] = {
    "start": ("", " is here."),
    "middle": ("we saw ", " again"),
    "end": ("this is ", ""),
    "after punctuation": ("Yes, ", ". Also"),
    "in quotes": ('the word "', '" is'),
    "in single quotes": ("the word '", "' is"),
    "in guillemets": ("слово «", "» тут"),
    "in brackets": ("see (", ") below"),
    "line start": ("one line\n", ", and"),
}

_LONE_SPACES = (" ", "Ġ", SPACE_MARK)


class Tokenizing(Protocol):
    """What is asked for ids: transformers' fast tokenizers, and whatever carries such a backend."""

    @property
    def backend_tokenizer(self) -> Any:
        """A `tokenizers.Tokenizer`."""
        ...


class FormProof(BaseModel):
    """What became of one form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: str
    form: str
    single: bool = Field(description="one token for the form itself in every position")
    exact: bool = Field(description="and it carries its leading space: no lone space token")
    round_trip: bool = Field(
        description="decode(encode(x)) == x wherever it held before, streamed token by token too"
    )
    bounded: bool = Field(True, description="inside longer words only where the lexicon asks")
    wrong: tuple[str, ...] = Field((), description="positions that are not exact")


class Proof(BaseModel):
    """What was found; `ok` is what a run needs to go on, `failures` says what is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forms: int = Field(description="surface forms looked at, capitalised ones included")
    exact: int
    single: int
    details: tuple[FormProof, ...] = Field((), description="forms that are not exact")
    texts: int = Field(description="texts compared between the old and the new tokenizer")
    changed_words: tuple[str, ...] = Field((), description="other words that tokenise differently")
    tokens_saved: dict[str, int] = Field(
        default_factory=dict, description="term -> tokens saved per occurrence in a sentence"
    )
    specials_unchanged: bool = True
    vocabulary_unchanged: bool = Field(True, description="every old string has its old id")
    reloads: bool = Field(True, description="AutoTokenizer reads it back to the same ids")

    @property
    def round_trips(self) -> bool:
        """Whether decoding gave every text back that it gave back before."""
        return all(form.round_trip for form in self.details)

    @property
    def ok(self) -> bool:
        """Nothing old changed and every form is one token; lone spaces are allowed."""
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """What is wrong, one sentence each; empty if `ok`."""
        found = [
            f"'{form.form}' is not one token: {', '.join(form.wrong)}"
            for form in self.details
            if not form.single
        ]
        found += [f"'{f.form}' does not decode to itself" for f in self.details if not f.round_trip]
        found += [
            f"'{f.form}' stands inside longer words, or does not where it should"
            for f in self.details
            if not f.bounded
        ]
        if self.changed_words:
            found.append(f"other words changed their tokens: {', '.join(self.changed_words[:10])}")
        for fine, message in (
            (self.specials_unchanged, "special tokens changed their ids"),
            (self.vocabulary_unchanged, "old vocabulary entries changed their ids"),
            (self.reloads, "the tokenizer reads back differently after saving"),
        ):
            if not fine:
                found.append(message)
        return tuple(found)


def prove(
    spelling: Spelling,
    old_tokenizer: PreTrainedTokenizerBase,
    new_tokenizer: PreTrainedTokenizerBase,
    *,
    texts: Iterable[str] = (),
    model_type: str | None = None,
) -> Proof:
    """Looks at every form in nine positions and at every text of the sample.

    Args:
        spelling: what `spell` decided.
        old_tokenizer: the host's, as it was.
        new_tokenizer: the one that `spell` returned.
        texts: the user's own texts, to be compared beside the bundled sample.
        model_type: `config.model_type` of the host. It stands beside the tokenizer when it is
            read back, as it will in a checkpoint: AutoTokenizer chooses its class by it.
    """
    compared = [*SAMPLE, *texts]
    forms = _forms(spelling)
    own = _own_ids(forms, old_tokenizer)
    details = _prove_forms(forms, own, old_tokenizer, new_tokenizer)
    old_vocabulary, new_vocabulary = old_tokenizer.get_vocab(), new_tokenizer.get_vocab()
    return Proof(
        forms=len(details),
        exact=sum(d.exact for d in details),
        single=sum(d.single for d in details),
        details=tuple(d for d in details if not (d.exact and d.round_trip and d.bounded)),
        texts=len(compared),
        changed_words=changed_words(
            spelling, frozenset().union(*own), compared, old_tokenizer, new_tokenizer
        ),
        tokens_saved=_tokens_saved(spelling, old_tokenizer, new_tokenizer),
        specials_unchanged=_specials(old_tokenizer) == _specials(new_tokenizer),
        vocabulary_unchanged=all(new_vocabulary.get(t) == i for t, i in old_vocabulary.items()),
        reloads=_reloads(new_tokenizer, [*_sentences(forms), *compared], model_type),
    )


def require_exact(proof: Proof, advice: str, *, allow_changes: bool = False) -> None:
    """Raises SpellingError with what `proof` found wrong, and `advice` on what to do next.

    With `allow_changes` other words may have other tokens than before; all else stays an error.
    """
    if allow_changes:
        proof = proof.model_copy(update={"changed_words": ()})
    if proof.ok:
        return
    lines = [f"  {line}" for line in proof.failures[:8]]
    if proof.changed_words:
        advice += " If such changes are acceptable, allow them by --allow-changes."
    raise SpellingError(
        "\n".join(["The new tokens are not exact on this tokenizer:", *lines, advice])
    )


def own_ids(spelling: Spelling, old_tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every id that stands for a form of a token-route term, those of the old tokenizer included.

    With them `changed_words` knows the words that may change.
    """
    return frozenset().union(*_own_ids(_forms(spelling), old_tokenizer))


def _encode(tokenizer: Tokenizing, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text without special tokens; many texts at once, past transformers' overhead."""
    backend = tokenizer.backend_tokenizer
    return [e.ids for e in backend.encode_batch(list(texts), add_special_tokens=False)]


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int]]) -> list[str]:
    backend = tokenizer.backend_tokenizer
    return list(backend.decode_batch([list(i) for i in ids], skip_special_tokens=False))


def _forms(spelling: Spelling) -> list[tuple[str, str, dict[bool, NewToken]]]:
    """(term, form, its tokens by whether they carry a space), in the order of the spelling."""
    found: dict[str, tuple[str, str, dict[bool, NewToken]]] = {}
    for token in spelling.new_tokens:
        _, _, tokens = found.setdefault(token.form, (token.term, token.form, {}))
        tokens[token.spaced] = token
    return list(found.values())


def _sentences(forms: Iterable[tuple[str, str, dict[bool, NewToken]]]) -> list[str]:
    return [b + form + a for _, form, _ in forms for b, a in _POSITIONS.values()]


def _prove_forms(
    forms: Sequence[tuple[str, str, dict[bool, NewToken]]],
    own: Sequence[set[int]],
    old: PreTrainedTokenizerBase,
    new: PreTrainedTokenizerBase,
) -> list[FormProof]:
    texts = _sentences(forms)
    ids = _encode(new, texts)
    # "wherever it held before": a text that the old tokenizer did not give back proves nothing
    held = _gives_back(old, texts, _encode(old, texts))
    given = _gives_back(new, texts, ids)
    back = [now or not before for now, before in zip(given, held, strict=True)]
    bounded = _bounded(forms, new)
    around = {
        name: tuple(text.strip() for text in _decode(old, _encode(old, sides)))
        for name, sides in _POSITIONS.items()
    }
    proofs = []
    for number, (term, form, _) in enumerate(forms):
        first = number * len(_POSITIONS)
        states = {
            name: _state(new, ids[first + place], own[number], around[name])
            for place, name in enumerate(_POSITIONS)
        }
        proofs.append(
            FormProof(
                term=term,
                form=form,
                single="broken" not in states.values(),
                exact=set(states.values()) == {"exact"},
                round_trip=all(back[first : first + len(_POSITIONS)]),
                bounded=bounded[number],
                wrong=tuple(name for name, state in states.items() if state != "exact"),
            )
        )
    return proofs


def _gives_back(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], encoded: Sequence[Sequence[int]]
) -> list[bool]:
    """Whether each text comes back, decoded at once and token by token."""
    from tokenizers.decoders import DecodeStream

    backend = tokenizer.backend_tokenizer
    held = []
    for text, ids, decoded in zip(texts, encoded, _decode(tokenizer, encoded), strict=True):
        stream = DecodeStream(skip_special_tokens=False)
        said = (stream.step(backend, number) for number in ids)
        held.append(decoded == text and "".join(part or "" for part in said) == text)
    return held


def _bounded(
    forms: Sequence[tuple[str, str, dict[bool, NewToken]]], new: PreTrainedTokenizerBase
) -> list[bool]:
    """Whether each form's new tokens stand inside longer words just where they should."""
    normalizer = new.backend_tokenizer.normalizer
    texts = [glued for _, form, _ in forms for glued in _glued(form, normalizer)]
    ids = _encode(new, texts)
    each = len(texts) // max(1, len(forms))
    return [
        all(
            bool({t.id for t in tokens.values()} & set(found)) == _may_be_inside(tokens)
            for found in ids[number * each : (number + 1) * each]
        )
        or (_may_be_inside(tokens) and False not in tokens)  # its bare piece was a token before
        for number, (_, _, tokens) in enumerate(forms)
    ]


def _may_be_inside(tokens: dict[bool, NewToken]) -> bool:
    return any(token.inside_words for token in tokens.values())


def _glued(form: str, normalizer: Any) -> list[str]:
    """The form as a part of longer words of its own script.

    Of its own, since some pre-tokenizers end a word where the script changes (DeepSeek's: 'aэ').
    After a sign, since others lend a text's start the space that makes a word of it. With letters
    that stay letters: NFKC makes 'Ŀ' into 'L·', and behind a sign a word begins.
    """
    letters = [c for c in form if c.isalpha() and _stays(c, normalizer)] or ["a"]
    first, last = letters[0], letters[-1]
    return [f".{first}{form}", f".{form}{last}", f".{first}{form}{last}"]


def _stays(character: str, normalizer: Any) -> bool:
    if normalizer is None:
        return True
    return str(normalizer.normalize_str(character)).strip(f" {SPACE_MARK}") == character


def _own_ids(
    forms: Sequence[tuple[str, str, dict[bool, NewToken]]], old: PreTrainedTokenizerBase
) -> list[set[int]]:
    """Ids that may stand for each form: its new tokens, and what was one token before.

    What a form was *inside* a text counts: some tokenizers put '▁' before a form that stands alone.
    """
    contents = [space + form for _, form, _ in forms for space in ("", " ")]
    already = old_pieces(document_of(old), contents)
    return [
        {t.id for t in tokens.values()}
        | {ids[0] for s in ("", " ") if len(ids := already[s + form]) == 1}
        for _, form, tokens in forms
    ]


def _state(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], own: set[int], around: tuple[str, ...]
) -> Literal["exact", "lone space", "broken"]:
    """How the form stands in one text: one token, one token after a lone space, or neither."""
    places = [place for place, number in enumerate(ids) if number in own]
    if len(places) != 1:
        return "broken"
    [place] = places
    sides = _decode(tokenizer, [ids[:place], ids[place + 1 :]])
    if tuple(side.strip() for side in sides) != around:
        return "broken"
    # Decoders drop a space at the very start (Llama 2), so ask the vocabulary for its string.
    before = tokenizer.convert_ids_to_tokens(ids[place - 1]) if place else ""
    return "lone space" if before in _LONE_SPACES else "exact"


def _specials(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Special and added tokens of the old tokenizer's kind: content -> id, named ones included."""
    numbers = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
    named = {
        f"{name}={token}": numbers[str(token)]
        for name, token in tokenizer.special_tokens_map.items()
        if str(token) in numbers
    }
    special = {
        token.content: number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special
    }
    return {**named, **special}


def changed_words(
    spelling: Spelling,
    own: frozenset[int],
    texts: Sequence[str],
    old: Tokenizing,
    new: Tokenizing,
) -> tuple[str, ...]:
    """Words (as split by spaces) that have other tokens now and hold no form of a term.

    `own` are the ids that stand for a form: a form that was one token already, bare, is set apart
    from the signs around it as its new, spaced sister is.

    A text with new tokens agrees if it is the old one again once they are written out in pieces;
    where it is not (a quotation mark may have been glued to the word) its words are compared.
    """
    pieces = {token.id: token.pieces for token in spelling.new_tokens}
    before, after = _encode(old, texts), _encode(new, texts)
    changed: dict[str, None] = {}
    for text, was, now in zip(texts, before, after, strict=True):
        if was == [piece for number in now for piece in pieces.get(number, (number,))]:
            continue
        words = list(dict.fromkeys((*text.split(), *(" " + word for word in text.split()))))
        pairs = zip(words, _encode(old, words), _encode(new, words), strict=True)
        found = [w for w, a, b in pairs if a != b and not own & set(b)]
        if not found and not own & set(now):
            found = [text]  # only the text as a whole differs: white space, or words run together
        changed.update(dict.fromkeys(word.strip() or word for word in found))
    return tuple(changed)


def _tokens_saved(
    spelling: Spelling, old: PreTrainedTokenizerBase, new: PreTrainedTokenizerBase
) -> dict[str, int]:
    terms = list(dict.fromkeys(token.term for token in spelling.new_tokens))
    before, after = _POSITIONS["middle"]
    texts = [before + term + after for term in terms]
    pairs = zip(terms, _encode(old, texts), _encode(new, texts), strict=True)
    return {term: len(was) - len(now) for term, was, now in pairs}


def _reloads(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], model_type: str | None
) -> bool:
    from transformers import AutoTokenizer

    with temporary_folder() as folder:
        tokenizer.save_pretrained(folder)
        if model_type is not None:
            config = json.dumps({"model_type": model_type})
            Path(folder, "config.json").write_text(config, encoding="utf-8")
        again = AutoTokenizer.from_pretrained(folder)
        kind = type(tokenizer)
        own = again if type(again) is kind else kind.from_pretrained(folder)
    expected = _encode(tokenizer, texts)
    return (
        _encode(again, texts) == expected
        and (own is again or _encode(own, texts) == expected)
        # once through transformers itself, special tokens included
        and again(list(texts[:5])).input_ids == tokenizer(list(texts[:5])).input_ids
        and again.get_vocab() == tokenizer.get_vocab()
        and _specials(again) == _specials(tokenizer)
        and again.chat_template == tokenizer.chat_template
    )
