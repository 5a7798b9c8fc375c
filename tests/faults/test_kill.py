"""`kill -9` at random moments of a run: resumed, it ends as if nothing had happened."""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LOG = logging.getLogger(__name__)
# Steps that each kill costs: the recipe asks for a checkpoint after each, and the one at work dies.
MOST_REPEATED = 1


@pytest.fixture(scope="module")
def durations(nursery: Any, small: Any) -> dict[str, float]:
    """Seconds that each stage takes, the loading before the first included."""
    run, began = small.folder / "timed", time.monotonic()
    child = nursery.start(*small.teach(run))
    while small.stage_of(run) == "loading":
        time.sleep(0.001)
    loading = time.monotonic() - began
    assert child.wait()[0] == 0
    small.require_same(run)
    stages = small.record(run)["stages"]
    return {"loading": loading, **{name: done["seconds"] for name, done in stages.items()}}


def killed_in(small: Any, child: Any, run: Path, stage: str, delay: float) -> str:
    """Kills the child `delay` seconds after `stage` has begun; in which stage it really was."""
    order = ("loading", *small.STAGES, "done")
    while order.index(small.stage_of(run)) < order.index(stage):
        time.sleep(0.0005)
    time.sleep(delay)
    child.kill()
    code, said = child.wait()
    assert code in (-9, 0), said
    found: str = small.stage_of(run)
    assert (found == "done") >= (code == 0)
    return found


def require_nothing_lost(small: Any, run: Path, before: Path) -> None:
    """That the run has ended as the unbroken one and kept what it had, as recorded in `before`."""
    small.require_same(run)
    done, kept = small.record(before).get("stages", {}), small.record(run)["stages"]
    for stage in done.keys() - {"report"}:  # written anew each time
        assert kept[stage] == done[stage], stage
    old, new = small.log(before), small.log(run)
    assert new[: len(old)] == old
    steps = Counter(line["step"] for line in new)
    assert sum(steps.values()) - len(steps) <= MOST_REPEATED * 2


def snapshot(run: Path, to: Path) -> Path:
    """Record and log as they are now."""
    for name in ("run.json", "training/log.jsonl"):
        if (run / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((run / name).read_bytes())
    return to


def moments(stages: tuple[str, ...], count: int) -> Iterator[tuple[str, float, float | None]]:
    """Stage, share of its time, and for every third a share of the resumed run's time."""
    for number in range(count):
        chance = random.Random(number)
        again = chance.random() if number % 3 == 2 else None
        yield stages[number % len(stages)], chance.random(), again


@pytest.mark.parametrize(
    "count", [3, pytest.param(50, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_killed_at_a_random_moment_nothing_is_lost(
    nursery: Any, small: Any, durations: dict[str, float], tmp_path: Path, count: int
) -> None:
    began, hit = time.monotonic(), Counter[str]()
    every = ("loading", *small.STAGES)
    chosen = ("training", "adapter", "verdict") if count < len(every) else every
    aims = list(moments(chosen, count))
    for number in range(count + len(every)):
        if number == len(aims):
            missed = sorted(set(chosen) - hit.keys()) if chosen is every else []
            if not missed:
                break
            aims.append((missed[0], 0.1, None))
        stage, share, again = aims[number]
        run, before = tmp_path / f"run-{number}", tmp_path / f"before-{number}"
        child = nursery.start(*small.teach(run))
        hit[killed_in(small, child, run, stage, share * durations[stage])] += 1
        if again is not None:
            left = durations.keys() - small.record(run).get("stages", {}).keys()
            child = nursery.start(*small.teach(run, "--resume"))
            delay = again * sum(durations[stage] for stage in left)
            hit[killed_in(small, child, run, "loading", delay)] += 1
        snapshot(run, before)
        code, said = nursery.run(*small.teach(run, "--resume"))
        assert code == 0, f"moment {number}, in {stage}: {said}"
        require_nothing_lost(small, run, before)
        shutil.rmtree(run)
    kills, seconds = sum(hit.values()), time.monotonic() - began
    LOG.info("%d kills in %.0f s, in the stages %s", kills, seconds, dict(hit))
    # A machine that is faster than when the stages were timed is done before some of the kills.
    assert hit["done"] <= (kills / 3 if kills >= 20 else kills - 1)
    if chosen is every:
        assert set(every) <= hit.keys()
