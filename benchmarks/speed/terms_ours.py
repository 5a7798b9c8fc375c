"""Lessons and one pass of training for a number of terms, rows alone, on the embedded base."""

from __future__ import annotations

import time

from rows_ours import Log
from shared import base, given, invented, peak_mb, spelled, texts_about, told

from lexigraft.recipe import TrainingRecipe
from lexigraft.rows import first_rows
from lexigraft.run_settings import training_dtype
from lexigraft.training import Trainable, make_lessons, train

# Templates make some twenty texts a term; a few of each kind are enough to see how cost grows.
EACH = 4


def main() -> None:
    """Measures, and tells."""
    count = given()["terms"]
    lexicon = invented(count)
    host = base()
    began = time.monotonic()
    spelling, tokenizer = spelled(lexicon, host, host.facts.rows)
    spelling_seconds = time.monotonic() - began
    model, old = host.model.to(training_dtype("auto")), host.tokenizer
    every = texts_about(lexicon, spelling)
    taken: dict[str | None, int] = {}
    texts = []
    for text in every:
        taken[text.term] = taken.get(text.term, 0) + 1
        if text.term is None or taken[text.term] <= EACH:
            texts.append(text)
    settings = TrainingRecipe(epochs=1.0, patience=0, teacher_examples=0)
    began = time.monotonic()
    lessons = make_lessons(model, old, tokenizer, lexicon, spelling, texts, settings, whole=True)
    lesson_seconds = time.monotonic() - began
    rows = first_rows(
        "pieces", spelling, lexicon, old, model.get_input_embeddings().weight.detach(), None
    )
    trainable = Trainable(
        model,
        "rows",
        rows,
        spelling.rows_after,
        rank=4,
        alpha=32.0,
        seed=0,
        terms=[token.term for token in spelling.new_tokens],
    )
    log = Log()
    train(trainable, lessons, [], settings, log, drift_budget=0.1, seed=0)
    told(
        {
            "rows": len(spelling.new_tokens),
            "texts": len(texts),
            "spelling_seconds": round(spelling_seconds, 2),
            "lesson_seconds": round(lesson_seconds, 2),
            "pass_seconds": round(log.lines[-1]["seconds"], 2),
            "peak_mb": peak_mb(),
        }
    )


if __name__ == "__main__":
    main()
