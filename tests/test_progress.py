"""The watcher who watches nothing."""

from __future__ import annotations

import pytest

from lexigraft.progress import Progress, Silent


def test_silence_takes_everything_and_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Silent()
    progress.say("a line")
    with progress.stage("outer", 3) as advance, progress.stage("inner", None) as inner:
        advance(3)
        inner(1)
    assert capsys.readouterr() == ("", "")


def test_silence_hides_no_error() -> None:
    with pytest.raises(ValueError, match="mine"), Silent().stage("work", 1):
        raise ValueError("mine")
