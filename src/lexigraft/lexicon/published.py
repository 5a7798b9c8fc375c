"""The JSON Schema of a lexicon in YAML, for editors: names, types and help while one types.

It describes what authors may write, which is more than what `schema` stores: `forms: auto`, one
text where a list may stand. It says nothing about what holds among the terms; `read_lexicon` does.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

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

__all__ = ["json_schema"]

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_TEXTS: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_CHOICES = {
    "kind": get_args(Kind),
    "part_of_speech": get_args(PartOfSpeech),
    "language": get_args(Language),
    "route": get_args(Route),
}


def json_schema() -> dict[str, Any]:
    """The schema, draft 2020-12; `docs/lexicon.schema.json` is this, and a test keeps it so."""
    contrast = _object(Contrast, {}, ("term", "difference"))
    property_ = _object(Property, {}, ("right", "wrong"))
    definition = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
    forms = {"anyOf": [{"const": "auto"}, {"type": "array", "items": _TEXT}]}
    term = _object(
        Term,
        {
            "term": {**_TEXT, "maxLength": 200},
            "definition": definition,
            "forms": forms,
            "related": _object(Related, dict.fromkeys(Related.model_fields, _TEXTS)),
            "contrast": {"anyOf": [contrast, {"type": "array", "items": contrast}]},
            "properties": {"anyOf": [property_, {"type": "array", "items": property_}]},
            "inside_words": {"type": "boolean"},
            **dict.fromkeys(("examples", "like", "tests"), _TEXTS),
        },
        ("term", "definition"),
    )
    lexicon = _object(
        Lexicon,
        {
            "marker": _object(Marker, {}),
            "terms": {"type": "array", "items": {"$ref": "#/$defs/term"}, "minItems": 1},
        },
        ("terms",),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lexigraft lexicon",
        **lexicon,
        "$defs": {"term": term},
    }


def _object(
    model: type[BaseModel], types: dict[str, Any], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    properties = {name: _property(model, name, types) for name in model.model_fields}
    made: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        made["required"] = list(required)
    return made


def _property(model: type[BaseModel], name: str, types: dict[str, Any]) -> dict[str, Any]:
    field = model.model_fields[name]
    if name in _CHOICES:
        made: dict[str, Any] = {"enum": list(_CHOICES[name])}
    else:
        made = dict(types.get(name, _TEXT))
    # The language of a term has the lexicon's for its default, not the model's.
    if isinstance(field.default, str) and not (model is Term and name == "language"):
        made["default"] = field.default
    if field.description:
        made["description"] = field.description
    return made
