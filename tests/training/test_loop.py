"""The loop: what is read when, that it teaches, and that a broken run ends as an unbroken one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lexigraft.corpus import Text
from lexigraft.errors import RecipeError
from lexigraft.recipe import TrainingRecipe
from lexigraft.training import (
    Keeper,
    Lesson,
    Moves,
    Trainable,
    count_steps,
    learning_rates,
    loop,
    train,
)
from lexigraft.training.schedule import batches_of_epoch

from .conftest import TEXTS, Case

HELD_OUT = (
    Text(text="The zorblax waits under the table.", term="zorblax", kind="written", held_out=True),
    Text(text="A letter came for the teacher.", kind="replay", held_out=True),
)
SETTINGS = TrainingRecipe(
    rank=4,
    alpha=8.0,
    learning_rate=5e-3,
    rows_learning_rate=2e-2,
    full_learning_rate=1e-3,
    epochs=2,
    batch_tokens=64,
    evaluate_every=3,
    checkpoint_seconds=0,
    patience=0,
    dtype="float32",
)


class Memory:
    """A keeper in memory. Copies, as a file would: what was kept does not change any more."""

    def __init__(self) -> None:
        self.kept: tuple[dict[str, Any], dict[str, Tensor]] | None = None
        self.lines: list[dict[str, Any]] = []

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        return copy.deepcopy(self.kept)

    def save(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.kept = copy.deepcopy((plain, tensors))

    def log(self, line: dict[str, Any]) -> None:
        self.lines.append(line)

    def logged(self) -> dict[int, dict[str, Any]]:
        """The last line of each step, without times."""
        return {x["step"]: {k: v for k, v in x.items() if k != "seconds"} for x in self.lines}


@pytest.fixture
def start(make_lesson_case: Callable[..., Case]) -> Callable[..., Any]:
    """`start("byte-tied", "rows+lora")`: a trainable, its lessons and the held-out ones."""

    def begin(
        name: str = "byte-tied", moves: Moves = "rows+lora"
    ) -> tuple[Trainable, list[Lesson], list[Lesson]]:
        case = make_lesson_case(name)
        lessons = case.lessons(TEXTS + HELD_OUT)
        return case.trainable(moves), lessons[: len(TEXTS)], lessons[len(TEXTS) :]

    return begin


def run(
    trainable: Trainable,
    lessons: list[Lesson],
    held_out: list[Lesson],
    keeper: Memory,
    settings: TrainingRecipe = SETTINGS,
    *,
    drift_budget: float = 0.15,
    advance: Callable[[int], None] | None = None,
) -> None:
    train(
        trainable,
        lessons,
        held_out,
        settings,
        keeper,
        drift_budget=drift_budget,
        seed=0,
        advance=advance,
    )


def made_up(lengths: list[int]) -> list[Lesson]:
    return [
        Lesson(
            ids=torch.zeros(length, dtype=torch.int64),
            target_ids=torch.zeros(length - 1, 1, dtype=torch.int64),
            target_probabilities=torch.zeros(length - 1, 1),
            weights=torch.ones(length - 1),
            replay=False,
        )
        for length in lengths
    ]


# --- what is read when ---


@pytest.mark.parametrize("batch_tokens", [16, 64, 512, 100_000])
def test_every_lesson_is_read_once_an_epoch_in_batches_of_the_size(batch_tokens: int) -> None:
    lengths = [3 + (7 * i) % 40 for i in range(200)] + [90]
    lessons = made_up(lengths)
    batches = batches_of_epoch(lessons, batch_tokens, 0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(201))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert padded <= batch_tokens or len(batch) == 1


def test_batches_hold_texts_of_like_length() -> None:
    lengths = [3 + (7 * i) % 40 for i in range(400)]
    batches = batches_of_epoch(made_up(lengths), 256, 0, 0)
    padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert padded < 1.25 * sum(lengths)


def test_epochs_differ_and_the_seed_decides_them() -> None:
    lessons = made_up([3 + i % 9 for i in range(60)])
    one = batches_of_epoch(lessons, 64, 0, 0)
    assert one == batches_of_epoch(lessons, 64, 0, 0)
    assert one != batches_of_epoch(lessons, 64, 0, 1)
    assert one != batches_of_epoch(lessons, 64, 1, 0)


def test_steps_follow_the_epochs_parts_of_one_included() -> None:
    lessons = made_up([10] * 40)
    steps = {
        epochs: count_steps(
            lessons, TrainingRecipe.model_validate({"epochs": epochs, "batch_tokens": 40}), 0
        )
        for epochs in (0.01, 0.5, 1, 1.5, 3)
    }
    assert steps == {0.01: 1, 0.5: 5, 1: 10, 1.5: 15, 3: 30}
    assert count_steps([], SETTINGS, 0) == 0


# --- what it does ---


@pytest.mark.parametrize("name", ["byte-untied", "unigram-tied"])
def test_the_loss_falls_and_the_term_is_learned(start: Callable[..., Any], name: str) -> None:
    trainable, lessons, held_out = start(name)
    keeper = Memory()
    settings = SETTINGS.model_copy(
        update={"epochs": 16.0, "learning_rate": 2e-2, "checkpoint_seconds": 1e9}
    )
    before = divergence(trainable, lessons[1])
    run(trainable, lessons, held_out, keeper, settings)
    losses = [line["loss"] for line in keeper.lines if "loss" in line]
    epoch = len(losses) // 16
    # A random model of a few thousand weights cannot say everything that its teachers say.
    assert sum(losses[-epoch:]) < 0.7 * sum(losses[:epoch])
    # 'Zorblax: a machine that makes rain.'
    assert divergence(trainable, lessons[1]) < 0.9 * before
    checked = [line["validation"] for line in keeper.lines if "validation" in line]
    assert min(checked[1:]) < checked[0]


@torch.inference_mode()
def divergence(trainable: Trainable, lesson: Lesson) -> float:
    from lexigraft.training.objective import kept_divergence

    states = trainable.states(lesson.ids[None])[0, -1 - len(lesson.target_ids) : -1]
    found = kept_divergence(
        trainable.logits(states), lesson.target_ids, lesson.target_probabilities, trainable.is_new
    )
    return float(found.mean())


def test_the_log_has_a_line_a_step_and_checks_as_often_as_asked(start: Callable[..., Any]) -> None:
    trainable, lessons, held_out = start()
    keeper = Memory()
    moved: list[int] = []
    assert isinstance(keeper, Keeper)
    run(trainable, lessons, held_out, keeper, advance=moved.append)
    steps = count_steps(lessons, SETTINGS, 0)
    *lines, end = keeper.lines
    assert [line["step"] for line in lines] == list(range(1, steps + 1))
    assert set(end) == {"step", "drift"}
    assert end["step"] == steps
    assert sum(moved) == steps
    checked = [line["step"] for line in lines if "drift" in line]
    assert checked == [*range(3, steps, 3), steps]
    assert all(("validation" in line) == ("drift" in line) for line in lines)
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)


def test_without_held_out_lessons_nothing_is_checked(start: Callable[..., Any]) -> None:
    trainable, lessons, _ = start()
    keeper = Memory()
    run(trainable, lessons, [], keeper)
    assert not any("drift" in line or "validation" in line for line in keeper.lines)


@pytest.mark.parametrize("limit", [1e-9, 1e9])
@pytest.mark.parametrize("moves", ["lora", "full"])
def test_replay_weighs_more_over_the_budget_where_nothing_can_be_scaled(
    start: Callable[..., Any], limit: float, moves: Moves
) -> None:
    trainable, lessons, held_out = start("byte-tied", moves)
    keeper = Memory()
    settings = SETTINGS.model_copy(update={"evaluate_every": 1})
    run(trainable, lessons, held_out, keeper, settings, drift_budget=limit)
    assert keeper.kept is not None
    steps = count_steps(lessons, settings, 0)
    factor = keeper.kept[0]["replay_factor"]
    still = limit > 1 or moves == "lora"
    assert factor == (1.0 if still else min(16.0, 1.5**steps))


def test_more_replay_is_less_drift(start: Callable[..., Any]) -> None:
    ends = []
    for weight in (0.0, 8.0):
        trainable, lessons, held_out = start()
        keeper = Memory()
        settings = SETTINGS.model_copy(update={"replay_weight": weight, "epochs": 6.0})
        run(trainable, lessons, [*held_out, lessons[-1]], keeper, settings, drift_budget=1e9)
        ends.append(keeper.lines[-1]["drift"])
    assert ends[1] < ends[0]


@pytest.mark.parametrize("moves", ["rows", "lora", "full"])
def test_each_kind_has_its_own_rate(start: Callable[..., Any], moves: Moves) -> None:
    """The first step of AdamW moves each number by about its rate, whatever the gradient."""
    trainable, lessons, held_out = start("byte-untied", moves)
    before = {name: value.clone() for name, value in trainable.masters.items()}
    settings = SETTINGS.model_copy(update={"epochs": 0.01, "warm_up": 0.0})
    rates = learning_rates(trainable.model, settings)
    run(trainable, lessons, held_out, Memory(), settings)
    for name, value in trainable.masters.items():
        rate = rates.lora
        if name.startswith(("rows.", "shared.")):
            rate = rates.output_rows if name.endswith("output") else rates.input_rows
            rate *= 0.3 if name.startswith("rows.") else 1.0
        elif moves == "full":
            rate = rates.full
        moved = float((value - before[name] * (1 - rate * 0.01)).abs().max())
        assert moved <= 1.1 * rate
        if "lora_A" not in name:  # has no gradient while B is zero
            assert moved == pytest.approx(rate, rel=0.1)


def test_accumulated_batches_are_one_large_batch(start: Callable[..., Any]) -> None:
    """Where padding and order do not matter to the sum: one step over all lessons."""
    found = []
    for changes in ({"batch_tokens": 4096}, {"batch_tokens": 64, "accumulate": 100}):
        trainable, lessons, _ = start("byte-untied")
        keeper = Memory()
        settings = SETTINGS.model_copy(update={"epochs": 1.0, "warm_up": 0.0, **changes})
        assert count_steps(lessons, settings, 0) == 1
        run(trainable, lessons, [], keeper, settings)
        found.append((ended(trainable), keeper.lines[0]["loss"]))
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)
    for name, value in found[0][0].items():
        moved = (value - found[1][0][name]).abs()
        # AdamW's first step is the gradient's sign: near zero it may turn, elsewhere it may not.
        assert float((moved > 1e-5).float().mean()) < 0.01


def test_accumulation_takes_fewer_steps(start: Callable[..., Any]) -> None:
    trainable, lessons, held_out = start()
    several = SETTINGS.model_copy(update={"accumulate": 2, "epochs": 4})
    once = count_steps(lessons, SETTINGS.model_copy(update={"epochs": 4}), 0)
    steps = count_steps(lessons, several, 0)
    assert once / 2 <= steps < once
    keeper = Memory()
    run(trainable, lessons, held_out, keeper, several)
    assert len([line for line in keeper.lines if "loss" in line]) == steps


@pytest.mark.parametrize("moves", ["rows", "lora", "rows+lora", "full"])
def test_logits_in_parts_give_the_gradients_of_the_whole(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, moves: Moves
) -> None:
    found = []
    for size in (10_000, 7):

        def parts(positions: int, rows: int, size: int = size) -> Iterator[slice]:
            yield from (slice(i, min(i + size, positions)) for i in range(0, positions, size))

        monkeypatch.setattr(loop, "head_slices", parts)
        trainable, lessons, _ = start("byte-untied", moves)
        begun = loop._Run(trainable, SETTINGS, Memory(), 1.0, [])
        loss = begun._backward(lessons, 100)
        found.append((loss, trainable.gradients()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1].keys() == found[1][1].keys() != set()
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied"])
def test_replay_is_held_in_its_tail_as_well(
    make_lesson_case: Callable[..., Case], name: str
) -> None:
    """The loss of a lesson with the teacher's states is the divergence over all rows."""
    case = make_lesson_case(name)
    with_states = case.lessons(TEXTS, whole=True)
    kept_alone = case.lessons(TEXTS)
    trainable = case.trainable("rows+lora")
    begun = loop._Run(trainable, SETTINGS, Memory(), 1.0, [])
    # Nothing has moved yet but new rows, which the teacher does not know.
    for whole, kept in zip(with_states, kept_alone, strict=True):
        assert whole.held is not None
        found, replay = begun._divergences([whole])
        coarse, _ = begun._divergences([kept])
        assert torch.equal(replay, torch.full_like(replay, whole.replay))
        torch.testing.assert_close(found[~whole.held], coarse[~whole.held])
        assert bool((found[whole.held] >= coarse[whole.held] - 1e-5).all())
    for value in trainable.masters.values():
        value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    trainable.push()
    replay_lessons = [lesson for lesson in with_states if lesson.replay]
    whole_found, _ = begun._divergences(replay_lessons)
    part_found, _ = begun._divergences([lesson for lesson in kept_alone if lesson.replay])
    assert float(whole_found.mean()) > float(part_found.mean())


# --- when it ends ---


def test_it_stops_once_validation_has_not_fallen_and_keeps_the_best(
    start: Callable[..., Any],
) -> None:
    trainable, lessons, held_out = start()
    keeper = Memory()
    settings = SETTINGS.model_copy(
        update={"evaluate_every": 1, "patience": 2, "epochs": 40.0, "learning_rate": 0.3}
    )
    run(trainable, lessons, held_out, keeper, settings, drift_budget=1e9)
    seen = [line["validation"] for line in keeper.lines if "validation" in line]
    assert len(seen) < count_steps(lessons, settings, 0)
    best = min(seen)
    assert seen.index(best) == len(seen) - 3
    again, lessons, held_out = start()
    shorter = Memory()
    stop = len(seen) - 2

    def interrupt(count: int) -> None:
        if shorter.lines and shorter.lines[-1]["step"] == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(again, lessons, held_out, shorter, settings, drift_budget=1e9, advance=interrupt)
    assert same(ended(again), ended(trainable))


def test_patience_of_zero_never_stops(start: Callable[..., Any]) -> None:
    trainable, lessons, held_out = start()
    keeper = Memory()
    settings = SETTINGS.model_copy(
        update={"evaluate_every": 1, "patience": 0, "learning_rate": 0.3}
    )
    run(trainable, lessons, held_out, keeper, settings, drift_budget=1e9)
    assert keeper.lines[-1]["step"] == count_steps(lessons, settings, 0)


def test_drift_over_its_budget_is_taken_back_at_the_end(start: Callable[..., Any]) -> None:
    ends = {}
    for limit in (1e9, 1e-9):
        trainable, lessons, held_out = start()
        keeper = Memory()
        settings = SETTINGS.model_copy(update={"replay_weight": 0.0})
        run(trainable, lessons, held_out, keeper, settings, drift_budget=limit)
        ends[limit] = (ended(trainable), keeper.lines[-1])
    whole, half = ends[1e9], ends[1e-9]
    assert "scaled" not in whole[1]
    assert half[1]["scaled"] == 0.5
    assert half[1]["drift"] < whole[1]["drift"]
    for name, value in whole[0].items():
        factor = 0.5 if ".lora_B." in name else 1.0
        torch.testing.assert_close(half[0][name], factor * value)


@pytest.mark.parametrize("moves", ["rows", "full"])
def test_what_cannot_be_scaled_stays(start: Callable[..., Any], moves: Moves) -> None:
    trainable, lessons, held_out = start("byte-tied", moves)
    keeper = Memory()
    run(trainable, lessons, held_out, keeper, drift_budget=1e-9)
    assert "scaled" not in keeper.lines[-1]


# --- broken off and gone on with ---


def ended(trainable: Trainable) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainable.masters.items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(v, two[n]) for n, v in one.items())


def test_the_same_seed_gives_the_same_run(start: Callable[..., Any]) -> None:
    found = []
    for _ in range(2):
        trainable, lessons, held_out = start()
        keeper = Memory()
        run(trainable, lessons, held_out, keeper)
        found.append((ended(trainable), keeper.logged()))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("moves", ["rows+lora", "full"])
def test_broken_off_after_any_step_it_ends_the_same(
    start: Callable[..., Any], moves: Moves
) -> None:
    trainable, lessons, held_out = start("byte-tied", moves)
    keeper = Memory()
    run(trainable, lessons, held_out, keeper, drift_budget=1e-9)
    wanted, logged = ended(trainable), keeper.logged()
    steps = count_steps(lessons, SETTINGS, 0)
    rarely = SETTINGS.model_copy(update={"checkpoint_seconds": 1e9})
    for stop in range(steps):
        broken, keeper = start("byte-tied", moves)[0], Memory()
        left = stop

        def interrupt(count: int) -> None:
            nonlocal left
            left -= count
            if left < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(broken, lessons, held_out, keeper, rarely, drift_budget=1e-9, advance=interrupt)
        assert keeper.kept is None or keeper.kept[0]["step"] == stop + 1 or stop == 0
        again = start("byte-tied", moves)[0]
        told: list[int] = []
        run(again, lessons, held_out, keeper, rarely, drift_budget=1e-9, advance=told.append)
        assert same(ended(again), wanted)
        assert keeper.logged() == logged
        assert sum(told) == steps


@pytest.mark.parametrize("where", ["push", "gradients", "states", "log"])
def test_broken_off_within_a_step_it_ends_the_same(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A signal comes when it comes: with half of an update done no checkpoint is written."""
    trainable, lessons, held_out = start()
    keeper = Memory()
    run(trainable, lessons, held_out, keeper, drift_budget=1e-9)
    wanted, logged = ended(trainable), keeper.logged()
    for turn in (1, 3, 4):
        broken, keeper = start()[0], Memory()
        owner: Any = keeper if where == "log" else broken
        inner, calls = getattr(owner, where), 0

        def once(*arguments: Any, inner: Any = inner, turn: int = turn) -> Any:
            nonlocal calls
            calls += 1
            if calls == turn:
                raise KeyboardInterrupt
            return inner(*arguments)

        monkeypatch.setattr(owner, where, once)
        with pytest.raises(KeyboardInterrupt):
            run(broken, lessons, held_out, keeper, drift_budget=1e-9)
        monkeypatch.undo()
        again = start()[0]
        run(again, lessons, held_out, keeper, drift_budget=1e-9)
        assert same(ended(again), wanted)
        assert keeper.logged() == logged


def test_half_an_update_is_never_kept(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainable, lessons, held_out = start()
    keeper = Memory()

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainable, "push", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(trainable, lessons, held_out, keeper)
    assert keeper.kept is None


def test_a_finished_run_is_not_trained_again(start: Callable[..., Any]) -> None:
    trainable, lessons, held_out = start()
    keeper = Memory()
    run(trainable, lessons, held_out, keeper)
    wanted, lines = ended(trainable), len(keeper.lines)
    again = start()[0]
    run(again, lessons, held_out, keeper)
    assert same(ended(again), wanted)
    assert len(keeper.lines) == lines


def test_a_lesson_of_one_epoch_is_read_in_that_alone() -> None:
    lessons = [replace(x, epoch=i % 3 if i < 30 else None) for i, x in enumerate(made_up([8] * 40))]
    for epoch in range(3):
        read = {i for batch in batches_of_epoch(lessons, 64, 0, epoch) for i in batch}
        assert read == {i for i in range(40) if i >= 30 or i % 3 == epoch}


# --- numbers that are none ---


def breaking(
    trainable: Trainable, monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]
) -> None:
    """The model says NaN in the passes for which `when` holds; they are counted from one."""
    sound, passes = trainable.states, 0

    def states(ids: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        return sound(ids) * (float("nan") if when(passes) else 1.0)

    monkeypatch.setattr(trainable, "states", states)


def test_a_broken_step_is_passed_over_at_half_the_rate(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainable, lessons, _ = start()
    breaking(trainable, monkeypatch, lambda number: number == 2)
    keeper = Memory()
    run(trainable, lessons, [], keeper)
    assert "broken" not in keeper.logged()[1]
    assert keeper.logged()[2] == {"step": 2, "broken": 1}
    assert keeper.kept is not None
    assert keeper.kept[0]["rate_factor"] == 0.5
    assert keeper.kept[0]["broken"] == 0
    assert all(bool(value.isfinite().all()) for value in trainable.masters.values())
    assert len(keeper.logged()) == count_steps(lessons, SETTINGS, 0)


def test_after_a_broken_step_the_best_masters_count(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainable, lessons, held_out = start()
    begun = loop._Run(trainable, SETTINGS, Memory(), 1.0, held_out)
    begun._evaluate()
    best = {name: value.clone() for name, value in trainable.masters.items()}
    begun.step([lessons], 100)
    assert not all(torch.equal(best[n], v) for n, v in trainable.masters.items())
    breaking(trainable, monkeypatch, lambda number: True)
    begun.step([lessons], 100)
    assert all(torch.equal(best[n], v) for n, v in trainable.masters.items())
    assert begun.state.moments == {}


def test_what_stays_broken_ends_with_advice(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainable, lessons, _ = start()
    breaking(trainable, monkeypatch, lambda number: number > 1)
    settings = SETTINGS.model_copy(update={"epochs": 20})
    with pytest.raises(RecipeError, match=r"step 7: for 6 steps in a row.*learning_rate"):
        run(trainable, lessons, [], Memory(), settings)
