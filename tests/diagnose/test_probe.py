"""The probe: invented words beside the term, and differences that mean something."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lexigraft.diagnose.probe import _against, _pieces, invented_words, probe_term, verdict_of
from lexigraft.host import Host
from lexigraft.lexicon import Term
from lexigraft.likelihood import document_start, encode

MakeHost = Callable[[str], Host]


def test_invented_words_are_always_the_same_and_never_the_term(
    any_tokenizer: PreTrainedTokenizerBase,
) -> None:
    words = invented_words("zorblax", any_tokenizer, 10)
    assert words == invented_words("zorblax", any_tokenizer, 10)
    assert len(set(words)) == 10
    assert "zorblax" not in words
    assert words != invented_words("zorblux", any_tokenizer, 10)


def test_invented_words_have_as_many_pieces(any_tokenizer: PreTrainedTokenizerBase) -> None:
    wanted, *sizes = map(
        len, _pieces(any_tokenizer, ["zorblax", *invented_words("zorblax", any_tokenizer, 5)])
    )
    assert all(abs(size - wanted) <= 1 for size in sizes)


@pytest.mark.parametrize(
    ("term", "shape"),
    [
        ("water lamp", r"[a-z]+ [a-z]+"),
        ("re-flome", r"[a-z]+-[a-z]+"),
        ("B12x", r"[A-Z]12[a-z]"),
        ("Zorb", r"[A-Z][a-z]+"),
        ("эйдос", r"[а-яё]+"),
        ("λόγος", r"[α-ω]+"),
        ("⟁", r"[^\w\s]"),
        ("渡灵", r"[\u4e00-\u9fff]{2}"),
    ],
)
def test_invented_words_have_the_shape_of_the_term(
    term: str, shape: str, byte_bpe_tokenizer: PreTrainedTokenizerBase
) -> None:
    words = invented_words(term, byte_bpe_tokenizer, 4)
    assert len(words) == 4
    for word in words:
        assert re.fullmatch(shape, word), word


def test_a_word_after_a_space_has_one_space(any_tokenizer: PreTrainedTokenizerBase) -> None:
    # Llama 2 puts '▁' before ' the', so that it seems to be two pieces
    [pieces] = _pieces(any_tokenizer, ["the"])
    assert str(any_tokenizer.decode(pieces)).strip() == "the"
    assert encode(any_tokenizer, "x the") == [*encode(any_tokenizer, "x"), *pieces]
    assert len(pieces) == 1


def test_the_bounds_of_a_verdict() -> None:
    assert verdict_of(0.2, 1.0, None, None) == "unknown"
    assert verdict_of(-0.31, -3.1, None, None) == "known"
    assert verdict_of(-0.31, -2.9, None, None) == "maybe known"
    assert verdict_of(-0.05, -9.0, 0.0, 0.0) == "unknown"
    assert verdict_of(0.5, 2.0, -3.1, -2.6) == "known"
    assert verdict_of(0.5, 2.0, -1.6, -1.6) == "maybe known"
    assert verdict_of(0.5, 2.0, -1.6, None) == "unknown"


def test_a_difference_is_told_in_deviations_of_the_others() -> None:
    assert _against([1.0, 2.0, 4.0]) == pytest.approx((-2.0, -2.0 / 2**0.5))
    assert _against([1.0, 2.0, 2.0]) == (-1.0, 0.0)
    assert _against([1.0, 2.0]) == (0.0, 0.0)


TERM = Term(term="zorblax", definition=("a basket of apples",))


def test_a_probe_is_repeatable_and_changes_nothing(tiny_host: Host) -> None:
    weights = copy.deepcopy(tiny_host.model.state_dict())
    probe = probe_term(TERM, "en", tiny_host.model, tiny_host.tokenizer, controls=6)
    assert probe == probe_term(TERM, "en", tiny_host.model, tiny_host.tokenizer, controls=6)
    assert len(probe.controls) == 6
    assert probe.string is not None
    assert all(torch.equal(tiny_host.model.state_dict()[n], w) for n, w in weights.items())


def test_the_string_of_one_piece_is_not_measured(make_host: MakeHost) -> None:
    host = make_host("sentencepiece-tied")
    probe = probe_term(Term(term="the", definition=("a word",)), "en", host.model, host.tokenizer)
    assert probe.string is None
    assert probe.string_deviations is None


def test_a_model_that_was_shown_the_definition_knows_it(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    before = probe_term(TERM, "en", host.model, host.tokenizer)
    assert before.verdict != "known"
    lines = ["zorblax: a basket of apples", "The word zorblax means: a basket of apples"]
    for word in invented_words("zorblax", host.tokenizer, 3):
        lines.append(f"{word}: The boats leave while the streets are dark")
    memorise(host, lines)
    after = probe_term(TERM, "en", host.model, host.tokenizer)
    assert after.definition < before.definition - 0.3
    assert after.verdict != "unknown"


def memorise(host: Host, lines: list[str]) -> None:
    start = document_start(host.tokenizer)
    rows = [torch.tensor([start + encode(host.tokenizer, line)]) for line in lines]
    optimiser = torch.optim.AdamW(host.model.parameters(), lr=0.02)
    for _ in range(60):
        for row in rows:
            host.model(input_ids=row, labels=row).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
