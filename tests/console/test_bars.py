"""Progress on a terminal and without one."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from lexigraft.console import Bars
from lexigraft.console import bars as bars_module
from lexigraft.progress import Progress

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands for the time module."""
    made = Clock()
    monkeypatch.setattr(bars_module, "time", made)
    return made


def terminal(**options: Any) -> tuple[Bars, io.StringIO]:
    stream = io.StringIO()
    settings = {"markup": False, "highlight": False, "width": 80, "_environ": {"TERM": "xterm"}}
    return Bars(Console(file=stream, **settings, **options)), stream


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Bars()
    with progress.stage("Training", 2) as advance:
        advance(2)
    progress.say("a [bold] line")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["Training …", "✓ Training  0 s", "a [bold] line"]


def test_without_a_terminal_a_line_now_and_then(clock: Clock) -> None:
    bars, stream = terminal()
    with bars.stage("Training", 100) as advance:
        for _ in range(100):
            clock.now += 1
            advance(1)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Training …"
    assert lines[1] == "Training: 15/100, 1 min 25 s left"
    assert lines[-2] == "Training: 90/100, 10 s left"
    assert lines[-1] == "✓ Training  1 min 40 s"
    assert len(lines) == 8
    assert "\x1b" not in stream.getvalue()


def test_a_stage_of_unknown_length_says_only_begin_and_end(clock: Clock) -> None:
    bars, stream = terminal()
    with bars.stage("Loading", None) as advance:
        clock.now += 7200
        advance(1)
    assert stream.getvalue().splitlines() == ["Loading …", "✓ Loading  2 h 0 min"]


def test_a_terminal_shows_bars_with_counts_and_leaves_a_line() -> None:
    bars, stream = terminal(force_terminal=True)
    with bars.stage("Training", 40) as advance:
        advance(10)
        bars.say("said meanwhile")
        assert bars._bars is not None
        bars._bars.refresh()
    drawn = ANSI.sub("", stream.getvalue())
    assert "10/40" in drawn
    assert "said meanwhile" in drawn
    assert drawn.rstrip().endswith("✓ Training  0 s")
    assert bars._bars is None
    # The cursor is given back.
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_a_terminal_tells_the_time_left() -> None:
    now = 0.0
    bars, stream = terminal(force_terminal=True, get_time=lambda: now)
    with bars.stage("Training", 100) as advance:
        assert bars._bars is not None
        for _ in range(25):
            now += 4.0
            advance(1)
        bars._bars.refresh()
    # Measured over the last half minute.
    assert re.search(r"25/100.*(4 min 5\d|5 min \d+) s left", ANSI.sub("", stream.getvalue()))


@pytest.mark.parametrize("force", [True, False])
def test_stages_stand_inside_stages(force: bool) -> None:
    bars, stream = terminal(force_terminal=force)
    with bars.stage("outer", 2) as outer:
        with bars.stage("inner", None) as inner:
            inner(1)
        outer(2)
    with bars.stage("another", 1):
        pass
    drawn = ANSI.sub("", stream.getvalue())
    ends = re.findall(r"✓ (\w+)", drawn)
    assert ends == ["Inner", "Outer", "Another"]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_stage_that_fails_is_not_ticked_off(force: bool, kind: type[BaseException]) -> None:
    bars, stream = terminal(force_terminal=force)
    with pytest.raises(kind), bars.stage("outer", 2), bars.stage("inner", 3):
        raise kind
    assert "✓" not in stream.getvalue()
    assert bars._bars is None
    with bars.stage("again", 1):
        pass
    assert "✓" in stream.getvalue()


def test_names_are_shown_as_they_are() -> None:
    bars, stream = terminal(force_terminal=True)
    with bars.stage("[red]x[/red] \x1b[2J", 1):
        assert bars._bars is not None
        bars._bars.refresh()
    assert "[red]x[/red] ␛[2J" in ANSI.sub("", stream.getvalue())
