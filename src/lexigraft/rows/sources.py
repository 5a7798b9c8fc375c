"""Which old tokens a new row is made of, and how much each counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lexigraft.lexicon import Term
from lexigraft.likelihood import encode
from lexigraft.spelling import NewToken

__all__ = ["Side", "Source", "Neighbours", "from_definition", "from_pieces", "from_words"]

Side = Literal["input", "output", "tied"]
"""What a row is read as: what goes in, what is compared with a state, or both."""

_NEIGHBOURS = 5
_AT_ONCE = 64
_RARE = 1e-4
_WORD_STARTS = ("Ġ", "▁")
_SHORTEST_WORD = 3


@dataclass(frozen=True)
class Source:
    """Groups of old ids with weights: a row is the mean over groups of the weighted mean of each.

    `stretched`: whether the row then gets the mean norm of the old rows.
    """

    groups: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    stretched: bool

    def row(self, matrix: Float[Tensor, "rows dim"]) -> Float[Tensor, " dim"]:
        """The row in the space of `matrix`, before any stretching."""
        means = []
        for group, weights in zip(self.groups, self.weights, strict=True):
            share = torch.tensor(weights, device=matrix.device)
            means.append(((share / share.sum())[:, None] * matrix[list(group)].float()).sum(0))
        return torch.stack(means).mean(0)


def from_pieces(token: NewToken, tokenizer: PreTrainedTokenizerBase, side: Side) -> Source:
    """The old tokens that spelled the form.

    Into an input row, and into a tied one, each goes by its length in characters. Into an output
    row each goes with half the weight of the one before it: an output row competes where the first
    piece was predicted, so the first counts most (arXiv 2608.03494 names both rules).

    An output row, tied or not, stays as short as the mean is, for a mean of rows is never more
    likely than the likeliest of them. Stretched to the mean norm it was said everywhere: on
    SmolLM2-135M, embeddings untied for the trial, 17 English and 17 Russian words, the loss per
    byte of sentences with them rose by 93% and 361% at once; unstretched by 4% and -5%.
    """
    lengths = [float(max(1, len(str(tokenizer.decode([i])).strip()))) for i in token.pieces]
    halves = [2.0**-place for place in range(len(token.pieces))]
    weights = halves if side == "output" else lengths
    return Source((token.pieces,), (tuple(weights),), stretched=side == "input")


def from_words(
    words: Sequence[str], token: NewToken, tokenizer: PreTrainedTokenizerBase, *, stretched: bool
) -> Source:
    """Known words, each once however many pieces it has, with the space that the token has."""
    space = " " if token.spaced else ""
    groups = tuple(tuple(encode(tokenizer, space + word)) for word in words)
    return Source(groups, tuple((1.0,) * len(group) for group in groups), stretched)


def from_definition(
    term: Term, tokenizer: PreTrainedTokenizerBase, rows: int, side: Side
) -> Source:
    """The tokens of all definitions, common ones down-weighted.

    The weight is a / (a + p) with a = 1e-4 (smooth inverse frequency: Arora et al. 2017), and p by
    Zipf's law from the id among `rows` old ones, as model2vec does: vocabularies list frequent
    tokens first.
    """
    special = set(tokenizer.all_special_ids)
    text = " ".join(term.definition)
    ids = tuple(i for i in encode(tokenizer, " " + text) if i not in special)
    weights = tuple(_RARE / (_RARE + 1 / ((i + 1) * math.log(max(rows, 3)))) for i in ids)
    return Source((ids,), (weights,), stretched=side == "input")


class Neighbours:
    """The words of a vocabulary, to find those nearest to a definition.

    Only tokens that begin a word and are letters alone are words here; a vocabulary cannot tell a
    word from the beginning of a longer one. It is looked through once, for all terms.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        inputs: Float[Tensor, "rows dim"],
        known: Sequence[int],
    ) -> None:
        self.tokenizer = tokenizer
        self.inputs = inputs
        self.rows = len(known)
        words = _whole_words(tokenizer, known)
        self.words = list(words.values())
        self.mean = inputs[list(known)].float().mean(0)
        candidates = inputs[list(words)].float() - self.mean
        self.candidates = torch.nn.functional.normalize(candidates, dim=-1)

    def of(self, terms: Sequence[Term]) -> dict[str, tuple[str, ...]]:
        """For each term the words nearest to its definition, nearest first; none if it has none.

        Cosine between the definition (`from_definition`, on input rows) and input rows, all less
        the mean of the known ones.
        """
        found: dict[str, tuple[str, ...]] = {term.term: () for term in terms}
        meant = {}
        for term in terms:
            source = from_definition(term, self.tokenizer, self.rows, "input")
            if self.words and source.groups[0]:
                meant[term.term] = source.row(self.inputs) - self.mean
        names, count = list(meant), min(_NEIGHBOURS, len(self.words))
        for first in range(0, len(names), _AT_ONCE):
            some = names[first : first + _AT_ONCE]
            # the length of a meaning changes no order
            near = torch.stack([meant[name] for name in some]) @ self.candidates.t()
            for name, best in zip(some, near.topk(count).indices.tolist(), strict=True):
                found[name] = tuple(dict.fromkeys(self.words[i] for i in best))
        return found


def _whole_words(tokenizer: PreTrainedTokenizerBase, known: Sequence[int]) -> dict[int, str]:
    special = set(tokenizer.all_special_ids)
    words = {}
    for number in known:
        token = tokenizer.convert_ids_to_tokens(number)
        if number in special or not str(token).startswith(_WORD_STARTS):
            continue
        word = str(tokenizer.decode([number])).strip()
        if word.isalpha() and len(word) >= _SHORTEST_WORD:
            words[number] = word
    return words
