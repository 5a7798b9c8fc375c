"""Training texts: templates, self-written texts, replay. Knows no token ids of the new words."""

from __future__ import annotations

from lexigraft.corpus.asking import Request, request_count, sentences_in, writer_requests
from lexigraft.corpus.build import build_texts
from lexigraft.corpus.endpoint import Writer, ask_all, writer_at
from lexigraft.corpus.kept import Known, kept_texts, kept_to_write
from lexigraft.corpus.tables import BUILT_IN, Tables
from lexigraft.corpus.template_file import TemplateFile, new_templates, read_templates
from lexigraft.corpus.templates import template_texts
from lexigraft.corpus.texts import Text, TextKind, reject_seen
from lexigraft.corpus.wording import terms_in, written_as
from lexigraft.corpus.writing import candidate_count, defining_line, meaning_of, replay_count

__all__ = [
    "BUILT_IN",
    "Known",
    "Request",
    "Tables",
    "TemplateFile",
    "Text",
    "TextKind",
    "Writer",
    "ask_all",
    "build_texts",
    "candidate_count",
    "defining_line",
    "kept_texts",
    "kept_to_write",
    "meaning_of",
    "new_templates",
    "read_templates",
    "reject_seen",
    "replay_count",
    "request_count",
    "sentences_in",
    "template_texts",
    "terms_in",
    "writer_at",
    "writer_requests",
    "written_as",
]
