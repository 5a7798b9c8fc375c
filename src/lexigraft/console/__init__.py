"""What the terminal shows: progress bars with time left, tables, two answers side by side.

Whatever comes from a lexicon or a model is shown as plain text: no markup, no control characters,
and cut where it is long. Results go to stdout, progress to stderr; colours only on a terminal.
"""

from __future__ import annotations

from lexigraft.console.bars import Bars
from lexigraft.console.comparison import show_comparison
from lexigraft.console.diagnosis import show_diagnosis, show_plan
from lexigraft.console.health import show_health
from lexigraft.console.packs import show_installed, show_pack, show_removed
from lexigraft.console.reading import is_typed, text_lines, typed_lines
from lexigraft.console.retokenizing import show_retokenize_plan, show_retokenized
from lexigraft.console.sharing import show_pulled, show_shipment
from lexigraft.console.text import show_new, show_path, visible
from lexigraft.console.verdict import show_run, show_verdict

__all__ = [
    "Bars",
    "is_typed",
    "show_comparison",
    "show_diagnosis",
    "show_health",
    "show_installed",
    "show_new",
    "show_pack",
    "show_path",
    "show_plan",
    "show_pulled",
    "show_removed",
    "show_retokenize_plan",
    "show_retokenized",
    "show_run",
    "show_shipment",
    "show_verdict",
    "text_lines",
    "typed_lines",
    "visible",
]
