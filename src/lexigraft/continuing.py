"""What a run that continues another one does besides: old rows that move, texts that hold, bounds.

All of it is a function of what the run begins with, and comes to nothing without an earlier run.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lexigraft.checks.neutral import neutral_texts
from lexigraft.corpus import Known, kept_to_write
from lexigraft.earlier import Earlier
from lexigraft.errors import SpellingError
from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import encode
from lexigraft.recipe import TextsRecipe
from lexigraft.rows import NewRows

__all__ = [
    "evaluation_texts",
    "kept_count",
    "kept_texts_to_write",
    "known_before",
    "require_same_forms",
    "with_old_rows",
]


def evaluation_texts(lexicon: Lexicon, earlier: Earlier | None = None) -> list[str]:
    """What no training text may share eight words with."""
    lexicons = [lexicon, *(() if earlier is None else (part.kept for part in earlier.parts))]
    languages = {name for one in lexicons for name in (one.language, *(t.language for t in one))}
    neutral = [text for language in sorted(languages) for text in neutral_texts(language)]
    sentences = [] if earlier is None else earlier.sentences
    return [*(text for term in lexicon for text in term.unseen), *sentences, *neutral]


def known_before(earlier: Earlier | None) -> list[Known]:
    """The kept lexicons with the surfaces of their terms."""
    return [] if earlier is None else [(part.kept, part.surfaces) for part in earlier.parts]


def require_same_forms(
    earlier: Earlier | None,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Raises SpellingError where a form of an earlier term has other tokens than it had.

    'dark matter' as a new token would cut an earlier 'dark matter halo', which is no change of
    another word: the new word stands there. But the model knows the old form by its old tokens.
    """
    cut: dict[str, str] = {}
    for part in () if earlier is None else earlier.parts:
        for term in part.kept:
            for form in part.spelling[term.term].forms:
                text = f"We saw {form}, and “{form}” again."
                old, new = (encode(one, text) for one in (old_tokenizer, tokenizer))
                if old != new:
                    cut[form] = part.run
    if cut:
        lines = [f"  “{form}”, taught by {run}" for form, run in list(cut.items())[:8]]
        raise SpellingError(
            "\n".join(
                [
                    "The new tokens would cut terms that the model was taught before:",
                    *lines,
                    "Use --route subword or marker for the new terms that stand in them.",
                ]
            )
        )


def kept_count(earlier: Earlier | None, wanted: TextsRecipe) -> int:
    """About how many texts hold the earlier terms."""
    terms = 0 if earlier is None else earlier.terms
    return min(terms * wanted.kept, wanted.kept_in_all)


def kept_texts_to_write(earlier: Earlier | None, wanted: TextsRecipe) -> int:
    """How many of these the model is asked for."""
    return kept_to_write(known_before(earlier), wanted.kept, wanted.kept_in_all)


def with_old_rows(
    rows: NewRows | None,
    ids: Sequence[int],
    inputs: Float[Tensor, "rows dim"],
    outputs: Float[Tensor, "rows dim"] | None,
) -> NewRows | None:
    """The new rows, if any, behind the rows `ids` as they are: of corrected terms, which move too.

    `ids` are ascending and below every new one. None where nothing moves.
    """
    if not ids:
        return rows
    index = list(ids)

    def joined(matrix: Tensor, new: Tensor | None) -> Tensor:
        old = matrix[index].float()
        return old if new is None else torch.cat([old, new])

    return NewRows(
        ids=(*ids, *(() if rows is None else rows.ids)),
        input=joined(inputs, None if rows is None else rows.input),
        output=None if outputs is None else joined(outputs, None if rows is None else rows.output),
    )
