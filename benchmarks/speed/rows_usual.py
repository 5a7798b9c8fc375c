"""Rows alone by PEFT's trainable tokens under transformers' Trainer, on the same texts."""

from __future__ import annotations

import copy
import itertools
import tempfile
import time
from typing import Any

import torch
from peft import TrainableTokensConfig, get_peft_model
from shared import base, given, invented, peak_mb, qwen3, spelled, texts_about, told
from transformers import (
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

# As many texts a step as ours has on the average: 512 tokens.
BATCH = 20


class Passes(TrainerCallback):
    """When each pass ended."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if not self.marks:
            self.marks.append(time.monotonic())

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.marks.append(time.monotonic())


def main() -> None:
    """Measures, and tells."""
    options = given()
    host = base()
    lexicon = invented(12)
    dtype = getattr(torch, options["dtype"])
    model = qwen3(options["layers"], dtype)
    spelling, tokenizer = spelled(lexicon, host, model.config.vocab_size)
    host = None
    texts = texts_about(lexicon, spelling)
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    data = [{"input_ids": tokenizer(text.text).input_ids} for text in texts]
    adapted = get_peft_model(model, TrainableTokensConfig(token_indices=list(spelling.new_ids)))
    passes = Passes()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            learning_rate=5e-3,
            num_train_epochs=options["epochs"],
            bf16=dtype == torch.float32,
            train_sampling_strategy="group_by_length",
            use_cpu=not torch.cuda.is_available(),
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=0,
        )
        trainer = Trainer(
            model=adapted,
            args=arguments,
            train_dataset=data,  # type: ignore[arg-type]
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
            callbacks=[passes],
        )
        trainer.train()
    marks = passes.marks
    told(
        {
            "pass_seconds": [round(b - a, 2) for a, b in itertools.pairwise(marks)],
            "steps": -(-len(data) // BATCH),
            "texts": len(data),
            "tokens": sum(len(item["input_ids"]) for item in data),
            "peak_mb": peak_mb(),
        }
    )


if __name__ == "__main__":
    main()
