"""Training texts: templates, self-written texts, replay. Knows no token ids of the new words."""

from __future__ import annotations

from lexigraft.corpus.build import build_texts
from lexigraft.corpus.kept import Known, kept_texts, kept_to_write
from lexigraft.corpus.templates import template_texts
from lexigraft.corpus.texts import Text, TextKind, reject_seen
from lexigraft.corpus.wording import terms_in, written_as
from lexigraft.corpus.writing import candidate_count, defining_line, meaning_of, replay_count

__all__ = [
    "Known",
    "Text",
    "TextKind",
    "build_texts",
    "candidate_count",
    "defining_line",
    "kept_texts",
    "kept_to_write",
    "meaning_of",
    "reject_seen",
    "replay_count",
    "template_texts",
    "terms_in",
    "written_as",
]
