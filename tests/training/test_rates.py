"""Learning rates that follow the model: its width, and the size of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lexigraft.host import Host
from lexigraft.recipe import TrainingRecipe
from lexigraft.training import learning_rates

DEFAULTS = TrainingRecipe()


def model(width: int, inputs: float = 0.1356, outputs: float | None = None) -> Any:
    """A flat model of a width, with rows of a size."""
    config = LlamaConfig(
        hidden_size=width,
        vocab_size=20_000 if width < 1000 else 2_000,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=outputs is None,
    )
    made = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made.get_input_embeddings().weight.normal_(0, inputs, generator=generator)
        if outputs is not None:
            made.lm_head.weight.normal_(0, outputs, generator=generator)
    return made


def test_the_measured_model_gets_what_was_measured() -> None:
    rates = learning_rates(model(576), DEFAULTS)
    assert rates.lora == 2e-3
    assert rates.full == 3e-5
    assert rates.input_rows == pytest.approx(5e-3, rel=0.02)
    assert rates.output_rows == rates.input_rows


@pytest.mark.parametrize(("width", "lora"), [(64, 2e-3), (1024, 1.28e-3), (4096, 4.33e-4)])
def test_a_wider_model_gets_less(width: int, lora: float) -> None:
    rates = learning_rates(model(width), DEFAULTS)
    assert rates.lora == pytest.approx(lora, rel=0.01)
    assert rates.full / rates.lora == pytest.approx(3e-5 / 2e-3)


def test_rows_get_what_their_matrix_bears() -> None:
    rates = learning_rates(model(4096, inputs=0.01356, outputs=0.1356), DEFAULTS)
    assert rates.input_rows == pytest.approx(5e-4, rel=0.02)
    assert rates.output_rows == pytest.approx(10 * rates.input_rows, rel=0.01)


def test_what_the_recipe_names_stands() -> None:
    named = TrainingRecipe(learning_rate=0.1, rows_learning_rate=0.2, full_learning_rate=0.3)
    rates = learning_rates(model(4096), named)
    assert (rates.lora, rates.input_rows, rates.output_rows, rates.full) == (0.1, 0.2, 0.2, 0.3)


def test_a_real_object_has_what_is_looked_at(make_host: Callable[[str], Host]) -> None:
    for name in ("byte-tied", "byte-untied"):
        rates = learning_rates(make_host(name).model, DEFAULTS)
        assert rates.lora == 2e-3
        assert 0 < rates.input_rows < 1
