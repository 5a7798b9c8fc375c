"""Rows alone by lexigraft: the teacher once, then passes over the texts."""

from __future__ import annotations

import itertools
import time
from typing import Any

import torch
from shared import base, given, invented, peak_mb, qwen3, spelled, texts_about, told

from lexigraft.recipe import TrainingRecipe
from lexigraft.rows import first_rows
from lexigraft.run_settings import training_dtype
from lexigraft.training import Trainable, make_lessons, train


class Log:
    """Keeps the lines of the log and no checkpoint."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def load(self) -> None:
        """There is none."""

    def save(self, plain: dict[str, Any], tensors: dict[str, Any]) -> None:
        """Kept nowhere."""

    def log(self, line: dict[str, Any]) -> None:
        """A step."""
        self.lines.append(line)


def main() -> None:
    """Measures, and tells."""
    options = given()
    host = base()
    lexicon = invented(12)
    model = qwen3(options["layers"], training_dtype("auto"))
    spelling, tokenizer = spelled(lexicon, host, model.config.vocab_size)
    old, host = host.tokenizer, None
    texts = texts_about(lexicon, spelling)
    settings = TrainingRecipe(epochs=float(options["epochs"]), patience=0, teacher_examples=0)
    began = time.monotonic()
    lessons = make_lessons(model, old, tokenizer, lexicon, spelling, texts, settings, whole=True)
    teacher = time.monotonic() - began
    rows = first_rows(
        "pieces", spelling, lexicon, old, model.get_input_embeddings().weight.detach(), None
    )
    terms = [token.term for token in spelling.new_tokens]
    trainable = Trainable(
        model, "rows", rows, spelling.rows_after, rank=4, alpha=32.0, seed=0, terms=terms
    )
    log, tokens = Log(), sum(len(lesson.ids) for lesson in lessons)
    train(trainable, lessons, [], settings, log, drift_budget=0.1, seed=0)
    ends = [line["seconds"] for line in log.lines]
    each = len(ends) // options["epochs"]
    marks = [0.0, *ends[each - 1 :: each]]
    passes = [round(b - a, 2) for a, b in itertools.pairwise(marks)]
    told(
        {
            "teacher_seconds": round(teacher, 2),
            "pass_seconds": passes,
            "steps": each,
            "texts": len(lessons),
            "tokens": tokens,
            "peak_mb": peak_mb(),
            "weights": sum(p.numel() for p in model.parameters()),
            "threads": torch.get_num_threads(),
        }
    )


if __name__ == "__main__":
    main()
