from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from lexigraft.lexicon import (
    Contrast,
    Kind,
    Lexicon,
    Marker,
    Property,
    Related,
    Term,
    json_schema,
)

ROOT = Path(__file__).parents[2]


def test_the_published_file_is_the_functions_result() -> None:
    written = (ROOT / "docs" / "lexicon.schema.json").read_text("utf-8")
    assert written == json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


def test_every_field_is_described_and_nothing_else_is_allowed() -> None:
    schema = json_schema()
    term = schema["$defs"]["term"]
    for model, published in [
        (Lexicon, schema),
        (Marker, schema["properties"]["marker"]),
        (Term, term),
        (Related, term["properties"]["related"]),
        (Contrast, term["properties"]["contrast"]["anyOf"][0]),
        (Property, term["properties"]["properties"]["anyOf"][0]),
    ]:
        assert list(published["properties"]) == list(model.model_fields)
        assert published["additionalProperties"] is False
        assert all(field.get("description") for field in published["properties"].values())


def test_authors_may_write_what_reading_takes() -> None:
    term = json_schema()["$defs"]["term"]
    assert term["required"] == ["term", "definition"]
    assert term["properties"]["forms"]["anyOf"][0] == {"const": "auto"}
    assert [kind["type"] for kind in term["properties"]["definition"]["anyOf"]] == [
        "string",
        "array",
    ]
    assert term["properties"]["kind"]["enum"] == list(get_args(Kind))
    assert "default" not in term["properties"]["language"]
