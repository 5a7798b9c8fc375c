"""Leakage by hand: a term with a token of its own, and one written in pieces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from lexigraft.checks import leakage as module
from lexigraft.checks.drift import read_texts
from lexigraft.checks.judged import Judged
from lexigraft.checks.leakage import (
    _context,
    _drawn,
    emissions,
    key_words,
    leakage,
    related_log_probabilities,
)
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Related, Term
from lexigraft.likelihood import document_start, encode

MakeHost = Callable[[str], Host]
Surfaces = dict[str, str]
TEXTS = ("The harbour wakes before the town.", "A cat, and a hill.")


def probabilities(one: Judged, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return one.model(torch.tensor([ids])).logits[0].double().softmax(-1)  # type: ignore[operator]


def texts_of(one: Judged) -> list[list[int]]:
    return [document_start(one.tokenizer) + encode(one.tokenizer, text) for text in TEXTS]


@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_a_token_of_its_own_is_summed_over_every_position(
    name: str,
    make_host: MakeHost,
    make_taught: Callable[..., Judged],
    lexicon: Lexicon,
    surfaces: Surfaces,
) -> None:
    taught = make_taught(make_host(name), 0.3)
    mine = [t.id for t in taught.spelling.tokens_of("zorblax")]  # type: ignore[union-attr]
    assert len(mine) > 1, "with and without a space, capital and small, singular and plural"
    wanted, count = 0.0, 0
    for ids in texts_of(taught):
        wanted += float(probabilities(taught, ids)[:-1, mine].sum())
        count += len(ids) - 1
    found = emissions(taught, read_texts(taught, TEXTS), lexicon, surfaces)
    assert found["zorblax"] == pytest.approx(wanted / count * 10_000, rel=1e-4)
    assert list(found) == ["zorblax", "velkin", "эйдос"]


def by_hand(one: Judged, pieces: list[int]) -> float:
    """Of a term in pieces, exactly: every position, every piece."""
    total, count = 0.0, 0
    for ids in texts_of(one):
        for place in range(len(ids) - 1):
            whole = ids[: place + 1] + pieces
            table = probabilities(one, whole)
            chance = 1.0
            for step, piece in enumerate(pieces):
                chance *= float(table[place + step, piece])
            total, count = total + chance, count + 1
    return total / count * 10_000


def heedful(host: Host) -> Host:
    """The host, with an attention so strong that what stands before decides what follows."""
    for layer in host.model.get_decoder().layers:
        layer.self_attn.v_proj.weight.data *= 12
        layer.self_attn.q_proj.weight.data *= 4
    return host


def test_a_term_in_pieces_is_the_product_of_its_pieces(
    make_host: MakeHost,
    lexicon: Lexicon,
    surfaces: Surfaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # drawn so often that the estimate is exact but for its steps
    monkeypatch.setattr(module, "_drawn", lambda chances: _drawn(chances, 4000))
    host = heedful(make_host("byte-tied"))
    one = Judged(host.model, host.tokenizer)
    found = emissions(one, read_texts(one, TEXTS), lexicon, surfaces)
    for term in ("velkin", "эйдос"):
        pieces = encode(host.tokenizer, " " + surfaces[term])
        assert len(pieces) > 2
        assert found[term] == pytest.approx(by_hand(one, pieces), rel=0.02)


def test_eight_draws_are_about_right(
    make_host: MakeHost, lexicon: Lexicon, surfaces: Surfaces
) -> None:
    host = make_host("byte-tied")
    one = Judged(host.model, host.tokenizer)
    found = emissions(one, read_texts(one, TEXTS), lexicon, surfaces)
    exact = by_hand(one, encode(host.tokenizer, " velkin"))
    assert 0.3 < found["velkin"] / exact < 3


def test_a_draw_is_read_after_all_that_stands_before_it(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    reading = read_texts(Judged(host.model, host.tokenizer), TEXTS)
    targets = reading.targets.tolist()
    contexts = [_context(reading, place) for place in range(len(targets))]
    whole = [(*before, target) for before, target in zip(contexts, targets, strict=True)]
    assert whole == [ids[:end] for ids in reading.ids for end in range(2, len(ids) + 1)]


def test_draws_are_in_proportion() -> None:
    chances = torch.tensor([0.0, 3.0, 0.0, 1.0, 4.0], dtype=torch.float64)
    assert _drawn(chances, 8) == [1, 1, 1, 3, 4, 4, 4, 4]
    assert _drawn(torch.zeros(3, dtype=torch.float64), 8) == []
    assert _drawn(torch.zeros(0, dtype=torch.float64), 8) == []


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-tied"])
def test_a_loud_row_leaks(
    name: str,
    make_host: MakeHost,
    make_taught: Callable[..., Judged],
    lexicon: Lexicon,
    surfaces: Surfaces,
) -> None:
    host = make_host(name)
    base = Judged(host.model, host.tokenizer)
    reading = read_texts(base, TEXTS)
    before = emissions(base, reading, lexicon, surfaces)
    mean = reading.states.mean(0)
    found = []
    for size in (0.01, 1.0, 4.0):
        taught = make_taught(make_host(name), row=size * mean / mean.norm())
        found.append(emissions(taught, read_texts(taught, TEXTS), lexicon, surfaces)["zorblax"])
    assert all(a < b for a, b in pairwise(found))
    verdict = leakage(before, {**before, "zorblax": found[-1]})
    assert verdict.emissions_per_10k > 1000
    assert verdict.emissions_per_10k_before == pytest.approx(sum(before.values()))
    assert verdict.by_term["zorblax"] == found[-1]
    assert leakage(None, before).emissions_per_10k_before is None


def test_progress_comes_to_an_end(
    make_host: MakeHost, lexicon: Lexicon, surfaces: Surfaces
) -> None:
    host = make_host("byte-tied")
    one = Judged(host.model, host.tokenizer)
    for _ in range(2):  # the second time everything is known already
        told: list[int] = []
        emissions(one, read_texts(one, TEXTS), lexicon, surfaces, told.append)
        assert sum(told) == 100


def test_key_words_are_the_longest_that_mean_something() -> None:
    lamp = Term(
        term="brundel",
        definition=("a small copper lamp that coal miners carry deep underground",),
        related=Related(broader=("lamp",)),
    )
    assert key_words(lamp) == ("copper", "miners", "underground")
    russian = Term(term="зорб", definition=("лампа, которую всегда носит шахтёр",), language="ru")
    assert key_words(russian) == ("лампа", "носит", "шахтёр")


def test_a_rise_is_what_became_likelier_after_related_words(rigged: Any) -> None:
    words = Lexicon(
        name="t",
        terms=(
            Term(term="orrim", definition=("a copper vessel",), related=Related(broader=("lamp",))),
            Term(term="vask", definition=("a rope",), related=Related(synonym=("orrim",))),
            Term(term="tolpa", definition=("a thin soup",)),
        ),
    )
    written = {"orrim": "~[orrim]", "vask": "vask", "tolpa": "tolpa"}
    before = related_log_probabilities(rigged(lambda b, s: -9.0), words, written)
    judged = rigged(lambda b, s: -6.0 if "orrim" in s else -8.0 if "copper" in s else -9.0)
    after = related_log_probabilities(judged, words, written)
    assert list(before) == ["orrim"], "a taught word is no related word, and none leaves nothing"
    assert all("lamp" in before for before, _ in judged.heard)
    assert {scored for _, scored in judged.heard} == {" ~[orrim]", " copper", " vessel"}
    found = leakage(None, {"orrim": 0.0}, related=(before, after))
    assert found.related_by_term == {"orrim": (3.0, 0.5)}
    assert (found.related_term_rise, found.related_key_words_rise) == (3.0, 0.5)
    assert leakage(None, {}).related_term_rise is None
