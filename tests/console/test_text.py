"""Text from anywhere is shown on one line and does nothing to the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexigraft.console import show_new, show_path, visible

Screen = Callable[[], str]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\ttab", "two lines tab"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("\x9b2J\x7f", "\ufffd2J␡"),
        ("[bold]x[/bold] \\[", "[bold]x[/bold] \\["),
        ("abc\u202edef\u2066", "abc\ufffddef\ufffd"),
        ("\ud800", "\ufffd"),
        ("𝕽 👩\u200d🚀 e\u0301 שלום", "𝕽 👩\u200d🚀 e\u0301 שלום"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_long_text_is_cut() -> None:
    assert visible("a" * 10_000, 20) == "a" * 19 + "…"
    assert visible("a" * 20, 20) == "a" * 20


@given(st.text(max_size=60))
def test_nothing_shown_is_a_control_character(text: str) -> None:
    shown = visible(text, 30)
    assert len(shown) <= 30
    assert not any(
        ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown
    )


def test_a_path_is_one_line_to_copy(screen: Screen) -> None:
    path = Path("a folder") / ("long" * 40) / "[bold]report.html"
    show_path(path)
    assert screen() == f"{path}\n"


def test_the_next_commands_can_be_pasted(screen: Screen) -> None:
    path = Path("it's here") / ("deep" * 30) / "слова.yaml"
    show_new(path, "ru")
    lines = screen().splitlines()
    assert lines[0].startswith("Записан")
    commands = [shlex.split(line) for line in lines if line.startswith("  lexigraft")]
    assert [command[1] for command in commands] == ["diagnose", "teach"]
    assert all(command[2] == str(path) for command in commands)
