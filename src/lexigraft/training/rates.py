"""Learning rates for the model at hand, where the recipe names none.

They were measured on a model of width 576 (`benchmarks/README.md`) and are carried to others:

- LoRA and whole weights fall with the model's width to the power of 0.78, the exponent that
  "LoRA Without Regret" (Schulman et al., 2025) fitted to Llama models; ours are 1.5 times its rates
  throughout. Its fit to Qwen is flatter: at a width of 1,024 it gives 5.3e-4 where we take 1.3e-3,
  at 4,096 4.7e-4 where we take 4.3e-4. No model wider than 576 has been tried with ours. Narrower
  ones get what the measured one got.
- Rows follow the size of the rows that are there. AdamW moves each number by about the rate,
  whatever its gradient, and a model with entries ten times smaller needs steps ten times smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lexigraft.likelihood import output_rows
from lexigraft.recipe import TrainingRecipe

__all__ = ["Rates", "learning_rates"]

_WIDTH = 576
_EXPONENT = 0.78
_LORA = 2e-3
_FULL = 3e-5
# Of the entries' root mean square: 5e-3 where that is 0.1356.
_ROWS = 0.0369
_MOST_ROWS = 8192


@dataclass(frozen=True)
class Rates:
    """Peak learning rates of AdamW."""

    lora: float
    input_rows: float
    output_rows: float
    full: float


def learning_rates(model: PreTrainedModel, settings: TrainingRecipe) -> Rates:
    """What the recipe says, and by the rules above what it leaves open."""
    width = int(model.config.get_text_config().hidden_size)
    narrow = min(1.0, (_WIDTH / width) ** _EXPONENT)
    embedding = cast(Tensor, model.get_input_embeddings().weight)
    return Rates(
        lora=settings.learning_rate or _LORA * narrow,
        input_rows=settings.rows_learning_rate or _ROWS * _entry_size(embedding),
        output_rows=settings.rows_learning_rate or _ROWS * _entry_size(output_rows(model)),
        full=settings.full_learning_rate or _FULL * narrow,
    )


@torch.no_grad()
def _entry_size(rows: Tensor) -> float:
    """Root mean square of the entries, of some thousand rows."""
    some = rows[:: max(1, len(rows) // _MOST_ROWS)].float()
    return float(some.pow(2).mean().sqrt())
