"""Rows distilled from the pieces that they stand for, for words that the model already understands.

The teacher is the model reading the old pieces, the student the same frozen model reading the new
tokens; only the new rows move. Token Distillation (Dobler et al., ICLR 2026) compares hidden states
behind the word. Here the next-token distributions are compared, at every position and over old and
new tokens together, which also says what an output row should be:

- behind a new token the student should go on as the teacher does behind the last piece;
- before one it should get what the teacher gave to all its pieces in a row, and the first piece
  what is left: p'(new) = Π p(piece), p'(first) = p(first) - p'(new), every other token as it was;
- elsewhere a new token should get nothing. With h the state, W the old rows and R the new ones such
  a leak costs softplus(logsumexp(h·R) - logsumexp(h·W)), which the joint softmax contains.

Plain distillation gives tied rows of unbounded norm that are said everywhere (the same paper): so
the norm of each row is held within bounds after every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import length_batches, output_rows
from lexigraft.progress import Progress
from lexigraft.rows.initial import NewRows
from lexigraft.rows.readings import Reading, make_readings
from lexigraft.rows.snippets import gather_texts
from lexigraft.spelling import Spelling

__all__ = ["Student", "distilled_from_lexicon", "distilled_rows", "divergence", "fitted_rows"]

_HEAD_BYTES = 24 << 20
_SMALL = 1e-7
_WARM_UP = 0.1


def distilled_rows(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    start: NewRows,
    texts: Sequence[str],
    *,
    epochs: float,
    learning_rate: float,
    text_share: float,
    batch_tokens: int = 512,
    kept: int = 64,
    norms: tuple[float, float] = (0.3, 1.5),
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
    log: Callable[[float], None] | None = None,
) -> NewRows:
    """The rows with which the model behaves as if it still read the old pieces.

    Args:
        model: the untaught model. Its weights are the same before and after, bit by bit.
        old_tokenizer: its own.
        tokenizer: the one that spells the new words.
        spelling: what `spell` decided.
        start: rows to start from.
        texts: each has at least one new token. A row whose token stands in no text stays as it is.
        epochs: passes over the texts.
        learning_rate: of Adam, falling linearly to zero.
        batch_tokens: tokens in one step, padding included.
        kept: the teacher's likeliest tokens kept a position; all others are one outcome.
        text_share: share of the text's own token in the target, from the first new token on, the
            teacher having the rest. At 0 the word gets just what the teacher gave to its pieces.
        norms: bounds of a row's norm, in mean norms of its matrix's old rows.
        seed: of the order of the batches.
        advance: told how many texts were read, the teacher's pass included: (1 + epochs) for each.
        log: told the loss of every step, in nats a position.

    Returns:
        float32 rows on the CPU, in the order of `start`.

    Raises:
        RunError: a text without any new token.
    """
    readings = make_readings(
        model,
        old_tokenizer,
        tokenizer,
        spelling,
        texts,
        kept=kept,
        text_share=text_share,
        advance=advance,
    )
    return fitted_rows(
        model,
        spelling,
        start,
        readings,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_tokens=batch_tokens,
        norms=norms,
        together=True,
        seed=seed,
        advance=advance,
        log=log,
    )


def fitted_rows(
    model: PreTrainedModel,
    spelling: Spelling,
    start: NewRows,
    readings: Sequence[Reading],
    *,
    epochs: float,
    learning_rate: float,
    batch_tokens: int,
    norms: tuple[float, float],
    together: bool,
    seed: int,
    advance: Callable[[int], None] | None = None,
    log: Callable[[float], None] | None = None,
) -> NewRows:
    """The loop of `distilled_rows`: rows fitted to whatever the readings say.

    With `together` there is also one shift for all rows that move, trained like a row with the sum
    of their gradients. A row has few texts of its own, and what it takes to be said as a word at
    all is the same for every new row.
    """
    student = Student(model, spelling, start, norms)
    read = {int(i) for reading in readings for i in reading.ids}
    moving = torch.tensor([i in read for i in start.ids], device=student.head.device)
    batches = list(length_batches([len(r.ids) for r in readings], batch_tokens))
    order = _order(len(batches), math.ceil(epochs * len(batches)), seed)
    mover = _Mover(student.rows, moving, together)
    with _frozen(model):
        for step, number in enumerate(order):
            rate = min(1.0, (step + 1) / (_WARM_UP * len(order)), 1 - step / len(order))
            loss = student.learn([readings[i] for i in batches[number]])
            mover.step(learning_rate * rate)
            student.bound(moving)
            if log is not None:
                log(loss)
            if advance is not None:
                advance(len(batches[number]))
    return student.new_rows()


class _Mover:
    """Adam on the rows that move, and on the shift that they share."""

    def __init__(
        self, rows: Mapping[str, Tensor], moving: Bool[Tensor, " new"], together: bool
    ) -> None:
        self.rows = rows
        self.moving = moving
        self.shifts = {n: torch.zeros_like(v[0], requires_grad=True) for n, v in rows.items()}
        parameters = [*rows.values(), *(self.shifts.values() if together else ())]
        self.optimizer = torch.optim.Adam(parameters, betas=(0.9, 0.95))

    def step(self, rate: float) -> None:
        """One step along the gradients, which it clears."""
        self.optimizer.param_groups[0]["lr"] = rate
        before = {name: shift.detach().clone() for name, shift in self.shifts.items()}
        for name, value in self.rows.items():
            if value.grad is not None:
                value.grad[~self.moving] = 0
                self.shifts[name].grad = value.grad.sum(0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for name, value in self.rows.items():
                value += self.moving[:, None] * (self.shifts[name] - before[name])


def distilled_from_lexicon(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    lexicon: Lexicon,
    start: NewRows,
    *,
    texts: int,
    epochs: float,
    learning_rate: float,
    text_share: float,
    seed: int,
    progress: Progress,
) -> NewRows:
    """`distilled_rows` from the lexicon's own texts and self-written ones, `texts` a new token."""
    total = texts * len(start.ids)
    with progress.stage("Writing texts for the rows", total) as advance:
        gathered = gather_texts(
            model,
            old_tokenizer,
            tokenizer,
            spelling,
            lexicon,
            wanted=texts,
            seed=seed,
            advance=advance,
        )
    total = round(len(gathered) * (1 + epochs))
    with progress.stage("Distilling the rows", total) as advance:
        return distilled_rows(
            model,
            old_tokenizer,
            tokenizer,
            spelling,
            start,
            gathered,
            epochs=epochs,
            learning_rate=learning_rate,
            text_share=text_share,
            seed=seed,
            advance=advance,
        )


def _order(batches: int, steps: int, seed: int) -> list[int]:
    """Numbers of batches: every one once in each epoch, in an order of its own."""
    generator = torch.Generator().manual_seed(seed)
    out: list[int] = []
    while len(out) < steps:
        out += torch.randperm(batches, generator=generator).tolist()
    return out[:steps]


@contextmanager
def _frozen(model: PreTrainedModel) -> Iterator[None]:
    """Gradients run through the model and stay in none of its weights; all is put back after.

    On a CPU torch's fused attention is slower backwards than plain products.
    """
    before = model.config._attn_implementation
    moving = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in moving:
        weight.requires_grad_(False)
    if model.device.type == "cpu":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        for weight in moving:
            weight.requires_grad_(True)


class Student:
    """The frozen model with new rows beside its matrices: none of them is copied or grown."""

    def __init__(
        self,
        model: PreTrainedModel,
        spelling: Spelling,
        start: NewRows,
        norms: tuple[float, float],
    ) -> None:
        self.model = model
        self.ids = start.ids
        self.head = output_rows(model).detach()
        embedding: Any = model.get_input_embeddings()
        device = self.head.device
        # Old rows only: a spare row that becomes a new token is not read.
        self.spare = [i for i in start.ids if i < len(self.head)]
        self.place = torch.full((max(spelling.rows_after, len(self.head)),), -1, device=device)
        self.place[list(start.ids)] = torch.arange(len(start.ids), device=device)
        self.rows = {"input": start.input.detach().clone().float().to(device).requires_grad_()}
        matrices = {"input": embedding.weight.detach()}
        if start.output is not None:
            self.rows["output"] = start.output.detach().clone().float().to(device).requires_grad_()
            matrices["output"] = self.head
        old = torch.ones(len(self.head), dtype=torch.bool, device=device)
        old[self.spare] = False
        means = {n: float(m[old].float().norm(dim=-1).mean()) for n, m in matrices.items()}
        self.bounds = {n: (norms[0] * mean, norms[1] * mean) for n, mean in means.items()}

    def states(self, ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        """Last hidden states, final norm included, with the new rows in place."""
        embedding: Any = self.model.get_input_embeddings()
        place = self.place[ids]
        with torch.no_grad():
            old = embedding(ids.masked_fill(place >= 0, 0))
        new = self.rows["input"].to(old.dtype)[place.clamp_min(0)]
        scale = getattr(embedding, "embed_scale", None)  # Gemma scales what it looks up
        if scale is not None:
            new = new * torch.as_tensor(scale, dtype=new.dtype, device=new.device)
        mixed = torch.where((place >= 0)[..., None], new, old)
        model: Any = self.model
        body = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
        return cast(Tensor, body(inputs_embeds=mixed, use_cache=False).last_hidden_state)

    def log_probabilities(self, states: Float[Tensor, "some dim"]) -> Float[Tensor, "some rows"]:
        """Over old rows and, behind them, the new ones."""
        old = (states @ self.head.t()).float()
        if self.spare:
            old[:, self.spare] = -torch.inf
        rows = self.rows.get("output", self.rows["input"]).to(states.dtype)
        return torch.log_softmax(torch.cat([old, (states @ rows.t()).float()], dim=1), dim=-1)

    def learn(self, readings: Sequence[Reading]) -> float:
        """Adds the gradients of the mean divergence from the teacher; returns it, in nats.

        The output head is run forwards and backwards a few positions at a time.
        """
        device = self.head.device
        width = max(len(r.ids) for r in readings)
        grid = torch.zeros(len(readings), width, dtype=torch.long)
        for row, reading in enumerate(readings):
            grid[row, : len(reading.ids)] = reading.ids
        columns = [range(len(r.ids) - 1 - len(r.before_new), len(r.ids) - 1) for r in readings]
        where = [(row, column) for row, some in enumerate(columns) for column in some]
        rows, places = (list(part) for part in zip(*where, strict=True))
        states = self.states(grid.to(device))[rows, places]
        ids = torch.cat([r.target_ids for r in readings]).to(device)
        wanted = torch.cat([r.target_probabilities for r in readings]).to(device)
        leaf = states.detach().requires_grad_()
        total = 0.0
        size = max(8, _HEAD_BYTES // (4 * len(self.head)))
        for first in range(0, len(leaf), size):
            some = slice(first, first + size)
            table = self.log_probabilities(leaf[some])
            each = divergence(table, ids[some], wanted[some], len(self.head))
            loss = each.sum() / len(leaf)
            loss.backward()
            total += float(loss.detach())
        states.backward(leaf.grad)
        return total

    @torch.no_grad()
    def bound(self, moving: Bool[Tensor, " new"]) -> None:
        """Brings the norms of the rows that move back within their bounds."""
        for name, value in self.rows.items():
            norms = value.norm(dim=-1, keepdim=True).clamp_min(_SMALL)
            scale = norms.clamp(*self.bounds[name]) / norms
            value.mul_(torch.where(moving[:, None], scale, 1.0))

    def new_rows(self) -> NewRows:
        """The rows as they are now."""
        rows = {name: value.detach().cpu().clone() for name, value in self.rows.items()}
        return NewRows(ids=self.ids, input=rows["input"], output=rows.get("output"))


def divergence(
    table: Float[Tensor, "some rows"],
    target_ids: Int[Tensor, "some kept"],
    target_probabilities: Float[Tensor, "some kept"],
    old: int,
) -> Float[Tensor, " some"]:
    """KL(teacher || student) at each position in nats.

    Args:
        table: the student's log-probabilities over `old` old rows and the new ones behind them.
        target_ids: columns of `table`; a new one without probability is an empty slot.
        target_probabilities: the teacher's. What they leave of 1 is every other old row's.
        old: how many columns are old.
    """
    own = table.gather(1, target_ids)
    mass = (own.exp() * (target_ids < old)).sum(1) + table[:, old:].exp().sum(1)
    rest = (1 - target_probabilities.sum(1)).clamp_min(0)
    own_rest = (1 - mass).clamp_min(_SMALL)
    entropy = torch.xlogy(target_probabilities, target_probabilities).sum(1)
    entropy = entropy + torch.xlogy(rest, rest)
    used = torch.where(target_probabilities > 0, own, 0.0)
    return entropy - (target_probabilities * used).sum(1) - rest * own_rest.log()
