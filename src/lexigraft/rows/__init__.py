"""First values of new embedding rows. Touches no tokenizer file."""

from __future__ import annotations

from lexigraft.rows.initial import NewRows, first_rows, load_rows, save_rows

__all__ = ["NewRows", "first_rows", "load_rows", "save_rows"]
