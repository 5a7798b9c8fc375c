"""The lexicon: what is to be taught. Reading, inflecting, finding and marking terms; no torch."""

from __future__ import annotations

from lexigraft.lexicon.forms import inflect
from lexigraft.lexicon.occurrences import (
    SLOT,
    Occurrence,
    find,
    find_term,
    frame,
    mark,
    mark_stream,
    marked_terms,
    unmark,
)
from lexigraft.lexicon.published import json_schema
from lexigraft.lexicon.reading import (
    check_against_tokenizer,
    dump_lexicon,
    lexicon_from_text,
    plain_lexicon,
    read_lexicon,
)
from lexigraft.lexicon.schema import (
    Contrast,
    Kind,
    Language,
    Lexicon,
    Marker,
    PartOfSpeech,
    Property,
    Related,
    Route,
    Term,
)
from lexigraft.lexicon.template import new_lexicon, write_new

__all__ = [
    "SLOT",
    "Contrast",
    "Kind",
    "Language",
    "Lexicon",
    "Marker",
    "Occurrence",
    "PartOfSpeech",
    "Property",
    "Related",
    "Route",
    "Term",
    "check_against_tokenizer",
    "dump_lexicon",
    "find",
    "find_term",
    "frame",
    "inflect",
    "json_schema",
    "lexicon_from_text",
    "mark",
    "mark_stream",
    "marked_terms",
    "new_lexicon",
    "plain_lexicon",
    "read_lexicon",
    "unmark",
    "write_new",
]
