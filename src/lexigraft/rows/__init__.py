"""First values of new embedding rows. Touches no tokenizer file."""

from __future__ import annotations

from lexigraft.rows.distilled import distilled_from_lexicon, distilled_rows
from lexigraft.rows.grow import grow_rows
from lexigraft.rows.initial import Initial, NewRows, first_rows, load_rows, save_rows
from lexigraft.rows.snippets import gather_texts

__all__ = [
    "Initial",
    "NewRows",
    "distilled_from_lexicon",
    "distilled_rows",
    "first_rows",
    "gather_texts",
    "grow_rows",
    "load_rows",
    "save_rows",
]
