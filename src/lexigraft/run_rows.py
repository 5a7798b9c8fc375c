"""First values of every row that a run moves by itself, as the recipe asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.continuing import with_old_rows
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
) -> NewRows | None:
    """Rows of `corrected` terms as they are, then a first value for each new token; None for none.

    Args:
        host: the untaught model, left as it is.
        tokenizer: the grown one.
        corrected: tokens of an earlier run, ascending, that get another meaning.
        copied: gives a copy of the model to train with, where `recipe` wants distilled rows.
        title: of the stage that `progress` is told.
    """
    inputs, outputs = _matrices(host.model)
    rows = None
    if spelling.new_ids:
        with progress.stage(title, None):
            rows = first_rows(
                recipe.initial, spelling, lexicon, host.tokenizer, inputs, outputs, seed=seed
            )
        if recipe.initial == "distilled":
            rows = distilled_from_lexicon(
                copied(),
                host.tokenizer,
                tokenizer,
                spelling,
                lexicon,
                rows,
                texts=recipe.distilled_texts,
                epochs=recipe.distilled_epochs,
                learning_rate=recipe.distilled_learning_rate,
                text_share=recipe.distilled_text_share,
                seed=seed,
                progress=progress,
            )
    return with_old_rows(rows, [token.id for token in corrected], inputs, outputs)


def _matrices(model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
    """Input rows, and output rows where they are another matrix."""
    embedding: Any = model.get_input_embeddings()
    outputs = output_rows(model)
    tied = outputs.data_ptr() == embedding.weight.data_ptr()
    return embedding.weight.detach(), None if tied else outputs.detach()
