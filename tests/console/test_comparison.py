"""Two answers side by side."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len

from lexigraft.console import show_comparison

Screen = Callable[[], str]


def found(prompt: str, before: str, after: str) -> Any:
    return SimpleNamespace(prompt=prompt, before=before, after=after)


def test_both_stand_on_one_line(screen: Screen) -> None:
    show_comparison(found("A zorblax is", "a bird", "a brass tool"))
    lines = screen().splitlines()
    assert lines[0] == "A zorblax is"
    assert any("a bird" in line and "a brass tool" in line for line in lines)
    assert any("Said before" in line and "Says now" in line for line in lines)


def test_the_prompt_s_language_is_that_of_the_labels(screen: Screen) -> None:
    show_comparison(found("Зорблакс — это", "птица", "инструмент"))
    assert "Говорила раньше" in screen()


@pytest.mark.parametrize("text", ["", "  \n", "[red]x\x1b[2J\n\nsecond line\n", "y" * 5000])
def test_any_answer_is_shown_whole_and_harmless(text: str, screen: Screen) -> None:
    show_comparison(found("p", text, "after"))
    said = screen()
    assert "\x1b" not in said
    assert max(map(cell_len, said.splitlines())) <= 80
    if "second" in text:
        assert "[red]x␛[2J" in said
        assert "second line" in said
    if not text.strip():
        assert "…" in said
