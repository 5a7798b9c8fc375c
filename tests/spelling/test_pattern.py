"""Patterns over many forms, tried in the engine that will run them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from lexigraft.spelling.pattern import isolating_pattern, trie_pattern


def pieces(pattern: str, text: str) -> list[str]:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return [piece for piece, _ in split.pre_tokenize_str(text)]


def test_the_longest_form_is_found_first() -> None:
    pattern = trie_pattern(["zor", "zorblax", "zorb", "a.c"])
    assert pieces(pattern, "zorblaxzorbzor") == ["zorblax", "zorb", "zor"]
    assert pieces(pattern, "abca.c") == ["abc", "a.c"]
    assert trie_pattern([]) == ""


@settings(max_examples=60, deadline=None)
@given(forms=st.lists(st.text("ab.*[(\\|+^$ -е́", min_size=1, max_size=5), min_size=1, unique=True))
def test_a_trie_matches_each_form_whole(forms: list[str]) -> None:
    pattern = rf"\A{trie_pattern(forms)}\z"
    for form in forms:
        assert pieces(f"{pattern}|.", form) == [form]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a zorb b", ["a", " zorb", " b"]),
        ("(zorb)", ["(", "zorb", ")"]),
        ("unzorb zorby zorb\u0301", ["unzorb zorby zorb\u0301"]),
        ("zorb2", ["zorb", "2"]),
        ("B12 B123 AB12", ["B12", " B123 AB12"]),
        ("a⟁b ⟁", ["a", "⟁", "b", " ⟁"]),
    ],
)
def test_isolating(text: str, expected: list[str]) -> None:
    pattern = isolating_pattern(whole=["zorb", "B12"], anywhere=["⟁"], space=" ")
    assert pieces(pattern, text) == expected


def test_nothing_to_isolate() -> None:
    assert isolating_pattern([], [], " ") == ""
