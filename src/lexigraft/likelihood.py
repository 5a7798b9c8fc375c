"""Likelihoods of texts under a causal model: the one place where the battery's numbers come from.

Everything is batched by length and the output head runs only on the positions that are read: at a
vocabulary of 150,000 rows the head costs more than the rest of a small model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Pair",
    "document_start",
    "encode",
    "hidden_states",
    "output_rows",
    "pair",
    "sum_log_probabilities",
    "token_log_probabilities",
]

BATCH_TOKENS = 4096
_HEAD_CHUNK = 512


class Pair(NamedTuple):
    """A prefix and its continuation as ids; only the continuation is scored."""

    prefix: list[int]
    continuation: list[int]


def document_start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The id, if any, that stands before a document in this model's pretraining.

    A tokenizer that adds its own beginning token is believed. Others (GPT-2's descendants: Qwen,
    SmolLM) separate documents by `<|endoftext|>`; failing that, the end token serves, because a
    first word without any context is a state no model was trained on.
    """
    probe = cast(list[int], tokenizer("a").input_ids)
    if tokenizer.bos_token_id is not None and probe[:1] == [tokenizer.bos_token_id]:
        return [int(tokenizer.bos_token_id)]
    separator = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    if isinstance(separator, int) and separator != tokenizer.unk_token_id:
        return [separator]
    vocabulary = tokenizer.get_vocab()
    if "<|endoftext|>" in vocabulary:
        return [vocabulary["<|endoftext|>"]]
    return [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of `text` alone, without any special token added."""
    return cast(list[int], tokenizer(text, add_special_tokens=False).input_ids)


def pair(tokenizer: PreTrainedTokenizerBase, prefix: str, continuation: str) -> Pair:
    """`prefix + continuation` as one text, split where the continuation's ids begin.

    The whole is encoded at once, so that no tokenizer sees a boundary that a reader would not; where
    a token straddles the boundary it counts as continuation. The document start is prepended.
    """
    start = document_start(tokenizer)
    whole = encode(tokenizer, prefix + continuation)
    shared = 0
    for left, right in zip(encode(tokenizer, prefix), whole, strict=False):
        if left != right:
            break
        shared += 1
    return Pair(start + whole[:shared], whole[shared:])


def output_rows(model: PreTrainedModel) -> Float[Tensor, "rows dim"]:
    """The output head's weight (the input rows themselves where embeddings are tied)."""
    return cast(nn.Linear, model.get_output_embeddings()).weight


def hidden_states(
    model: PreTrainedModel, ids: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time dim"]:
    """Last hidden states, final norm included, before the output head. Right padding is harmless."""
    body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
    return cast(Tensor, body(input_ids=ids, use_cache=False).last_hidden_state)


def _batches(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Indices grouped by length so that no padded batch passes `limit` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and lengths[index] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@torch.inference_mode()
def token_log_probabilities(
    model: PreTrainedModel,
    pairs: Sequence[Pair],
    *,
    batch_tokens: int = BATCH_TOKENS,
    advance: Callable[[int], None] | None = None,
) -> list[list[float]]:
    """Log-probability (nats) of every continuation token given all that stands before it.

    Equal pairs are computed once. `advance` is told how many pairs were finished.
    """
    unique = {(*p.prefix, -1, *p.continuation): p for p in pairs}
    keys, todo = list(unique), list(unique.values())
    for p in todo:
        if not p.prefix:
            raise ValueError("a pair needs at least one prefix id; see document_start")
    found: dict[tuple[int, ...], list[float]] = {}
    lengths = [len(p.prefix) + len(p.continuation) for p in todo]
    head = output_rows(model)
    for batch in _batches(lengths, batch_tokens):
        ids = torch.zeros(len(batch), max(lengths[i] for i in batch), dtype=torch.long)
        rows, columns, targets = [], [], []
        for row, index in enumerate(batch):
            whole = todo[index].prefix + todo[index].continuation
            ids[row, : len(whole)] = torch.tensor(whole)
            for position in range(len(todo[index].prefix), len(whole)):
                rows.append(row)
                columns.append(position - 1)
                targets.append(whole[position])
        states = hidden_states(model, ids.to(head.device))[rows, columns]
        scores = _gathered(states, head, torch.tensor(targets, device=head.device))
        offset = 0
        for index in batch:
            size = len(todo[index].continuation)
            found[keys[index]] = scores[offset : offset + size]
            offset += size
        if advance is not None:
            advance(len(batch))
    return [found[(*p.prefix, -1, *p.continuation)] for p in pairs]


def _gathered(
    states: Float[Tensor, "positions dim"],
    head: Float[Tensor, "rows dim"],
    targets: Int[Tensor, " positions"],
) -> list[float]:
    out: list[float] = []
    for some, wanted in zip(states.split(_HEAD_CHUNK), targets.split(_HEAD_CHUNK), strict=True):
        # log_softmax, not logsumexp: on a CPU torch's logsumexp is over ten times slower.
        table = torch.log_softmax(some @ head.t(), dim=-1, dtype=torch.float32)
        out.extend(table.gather(1, wanted[:, None])[:, 0].tolist())
    return out


def sum_log_probabilities(
    model: PreTrainedModel,
    pairs: Sequence[Pair],
    *,
    batch_tokens: int = BATCH_TOKENS,
    advance: Callable[[int], None] | None = None,
) -> list[float]:
    """Summed log-probability (nats) of each continuation: ℓ(continuation | prefix)."""
    table = token_log_probabilities(model, pairs, batch_tokens=batch_tokens, advance=advance)
    return [sum(row) for row in table]
