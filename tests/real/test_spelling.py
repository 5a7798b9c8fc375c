"""New tokens on real vocabularies: the invariants that the tiny ones cannot show at their size."""

from __future__ import annotations

import statistics
import sysconfig
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from lexigraft.lexicon.schema import Lexicon, Term
from lexigraft.rows import first_rows
from lexigraft.spelling import Spelling, prove, spell
from lexigraft.spelling.sample import SAMPLE

Get = Callable[[str], PreTrainedTokenizerBase]

WORDS = (
    "zorblax",
    Term(term="энтелехия", definition=("форма",), forms=("энтелехии", "энтелехию"), language="ru"),
    "тёмная материя",
    "re-flome",
    Term(term="⟁", definition=("a sign",), kind="symbol"),
    Term(term="𝕽", definition=("a sign",), kind="symbol"),
    "B12x",
    "qu’arx",
    "e\u0301\u0301zul",
    Term(term="👩‍🚀", definition=("a rider",), kind="symbol"),
    "渡灵",
    "נפשון",
    "C++",
)


def lexicon_of(terms: tuple[str | Term, ...] | list[str]) -> Lexicon:
    made = [Term(term=t, definition=("a thing",)) if isinstance(t, str) else t for t in terms]
    return Lexicon(name="test", terms=tuple(made))


def as_tokens(
    terms: tuple[str | Term, ...] | list[str], old: PreTrainedTokenizerBase, **options: Any
) -> tuple[Spelling, PreTrainedTokenizerBase]:
    lexicon = lexicon_of(terms)
    return spell(lexicon, {term.term: "token" for term in lexicon}, old, **options)


def ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [e.ids for e in encoded]


def test_every_form_is_exactly_one_token_and_nothing_else_changes(
    real: str, tokenizer_of: Get, package_of: Callable[[str], Any]
) -> None:
    old = tokenizer_of(real)
    model_type = package_of(real).model_type
    before = old.get_vocab()
    spelling, new = as_tokens(WORDS, old, model_type=model_type)
    proof = prove(spelling, old, new, model_type=model_type)
    assert proof.failures == ()
    assert proof.exact == proof.single == proof.forms == 23
    assert {token.mechanism for token in spelling.new_tokens} == {"vocabulary"}
    assert min(proof.tokens_saved.values()) > 0
    assert new.chat_template == old.chat_template
    assert old.get_vocab() == before

    # Every string of the old vocabulary, alone and inside a text: the guards hold.
    strings = [old.decode([number]) for number in range(0, len(old), 3)]
    strings = [text for text in strings if "\ufffd" not in text]
    mine = set(spelling.new_ids)
    for before, after in (("", ""), ("a", ""), ("x ", " y"), ("(", ")")):
        texts = [before + text + after for text in strings]
        pairs = zip(texts, ids(old, texts), ids(new, texts), strict=True)
        assert [t for t, was, now in pairs if was != now and not mine & set(now)] == []


def test_qwen2_reads_added_tokens_back(tokenizer_of: Get) -> None:
    old = tokenizer_of("qwen3")
    spelling, new = as_tokens(WORDS, old, model_type="qwen2")
    assert {token.mechanism for token in spelling.new_tokens} == {"added"}
    proof = prove(spelling, old, new, model_type="qwen2")
    assert proof.failures == ()
    assert proof.single == proof.forms
    assert proof.exact == 0


# Unassigned and noncharacters are left out: no text may hold them.
letters = st.characters(categories=("Lu", "Ll", "Lt", "Lo", "Lm"))
rest = st.characters(categories=("Lu", "Ll", "Lt", "Lo", "Lm", "Mn", "Mc", "Me"))
words = st.builds("".join, st.tuples(letters, st.text(rest, min_size=1, max_size=9)))
signs = st.characters(categories=("So", "Sm", "Sk", "Sc", "Co"), exclude_characters="\u2581")
phrases = st.builds(" ".join, st.lists(words, min_size=2, max_size=3))
terms = words | phrases | st.text(signs, min_size=1, max_size=3)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(drawn=st.lists(terms, min_size=60, max_size=120, unique=True))
def test_any_letters_marks_and_symbols_hold_the_invariants(
    real: str, tokenizer_of: Get, drawn: list[str]
) -> None:
    old = tokenizer_of(real)
    spelling, new = as_tokens(drawn, old)
    proof = prove(spelling, old, new)
    assert proof.failures == ()
    assert proof.exact == proof.forms


@pytest.fixture(scope="module")
def five_thousand() -> list[str]:
    heads = ("bra", "клю", "sto", "вро", "fli", "гру", "ven", "дзу", "qua", "ша")
    middles = ("zor", "мек", "lun", "фид", "pex", "ход", "wim", "жар", "gol", "щуп")
    tails = ("dax", "вень", "lith", "кор", "mump")
    numbers = ("", "ina", "она", "ette", "ник", "ora", "ыш", "esk", "ец", "ula")
    made = [h + m + t + n for h in heads for m in middles for t in tails for n in numbers]
    assert len(set(made)) == 5000
    return made


def test_five_thousand_terms_cost_no_more_each_than_five_hundred(
    tokenizer_of: Get, five_thousand: list[str]
) -> None:
    """Tokenizer and rows together, at Qwen3-0.6B's width, in processor time."""
    old = tokenizer_of("qwen3")
    inputs = torch.randn(151_936, 1024, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads would count as work
    took = {}
    for words in (five_thousand[::10], five_thousand):
        began = time.process_time()
        spelling, new = as_tokens(words, old, rows=151_936)
        rows = first_rows("like", spelling, lexicon_of(words), old, inputs, None)
        took[len(words)] = time.process_time() - began
    torch.set_num_threads(threads)
    assert took[5000] < 12 * took[500]
    assert rows.input.shape == (len(spelling.new_ids), 1024)
    assert spelling.rows_after == spelling.new_ids[-1] + 1
    sample = [unicodedata.normalize("NFC", f"a {word}, «{word}».") for word in five_thousand[::100]]
    mine = set(spelling.new_ids)
    assert all(len(mine & set(found)) >= 1 for found in ids(new, sample))


def test_five_thousand_terms_do_not_slow_qwen3(
    tokenizer_of: Get, five_thousand: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the standard library's code and prose and the languages of the sample: within 5%."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # so that processor time is comparable
    old = tokenizer_of("qwen3")
    _, new = as_tokens(five_thousand, old, rows=151_936)
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:60]
    code = [path.read_text("utf-8", errors="replace") for path in files]
    texts = [*code, *SAMPLE * 20]
    backends = {"old": old.backend_tokenizer, "new": new.backend_tokenizer}
    ratios: list[float] = []
    while len(ratios) < 25 and not (len(ratios) >= 5 and statistics.median(ratios) <= 1.05):
        took = {}
        for name, backend in backends.items():
            began = time.process_time()
            backend.encode_batch_fast(texts, add_special_tokens=False)
            took[name] = time.process_time() - began
        ratios.append(took["new"] / took["old"])
    assert statistics.median(ratios) <= 1.05


@pytest.mark.parametrize("text", ["<|im_start|>user\nзорб<|im_end|>", "<|endoftext|>"])
def test_special_tokens_of_qwen3_stay(tokenizer_of: Get, text: str) -> None:
    old = tokenizer_of("qwen3")
    _, new = as_tokens(("zorblax",), old)
    assert new(text).input_ids == old(text).input_ids
