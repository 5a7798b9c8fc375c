"""First values of every row that a run moves by itself, as the recipe asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.host import Host
from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import output_rows
from lexigraft.progress import Progress
from lexigraft.recipe import RowsRecipe
from lexigraft.rows import NewRows, distilled_from_lexicon, first_rows
from lexigraft.spelling import NewToken, Spelling

__all__ = ["rows_to_move"]


def rows_to_move(
    host: Host,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    corrected: Sequence[NewToken],
    recipe: RowsRecipe,
    *,
    copied: Callable[[], PreTrainedModel],
    title: str,
    seed: int,
    progress: Progress,
) -> NewRows:
    """A first value for each row: those of `corrected` terms, then those of new tokens.

    Args:
        host: the untaught model, left as it is.
        tokenizer: the grown one.
        corrected: tokens of an earlier run, ascending, that get another meaning. They begin anew,
            and are never distilled: what they mean now their pieces did not.
        copied: gives a copy of the model to train with, where `recipe` wants distilled rows.
        title: of the stage that `progress` is told.
    """
    inputs, outputs = _matrices(host.model)
    every = spelling.with_tokens(corrected)
    with progress.stage(title, None):
        rows = first_rows(
            recipe.initial, every, lexicon, host.tokenizer, inputs, outputs, seed=seed
        )
    if recipe.initial != "distilled" or not spelling.new_ids:
        return rows
    old, new = _parted(rows, len(corrected))
    new = distilled_from_lexicon(
        copied(),
        host.tokenizer,
        tokenizer,
        spelling,
        lexicon,
        new,
        texts=recipe.distilled_texts,
        epochs=recipe.distilled_epochs,
        learning_rate=recipe.distilled_learning_rate,
        text_share=recipe.distilled_text_share,
        seed=seed,
        progress=progress,
    )
    return _joined(old, new)


def _parted(rows: NewRows, count: int) -> tuple[NewRows, NewRows]:
    """The first `count` rows, and the others."""

    def part(place: slice) -> NewRows:
        output = None if rows.output is None else rows.output[place]
        return NewRows(ids=rows.ids[place], input=rows.input[place], output=output)

    return part(slice(count)), part(slice(count, None))


def _joined(first: NewRows, second: NewRows) -> NewRows:
    outputs = [rows.output for rows in (first, second) if rows.output is not None]
    return NewRows(
        ids=(*first.ids, *second.ids),
        input=torch.cat([first.input, second.input]),
        output=torch.cat(outputs) if outputs else None,
    )


def _matrices(model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
    """Input rows, and output rows where they are another matrix."""
    embedding: Any = model.get_input_embeddings()
    outputs = output_rows(model)
    tied = outputs.data_ptr() == embedding.weight.data_ptr()
    return embedding.weight.detach(), None if tied else outputs.detach()
