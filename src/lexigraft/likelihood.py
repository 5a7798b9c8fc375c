"""Likelihoods of texts under a causal model: the one place where the battery's numbers come from.

The battery asks for thousands of short texts that begin alike: one prompt with ten definitions, one
sentence with eighteen words. So texts are packed as trees: a beginning that several share is
computed once, every branch sees its own beginning and nothing of its neighbours. The output head
runs only on the positions that are read: at a vocabulary of 150,000 rows it costs more than the
rest of a small model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.processes import current

__all__ = [
    "Pair",
    "document_start",
    "encode",
    "has_bfloat16_units",
    "head_chunks",
    "head_slices",
    "hidden_states",
    "length_batches",
    "output_rows",
    "packs",
    "pair",
    "rough_products",
    "shared_length",
    "sum_log_probabilities",
    "token_log_probabilities",
]

# On a CPU small batches are the quick ones: their activations stay in the cache, and blocks below
# 32 MB are reused by the C library, where larger ones are given back and cleared page by page.
BATCH_TOKENS = 1024
_CUDA_BATCH_TOKENS = 16384
_TREE_TOKENS = 256
_HEAD_BYTES = 24 << 20
_MOST_DIFFERENT = {torch.float32: 1e-3, torch.float64: 1e-6}


class Pair(NamedTuple):
    """A prefix and its continuation as ids; only the continuation is scored."""

    prefix: list[int]
    continuation: list[int]


_STARTS: WeakKeyDictionary[PreTrainedTokenizerBase, list[int]] = WeakKeyDictionary()


def document_start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The id, if any, that stands before a document in this model's pretraining.

    A tokenizer that adds its own beginning token is believed. Others (GPT-2's descendants: Qwen,
    SmolLM) separate documents by `<|endoftext|>`; failing that, the end token serves, because a
    first word without any context is a state no model was trained on.
    """
    if tokenizer not in _STARTS:  # asked for every text, and reading a vocabulary takes long
        _STARTS[tokenizer] = _find_document_start(tokenizer)
    return list(_STARTS[tokenizer])


def _find_document_start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
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

    The whole is encoded at once, so that no tokenizer sees a boundary that a reader would not;
    where a token straddles the boundary it counts as continuation. The document start is prepended.
    """
    start = document_start(tokenizer)
    whole = encode(tokenizer, prefix + continuation)
    shared = shared_length(encode(tokenizer, prefix), whole)
    return Pair(start + whole[:shared], whole[shared:])


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    same = (left == right for left, right in zip(one, other, strict=False))
    return sum(takewhile(bool, same))


def output_rows(model: PreTrainedModel) -> Float[Tensor, "rows dim"]:
    """The output head's weight (the input rows themselves where embeddings are tied)."""
    return cast(nn.Linear, model.get_output_embeddings()).weight


def hidden_states(
    model: PreTrainedModel, ids: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time dim"]:
    """Last hidden states, final norm included, before the head. Right padding is harmless."""
    body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
    return cast(Tensor, body(input_ids=ids, use_cache=False).last_hidden_state)


def head_chunks(
    states: Float[Tensor, "positions dim"], head: Float[Tensor, "rows dim"]
) -> Iterator[tuple[slice, Float[Tensor, "some rows"]]]:
    """Logits (float32) of all `states`, a few positions at a time, with their slice."""
    for some in head_slices(len(states), len(head)):
        yield some, (states[some] @ head.t()).float()


def head_slices(positions: int, rows: int) -> Iterator[slice]:
    """Slices of `positions` so small that the float32 logits of each over `rows` are quick."""
    size = max(8, _HEAD_BYTES // (4 * rows))
    for first in range(0, positions, size):
        yield slice(first, min(first + size, positions))


@dataclass
class _Tree:
    """Texts as one tree of tokens: a node for each token, its parent, and how deep it stands."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)
    """(node, token): the token's log-probability after that node is wanted."""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    """(index of a pair, how many of `reads` are its own), in the order of `reads`."""
    path: list[int] = field(default_factory=list)
    """Nodes of the text that was added last."""

    def shared(self, whole: Sequence[int]) -> int:
        """How many first tokens of `whole` the last text has too."""
        count = 0
        for node, token in zip(self.path, whole, strict=False):
            if self.tokens[node] != token:
                break
            count += 1
        return count

    def add(self, index: int, wanted: Pair) -> None:
        """Grows a branch for one pair. The very last token is read and never fed."""
        whole = wanted.prefix + wanted.continuation
        shared = self.shared(whole[:-1])
        del self.path[shared:]
        for token in whole[shared:-1]:
            self.parents.append(self.path[-1] if self.path else -1)
            self.depths.append(len(self.path))
            self.path.append(len(self.tokens))
            self.tokens.append(token)
        start = len(wanted.prefix)
        self.reads += [(self.path[i - 1], whole[i]) for i in range(start, len(whole))]
        self.pairs.append((index, len(wanted.continuation)))


def _trees(todo: Sequence[Pair], limit: int) -> list[_Tree]:
    """All pairs in trees of at most `limit` nodes (a longer pair has a tree of its own).

    Neighbours in alphabetical order share the most, so a text need only look at the one before it.
    """
    wholes = [p.prefix + p.continuation for p in todo]
    trees: list[_Tree] = []
    for index in sorted(range(len(todo)), key=lambda i: (wholes[i], i)):
        fed = wholes[index][:-1]
        if trees:
            size = len(trees[-1].tokens) + len(fed) - trees[-1].shared(fed)
        if not trees or size > limit:
            trees.append(_Tree())
        trees[-1].add(index, todo[index])
    return trees


def _visible(trees: Sequence[_Tree], width: int) -> NDArray[np.bool_]:
    """Which node sees which: itself and its ancestors. Padding sees itself alone."""
    seen = np.zeros((len(trees), width, width), dtype=np.bool_)
    seen[:, range(width), range(width)] = True
    for table, tree in zip(seen, trees, strict=True):
        for node, parent in enumerate(tree.parents):
            if parent >= 0:
                table[node, : parent + 1] = table[parent, : parent + 1]
    return seen


def _tree_states(model: PreTrainedModel, trees: Sequence[_Tree]) -> Float[Tensor, "batch time dim"]:
    """Last hidden states of every node of every tree, final norm included."""
    weight = output_rows(model)
    width = max(len(tree.tokens) for tree in trees)
    ids = torch.zeros(len(trees), width, dtype=torch.long)
    positions = torch.zeros_like(ids)
    for row, tree in enumerate(trees):
        ids[row, : len(tree.tokens)] = torch.tensor(tree.tokens)
        positions[row, : len(tree.tokens)] = torch.tensor(tree.depths)
    hidden = torch.from_numpy(~_visible(trees, width))[:, None].to(weight.device)
    mask = torch.zeros(hidden.shape, dtype=weight.dtype, device=weight.device)
    mask.masked_fill_(hidden, torch.finfo(weight.dtype).min)
    body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
    out = body(
        input_ids=ids.to(weight.device),
        attention_mask=mask,
        position_ids=positions.to(weight.device),
        use_cache=False,
    )
    return cast(Tensor, out.last_hidden_state)


@contextmanager
def rough_products(model: PreTrainedModel, wanted: bool = True) -> Iterator[bool]:
    """Matrix products of a float32 model from factors rounded to bfloat16; says whether they are.

    Sums stay in float32, and so does all else: a token's log-probability moves by some hundredths,
    that of a text of a dozen tokens by about a tenth (135M, measured against float32). Only where
    the processor has units for it (AMX, or AVX-512 for bfloat16), which are several times faster;
    elsewhere, and on other devices, nothing changes. For numbers that are compared with one
    another, not for those that must be the same on every machine.
    """
    products: Any = getattr(torch.backends.mkldnn, "matmul", None)  # from torch 2.9 on
    weight = output_rows(model)
    can = wanted and products is not None and has_bfloat16_units()
    if not can or weight.device.type != "cpu" or weight.dtype != torch.float32:
        yield False
        return
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield True
    finally:
        products.fp32_precision = before


def has_bfloat16_units() -> bool:
    """Whether the processor multiplies in bfloat16 (AMX, or AVX-512 for it), which is faster."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16")) or bool(capabilities.get("amx_bf16"))


_PACKS: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@torch.inference_mode()
def packs(model: PreTrainedModel) -> bool:
    """Whether this model computes trees rightly: tried once on two texts, then remembered.

    An architecture that takes no mask of this kind, or no positions, would mix texts up unnoticed.
    """
    if model not in _PACKS:
        rows = output_rows(model).shape[0]
        start, one, other = ([(k * 7 + 3) % rows for k in range(n, n + 4)] for n in (0, 20, 40))
        tree = _Tree()
        tree.add(0, Pair(start, [*one, 0]))
        tree.add(1, Pair(start, [*other, 0]))
        try:
            packed = _tree_states(model, [tree])[0].float()
            device = output_rows(model).device
            alone = [
                hidden_states(model, torch.tensor([start + end], device=device))[0].float()
                for end in (one, other)
            ]
            expected = torch.cat([alone[0], alone[1][len(start) :]])
            limit = _MOST_DIFFERENT.get(output_rows(model).dtype, 0.1)
            apart = (packed - expected).abs().max() / expected.abs().max()
            _PACKS[model] = bool(apart <= limit)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            _PACKS[model] = False
    return _PACKS[model]


def length_batches(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
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
    batch_tokens: int | None = None,
    packed: bool | None = None,
    rough: bool = False,
    advance: Callable[[int], None] | None = None,
) -> list[list[float]]:
    """Log-probability (nats) of every continuation token given all that stands before it.

    Equal pairs are computed once; `advance` is told how many different pairs were finished.
    `packed=None` shares beginnings wherever the model can (see `packs`); the numbers are the same.
    `rough` allows `rough_products`.

    Raises:
        ValueError: a pair without a prefix: the first token would have no context.
    """
    unique = {(*p.prefix, -1, *p.continuation): p for p in pairs}
    keys, todo = list(unique), list(unique.values())
    if any(not p.prefix for p in todo):
        raise ValueError("a pair needs at least one prefix id; see document_start")
    packed = packs(model) if packed is None else packed
    trees = _trees(todo, _TREE_TOKENS if packed else 0)
    if batch_tokens is None:
        on_cpu = output_rows(model).device.type == "cpu"
        batch_tokens = BATCH_TOKENS if on_cpu else _CUDA_BATCH_TOKENS
    found: dict[tuple[int, ...], list[float]] = {}
    batches = list(length_batches([len(tree.tokens) for tree in trees], batch_tokens))
    read, told = [], 0
    for batch in current().mine(batches):
        some = [trees[i] for i in batch]
        with rough_products(model, rough):
            read.append(list(_read(model, some, packed)))
        if advance is not None:
            advance(sum(len(tree.pairs) for tree in some))
        told += sum(len(tree.pairs) for tree in some)
    for batch, values in zip(batches, current().gather(read), strict=True):
        scores = iter(values)
        for index, size in (pair for i in batch for pair in trees[i].pairs):
            found[keys[index]] = [next(scores) for _ in range(size)]
    if advance is not None and told < len(todo):
        advance(len(todo) - told)  # what other processes did
    return [found[(*p.prefix, -1, *p.continuation)] for p in pairs]


def _read(model: PreTrainedModel, trees: Sequence[_Tree], packed: bool) -> Iterable[float]:
    """The log-probabilities that the trees ask for, in their order. Each node is read once."""
    reads = [(row, *read) for row, tree in enumerate(trees) for read in tree.reads]
    if not reads:
        return []
    if packed:
        states = _tree_states(model, trees)
    else:
        width = max(len(tree.tokens) for tree in trees)
        ids = torch.tensor([t.tokens + [0] * (width - len(t.tokens)) for t in trees])
        states = hidden_states(model, ids.to(output_rows(model).device))
    nodes = {place: number for number, place in enumerate(dict.fromkeys(r[:2] for r in reads))}
    rows, columns = zip(*nodes, strict=True)
    device = states.device
    where = torch.tensor([nodes[read[:2]] for read in reads], device=device)
    targets = torch.tensor([read[2] for read in reads], device=device)
    return _gathered(states[list(rows), list(columns)], output_rows(model), where, targets)


def _gathered(
    states: Float[Tensor, "positions dim"],
    head: Float[Tensor, "rows dim"],
    where: Int[Tensor, " reads"],
    targets: Int[Tensor, " reads"],
) -> list[float]:
    """Log-probability of each target after the state with the number in `where`."""
    out = torch.empty(len(where), device=states.device)
    for some, logits in head_chunks(states, head):
        mine = (where >= some.start) & (where < some.stop)
        # log_softmax, not logsumexp: on a CPU torch's logsumexp is over ten times slower.
        table = torch.log_softmax(logits, dim=-1)
        out[mine] = table[where[mine] - some.start, targets[mine]]
    return cast("list[float]", out.tolist())


def sum_log_probabilities(
    model: PreTrainedModel,
    pairs: Sequence[Pair],
    *,
    batch_tokens: int | None = None,
    packed: bool | None = None,
    rough: bool = False,
    advance: Callable[[int], None] | None = None,
) -> list[float]:
    """Summed log-probability (nats) of each continuation: ℓ(continuation | prefix)."""
    table = token_log_probabilities(
        model, pairs, batch_tokens=batch_tokens, packed=packed, rough=rough, advance=advance
    )
    return [sum(row) for row in table]
