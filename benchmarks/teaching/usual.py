"""The usual recipe: PEFT and transformers' Trainer on templated texts, as one writes it by hand.

LoRA of rank 16 on every linear layer, next-token loss at 5e-4 on the lexicon's definitions in
templates, its contrasts and its examples. New tokens get what `resize_token_embeddings` gives them
and PEFT's `trainable_token_indices`. It is given our templates and our spelling of new tokens, so
that only the teaching differs.
"""

from __future__ import annotations

import copy
import tempfile
import time
from typing import Any

import torch
from peft import LoraConfig, TrainableTokensConfig, get_peft_model
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from lexigraft.corpus import template_texts
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon
from lexigraft.spelling import Spelling

__all__ = ["BATCH", "RATE", "config_of", "teach_usually"]

RATE, ROW_RATE, BATCH, RANK = 5e-4, 5e-3, 8, 16
EPOCHS = 10


class _Clock(TrainerCallback):
    """Ends the training when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> Any:
        control.should_training_stop = time.monotonic() > self.end
        return control


def teach_usually(
    host: Host,
    lexicon: Lexicon,
    spelling: Spelling,
    tokenizer: PreTrainedTokenizerBase,
    *,
    tune: str,
    seconds: float | None,
    seed: int,
) -> PreTrainedModel:
    """The taught model, merged, in float32.

    With `seconds` the epochs are so many as fill that time (measured on the first steps), else ten.
    """
    torch.manual_seed(seed)
    model = copy.deepcopy(host.model)
    if spelling.new_ids and spelling.rows_after > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(spelling.rows_after)
    surfaces = {term.term: term.surface for term in spelling}
    data = [
        {"input_ids": tokenizer(text.text).input_ids} for text in template_texts(lexicon, surfaces)
    ]
    adapted = get_peft_model(model, config_of(tune, spelling))
    rate = ROW_RATE if tune == "rows" else RATE
    epochs = EPOCHS
    if seconds is not None:
        took = _train(copy.deepcopy(adapted), tokenizer, data, rate, seed, steps=12)
        steps = int(seconds / (took / 12))
        epochs = max(1, round(steps * BATCH / len(data)))
    _train(adapted, tokenizer, data, rate, seed, epochs=epochs, most=seconds)
    return adapted.merge_and_unload().float().eval()


def config_of(tune: str, spelling: Spelling) -> Any:
    """PEFT's configuration for what `tune` lets move."""
    rows = list(spelling.new_ids)
    if tune == "rows":
        return TrainableTokensConfig(token_indices=rows)
    more = {"trainable_token_indices": rows} if rows and "rows" in tune else {}
    return LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM", **more
    )


def _train(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    data: list[dict[str, Any]],
    rate: float,
    seed: int,
    *,
    epochs: int = 1,
    steps: int = -1,
    most: float | None = None,
) -> float:
    if tokenizer.pad_token is None:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.pad_token = tokenizer.eos_token
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            learning_rate=rate,
            num_train_epochs=epochs,
            max_steps=steps,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=seed,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=data,  # type: ignore[arg-type]
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
            callbacks=[] if most is None else [_Clock(1.1 * most)],
        )
        began = time.monotonic()
        trainer.train()
        return time.monotonic() - began
