"""What the student writes, and what the teacher makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from lexigraft.corpus import Text
from lexigraft.lexicon import find_term
from lexigraft.likelihood import encode, hidden_states, output_rows
from lexigraft.recipe import TrainingRecipe
from lexigraft.training import Lesson, Rollouts, Trainable, count_steps, make_lessons, train

from .conftest import TEXTS, Case
from .test_loop import SETTINGS, Memory, ended, same

WRITTEN = (
    Text(text="Then the zorblax turned over and rained on us.", term="zorblax", kind="written"),
    Text(text="Her velkin was full of apples that day.", term="velkin", kind="written"),
)
ALL = (*TEXTS, *WRITTEN)
KINDS = [text.kind == "written" for text in ALL]
ON_POLICY = SETTINGS.model_copy(update={"objective": "on-policy"})


class Kept:
    """A rollout keeper in memory."""

    def __init__(self) -> None:
        self.texts: dict[int, list[Text]] = {}

    def load_rollouts(self, epoch: int) -> list[Text] | None:
        return self.texts.get(epoch)

    def save_rollouts(self, epoch: int, texts: Sequence[Text]) -> None:
        self.texts[epoch] = list(texts)


@pytest.fixture
def begin(
    make_lesson_case: Callable[..., Case],
) -> Callable[..., tuple[Case, Trainable, list[Lesson], Rollouts]]:
    """A case, its student, its lessons, and what renews them."""

    def start(kept: Kept, moves: Any = "rows+lora") -> Any:
        case = make_lesson_case("byte-untied")
        usual = TrainingRecipe(top_k=12, lexicon_weight=1.0, teacher_examples=0)
        about = case.host.tokenizer, case.tokenizer, case.lexicon, case.spelling
        teach = partial(make_lessons, case.host.model, *about)
        lessons = teach(ALL, usual)
        student = case.trainable(moves)
        again = partial(teach, settings=usual, by_student=True)
        rollouts = Rollouts(student, case.tokenizer, case.lexicon, ALL, again, kept, seed=0)
        return case, student, lessons, rollouts

    return start


def test_the_first_epoch_is_the_teachers(begin: Callable[..., Any]) -> None:
    kept = Kept()
    assert begin(kept)[-1](0) == {}
    assert kept.texts == {}


def test_the_student_goes_on_behind_the_term_in_texts_that_were_written(
    begin: Callable[..., Any],
) -> None:
    kept = Kept()
    case, _, lessons, rollouts = begin(kept)
    found = rollouts(1)
    assert sorted(found) == [i for i, written in enumerate(KINDS) if written]
    for index, text in zip(sorted(found), kept.texts[1], strict=True):
        before = ALL[index]
        term = case.lexicon[str(before.term)]
        places = find_term(before.text, term, case.lexicon.marker)
        if places:
            assert text.text.startswith(before.text[: places[0].end])
        assert text.term == before.term
        assert found[index].reverse
        assert not lessons[index].reverse
        # Batches were laid out by the lengths that were.
        assert len(found[index].ids) <= len(lessons[index].ids) + 1
    assert any(t.text != ALL[i].text for i, t in zip(sorted(found), kept.texts[1], strict=True))


def test_its_own_tokens_are_no_evidence(begin: Callable[..., Any]) -> None:
    """The target is the teacher's alone, whatever the student happened to write."""
    kept = Kept()
    case, _, _, rollouts = begin(kept)
    found = rollouts(1)
    index = ALL.index(WRITTEN[1])
    text = kept.texts[1][sorted(found).index(index)]
    ids = encode(case.tokenizer, text.text)
    lesson = found[index]
    start = len(lesson.ids) - len(ids)
    last = len(ids) - 1
    meaning = case.lexicon["velkin"].definition[len(text.text) % 2]
    prompt = encode(case.host.tokenizer, f"Velkin: {meaning}.\n")
    with rollouts.trainable.untaught(), torch.no_grad():
        model = case.host.model
        whole = torch.tensor([[*lesson.ids[:start].tolist(), *prompt, *ids[:last]]])
        logits = (hidden_states(model, whole)[0, -1] @ output_rows(model).t()).double()
    logits[list(case.spelling.new_ids)] = -torch.inf
    wanted = torch.softmax(logits, -1)
    said = dict(zip(lesson.target_ids[-1].tolist(), lesson.target_probabilities[-1], strict=True))
    for token, value in said.items():
        if token >= 0:
            assert float(value) == pytest.approx(float(wanted[token]), abs=1e-4)


def test_the_teacher_stays_what_it_was_however_far_the_student_went(
    begin: Callable[..., Any],
) -> None:
    kept = Kept()
    rollouts = begin(kept)[-1]
    first = rollouts(1)
    with torch.no_grad():
        for value in rollouts.trainable.masters.values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    rollouts.trainable.push()
    second = rollouts(1)
    for index, lesson in first.items():
        torch.testing.assert_close(lesson.target_probabilities, second[index].target_probabilities)


def test_a_student_that_went_elsewhere_writes_something_else(begin: Callable[..., Any]) -> None:
    kept = Kept()
    rollouts = begin(kept)[-1]
    rollouts(1)
    matrix = output_rows(rollouts.trainable.model).clone()
    with torch.no_grad():
        for name, value in rollouts.trainable.masters.items():
            if ".lora_B." in name:
                value.add_(1.0)
    rollouts.trainable.push()
    one, other = kept.texts.pop(1), rollouts(1) and kept.texts[1]
    assert [t.text for t in one] != [t.text for t in other]
    # Writing put the new rows into the matrix for a moment.
    assert torch.equal(output_rows(rollouts.trainable.model), matrix)


def test_a_broken_run_goes_on_with_the_same_texts(begin: Callable[..., Any]) -> None:
    def go(kept: Kept, keeper: Memory, stop: int | None = None) -> Trainable:
        _, student, lessons, rollouts = begin(kept)
        steps = 0

        def advance(count: int) -> None:
            nonlocal steps
            steps += count
            if stop is not None and steps > stop:
                raise KeyboardInterrupt

        settings = ON_POLICY.model_copy(update={"checkpoint_seconds": 1e9, "epochs": 3})
        train(
            student, lessons, [], settings, keeper,
            drift_budget=1.0, seed=0, renew=rollouts, advance=advance,
        )  # fmt: skip
        return student

    whole = ended(go(Kept(), Memory()))
    steps = count_steps(begin(Kept())[2], ON_POLICY.model_copy(update={"epochs": 3}), 0)
    for stop in range(1, steps, 2):
        kept, keeper = Kept(), Memory()
        with pytest.raises(KeyboardInterrupt):
            go(kept, keeper, stop)
        assert same(ended(go(kept, keeper)), whole)
