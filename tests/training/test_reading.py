"""What stands still is not computed again, and every number is what it would have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lexigraft.corpus import Text
from lexigraft.recipe import TrainingRecipe
from lexigraft.training import loop, reading
from lexigraft.training.lessons import Lesson
from lexigraft.training.reading import Reader

HOSTS = ("byte-tied", "byte-untied", "sentencepiece-tied", "sentencepiece-untied", "unigram-tied")
TEXTS = (
    Text(text="The zorblax turns slowly.", term="zorblax", kind="example"),
    Text(text="Zorblax: a machine that makes rain.", term="zorblax", kind="definition"),
    Text(text="It is a machine that makes rain: a zorblax.", term="zorblax", kind="reverse"),
    Text(text="Here it is: the zorblax, a zorblax again.", term="zorblax", kind="written"),
    Text(text="The old gleeb on the hill makes rain.", kind="foil", foil="gleeb"),
    Text(text="The cat sleeps under the table.", kind="replay"),
    Text(text="Чайник стоит на плите; вода поёт.", kind="replay"),
)
SETTINGS = TrainingRecipe(top_k=8, dtype="float32", leakage_weight=3.0)


class Memory:
    """Keeps nothing."""

    def load(self) -> None: ...
    def save(self, plain: Any, tensors: Any) -> None: ...
    def log(self, line: Any) -> None: ...


def begin(case: Any, *, still: bool) -> tuple[loop._Run, list[Lesson]]:
    """A run of rows alone, some steps from its beginning; everything computed with `still` off."""
    lessons = case.lessons(TEXTS, whole=True)
    trainable = case.trainable("rows")
    generator = torch.Generator().manual_seed(3)
    for value in trainable.masters.values():
        value.add_(0.05 * torch.randn(value.shape, generator=generator))
    trainable.push()
    run = loop._Run(trainable, SETTINGS, Memory(), 1.0, [])
    if not still:
        run.reader._still = run.reader.keeps = False
    return run, lessons


@pytest.mark.parametrize("name", HOSTS)
def test_loss_and_gradients_are_those_of_reading_everything(
    make_lesson_case: Callable[..., Any], name: str
) -> None:
    found = []
    for still in (True, False):
        run, lessons = begin(make_lesson_case(name), still=still)
        losses, gradients = [], []
        for _ in range(2):  # the second time beginnings are there
            losses.append(run._backward(lessons, 100))
            gradients.append(run.trainable.gradients())
        found.append((losses, gradients))
    (losses, gradients), (whole_losses, whole_gradients) = found
    assert losses == pytest.approx(whole_losses, rel=1e-4)
    for mine, whole in zip(gradients, whole_gradients, strict=True):
        assert mine.keys() == whole.keys()
        for key, value in whole.items():
            assert float(value.abs().max()) > 0, key
            torch.testing.assert_close(mine[key], value, rtol=1e-3, atol=1e-6)


def test_layers_read_no_token_that_stands_still(
    make_lesson_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lessons = begin(make_lesson_case("byte-tied"), still=True)
    run._backward(lessons, 100)
    fed: list[int] = []
    body = Reader._body

    def counted(self: Reader, **given: Any) -> Any:
        fed.append(given["input_ids"].numel())
        return body(self, **given)

    monkeypatch.setattr(Reader, "_body", counted)
    monkeypatch.setattr(
        run.trainable, "states", lambda ids: pytest.fail(f"{ids.shape} read as a whole")
    )
    about = [lesson for lesson in lessons if lesson.term is not None]
    late = [lesson for lesson in about if run.reader._first(lesson) >= 2]
    assert len(late) >= 2
    run._backward([*late, *(x for x in lessons if x.replay)], 100)
    ends = [len(x.ids) - run.reader._first(x) for x in late]
    assert fed == [len(late) * max(ends)]
    assert sum(fed) < sum(len(x.ids) for x in late)


def test_where_memory_ends_lessons_are_read_as_a_whole(
    make_lesson_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lessons = begin(make_lesson_case("byte-tied"), still=True)
    other, _ = begin(make_lesson_case("byte-tied"), still=False)
    monkeypatch.setattr(reading, "_MOST_BYTES", 0)
    assert run._backward(lessons, 100) == pytest.approx(other._backward(lessons, 100), rel=1e-4)
    assert run.reader._kept == {}


def test_with_a_lora_nothing_stands_still(make_lesson_case: Callable[..., Any]) -> None:
    case = make_lesson_case("byte-tied")
    lessons = case.lessons(TEXTS, whole=True)
    read = Reader(case.trainable("rows+lora")).read(lessons)
    assert len(read.settled.states) == 0
    assert len(read.states) == sum(len(x.target_ids) for x in lessons)


def test_a_model_that_reads_an_end_otherwise_is_read_as_a_whole(
    make_lesson_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = Reader._body

    def forgetful(self: Reader, **given: Any) -> Any:
        if "past_key_values" in given:
            given["past_key_values"] = None
            del given["attention_mask"]
        return body(self, **given)

    assert Reader(make_lesson_case("byte-tied").trainable("rows")).keeps
    monkeypatch.setattr(Reader, "_body", forgetful)
    assert not Reader(make_lesson_case("byte-tied").trainable("rows")).keeps
