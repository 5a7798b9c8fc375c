"""Texts with what the teacher says at every position: context distillation, computed once.

The teacher is the untaught model itself. From the term's first token on it has the definition in
its prompt; before that it has not, because a student who has not met the term yet has no reason to
think of it: asked to match the prompted teacher there, it learns to say the term out of nothing.
Replay texts have the plain teacher throughout, and hold the student to what the model was; texts
about the terms of an earlier run are such, and the teacher knows those terms already. So have
foils, but only behind the untaught word: before it the sentence is one in which a term belongs.

The teacher reads existing pieces. Where a new token stands for some, its probability is what the
teacher gave to all of them together, and the first piece keeps the rest: one distribution over old
and new tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus import Text, defining_line, meaning_of, written_as
from lexigraft.lexicon import Lexicon, Term, find_term
from lexigraft.likelihood import document_start, encode, output_rows
from lexigraft.signals import Signal, signals_of
from lexigraft.spelling import Spelling

__all__ = ["Lesson", "make_lessons"]

_MANY = ("passage", "written", "swapped", "foil", "replay", "kept")


@dataclass(frozen=True)
class Lesson:
    """One text as the student reads it, and the target at each of its positions but the last.

    `targets[i]` holds token ids and their probabilities for the token after position i; what they
    leave of 1 belongs to every other old token.
    """

    ids: Int[Tensor, " time"]
    target_ids: Int[Tensor, "positions kept"]
    target_probabilities: Float[Tensor, "positions kept"]
    weights: Float[Tensor, " positions"]
    replay: bool
    term: str | None = None


@dataclass(frozen=True)
class _Draft:
    """A text in ids: `pieces` for the teacher, `place[i]` where student token i begins in them.

    `inside` says which student tokens belong to the term, or to the foil.
    """

    text: Text
    ids: list[int]
    pieces: list[int]
    place: list[int]
    inside: list[bool]
    prompt: list[int]


def make_lessons(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    texts: Sequence[Text],
    *,
    top_k: int,
    text_weight: float,
    term_weight: float,
    lexicon_weight: float,
    examples: int,
    advance: Callable[[int], None] | None = None,
) -> list[Lesson]:
    """A lesson for every text, in their order.

    Args:
        model: untaught, without new rows.
        old_tokenizer: its own.
        tokenizer: the one that spells the new words; the same where no token is new.
        texts: as the model shall see them.
        top_k: the teacher's likeliest tokens kept a position.
        text_weight: share of the text's own next token in the target, from the term on.
        term_weight: weight of the term's own tokens against others.
        lexicon_weight: weight of definitions, relations and examples against self-written texts.
        examples: how many of the lexicon's examples the teacher has before self-written texts.
        advance: told how many texts are finished.
    """
    start = document_start(old_tokenizer)
    drafts = [
        _draft(t, old_tokenizer, tokenizer, lexicon, spelling, start, examples) for t in texts
    ]
    pieces_of = {token.id: token.pieces for token in spelling.new_tokens}
    # A spare row that will be a new token means nothing to the teacher yet.
    unknown = [i for i in spelling.new_ids if i < len(output_rows(model))]
    k = min(top_k, len(output_rows(model)) - len(unknown))
    plain = signals_of(model, [(start, d.pieces) for d in drafts], k, unknown, advance)
    asked = [d for d in drafts if d.prompt]
    with_prompt = [(start + d.prompt, d.pieces) for d in asked]
    seen = iter(signals_of(model, with_prompt, k, unknown, advance))
    prompted = [next(seen) if d.prompt else None for d in drafts]
    return [
        _lesson(d, p, q, pieces_of, text_weight, term_weight, lexicon_weight)
        for d, p, q in zip(drafts, plain, prompted, strict=True)
    ]


def _draft(
    text: Text,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    start: list[int],
    examples: int,
) -> _Draft:
    ids = encode(tokenizer, text.text)
    pieces_of = {token.id: token.pieces for token in spelling.new_tokens}
    pieces: list[int] = []
    place = []
    for token in ids:
        place.append(len(pieces))
        pieces += pieces_of.get(token, (token,))
    if text.term is None:
        foil = [] if text.foil is None else _spans(text.text, text.foil)
        return _Draft(text, start + ids, pieces, place, _inside(text.text, foil, tokenizer), [])
    term = lexicon[text.term]
    found = find_term(text.text, term, lexicon.marker)
    inside = _inside(text.text, [(o.start, o.end) for o in found], tokenizer)
    prompt = encode(old_tokenizer, _prompt(text, term, lexicon, spelling, examples))
    return _Draft(text, start + ids, pieces, place, inside, prompt)


def _prompt(text: Text, term: Term, lexicon: Lexicon, spelling: Spelling, examples: int) -> str:
    """What the teacher knows of the term: a definition and, for its uses, the first examples.

    A text of the lexicon's own has no examples before it: the teacher would copy it from there.
    """
    surfaces = {t.term: t.surface for t in spelling}
    meaning = meaning_of(term, lexicon, surfaces, len(text.text) % len(term.definition))
    line = defining_line(surfaces[term.term], meaning)
    if text.kind not in ("passage", "written", "swapped") or not term.examples[:examples]:
        return line
    uses = [written_as(e, lexicon, surfaces, bare=(term.term,)) for e in term.examples[:examples]]
    return line + " ".join(uses) + "\n"


def _spans(text: str, word: str) -> list[tuple[int, int]]:
    """The first place where `word` stands, its first letter in either case."""
    start = max(text.find(word), text.casefold().find(word.casefold()))
    return [] if start < 0 else [(start, start + len(word))]


def _inside(
    text: str, spans: Sequence[tuple[int, int]], tokenizer: PreTrainedTokenizerBase
) -> list[bool]:
    """For each token whether it reaches into one of `spans` of characters."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return [any(start < right and left < end for start, end in spans) for left, right in read]


def _lesson(
    draft: _Draft,
    plain: Signal,
    prompted: Signal | None,
    pieces_of: Mapping[int, tuple[int, ...]],
    text_weight: float,
    term_weight: float,
    lexicon_weight: float,
) -> Lesson:
    offset = len(draft.ids) - len(draft.place)
    usual = 1.0 if draft.text.kind in _MANY else lexicon_weight
    ids, probabilities, heavy = [], [], []
    # From here on the student knows what it is about; everywhere, if the term is not found.
    first = draft.inside.index(True) if any(draft.inside) else 0
    # Ids as the student reads them; with no document start the first one has nothing before it.
    for index in range(0 if offset else 1, len(draft.place)):
        taught = prompted is not None and index >= first
        signal = prompted if taught and prompted is not None else plain
        token = draft.ids[offset + index]
        share = text_weight if taught else 0.0
        some, weights = _target(signal, draft.place[index], token, pieces_of.get(token), share)
        ids.append(some)
        probabilities.append(weights)
        if draft.text.foil is not None:
            heavy.append(float(index > first))
        else:
            heavy.append(usual * (term_weight if draft.inside[index] else 1.0))
    return Lesson(
        ids=torch.tensor(draft.ids),
        target_ids=torch.stack(ids),
        target_probabilities=torch.stack(probabilities),
        weights=torch.tensor(heavy),
        replay=draft.text.term is None,
        term=draft.text.term,
    )


def _target(
    signal: Signal, place: int, token: int, pieces: tuple[int, ...] | None, share: float
) -> tuple[Tensor, Tensor]:
    """Ids and probabilities at one position: the teacher's, and `share` for the text's own token.

    A new token takes over what its pieces had. The last slot is the text's token, with what the
    teacher gives it, where it is not among the likeliest, else -1: no id stands twice.
    """
    ids, probabilities = signal.ids[place], signal.log_probabilities[place].exp() * (1 - share)
    own = share
    if pieces is not None:
        word = float(signal.of_next[place : place + len(pieces)].sum().exp()) * (1 - share)
        probabilities = torch.where(
            ids == pieces[0], (probabilities - word).clamp_min(0), probabilities
        )
        own += word
    here = ids == token
    if pieces is None and not bool(here.any()):
        own += float(signal.of_next[place].exp()) * (1 - share)
    if bool(here.any()):
        probabilities = torch.where(here, probabilities + own, probabilities)
        token, own = -1, 0.0
    return torch.cat([ids, torch.tensor([token])]), torch.cat([probabilities, torch.tensor([own])])
