"""The report and the model card of a run, from its files alone. Nothing here imports torch."""

from __future__ import annotations

from lexigraft.report.card import write_model_card
from lexigraft.report.html import write_report

__all__ = ["write_model_card", "write_report"]
