"""Check 9, drift: on text it was never taught on, the taught model should be what it was.

Both models read the same ids, and both last hidden states are kept, so that drift and leakage need
one pass of each model. KL(base‖taught) runs over the base's tokens; the taught model's softmax runs
over its new tokens as well, so that probability which leaks to them counts as lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lexigraft.checks.judged import Judged
from lexigraft.checks.neutral import neutral_texts
from lexigraft.checks.portions import portions
from lexigraft.checks.prompts import NEUTRAL_FRAMES
from lexigraft.checks.results import Drift
from lexigraft.lexicon import Language, Lexicon, find
from lexigraft.likelihood import (
    document_start,
    encode,
    head_chunks,
    hidden_states,
    length_batches,
    output_rows,
)
from lexigraft.processes import current

__all__ = [
    "Reading",
    "choose_texts",
    "drift",
    "hard_negatives",
    "languages_of",
    "read_texts",
    "token_kl",
]

MOST_TOKENS = 3000
_WORST = 5
_BATCH_TOKENS = 1024
_HARD_A_TERM = 4


@dataclass(frozen=True)
class Reading:
    """Texts as one model read them: what every token was predicted from."""

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    """Each text's ids, document start first."""
    states: Float[Tensor, "tokens dim"]
    """The hidden state before each token but a text's first, texts one after the other."""

    @property
    def targets(self) -> Int[Tensor, " tokens"]:
        """The token that really follows each state."""
        return torch.tensor([i for some in self.ids for i in some[1:]], dtype=torch.long)

    @property
    def spans(self) -> tuple[slice, ...]:
        """Where each text's tokens stand in `states`."""
        out, first = [], 0
        for some in self.ids:
            out.append(slice(first, first + len(some) - 1))
            first += len(some) - 1
        return tuple(out)


def languages_of(lexicon: Lexicon) -> tuple[Language, ...]:
    """English, and Russian where the lexicon, a term or a term's letters are Russian."""
    cyrillic = any("а" <= c <= "я" for t in lexicon for c in t.term.casefold())
    russian = lexicon.language == "ru" or any(t.language == "ru" for t in lexicon) or cyrillic
    return ("en", "ru") if russian else ("en",)


def choose_texts(
    judged: Sequence[Judged], lexicon: Lexicon, most_tokens: int = MOST_TOKENS
) -> tuple[str, ...]:
    """Neutral texts of at most `most_tokens` tokens in all, languages by turns.

    Texts that hold a term, or that the judged tokenizers do not all read alike, are left out.
    """
    pools = [iter(neutral_texts(language)) for language in languages_of(lexicon)]
    chosen: list[str] = []
    spent = [0] * len(pools)
    while pools and sum(spent) < most_tokens:
        # The language that has had the fewest tokens so far: Russian costs a small model many more.
        turn = min(range(len(pools)), key=lambda i: spent[i])
        text = next(pools[turn], None)
        if text is None:
            del pools[turn], spent[turn]
            continue
        ids = _read_alike(judged, text)
        if ids is None or find(text, lexicon):
            continue
        if sum(spent) + len(ids) > most_tokens:
            break
        chosen.append(text)
        spent[turn] += len(ids)
    return tuple(chosen)


def _read_alike(judged: Sequence[Judged], text: str) -> list[int] | None:
    """The ids of `text` if all read it alike, else None."""
    first, *others = (encode(one.tokenizer, text) for one in judged)
    return first if len(first) > 0 and all(other == first for other in others) else None


@torch.inference_mode()
def read_texts(
    judged: Judged, texts: Sequence[str], advance: Callable[[int], None] | None = None
) -> Reading:
    """Reads each text after a document start. Tells `advance` its progress in parts."""
    start = document_start(judged.tokenizer)
    ids = [(*start, *encode(judged.tokenizer, text)) for text in texts]
    head = output_rows(judged.model)
    found: list[Tensor] = [torch.empty(0)] * len(ids)
    tell = portions(advance, len(ids))
    batches = list(length_batches([len(some) for some in ids], _BATCH_TOKENS))
    read: list[list[Tensor]] = []
    for batch in current().mine(batches):
        width = max(len(ids[index]) for index in batch)
        grid = torch.zeros(len(batch), width, dtype=torch.long)
        for row, index in enumerate(batch):
            grid[row, : len(ids[index])] = torch.tensor(ids[index])
        states = hidden_states(judged.model, grid.to(head.device))
        read.append([states[r, : len(ids[i]) - 1].clone() for r, i in enumerate(batch)])
        tell(len(batch))
    for batch, some in zip(batches, current().gather(read), strict=True):
        for index, one in zip(batch, some, strict=True):
            found[index] = one.to(head.device)
    tell(len(ids) - sum(map(len, read)) if ids else 1)
    states = torch.cat(found) if found else torch.empty(0, head.shape[1], device=head.device)
    return Reading(tuple(texts), tuple(ids), states)


def _paired_logits(
    base: Judged, taught: Judged, before: Reading, after: Reading
) -> Iterator[tuple[slice, Float[Tensor, "some old"], Float[Tensor, "some rows"]]]:
    """Log-probabilities of both at the same positions; the base's without any new token."""
    old_head, new_head = output_rows(base.model), output_rows(taught.model)
    new_ids = [i for i in taught.new_ids if i < old_head.shape[0]]
    for some, logits in head_chunks(before.states, old_head):
        logits[:, new_ids] = -math.inf
        now = (after.states[some].to(new_head.device) @ new_head.t()).float()
        yield some, logits.log_softmax(-1), now.log_softmax(-1)


@dataclass(frozen=True)
class _Compared:
    """Two readings compared, token by token."""

    kl: Float[Tensor, " tokens"]
    same_top: Float[Tensor, " tokens"]
    surprise_before: Float[Tensor, " tokens"]
    surprise_after: Float[Tensor, " tokens"]


@torch.inference_mode()
def _compare(base: Judged, taught: Judged, before: Reading, after: Reading) -> _Compared:
    targets = before.targets
    kl, top = torch.zeros(len(targets)), torch.zeros(len(targets))
    old_cost, new_cost = torch.zeros(len(targets)), torch.zeros(len(targets))
    for some, was, now in _paired_logits(base, taught, before, after):
        rows = was.shape[1]
        wanted = targets[some].to(was.device)[:, None]
        share = was.exp()
        # A new token's row in the base has no probability; 0 · ∞ would be no number.
        gap = torch.where(share > 0, was - now[:, :rows], torch.zeros_like(share))
        kl[some] = (share * gap).sum(-1).clamp(min=0).cpu()
        top[some] = (was.argmax(-1) == now.argmax(-1)).float().cpu()
        old_cost[some] = -was.gather(1, wanted)[:, 0].cpu()
        new_cost[some] = -now.gather(1, wanted)[:, 0].cpu()
    return _Compared(kl, top, old_cost, new_cost)


def token_kl(
    base: Judged, taught: Judged, before: Reading, after: Reading
) -> Float[Tensor, " tokens"]:
    """KL(base‖taught) at every position, nats."""
    return _compare(base, taught, before, after).kl


def drift(
    base: Judged,
    taught: Judged,
    before: Reading,
    after: Reading,
    hard: tuple[Reading, Reading] | None = None,
) -> Drift | None:
    """Drift between two readings of the same texts; None where there is no text.

    `hard` holds both models' readings of the hard negatives (see `hard_negatives`).
    """
    if not before.texts:
        return None
    found = _compare(base, taught, before, after)
    means = [float(found.kl[span].mean()) for span in before.spans]
    worst = sorted(range(len(means)), key=lambda i: (-means[i], i))[:_WORST]
    bits = math.log(2) * sum(len(text.encode()) for text in before.texts)
    return Drift(
        mean_kl=float(found.kl.mean()),
        p99_kl=float(found.kl.quantile(0.99)),
        bits_per_byte_before=float(found.surprise_before.sum()) / bits,
        bits_per_byte_after=float(found.surprise_after.sum()) / bits,
        top1_agreement=float(found.same_top.mean()),
        hard_negative_kl=(
            float(token_kl(base, taught, *hard).mean()) if hard and hard[0].texts else None
        ),
        tokens=len(found.kl),
        worst=tuple((before.texts[i], means[i]) for i in worst),
    )


def hard_negatives(
    judged: Sequence[Judged], lexicon: Lexicon, surfaces: Mapping[str, str]
) -> tuple[str, ...]:
    """Short plain sentences that look like a term and hold none.

    Ordinary words that share a piece with a term; for a term in a marker its bare word, the marker
    without its first character (`[term]`) and without its end (`~[term`). What the tokenizers do
    not read alike is left out.
    """
    frames = NEUTRAL_FRAMES[lexicon.language]
    marker = lexicon.marker
    pieces = _pieces_of_words(judged[0], lexicon)
    out: list[str] = []
    for term in lexicon:
        mine = _long_pieces(judged[0], [term.term])[term.term]
        lookalikes = [word for word, some in pieces.items() if mine & some][:_HARD_A_TERM]
        if surfaces[term.term] != term.term:
            lookalikes += [term.term, marker.open + term.term]
            if len(marker.open) > 1:
                lookalikes.append(marker.open[1:] + term.term + marker.close)
        for number, word in enumerate(lookalikes):
            text = frames[number % len(frames)].format(term=word)
            if _read_alike(judged, text) is not None:
                out.append(text)
    return tuple(dict.fromkeys(out))


def _long_pieces(base: Judged, words: Iterable[str]) -> dict[str, set[int]]:
    """For each word, its tokens after a space that stand for more than one letter."""
    ids = {word: encode(base.tokenizer, " " + word) for word in words}
    read = {i: base.tokenizer.decode([i]) for i in {i for some in ids.values() for i in some}}
    long = {i for i, text in read.items() if sum(c.isalpha() for c in text) > 1}
    return {word: long.intersection(some) for word, some in ids.items()}


def _pieces_of_words(base: Judged, lexicon: Lexicon) -> dict[str, set[int]]:
    """Different ordinary words of the neutral texts with their pieces, in their order."""
    texts = (text for language in languages_of(lexicon) for text in neutral_texts(language))
    words = (word.strip(".,:;!?()«»“”\"'—") for text in texts for word in text.split())
    ordinary = dict.fromkeys(word for word in words if len(word) > 3 and word.isalpha())
    return _long_pieces(base, [word for word in ordinary if not find(word, lexicon)])
