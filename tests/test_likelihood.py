"""Likelihoods: packed or not, equal to one full softmax a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from lexigraft import likelihood
from lexigraft.host import Host
from lexigraft.likelihood import (
    Pair,
    document_start,
    encode,
    head_chunks,
    length_batches,
    packs,
    pair,
    rough_products,
    sum_log_probabilities,
    token_log_probabilities,
)

MakeHost = Callable[[str], Host]
# Beginnings shared by two, by all, by none; one continuation is the beginning of another.
TEXTS = (
    ("The harbour wakes", " before the town."),
    ("The harbour wakes", " before the town, and the boats leave."),
    ("The harbour", " sleeps."),
    ("The harbour wakes before", " the town."),
    ("Чайник стоит", " на плите; вода в нём поёт."),
    ("", "The harbour wakes before the town."),
    ("A", " kettle"),
)


def pairs_of(host: Host) -> list[Pair]:
    return [pair(host.tokenizer, *text) for text in TEXTS]


def naive(host: Host, wanted: Pair) -> list[float]:
    """One text at a time, softmax over all rows, in float64."""
    ids = wanted.prefix + wanted.continuation
    with torch.inference_mode():
        table = host.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    first = len(wanted.prefix)
    return [float(table[place - 1, ids[place]]) for place in range(first, len(ids))]


@pytest.mark.parametrize("packed", [None, True, False])
def test_every_token_is_that_of_a_full_softmax(tiny_host: Host, packed: bool | None) -> None:
    assert packs(tiny_host.model)
    pairs = pairs_of(tiny_host)
    found = token_log_probabilities(tiny_host.model, pairs, packed=packed)
    for wanted, values in zip(pairs, found, strict=True):
        assert len(values) == len(wanted.continuation) > 0
        torch.testing.assert_close(values, naive(tiny_host, wanted), rtol=1e-4, atol=1e-4)
    sums = sum_log_probabilities(tiny_host.model, pairs, packed=packed)
    assert sums == [sum(values) for values in found]


@pytest.mark.parametrize("tree_tokens", [1, 12, 40])
@pytest.mark.parametrize("batch_tokens", [1, 60, 1000])
def test_no_size_of_trees_and_batches_changes_a_number(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, tree_tokens: int, batch_tokens: int
) -> None:
    host = make_host("byte-untied")
    pairs = pairs_of(host)
    whole = sum_log_probabilities(host.model, pairs)
    monkeypatch.setattr(likelihood, "_TREE_TOKENS", tree_tokens)
    monkeypatch.setattr(likelihood, "_HEAD_BYTES", 1)  # eight positions at a time
    parts = sum_log_probabilities(host.model, pairs, batch_tokens=batch_tokens)
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-4)


def test_shared_beginnings_are_fed_once(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    pairs = [pair(host.tokenizer, "The harbour wakes", end) for end in (" early.", " late, alas.")]
    [tree] = likelihood._trees(pairs, 1000)
    fed = sum(len(p.prefix) + len(p.continuation) - 1 for p in pairs)
    shared = len(pairs[0].prefix)
    assert fed - shared - 1 <= len(tree.tokens) <= fed - shared  # a space may be shared too
    longest = max(len(p.prefix) + len(p.continuation) - 1 for p in pairs)
    apart = likelihood._trees(pairs, longest)
    assert [len(t.pairs) for t in apart] == [1, 1]
    assert all(len(t.tokens) <= longest for t in apart)


def test_equal_pairs_are_computed_once_and_told_once(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host("byte-tied")
    one, other = pairs_of(host)[:2]
    told: list[int] = []
    found = sum_log_probabilities(host.model, [one, other, one, one], advance=told.append)
    assert found[0] == found[2] == found[3] != found[1]
    assert sum(told) == 2
    # the same ids divided elsewhere are another question
    moved = Pair(one.prefix[:-1], one.prefix[-1:] + one.continuation)
    first, second = sum_log_probabilities(host.model, [one, moved])
    assert second < first


def test_a_pair_without_a_prefix_is_refused(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    with pytest.raises(ValueError, match="at least one prefix id"):
        token_log_probabilities(host.model, [Pair([3], [4]), Pair([], [5, 6])])
    assert token_log_probabilities(host.model, []) == []
    assert sum_log_probabilities(host.model, [Pair([3], [])]) == [0]


def test_batches_hold_everything_once_within_their_bounds() -> None:
    lengths = [5, 1, 30, 5, 9, 2, 2, 11]
    batches = list(length_batches(lengths, 20))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        widest = max(lengths[i] for i in batch)
        assert len(batch) * widest <= 20 or len(batch) == 1
    # as few as possible in this order: the next text would have been one too many
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > 20
    assert list(length_batches([], 20)) == []


def test_a_pair_is_one_text_cut_where_the_ids_part(tiny_host: Host) -> None:
    tokenizer = tiny_host.tokenizer
    for prefix, continuation in TEXTS:
        cut = pair(tokenizer, prefix, continuation)
        start = document_start(tokenizer)
        assert cut.prefix[: len(start)] == start
        assert (cut.prefix + cut.continuation)[len(start) :] == encode(
            tokenizer, prefix + continuation
        )


def test_a_token_across_the_cut_counts_as_continuation(make_host: MakeHost) -> None:
    tokenizer = make_host("byte-tied").tokenizer
    assert len(encode(tokenizer, " the")) == 1
    cut = pair(tokenizer, "and t", "he town")
    assert cut.continuation[: len(encode(tokenizer, " the"))] == encode(tokenizer, " the")


def test_a_document_begins_with_what_its_tokenizer_says(make_host: MakeHost) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_host("byte-tied").tokenizer
    separator = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert document_start(tokenizer) == [separator]
    other = make_host("byte-tied").tokenizer
    other.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", other.bos_token_id)]
    )
    assert document_start(other) == [other.bos_token_id] != [separator]
    assert other.bos_token_id not in encode(other, "a")


def test_a_model_that_takes_no_trees_is_found_out(make_host: MakeHost) -> None:
    class Deaf(GPT2LMHeadModel):  # type: ignore[misc]
        """Sees everything before a token, whatever the mask says."""

        def get_decoder(self) -> object:
            body = self.transformer
            return lambda input_ids, use_cache, **_: body(input_ids=input_ids, use_cache=use_cache)

    host = make_host("byte-tied")
    rows = len(host.tokenizer)
    config = GPT2Config(
        vocab_size=rows, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2
    )
    torch.manual_seed(0)
    model = Deaf(config).eval()
    assert not packs(model)
    deaf = dataclasses.replace(host, model=model)
    for wanted, found in zip(
        pairs_of(host), token_log_probabilities(model, pairs_of(host)), strict=True
    ):
        torch.testing.assert_close(found, naive(deaf, wanted), rtol=1e-4, atol=1e-4)


def test_logits_come_in_order_and_whole(make_host: MakeHost) -> None:
    states, head = torch.randn(21, 4), torch.randn(9, 4)
    parts = list(head_chunks(states, head))
    assert [some.start for some, _ in parts] == [0]
    torch.testing.assert_close(torch.cat([p for _, p in parts]), states @ head.t())


def test_rough_products_move_a_number_little_and_leave_no_trace(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    products: Any = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(products, "fp32_precision", None)
    pairs = pairs_of(host)
    exact = sum_log_probabilities(host.model, pairs)
    rough = sum_log_probabilities(host.model, pairs, rough=True)
    torch.testing.assert_close(rough, exact, rtol=1e-2, atol=1e-2)
    assert getattr(products, "fp32_precision", None) == before
    assert sum_log_probabilities(host.model, pairs) == exact
    with pytest.raises(ZeroDivisionError), rough_products(host.model):
        raise ZeroDivisionError
    assert getattr(products, "fp32_precision", None) == before


@pytest.mark.parametrize("units", [False, True])
def test_rough_products_are_for_float32_and_processors_that_have_them(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, units: bool
) -> None:
    monkeypatch.setattr(likelihood, "has_bfloat16_units", lambda: units)
    host = make_host("byte-tied")
    there = units and hasattr(torch.backends.mkldnn, "matmul")
    with rough_products(host.model) as rough:
        assert rough is there
    with rough_products(host.model, wanted=False) as rough:
        assert rough is False
    with rough_products(host.model.double()) as rough:  # type: ignore[attr-defined]
        assert rough is False
