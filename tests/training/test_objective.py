"""The loss against its definition, outcome by outcome."""

from __future__ import annotations

import math

import pytest
import torch

from lexigraft.training.objective import kept_divergence, whole_divergence

ROWS, NEW = 9, (7, 8)
IS_NEW = torch.tensor([row in NEW for row in range(ROWS)])
IDS = torch.tensor([[2, 0, 5, -1], [1, 7, 3, 6], [4, 8, -1, -1]])
PROBABILITIES = torch.tensor(
    [[0.5, 0.2, 0.1, 0.0], [0.4, 0.3, 0.15, 0.05], [0.6, 0.1, 0.0, 0.0]],
)


def logits(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, ROWS, generator=torch.Generator().manual_seed(seed)) * 2


def naive(row: torch.Tensor, ids: list[int], teacher: list[float]) -> float:
    """KL over the kept tokens and one outcome for all other old tokens, in float64."""
    student = torch.softmax(row.double(), -1).tolist()
    pairs = [(q, student[i]) for i, q in zip(ids, teacher, strict=True) if i >= 0]
    kept = {i for i in ids if i >= 0}
    other = sum(p for i, p in enumerate(student) if i not in kept and i not in NEW)
    pairs.append((1 - sum(teacher), other))
    return sum(q * math.log(q / p) for q, p in pairs if q > 0)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_divergence_over_kept_tokens_and_the_rest(seed: int) -> None:
    found = kept_divergence(logits(seed), IDS, PROBABILITIES, IS_NEW)
    for position in range(3):
        wanted = naive(
            logits(seed)[position], IDS[position].tolist(), PROBABILITIES[position].tolist()
        )
        assert float(found[position]) == pytest.approx(wanted, rel=1e-4)
        assert wanted > 0


def test_it_is_nothing_when_the_student_says_what_the_teacher_said() -> None:
    student = logits()
    table = torch.softmax(student, -1)
    for kept in (ROWS, 3):
        values, ids = table.topk(kept, dim=-1)
        # No new row may be in the rest, which has none.
        free = torch.zeros(ROWS, dtype=torch.bool)
        found = kept_divergence(student, ids, values, free)
        assert float(found.abs().max()) < 1e-5
        more = kept_divergence(student + torch.eye(3, ROWS), ids, values, free)
        assert float(more.min()) > 1e-4


def test_a_plain_divergence_over_all_old_tokens_is_no_smaller() -> None:
    """What the rest hides can only make it smaller (data processing)."""
    student, teacher = logits(1), torch.softmax(logits(2)[:, :7], -1)
    full = torch.cat([teacher, torch.zeros(3, 2)], 1)
    everything = kept_divergence(student, torch.arange(ROWS).expand(3, -1), full, IS_NEW)
    values, ids = teacher.topk(3, dim=-1)
    assert bool((kept_divergence(student, ids, values, IS_NEW) <= everything + 1e-6).all())
    wanted = (full * (full.clamp_min(1e-30).log() - torch.log_softmax(student, -1))).sum(1)
    torch.testing.assert_close(everything, wanted, rtol=1e-4, atol=1e-5)


def test_mass_that_leaks_to_a_new_row_costs() -> None:
    student = logits()
    student[:, list(NEW)] = -30
    table = torch.softmax(student, -1)
    values, ids = table.topk(3, dim=-1)
    tight = kept_divergence(student, ids, values, IS_NEW)
    assert float(tight.abs().max()) < 1e-5
    costs = []
    for share in (0.01, 0.1, 0.5):
        leaking = student.clone()
        # This gives the new row `share` of everything.
        leaking[:, 7] = student.logsumexp(-1) + math.log(share / (1 - share))
        cost = kept_divergence(leaking, ids, values, IS_NEW)
        torch.testing.assert_close(
            cost, torch.full((3,), -math.log(1 - share)), rtol=1e-3, atol=1e-5
        )
        costs.append(float(cost.mean()))
    assert costs == sorted(costs)


def test_an_empty_slot_counts_for_nothing() -> None:
    fuller = torch.cat([IDS, torch.full((3, 2), -1)], 1)
    padded = torch.cat([PROBABILITIES, torch.zeros(3, 2)], 1)
    for student in (logits(), logits() + 100 * torch.eye(3, ROWS)):
        torch.testing.assert_close(
            kept_divergence(student, fuller, padded, IS_NEW),
            kept_divergence(student, IDS, PROBABILITIES, IS_NEW),
        )


def test_nothing_new_is_the_same_without_new_rows() -> None:
    ids, values = torch.softmax(logits()[:, :7], -1).topk(3, dim=-1)[::-1]
    none = torch.zeros(7, dtype=torch.bool)
    plain = kept_divergence(logits(3)[:, :7], ids, values, none)
    wide = logits(3)
    wide[:, list(NEW)] = -torch.inf
    torch.testing.assert_close(kept_divergence(wide, ids, values, IS_NEW), plain)


def test_the_gradient_is_that_of_finite_differences() -> None:
    student = logits()
    student.requires_grad_()
    kept_divergence(student, IDS, PROBABILITIES, IS_NEW).sum().backward()
    assert student.grad is not None
    step = 1e-2
    for position in range(3):
        for row in range(ROWS):
            shift = torch.zeros(3, ROWS)
            shift[position, row] = step
            ends = [
                kept_divergence(student.detach() + s * shift, IDS, PROBABILITIES, IS_NEW).sum()
                for s in (1, -1)
            ]
            slope = float(ends[0] - ends[1]) / (2 * step)
            assert float(student.grad[position, row]) == pytest.approx(slope, abs=2e-3)


def test_a_student_that_is_sure_and_wrong_gives_a_finite_loss_and_gradient() -> None:
    student = 1000 * torch.eye(3, ROWS)
    student.requires_grad_()
    found = kept_divergence(student, IDS, PROBABILITIES, IS_NEW)
    found.sum().backward()
    assert bool(torch.isfinite(found).all())
    assert student.grad is not None
    assert bool(torch.isfinite(student.grad).all())


def test_sixteen_bit_logits_are_summed_in_float32() -> None:
    found = kept_divergence(logits().bfloat16(), IDS, PROBABILITIES, IS_NEW)
    assert found.dtype == torch.float32
    wanted = kept_divergence(logits().bfloat16().float(), IDS, PROBABILITIES, IS_NEW)
    assert torch.equal(found, wanted)


def naive_reverse(row: torch.Tensor, ids: list[int], teacher: list[float]) -> float:
    """KL(student || teacher) over kept tokens, new ones that were not named, and all others."""
    student = torch.softmax(row.double(), -1).tolist()
    kept = {i for i in ids if i >= 0}
    pairs = [(student[i], q) for i, q in zip(ids, teacher, strict=True) if i >= 0]
    pairs.append((sum(student[i] for i in NEW if i not in kept), 0.0))
    other = sum(p for i, p in enumerate(student) if i not in kept and i not in NEW)
    pairs.append((other, 1 - sum(teacher)))
    return sum(p * math.log(p / max(q, 1e-7)) for p, q in pairs if p > 0)


@pytest.mark.parametrize("seed", range(5))
def test_where_it_is_asked_the_divergence_is_the_other_way_round(seed: int) -> None:
    reverse = torch.tensor([True, False, True])
    found = kept_divergence(logits(seed), IDS, PROBABILITIES, IS_NEW, reverse)
    plain = kept_divergence(logits(seed), IDS, PROBABILITIES, IS_NEW)
    for position in range(3):
        about = logits(seed)[position], IDS[position].tolist(), PROBABILITIES[position].tolist()
        wanted = naive_reverse(*about) if reverse[position] else float(plain[position])
        assert float(found[position]) == pytest.approx(wanted, rel=1e-3)
        assert wanted > 0


def test_the_other_way_round_what_the_teacher_never_says_costs_and_what_it_adds_does_not() -> None:
    teacher = torch.tensor([[0.5, 0.5, 0.0]])
    ids, none = torch.tensor([[0, 1, 2]]), torch.zeros(3, dtype=torch.bool)
    narrow, wide = torch.tensor([[9.0, 0.0, -9.0]]), torch.tensor([[1.0, 1.0, 1.0]])
    back = torch.ones(1, dtype=torch.bool)

    def costs(student: torch.Tensor, reverse: torch.Tensor | None) -> float:
        return float(kept_divergence(student, ids, teacher, none, reverse))

    # One of two good tokens is enough this way; all of them are wanted the other way.
    assert costs(narrow, back) < costs(narrow, None)
    assert costs(wide, back) > 3 > 0.5 > costs(wide, None)


def test_the_whole_divergence_is_over_every_row_and_new_ones_have_nothing() -> None:
    student, teacher = logits(1), logits(2)
    found = whole_divergence(student, teacher, IS_NEW)
    said = torch.softmax(teacher[:, :7].double(), -1)
    wanted = (said * (said.log() - torch.log_softmax(student.double(), -1)[:, :7])).sum(1)
    torch.testing.assert_close(found, wanted.float())
    # The bucket of the rest can only hide some of it.
    values, ids = torch.softmax(teacher[:, :7], -1).topk(3, dim=-1)
    assert bool((kept_divergence(student, ids, values, IS_NEW) < found).all())
    alone = torch.zeros(ROWS, dtype=torch.bool)
    assert float(whole_divergence(teacher, teacher, alone).abs().max()) < 1e-6


def test_the_gradient_of_the_whole_is_finite_where_the_teacher_is_silent() -> None:
    student = logits()
    student.requires_grad_()
    whole_divergence(student, 50 * logits(3), IS_NEW).sum().backward()
    assert student.grad is not None
    assert bool(torch.isfinite(student.grad).all())
    assert float(student.grad[:, list(NEW)].min()) > 0


def test_what_new_rows_get_weighs_more_and_nothing_else_does() -> None:
    student, teacher = logits(1), logits(2)
    plain = whole_divergence(student, teacher, IS_NEW)
    heavy = whole_divergence(student, teacher, IS_NEW, 30.0)
    leaked = torch.softmax(student.double(), -1)[:, IS_NEW].sum(1)
    torch.testing.assert_close(heavy - plain, (-29 * torch.log1p(-leaked)).float())
    silent = student.masked_fill(IS_NEW, -50.0)
    torch.testing.assert_close(
        whole_divergence(silent, teacher, IS_NEW, 30.0), whole_divergence(silent, teacher, IS_NEW)
    )
