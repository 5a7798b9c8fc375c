"""The training loop: AdamW on float32 masters, a checkpoint every half minute, exact resume.

Everything that a step depends on is a function of the seed and the step's number, or stands in the
checkpoint: a run that was killed and resumed does what an unbroken one does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from lexigraft.errors import RecipeError
from lexigraft.likelihood import head_slices
from lexigraft.processes import current
from lexigraft.recipe import TrainingRecipe
from lexigraft.training.lessons import Lesson
from lexigraft.training.objective import kept_divergence, leaked_divergence, whole_divergence
from lexigraft.training.rates import learning_rates
from lexigraft.training.reading import Read, Reader, Settled
from lexigraft.training.schedule import schedule, split_batches
from lexigraft.training.trainable import Trainable

__all__ = ["Keeper", "train"]

_DECAY = 0.01
_CLIP = 1.0
_MOST_REPLAY = 16.0
_SCALES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
# The model's own texts drift less than the prose on which it will be judged: 0.029 and 0.038
# against 0.048 and 0.056 nats a token on benchmarks/dev.yaml, in pieces and as tokens.
_DRIFT_SEEN = 0.6
_BETAS = (0.9, 0.99)
# What a row has to itself moves more slowly than what it shares with the other forms of its term.
_OWN = 0.3
_MOST_BROKEN = 6


@dataclass
class State:
    """Everything that changes from step to step, besides the masters."""

    step: int = 0
    replay_factor: float = 1.0
    rate_factor: float = 1.0
    """Halved with every step whose numbers were none."""
    broken: int = 0
    """Such steps in a row."""
    seconds: float = 0.0
    best: float = math.inf
    """The lowest validation loss so far; its masters stand in `kept`."""
    waited: int = 0
    """Validations since then."""
    finished: bool = False
    """The result stands in the masters: nothing is left to do."""
    moments: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Keeper(Protocol):
    """Where checkpoints and the log go: the run's folder."""

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The last checkpoint: plain values and tensors; None when there is none."""
        ...

    def save(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Keeps a checkpoint in place of the last one."""
        ...

    def log(self, line: dict[str, Any]) -> None:
        """Adds a line to the training log."""
        ...


def train(
    trainable: Trainable,
    lessons: Sequence[Lesson],
    held_out: Sequence[Lesson],
    settings: TrainingRecipe,
    keeper: Keeper,
    *,
    drift_budget: float,
    seed: int,
    renew: Callable[[int], Mapping[int, Lesson]] | None = None,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Trains until the schedule ends or validation no longer falls; the masters hold the best.

    Drift on held-out replay lessons is measured as it goes. What is over `drift_budget` (nats a
    token) at the end is taken back: the LoRA is scaled down until the held-out drift fits, at most
    to a half. Where nothing can be scaled, replay weighs more while drift is over the budget. On
    KeyboardInterrupt a checkpoint is kept before it goes on up, unless a step is half done: then
    the last one counts.
    """
    run = _Run(trainable, settings, keeper, drift_budget, list(held_out))
    run.restore()
    if advance is not None:
        advance(run.state.step)
    steps = schedule(lessons, settings, seed)
    kept = time.monotonic()
    epoch, now = -1, list(lessons)
    try:
        while run.state.step < len(steps) and not run.over:
            step = steps[run.state.step]
            if renew is not None and step.epoch != epoch:
                epoch, now = step.epoch, list(lessons)
                for index, lesson in renew(epoch).items():
                    now[index] = lesson
            run.step([[now[i] for i in batch] for batch in step.batches], len(steps))
            if advance is not None:
                advance(1)
            if time.monotonic() - kept >= settings.checkpoint_seconds:
                run.keep()
                kept = time.monotonic()
    except KeyboardInterrupt:
        # In the middle of an update the last checkpoint is the one to go on from.
        if run.whole:
            run.keep()
        raise
    run.finish()


class _Run:
    """One run's state between steps."""

    def __init__(
        self,
        trainable: Trainable,
        settings: TrainingRecipe,
        keeper: Keeper,
        drift_budget: float,
        held_out: list[Lesson],
    ) -> None:
        self.trainable = trainable
        self.settings = settings
        self.keeper = keeper
        self.drift_budget = drift_budget
        self.held_out = held_out
        self.reader = Reader(trainable, keeps=settings.objective != "on-policy")
        self.is_new = trainable.is_new
        self.unsaid = trainable.unsaid
        self.rates = learning_rates(trainable.model, settings)
        self.state = State()
        self.whole = True
        """Whether masters and state are those of one step: no update has been begun."""

    def step(self, batches: list[list[Lesson]], steps: int) -> None:
        """One optimiser step over the batches together, with its line in the log."""
        began = time.monotonic()
        positions = sum(len(lesson.target_ids) for batch in batches for lesson in batch)
        total = 0.0
        gradients: dict[str, Tensor] = {}
        for batch in batches:
            if part := current().mine(batch):
                total += self._backward(part, positions)
            # Added up in float32, whatever the type of the weights.
            for name, value in self.trainable.gradients().items():
                gradients[name] = gradients[name].add_(value) if name in gradients else value
        if current().count > 1:
            total, gradients = self._summed(total, gradients)
        norm = torch.stack([g.norm() for g in gradients.values()]).norm()
        finite = math.isfinite(total) and math.isfinite(float(norm))
        self.whole = False
        if finite:
            self._update(gradients, norm, steps)
        else:
            self._go_back()
        self.trainable.push()
        self.state.step += 1
        line: dict[str, Any] = {"step": self.state.step}
        line |= {"loss": round(total, 5)} if finite else {"broken": self.state.broken}
        last = self.state.step == steps
        if self.held_out and (self.state.step % self.settings.evaluate_every == 0 or last):
            line |= self._evaluate()
        self.state.seconds += time.monotonic() - began
        line["seconds"] = round(self.state.seconds, 3)
        self.keeper.log(line)
        self.whole = True

    def _summed(
        self, total: float, gradients: dict[str, Tensor]
    ) -> tuple[float, dict[str, Tensor]]:
        """Loss and gradients of all processes, each of which has read a part of the batches."""
        masters = self.trainable.masters
        whole = {n: gradients.get(n, torch.zeros_like(value)) for n, value in masters.items()}
        device = self.is_new.device
        # What no process has a gradient of has none, not one of zero, which would decay it.
        whole["loss"] = torch.tensor([total], device=device)
        whole["there"] = torch.tensor([float(name in gradients) for name in masters], device=device)
        whole = current().add(whole)
        there = whole.pop("there") > 0
        total = float(whole.pop("loss"))
        return total, {n: g for (n, g), has in zip(whole.items(), there, strict=True) if has}

    def _divergence(
        self, read: Read, states: Tensor, some: slice, leakage_weight: float = 1.0
    ) -> Tensor:
        """KL at some positions, from their states; more for new tokens with a weight over 1."""
        held, others = read.held[some], ~read.held[some]
        kept = kept_divergence(
            self.trainable.logits(states[others]),
            read.ids[some][others],
            read.probabilities[some][others],
            self.is_new,
            read.reverse[some][others],
        )
        found = kept.new_zeros(len(states)).masked_scatter(others, kept)
        first = int(read.held[: some.start].sum())
        teacher = read.teacher[first : first + int(held.sum())]
        if not len(teacher):
            return found
        whole = whole_divergence(
            self.trainable.logits(states[held]),
            self.trainable.untaught_logits(teacher),
            self.unsaid,
            leakage_weight,
        )
        return found.masked_scatter(held, whole)

    def _settled(self, settled: Settled, leakage_weight: float = 1.0) -> Tensor:
        """KL where nothing but new tokens has come in, from their logits alone."""
        said = self.trainable.unsaid_logits(settled.states)
        return leakage_weight * leaked_divergence(said, settled.normaliser)

    @torch.no_grad()
    def _divergences(self, lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
        """KL at every position, lessons by their length, and whether the position is replay."""
        out: list[tuple[Tensor, Tensor]] = []
        batches = list(split_batches(lessons, list(range(len(lessons))), 2048))
        for batch in current().mine(batches):
            read = self.reader.read([lessons[i] for i in batch])
            found = [self._divergence(read, read.states[s], s) for s in self._slices(read)]
            found.append(self._settled(read.settled))
            is_replay = torch.cat([read.replay, read.settled.replay])
            out.append((torch.cat(found).cpu(), is_replay.cpu()))
        every, replay = zip(*current().gather(out), strict=True)
        return torch.cat(every), torch.cat(replay)

    def _slices(self, read: Read) -> Iterator[slice]:
        return head_slices(len(read.states), len(self.is_new))

    def _backward(self, lessons: Sequence[Lesson], positions: int) -> float:
        """Adds the batch's gradients to the model's; its part of the loss, a mean over `positions`.

        The whole vocabulary's logits are there for a few positions at a time only: what is behind
        the last states is differentiated piece by piece, what is before them once.
        """
        read = self.reader.read(lessons)
        heavy = self.settings.replay_weight * self.state.replay_factor
        weights = torch.where(read.replay, heavy * read.weights, read.weights) / positions
        before = torch.zeros_like(read.states)
        total = 0.0
        if len(read.settled.states):
            each = self._settled(read.settled, self.settings.leakage_weight)
            usual = torch.where(read.settled.replay, heavy, 1.0) * read.settled.weights
            loss = (each * usual).sum() / positions
            loss.backward()
            total += float(loss.detach())
        for some in self._slices(read):
            states = read.states[some].detach().requires_grad_()
            each = self._divergence(read, states, some, self.settings.leakage_weight)
            loss = (each * weights[some]).sum()
            loss.backward()
            total += float(loss.detach())
            before[some] = cast(Tensor, states.grad)
        if read.states.requires_grad:
            read.states.backward(before)
        return total

    def _rate(self, name: str, steps: int) -> float:
        rates, peak = self.rates, self.rates.lora
        if name.startswith(("rows.", "shared.")):
            peak = rates.output_rows if name.endswith(".output") else rates.input_rows
            if name.startswith("rows.") and self.trainable.shares:
                peak *= _OWN
        elif self.trainable.moves == "full":
            peak = rates.full
        peak *= self.state.rate_factor
        warm = max(1, round(self.settings.warm_up * steps))
        step = self.state.step
        if step < warm:
            return peak * (step + 1) / warm
        share = (step - warm) / max(1, steps - warm)
        return peak * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)

    @torch.no_grad()
    def _update(self, gradients: dict[str, Tensor], norm: Tensor, steps: int) -> None:
        """AdamW with decoupled decay, on the masters."""
        self.state.broken = 0
        clip = float(torch.clamp(_CLIP / (norm + 1e-6), max=1.0))
        first, second = _BETAS
        count = self.state.step + 1
        for name, gradient in gradients.items():
            master = self.trainable.masters[name]
            mean = self.state.moments.setdefault(f"mean.{name}", torch.zeros_like(master))
            square = self.state.moments.setdefault(f"square.{name}", torch.zeros_like(master))
            gradient = gradient * clip
            mean.lerp_(gradient, 1 - first)
            square.lerp_(gradient * gradient, 1 - second)
            rate = self._rate(name, steps)
            # A new row's norm says how often its token is said: it is not pulled to zero.
            if not name.startswith(("rows.", "shared.")):
                master.mul_(1 - rate * _DECAY)
            scale = (square / (1 - second**count)).sqrt_().add_(1e-8)
            master.addcdiv_(mean, scale, value=-rate / (1 - first**count))

    def _go_back(self) -> None:
        """After a step whose loss or gradients are no numbers: the best masters, half the rate."""
        state = self.state
        state.broken += 1
        if state.broken >= _MOST_BROKEN:
            raise RecipeError(
                f"Training broke down at step {state.step + 1}: for {state.broken} steps in a row "
                "the loss was no number, at half the learning rate each time. Lower "
                "training.learning_rate, or set training.dtype to float32; if it was so from the "
                "first step on, the model's own weights may hold such numbers. Start anew with "
                "--force."
            )
        state.rate_factor /= 2
        state.moments = {}
        for name, value in state.kept.items():
            self.trainable.masters[name].copy_(value)

    @torch.no_grad()
    def _evaluate(self) -> dict[str, float]:
        """Validation loss and drift on held-out lessons."""
        found, replay = self._divergences(self.held_out)
        line, texts, free = {}, found[~replay], found[replay]
        if len(texts):
            line["validation"] = round(float(texts.mean()), 5)
            self._compare(line["validation"])
        if len(free):
            line["drift"] = round(float(free.mean()), 5)
            if not self.trainable.can_scale:
                over = line["drift"] > _DRIFT_SEEN * self.drift_budget
                factor = self.state.replay_factor * (1.5 if over else 0.8)
                self.state.replay_factor = min(_MOST_REPLAY, max(1.0, factor))
        return line

    def _compare(self, validation: float) -> None:
        """Keeps the masters of the lowest validation loss."""
        state = self.state
        state.waited += 1
        if validation < state.best:
            state.best, state.waited = validation, 0
            state.kept = {n: v.clone() for n, v in self.trainable.masters.items()}

    @property
    def over(self) -> bool:
        """Whether validation has not fallen for as long as the recipe waits, or all is done."""
        patience = self.settings.patience
        return self.state.finished or 0 < patience <= self.state.waited

    @torch.no_grad()
    def _free_drift(self) -> float:
        """Mean KL on held-out replay, nats a token."""
        free = [lesson for lesson in self.held_out if lesson.replay]
        return float(self._divergences(free)[0].mean())

    def _back_off(self) -> dict[str, float]:
        """Scales the LoRA down until drift on held-out replay fits the budget; a line for the log.

        Rows stay: a new token moves no old text, and a half of its row is another word.
        """
        if not any(lesson.replay for lesson in self.held_out):
            return {}
        line = {"drift": self._free_drift()}
        whole = 1.0
        for scale in _SCALES if self.trainable.can_scale else ():
            if line["drift"] <= _DRIFT_SEEN * self.drift_budget:
                break
            self.trainable.scale(scale / whole)
            whole = scale
            line = {"drift": self._free_drift(), "scaled": scale}
        return {name: round(value, 5) for name, value in line.items()}

    def keep(self) -> None:
        """Writes a checkpoint."""
        state = self.state
        plain = {
            "step": state.step,
            "replay_factor": state.replay_factor,
            "rate_factor": state.rate_factor,
            "broken": state.broken,
            "seconds": state.seconds,
            "best": state.best,
            "waited": state.waited,
            "finished": state.finished,
        }
        tensors = {f"master.{n}": v for n, v in self.trainable.masters.items()}
        tensors |= {f"moment.{n}": v for n, v in state.moments.items()}
        tensors |= {f"kept.{n}": v for n, v in state.kept.items()}
        self.keeper.save(plain, {n: v.detach().cpu().contiguous() for n, v in tensors.items()})

    def restore(self) -> None:
        """Goes on from the last checkpoint, where there is one."""
        found = self.keeper.load()
        if found is None:
            return
        plain, tensors = found
        device = self.is_new.device
        self.state = State(
            step=int(plain["step"]),
            replay_factor=float(plain["replay_factor"]),
            rate_factor=float(plain.get("rate_factor", 1.0)),
            broken=int(plain.get("broken", 0)),
            seconds=float(plain["seconds"]),
            best=float(plain["best"]),
            waited=int(plain["waited"]),
            finished=bool(plain["finished"]),
        )
        tables = {
            "master": self.trainable.masters,
            "moment": self.state.moments,
            "kept": self.state.kept,
        }
        for name, value in tensors.items():
            kind, rest = name.split(".", 1)
            tables[kind][rest] = value.to(device)
        self.trainable.push()

    def finish(self) -> None:
        """The best masters within the budget, and a last checkpoint: nothing is done twice."""
        if self.state.finished:
            return
        for name, value in self.state.kept.items():
            self.trainable.masters[name].copy_(value)
        self.state.kept = {}
        self.trainable.push()
        line = self._back_off()
        self.state.finished = True
        if line:
            self.keeper.log({"step": self.state.step, **line})
        self.keep()
