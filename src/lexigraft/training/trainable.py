"""What may move, and how it is held: frozen weights in one type, float32 masters for the rest.

LoRA comes from PEFT, injected into the model. New rows are kept beside the embedding matrix and
put into its output: training them never copies or touches an old row (PEFT's own trainable tokens
copy the whole matrix at every step). The rows of one term's forms share a part that is trained
with all of them, so that what the texts teach of one form is known of those that they do not hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from lexigraft.errors import RecipeError
from lexigraft.host import linear_layers
from lexigraft.likelihood import hidden_states, output_rows
from lexigraft.rows import NewRows, grow_rows
from lexigraft.training.values import PEFT_PREFIX, Taught

__all__ = ["Moves", "Trainable", "require_possible"]

Moves = Literal["rows", "lora", "rows+lora", "full"]


class Trainable:
    """A model prepared for teaching. It takes the model over: it serves nothing else after.

    `terms` names the term of each of `rows`; without it no two rows share anything. `layers` is the
    share of the layers, from the first on, that have a LoRA.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        moves: Moves,
        rows: NewRows | None,
        rows_after: int,
        *,
        rank: int,
        alpha: float,
        seed: int,
        terms: Sequence[str] = (),
        layers: float = 1.0,
    ) -> None:
        self.model = model
        self.moves = moves
        self.rank = rank
        self.alpha = alpha
        self.new_ids = () if rows is None else rows.ids
        if model.device.type == "cpu":
            # torch's fused attention is slower than plain products here: its backward pass takes a
            # fifth of a step on texts of 30 tokens.
            model.set_attn_implementation("eager")
        self._rows_before = len(output_rows(model))
        if rows_after > len(output_rows(model)):
            grow_rows(model, rows_after)
        for weight in model.parameters():
            weight.requires_grad_(moves == "full")
        self._off = False
        self._lora: dict[str, nn.Parameter] = {}
        self.target_modules: tuple[str, ...] = ()
        if "lora" in moves:
            self._inject(seed, layers)
        self._rows: dict[str, nn.Parameter] = {}
        self._shared: dict[str, nn.Parameter] = {}
        if rows is not None:
            self._hold(rows)
            self._share(terms)
        self._full = dict(model.named_parameters()) if moves == "full" else {}
        self.masters = {
            name: value.detach().float().clone() for name, value in self._moving().items()
        }

    # --- what moves ---

    def _inject(self, seed: int, layers: float) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        names = linear_layers(self.model, layers)
        self.target_modules = tuple(sorted({name.rsplit(".", 1)[-1] for name in names}))
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            target_modules=list(names),
        )
        # PEFT draws A from torch's global generator.
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                inject_adapter_in_model(config, cast(nn.Module, self.model))
        finally:
            torch.random.set_rng_state(state)
        dtype = output_rows(self.model).dtype
        for name, weight in self.model.named_parameters():
            if ".lora_" in name:
                weight.data = weight.data.to(dtype)
                weight.requires_grad_(True)
                self._lora[name] = weight

    def _hold(self, rows: NewRows) -> None:
        """Rows stand beside the matrix; a hook puts the input rows into the embedding's output."""
        embedding = self.model.get_input_embeddings()
        weight: Tensor = cast(Any, embedding).weight
        moving = "rows" in self.moves or self.moves == "full"
        dtype, device = weight.dtype, weight.device
        values = {"input": rows.input, "output": rows.output}
        self._rows = {
            name: nn.Parameter(value.to(device, dtype), requires_grad=moving)
            for name, value in values.items()
            if value is not None
        }
        self._index = torch.full((len(weight),), -1, device=device)
        self._index[list(rows.ids)] = torch.arange(len(rows.ids), device=device)
        # Gemma scales what it looks up.
        scale = getattr(embedding, "embed_scale", None)

        def replace(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            if self._off:
                return output
            places = self._index[args[0]]
            new = self._whole("input")[places.clamp_min(0)]
            if scale is not None:
                new = new * torch.as_tensor(scale, dtype=new.dtype, device=device)
            return torch.where((places >= 0)[..., None], new, output)

        embedding.register_forward_hook(replace)

    def _share(self, terms: Sequence[str]) -> None:
        """A part of all rows of a term, where some term has several; it begins at zero."""
        numbers = {term: number for number, term in enumerate(dict.fromkeys(terms))}
        if len(numbers) == len(terms):
            return
        self._group = torch.tensor([numbers[term] for term in terms], device=self.model.device)
        self._shared = {
            name: nn.Parameter(torch.zeros_like(value[: len(numbers)]))
            for name, value in self._rows.items()
            if value.requires_grad
        }

    def _whole(self, side: str) -> Float[Tensor, "new dim"]:
        """The rows as the model reads them: each row's own part and its term's."""
        rows = self._rows[side]
        return rows + self._shared[side][self._group] if side in self._shared else rows

    def _moving(self) -> dict[str, nn.Parameter]:
        rows = {f"rows.{n}": p for n, p in self._rows.items() if p.requires_grad}
        shared = {f"shared.{n}": p for n, p in self._shared.items()}
        return {**self._lora, **rows, **shared, **self._full}

    @property
    def shares(self) -> bool:
        """Whether rows of one term share a part."""
        return bool(self._shared)

    @property
    def count(self) -> int:
        """How many numbers may move; what forms share stands in their rows, and adds none."""
        every = sum(v.numel() for n, v in self.masters.items() if not n.startswith("shared."))
        # Rows of the whole matrix that new rows stand in for never move.
        hidden = sum(value.numel() for value in self._rows.values()) if self._full else 0
        return every - hidden

    # --- forward ---

    @property
    def is_new(self) -> Tensor:
        """Which rows are new, over all rows of the output matrix."""
        mask = torch.zeros(len(output_rows(self.model)), dtype=torch.bool)
        mask[list(self.new_ids)] = True
        return mask.to(output_rows(self.model).device)

    @property
    def unsaid(self) -> Tensor:
        """Which rows the untaught model has no token for: new ones, and what was added with them.

        Rows of an earlier run that get another meaning are among the new ones.
        """
        mask = self.is_new
        mask[self._rows_before :] = True
        return mask

    @torch.no_grad()
    def untaught_logits(
        self, states: Float[Tensor, "positions dim"]
    ) -> Float[Tensor, "positions rows"]:
        """What the untaught model says after its own last states; not where output rows moved."""
        return states @ output_rows(self.model).t()

    @property
    def output_rows(self) -> Float[Tensor, "rows dim"]:
        """The model's output matrix, in which new rows do not stand yet."""
        return output_rows(self.model)

    @cached_property
    def _spare(self) -> Int[Tensor, " spare"]:
        """Rows in `unsaid` that are no new token's; asked for at every step."""
        mask = self.unsaid
        mask[list(self.new_ids)] = False
        return mask.nonzero()[:, 0]

    def unsaid_logits(
        self, states: Float[Tensor, "positions dim"]
    ) -> Float[Tensor, "positions unsaid"]:
        """Logits over the rows in `unsaid` alone, new ones first."""
        rows = output_rows(self.model)[self._spare]
        if self._rows:
            own = self._whole("output" if "output" in self._rows else "input")
            rows = torch.cat([own, rows])
        return states @ rows.t()

    def states(self, ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        """Last hidden states, with new rows and LoRA in place."""
        return hidden_states(self.model, ids)

    def logits(self, states: Float[Tensor, "positions dim"]) -> Float[Tensor, "positions rows"]:
        """Logits over all rows, new ones from the rows that are trained."""
        table = states @ output_rows(self.model).t()
        if not self._rows:
            return table
        rows = self._whole("output" if "output" in self._rows else "input")
        return table.index_copy(
            1, torch.tensor(self.new_ids, device=table.device), states @ rows.t()
        )

    @contextmanager
    def untaught(self) -> Iterator[None]:
        """The model as it was before teaching, where not all of it moves; added rows are there."""
        layers = [m for m in self.model.modules() if isinstance(m, BaseTunerLayer)]
        self._off = True
        for layer in layers:
            layer.enable_adapters(False)
        try:
            yield
        finally:
            self._off = False
            for layer in layers:
                layer.enable_adapters(True)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """The new rows stand in the output matrix: the model's own `generate` says the words."""
        if not self._rows:
            yield
            return
        ids, matrix = list(self.new_ids), output_rows(self.model)
        with torch.no_grad():
            before = matrix[ids].clone()
            matrix[ids] = self._whole("output" if "output" in self._rows else "input")
            try:
                yield
            finally:
                matrix[ids] = before

    # --- masters and model ---

    def gradients(self) -> dict[str, Tensor]:
        """Gradients of the last backward in float32, taken off the model."""
        found = {}
        for name, value in self._moving().items():
            if value.grad is not None:
                found[name] = value.grad.float()
                value.grad = None
        return found

    @torch.no_grad()
    def push(self) -> None:
        """Copies the masters into the model."""
        for name, value in self._moving().items():
            value.copy_(self.masters[name])

    @property
    def can_scale(self) -> bool:
        """Whether what moved can be scaled: LoRA can, whole weights would need their old values."""
        return bool(self._lora)

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiplies the LoRA's whole change by `factor`, in the masters and in the model."""
        for name in self._lora:
            if ".lora_B." in name:
                self.masters[name].mul_(factor)
        self.push()

    def taught(self) -> Taught:
        """The masters as what teaching produced."""
        masters = {n: v.detach().cpu().clone() for n, v in self.masters.items()}
        rows = {
            name: masters.get(f"rows.{name}", value.detach().float().cpu())
            for name, value in self._rows.items()
        }
        for name in self._shared:
            rows[name] = rows[name] + masters[f"shared.{name}"][self._group.cpu()]
        lora = {PEFT_PREFIX + name.replace(".default", ""): masters[name] for name in self._lora}
        return Taught(
            lora=lora,
            rank=self.rank if lora else 0,
            alpha=self.alpha if lora else 0.0,
            target_modules=self.target_modules,
            new_ids=tuple(self.new_ids),
            input_rows=rows.get("input"),
            output_rows=rows.get("output"),
            weights={name: masters[name] for name in self._full},
        )


def require_possible(moves: Moves, routes: set[str]) -> None:
    """Raises RecipeError where nothing that moves could teach a term of these routes."""
    if moves == "rows" and routes - {"token"}:
        others = ", ".join(sorted(routes - {"token"}))
        raise RecipeError(
            f"tune: rows moves only the rows of new tokens, and some terms take the route "
            f"{others}. Use --tune rows+lora, or --route token."
        )
