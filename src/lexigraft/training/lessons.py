"""Texts with what the teacher says at every position: context distillation, computed once.

The teacher is the untaught model itself. From the term's first token on it has the definition in
its prompt; before that it has not, because a student who has not met the term yet has no reason to
think of it: asked to match the prompted teacher there, it learns to say the term out of nothing.
So it is at the term's own first token, unless what stands before speaks for the term: is so much
likelier under its definition than under an empty one. In "The kerfel hung there" nothing does.
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
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus import Text, defining_line, meaning_of, terms_in, written_as
from lexigraft.lexicon import Language, Lexicon, Term, find_term
from lexigraft.likelihood import (
    Pair,
    document_start,
    encode,
    output_rows,
    token_log_probabilities,
)
from lexigraft.recipe import TrainingRecipe
from lexigraft.signals import Signal, signals_of
from lexigraft.spelling import Spelling

__all__ = ["Lesson", "make_lessons"]

_EMPTY: dict[Language, str] = {"en": "a word", "ru": "слово"}
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
    epoch: int | None = None
    """The one in which it is read; None for every one."""
    held: Bool[Tensor, " positions"] | None = None
    """Where all that the untaught model says is the target, and not the kept part alone."""
    teacher: Float[Tensor, "held dim"] | None = None
    """Its last states there, from which that can be computed anew."""
    normaliser: Float[Tensor, " held"] | None = None
    """log-sum-exp of its logits there."""
    reverse: bool = False
    """Whether the student shall say nothing that the target does not, rather than all that it does:
    the direction of the KL."""


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
    settings: TrainingRecipe,
    advance: Callable[[int], None] | None = None,
    *,
    by_student: bool = False,
    whole: bool = False,
) -> list[Lesson]:
    """A lesson for every text, in their order.

    Args:
        model: untaught, without new rows.
        old_tokenizer: its own.
        tokenizer: the one that spells the new words; the same where no token is new.
        texts: as the model shall see them.
        settings: what is kept of the teacher, what it reads, and what weighs how much.
        advance: told how many texts are finished.
        by_student: whether the student wrote the texts. Their own tokens are then no evidence, and
            it is held to what the teacher says of them.
        whole: keep the states of the untaught model where it is the teacher without a prompt, so
            that nothing can move in the tail of its distribution either. Of no use where the output
            rows themselves are going to move.
    """
    start = document_start(old_tokenizer)
    shown = settings.teacher_examples
    drafts = [_draft(t, old_tokenizer, tokenizer, lexicon, spelling, start, shown) for t in texts]
    pieces_of = {token.id: token.pieces for token in spelling.new_tokens}
    # A row that is or will be a new token, or was added for none, means nothing to the teacher.
    rows = len(output_rows(model))
    unknown = sorted({*spelling.new_ids, *range(spelling.rows_before, rows)} & set(range(rows)))
    k = min(settings.top_k, len(output_rows(model)) - len(unknown))
    every = [(start, d.pieces) for d in drafts]
    plain = signals_of(model, every, k, unknown, advance, keep_states=whole)
    taught = settings.objective != "next-token"
    asked = [d for d in drafts if d.prompt and taught]
    with_prompt = [(start + d.prompt, d.pieces) for d in asked]
    seen = iter(signals_of(model, with_prompt, k, unknown, advance))
    prompted = [next(seen) if d.prompt and taught else None for d in drafts]
    before = [0.0] * len(drafts)
    if taught:
        before = _evidence(model, old_tokenizer, lexicon, spelling, drafts, start)
    return [
        _lesson(d, p, q, e >= settings.evidence, pieces_of, settings, by_student)
        for d, p, q, e in zip(drafts, plain, prompted, before, strict=True)
    ]


def _evidence(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    drafts: Sequence[_Draft],
    start: list[int],
) -> list[float]:
    """How much speaks for the term before it stands: log p(before | definition) in nats, less the
    same with an empty definition, which a text that merely follows such a line would gain as well.
    """
    surfaces = {t.term: t.surface for t in spelling}
    asked = [i for i, d in enumerate(drafts) if d.text.term and any(d.inside)]
    pairs: dict[bool, list[Pair]] = {True: [], False: []}
    for index in asked:
        draft = drafts[index]
        before = draft.pieces[: draft.place[draft.inside.index(True)]]
        term = lexicon[str(draft.text.term)]
        meaning = _meaning(draft.text, term, lexicon, surfaces)
        for real, words in ((True, meaning), (False, _EMPTY[term.language])):
            line = encode(tokenizer, defining_line(surfaces[term.term], words))
            pairs[real].append(Pair(start + line, before))
    with_meaning, without = (token_log_probabilities(model, pairs[real]) for real in (True, False))
    found = [0.0] * len(drafts)
    for index, one, other in zip(asked, with_meaning, without, strict=True):
        found[index] = float(sum(one) - sum(other))
    return found


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

    Of a contrast it knows both sides. A text of the lexicon's own has no examples before it: the
    teacher would copy it from there.
    """
    surfaces = {t.term: t.surface for t in spelling}
    line = defining_line(surfaces[term.term], _meaning(text, term, lexicon, surfaces))
    if text.kind == "contrast":
        others = sorted(terms_in(text.text, lexicon, surfaces) - {term.term})
        meanings = {name: meaning_of(lexicon[name], lexicon, surfaces) for name in others}
        return "".join(defining_line(surfaces[n], meanings[n]) for n in others) + line
    if text.kind not in ("passage", "written", "swapped") or not term.examples[:examples]:
        return line
    uses = [written_as(e, lexicon, surfaces, bare=(term.term,)) for e in term.examples[:examples]]
    return line + " ".join(uses) + "\n"


def _meaning(text: Text, term: Term, lexicon: Lexicon, surfaces: Mapping[str, str]) -> str:
    """The definition that the teacher of this text reads; the texts go through all of them."""
    return meaning_of(term, lexicon, surfaces, len(text.text) % len(term.definition))


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
    reason: bool,
    pieces_of: Mapping[int, tuple[int, ...]],
    settings: TrainingRecipe,
    by_student: bool,
) -> Lesson:
    offset = len(draft.ids) - len(draft.place)
    usual = 1.0 if draft.text.kind in _MANY else settings.lexicon_weight
    ids, probabilities, heavy, held = [], [], [], []
    # From here on the student knows what it is about; everywhere, if the term is not found.
    first = draft.inside.index(True) if any(draft.inside) else 0
    told = first if reason or not any(draft.inside) else first + 1
    # Ids as the student reads them; with no document start the first one has nothing before it.
    for index in range(0 if offset else 1, len(draft.place)):
        taught = prompted is not None and index >= told
        signal = prompted if taught and prompted is not None else plain
        token = draft.ids[offset + index]
        share = settings.text_weight if taught and not by_student else 0.0
        if settings.objective == "next-token" and draft.text.term is not None:
            share = 1.0
        held.append(signal is plain and share == 0 and token not in pieces_of)
        some, weights = _target(signal, draft.place[index], token, pieces_of.get(token), share)
        ids.append(some)
        probabilities.append(weights)
        if draft.text.foil is not None:
            heavy.append(float(index > first))
        else:
            heavy.append(usual * (settings.term_weight if draft.inside[index] else 1.0))
    places = torch.tensor(draft.place[0 if offset else 1 :], dtype=torch.long)
    there = places[torch.tensor(held)]
    states = None if plain.states is None else plain.states[there]
    return Lesson(
        ids=torch.tensor(draft.ids),
        target_ids=torch.stack(ids),
        target_probabilities=torch.stack(probabilities),
        weights=torch.tensor(heavy),
        replay=draft.text.term is None,
        term=draft.text.term,
        epoch=draft.text.epoch,
        held=None if states is None else torch.tensor(held),
        teacher=states,
        normaliser=None if plain.normaliser is None else plain.normaliser[there],
        reverse=by_student,
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
    last = torch.tensor([token], dtype=ids.dtype)
    return torch.cat([ids, last]), torch.cat([probabilities, torch.tensor([own])])
