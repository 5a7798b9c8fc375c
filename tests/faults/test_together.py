"""Two runs that are started on one folder at once: one works, the other is told so."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest


def start_two(
    nursery: Any, small: Any, run: Path, wait: float, *more: str
) -> list[tuple[int, str]]:
    """Exit codes and words of two equal commands, the second begun `wait` seconds later."""
    first = nursery.start(*small.teach(run, *more))
    time.sleep(wait)
    second = nursery.start(*small.teach(run, *more))
    return [first.wait(), second.wait()]


@pytest.mark.parametrize(
    "more",
    [(), *(pytest.param((one,), marks=pytest.mark.slow) for one in ("--resume", "--force"))],
    ids=["new", "resume", "force"],
)
@pytest.mark.parametrize(
    "rounds", [1, pytest.param(12, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_one_works_and_the_other_is_refused(
    nursery: Any, small: Any, tmp_path: Path, rounds: int, more: tuple[str, ...]
) -> None:
    for number in range(rounds):
        run = tmp_path / f"run-{number}"
        if more == ("--force",):
            shutil.copytree(small.whole, run)
        wait = 0.0 if number % 2 == 0 else random.Random(number).random()
        ended = sorted(start_two(nursery, small, run, wait, *more))
        assert [code for code, _ in ended] == [0, 4], ended
        refusal = ended[1][1]
        expected = ["Another lexigraft is working in"]
        if not more:
            # Where the first had recorded its run already.
            expected.append("holds a run already")
        assert any(text in refusal for text in expected), refusal
        assert str(run) in refusal
        small.require_same(run)
