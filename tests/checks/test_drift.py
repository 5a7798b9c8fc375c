"""Drift against arithmetic by hand, on tiny hosts: none, a little, and a row that shouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lexigraft.checks.drift import (
    Reading,
    choose_texts,
    drift,
    hard_negatives,
    languages_of,
    read_texts,
    token_kl,
)
from lexigraft.checks.judged import Judged
from lexigraft.checks.neutral import neutral_texts
from lexigraft.checks.prompts import NEUTRAL_FRAMES
from lexigraft.checks.results import Drift
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term, find
from lexigraft.likelihood import document_start, encode

MakeHost = Callable[[str], Host]
TEXTS = ("The harbour wakes before the town.", "Чайник стоит на плите.", "A cat, and a hill.")


def judged(host: Host) -> Judged:
    return Judged(host.model, host.tokenizer)


def logits_of(one: Judged, text: str) -> torch.Tensor:
    """At every position but the last, in float64, by the whole model."""
    ids = document_start(one.tokenizer) + encode(one.tokenizer, text)
    with torch.inference_mode():
        logits = one.model(torch.tensor([ids])).logits  # type: ignore[operator]
    return logits[0, :-1].double().clone()


def compared(base: Judged, taught: Judged, texts: tuple[str, ...] = TEXTS) -> Drift:
    found = drift(base, taught, read_texts(base, texts), read_texts(taught, texts))
    assert found is not None
    return found


def test_a_model_has_not_drifted_from_itself(tiny_host: Host) -> None:
    found = compared(judged(tiny_host), judged(tiny_host))
    assert (found.mean_kl, found.p99_kl, found.top1_agreement) == (0, 0, 1)
    assert found.bits_per_byte_before == found.bits_per_byte_after
    assert found.hard_negative_kl is None
    tokens = sum(len(encode(tiny_host.tokenizer, text)) for text in TEXTS)
    assert found.tokens == tokens


def test_reading_in_batches_is_reading_alone(tiny_host: Host) -> None:
    one = judged(tiny_host)
    reading = read_texts(one, TEXTS)
    assert [reading.states[span].shape[0] for span in reading.spans] == [
        len(ids) - 1 for ids in reading.ids
    ]
    for text, span in zip(TEXTS, reading.spans, strict=True):
        torch.testing.assert_close(reading.states[span], read_texts(one, [text]).states)
        targets = reading.targets[span].tolist()
        assert targets == encode(tiny_host.tokenizer, text)


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied", "sentencepiece-tied"])
def test_drift_is_that_of_arithmetic_by_hand(
    name: str, make_host: MakeHost, make_taught: Callable[..., Judged]
) -> None:
    base, taught = judged(make_host(name)), make_taught(make_host(name), 0.4)
    _, text, _ = TEXTS  # Russian: more bytes than letters
    old, new = logits_of(base, text), logits_of(taught, text)
    spare = [i for i in taught.new_ids if i < old.shape[1]]
    assert bool(spare) == (name != "byte-tied")
    old[:, spare] = -math.inf
    was, now = old.log_softmax(-1), new.log_softmax(-1)
    terms = was.exp() * (was - now[:, : old.shape[1]])
    wanted = torch.where(was.exp() > 0, terms, 0.0).sum(-1)
    targets = encode(base.tokenizer, text)
    bits = math.log(2) * len(text.encode())
    costs = [-sum(float(t[i, target]) for i, target in enumerate(targets)) for t in (was, now)]
    found = compared(base, taught, (text,))
    kl = token_kl(base, taught, read_texts(base, [text]), read_texts(taught, [text]))
    torch.testing.assert_close(kl.double(), wanted, rtol=1e-3, atol=1e-5)
    assert found.mean_kl == pytest.approx(float(wanted.mean()), rel=1e-3)
    assert found.mean_kl > 1e-3
    assert found.p99_kl == pytest.approx(float(wanted.quantile(0.99)), rel=1e-3)
    assert found.bits_per_byte_before == pytest.approx(costs[0] / bits, rel=1e-4)
    assert found.bits_per_byte_after == pytest.approx(costs[1] / bits, rel=1e-4)
    same = (was.argmax(-1) == now.argmax(-1)).double().mean()
    assert found.top1_agreement == pytest.approx(float(same))


def test_more_noise_is_more_drift_and_the_worst_texts_are_named(
    make_host: MakeHost, make_taught: Callable[..., Judged]
) -> None:
    base = judged(make_host("byte-untied"))
    little, much = (
        compared(base, make_taught(make_host("byte-untied"), size)) for size in (0.2, 2.0)
    )
    assert 0 < little.mean_kl < much.mean_kl
    assert little.top1_agreement > much.top1_agreement
    assert little.p99_kl > little.mean_kl
    assert [kl for _, kl in much.worst] == sorted((kl for _, kl in much.worst), reverse=True)
    assert {text for text, _ in much.worst} == set(TEXTS)
    shares = [len(encode(base.tokenizer, text)) for text, _ in much.worst]
    mean = sum(n * kl for n, (_, kl) in zip(shares, much.worst, strict=True)) / sum(shares)
    assert mean == pytest.approx(much.mean_kl, rel=1e-4)


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-tied"])
def test_a_large_new_row_takes_probability_away(
    name: str, make_host: MakeHost, make_taught: Callable[..., Judged]
) -> None:
    # grown rows, and spare ones, which the base has too
    base = judged(make_host(name))
    states = read_texts(base, TEXTS).states
    loud = 4 * states.mean(0) / states.mean(0).norm()
    quiet = compared(base, make_taught(make_host(name), row=torch.full((16,), 1e-3)))
    shouting = compared(base, make_taught(make_host(name), row=loud))
    assert shouting.mean_kl > 10 * quiet.mean_kl
    assert shouting.bits_per_byte_after > shouting.bits_per_byte_before


def test_hard_negatives_look_like_terms_and_hold_none(
    make_host: MakeHost, lexicon: Lexicon, surfaces: dict[str, str]
) -> None:
    one = judged(make_host("byte-tied"))
    texts = hard_negatives([one], lexicon, surfaces)
    assert len(set(texts)) == len(texts) > 3
    frames = [f.split("{term}") for f in NEUTRAL_FRAMES["en"]]
    words = []
    for text in texts:
        [word] = [
            text[len(a) : len(text) - len(b)]
            for a, b in frames
            if text.startswith(a) and text.endswith(b)
        ]
        words.append(word)
        bare = [o for o in find(text, lexicon) if o.marked or o.term != "эйдос"]
        assert not bare
    assert {"эйдос", "~[эйдос", "[эйдос]"} < set(words)
    assert not set(texts) & set(neutral_texts("en"))
    pieces = {i for w in surfaces for i in encode(one.tokenizer, " " + w)}
    pieces = {i for i in pieces if len(one.tokenizer.decode([i]).strip()) > 1}
    ordinary = [w for w in words if w.isalpha() and w != "эйдос"]
    assert ordinary
    assert all(pieces & set(encode(one.tokenizer, " " + w)) for w in ordinary)


def test_hard_negatives_have_a_drift_of_their_own(
    make_host: MakeHost,
    make_taught: Callable[..., Judged],
    lexicon: Lexicon,
    surfaces: dict[str, str],
) -> None:
    base, taught = judged(make_host("byte-untied")), make_taught(make_host("byte-untied"), 0.5)
    hard = hard_negatives([base, taught], lexicon, surfaces)
    readings = read_texts(base, hard), read_texts(taught, hard)
    before, after = read_texts(base, TEXTS), read_texts(taught, TEXTS)
    found = drift(base, taught, before, after, readings)
    assert found is not None
    assert found.hard_negative_kl == pytest.approx(compared(base, taught, hard).mean_kl)
    assert found.hard_negative_kl != pytest.approx(found.mean_kl)


def test_texts_are_few_plain_and_read_alike(
    make_host: MakeHost, make_taught: Callable[..., Judged], lexicon: Lexicon
) -> None:
    base, taught = judged(make_host("byte-tied")), make_taught(make_host("byte-tied"))
    texts = choose_texts([base, taught], lexicon, most_tokens=900)
    spent = {True: 0, False: 0}
    for text in texts:
        assert encode(base.tokenizer, text) == encode(taught.tokenizer, text)
        spent[text.isascii() or text in neutral_texts("en")] += len(encode(base.tokenizer, text))
    assert sum(spent.values()) <= 900
    assert min(spent.values()) > 100, "a Russian term: both languages"
    first = texts[0]
    word = max(first.split(), key=len).strip(".,;:")
    named = Lexicon(name="t", terms=(Term(term=word, definition=("a thing",)),))
    assert first not in choose_texts([base], named)


def test_languages_are_those_of_the_lexicon() -> None:
    def of(**fields: Any) -> tuple[str, ...]:
        values = {"term": "vask", "definition": ("x",), **fields}
        return languages_of(Lexicon(name="t", terms=(Term.model_validate(values),)))

    assert of() == ("en",)
    assert of(language="ru") == ("en", "ru")
    assert of(term="Эйдос") == ("en", "ru")


def test_no_text_is_no_drift_but_is_told(make_host: MakeHost) -> None:
    one = judged(make_host("byte-tied"))
    told: list[int] = []
    nothing = read_texts(one, (), told.append)
    assert sum(told) == 100
    assert isinstance(nothing, Reading)
    assert drift(one, one, nothing, nothing) is None
    told.clear()
    read_texts(one, TEXTS, told.append)
    assert sum(told) == 100
