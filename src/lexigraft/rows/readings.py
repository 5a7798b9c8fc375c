"""What the teacher says: texts in old pieces and in new tokens, and the targets between the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.errors import RunError
from lexigraft.likelihood import document_start, encode, output_rows
from lexigraft.signals import Signal, signals_of
from lexigraft.spelling import Spelling

__all__ = ["Reading", "make_readings"]


@dataclass(frozen=True)
class Reading:
    """One text as the student reads it, and what the teacher says at each position but the last.

    `target_ids` names old tokens by their ids and new ones by the number of old rows + their
    place among the new; what the probabilities leave of 1 belongs to every other old token.
    """

    ids: Int[Tensor, " time"]
    target_ids: Int[Tensor, "positions kept"]
    target_probabilities: Float[Tensor, "positions kept"]
    before_new: Bool[Tensor, " positions"]
    """For each position whether a new token follows."""


@dataclass(frozen=True)
class _Draft:
    """A text in ids: `pieces` for the teacher, `place[i]` where token i of the student begins."""

    ids: list[int]
    pieces: list[int]
    place: list[int]


def make_readings(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    texts: Sequence[str],
    *,
    kept: int,
    text_share: float,
    advance: Callable[[int], None] | None = None,
) -> list[Reading]:
    """A reading for every text, in their order.

    Args:
        model: the untaught model.
        old_tokenizer: its own.
        tokenizer: the one that spells the new words.
        spelling: which pieces each new token stands for.
        texts: each with at least one new token.
        kept: the teacher's likeliest tokens kept a position.
        text_share: share of the text's own token in the target, from the first new token on. Before
            that the student reads what the teacher reads and has nothing to learn but silence.
        advance: told how many texts are finished.

    Raises:
        RunError: a text without any new token.
    """
    pieces_of = {token.id: token.pieces for token in spelling.new_tokens}
    drafts = [_draft(text, tokenizer, pieces_of) for text in texts]
    _require_new(texts, drafts, spelling)
    start = document_start(old_tokenizer)
    # A spare row that will be a new token means nothing to the teacher yet.
    unknown = [i for i in spelling.new_ids if i < len(output_rows(model))]
    kept = min(kept, len(output_rows(model)) - len(unknown))
    # Without a document start nothing stands before the first piece.
    asked = [(start, d.pieces) if start else (d.pieces[:1], d.pieces[1:]) for d in drafts]
    signals = signals_of(model, asked, kept, unknown, advance)
    old = len(output_rows(model))
    columns = {token.id: old + place for place, token in enumerate(spelling.new_tokens)}
    return [
        _reading(draft, signal, start, pieces_of, columns, text_share)
        for draft, signal in zip(drafts, signals, strict=True)
    ]


def _draft(
    text: str, tokenizer: PreTrainedTokenizerBase, pieces_of: dict[int, tuple[int, ...]]
) -> _Draft:
    """Ids outside the forms are the same in both tokenizers: that is what `prove` proved."""
    ids = encode(tokenizer, text)
    pieces: list[int] = []
    place = []
    for token in ids:
        place.append(len(pieces))
        pieces += pieces_of.get(token, (token,))
    return _Draft(ids, pieces, place)


def _require_new(texts: Sequence[str], drafts: Sequence[_Draft], spelling: Spelling) -> None:
    new = set(spelling.new_ids)
    bad = [text for text, draft in zip(texts, drafts, strict=True) if not new & set(draft.ids)]
    if bad or not texts:
        forms = list(dict.fromkeys(token.form for token in spelling.new_tokens))
        some = ", ".join(forms[:5]) + (", …" if len(forms) > 5 else "")
        found = "".join(f"\n  {text[:80]!r}" for text in bad[:5])
        raise RunError(
            f"Rows are distilled from texts with the new tokens, and of {len(texts)} texts "
            f"{len(bad)} have none of them:{found}\nGive only texts that hold one of the forms, "
            f"spelled as here: {some}."
        )


def _reading(
    draft: _Draft,
    signal: Signal,
    start: list[int],
    pieces_of: dict[int, tuple[int, ...]],
    columns: dict[int, int],
    text_share: float,
) -> Reading:
    first = 0 if start else 1
    at = torch.tensor([place - first for place in draft.place[first:]], dtype=torch.long)
    probabilities = signal.log_probabilities[at].exp()
    # One more slot a position, for the text's own token; an empty one has no probability.
    ids = torch.cat([signal.ids[at], torch.full((len(at), 1), min(columns.values()))], dim=1)
    probabilities = torch.cat([probabilities, torch.zeros(len(at), 1)], dim=1)
    before_new = torch.tensor([token in columns for token in draft.ids[first:]])
    met = bool(first) and draft.ids[0] in columns
    for row, token in enumerate(draft.ids[first:]):
        own, share = token, text_share if met else 0.0
        if token in columns:
            own, share, met = columns[token], text_share, True
            begin = int(at[row])
            mass = signal.of_next[begin : begin + len(pieces_of[token])].sum().exp()
            leading = ids[row] == draft.pieces[draft.place[first + row]]
            probabilities[row] = (probabilities[row] - mass * leading).clamp_min(0)
            probabilities[row, -1] = mass
        if own >= min(columns.values()) or (share and own not in ids[row, :-1]):
            ids[row, -1] = own
        probabilities[row] *= 1 - share
        probabilities[row] += share * (ids[row] == own)
    return Reading(
        ids=torch.tensor(start + draft.ids),
        target_ids=ids,
        target_probabilities=probabilities,
        before_new=before_new,
    )
