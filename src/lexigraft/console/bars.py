"""Progress on the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from lexigraft.console.text import shown, visible
from lexigraft.progress import Advance

__all__ = ["Bars"]

_LOG_SECONDS = 15.0  # between two lines about one stage where there is no terminal


class _Left(ProgressColumn):
    """Time left, as a person says it."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(_duration(task.elapsed or 0.0), style="dim")
        left = task.time_remaining
        return Text("" if left is None else f"{_duration(left)} left", style="cyan")


class _Count(ProgressColumn):
    """How many units of how many."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Bars:
    """Progress on stderr: bars with time left on a terminal, else a line now and then."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._bars: Progress | None = None
        self._open = 0

    def say(self, message: str) -> None:
        """One line that stays on the screen."""
        for line in message.splitlines():
            self.console.print(shown(line, most=500))

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """A bar that leaves its name and the time it took; stages may stand inside stages."""
        started = time.monotonic()
        name = visible(name[:1].upper() + name[1:])
        if self.console.is_terminal:
            with self._bar(name, total) as advance:
                yield advance
        else:
            yield self._lines(name, total, started)
        took = _duration(time.monotonic() - started)
        self.console.print(Text.assemble(("✓ ", "green"), name, (f"  {took}", "dim")))

    @contextmanager
    def _bar(self, name: str, total: int | None) -> Iterator[Advance]:
        bars = self._bars or Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green"),
            _Count(),
            _Left(),
            console=self.console,
            transient=True,
            refresh_per_second=4,
        )
        if self._bars is None:
            self._bars = bars
            bars.start()
        self._open += 1
        task = bars.add_task(name, total=total)
        try:
            yield lambda count: bars.advance(task, count)
        finally:
            bars.remove_task(task)
            self._open -= 1
            if not self._open:
                bars.stop()
                self._bars = None

    def _lines(self, name: str, total: int | None, started: float) -> Advance:
        self.console.print(Text(f"{name} …"))
        done, told = 0, started

        def advance(count: int) -> None:
            nonlocal done, told
            done += count
            now = time.monotonic()
            if total and 0 < done < total and now - told >= _LOG_SECONDS:
                told = now
                left = _duration((now - started) / done * (total - done))
                self.console.print(Text(f"{name}: {done}/{total}, {left} left"))

        return advance
