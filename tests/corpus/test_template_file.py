"""Templates of the user's: what a file replaces, and everything wrong with one told at once."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from lexigraft.corpus.tables import BUILT_IN
from lexigraft.corpus.template_file import dump_tables, read_templates, resembled
from lexigraft.corpus.templates import template_texts
from lexigraft.errors import RecipeError
from lexigraft.lexicon import Contrast, Language, Lexicon, Term
from lexigraft.run_texts import battery_prompts

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="orrim",
            definition=("a small lamp",),
            contrast=(Contrast(term="мирвол", difference="one burns, one falls"),),
        ),
        Term(term="мирвол", definition=("тёплый дождь",), language="ru"),
    ),
)
SURFACES = {"orrim": "orrim", "мирвол": "мирвол"}


def written(folder: Path, text: str) -> Path:
    path = folder / "templates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """What is told of a file, without the file's name: `line: what`."""
    path = written(folder, text)
    with pytest.raises(RecipeError) as caught:
        read_templates(path, battery_prompts())
    head, *lines = str(caught.value).splitlines()
    assert head == ("1 problem" if len(lines) == 1 else f"{len(lines)} problems") + (
        " in the templates:"
    )
    assert all(line.startswith(f"{path}") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_the_built_in_templates_read_back_the_same(tmp_path: Path) -> None:
    text = dump_tables()
    found = read_templates(written(tmp_path, text), battery_prompts())
    assert found.tables == BUILT_IN
    assert found.text == text
    assert "мирвол" not in text
    assert "Вопрос: что значит {t}?" in text, "readable, not escaped"
    assert set(yaml.safe_load(text)) == set(get_args(Language)) == set(BUILT_IN)


@pytest.mark.parametrize("language", BUILT_IN)
def test_every_language_has_contrasts_enough(language: Language) -> None:
    assert len(set(BUILT_IN[language].contrast)) >= 6


def test_a_file_replaces_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    text = """
en:
  noun:
    reverse:
    - "{D}: people call this {a}."
  contrast: []
  related: {synonym: ["{T} is much like {o}."]}
ru:
  contrast: ["{T} — одно, {o} — другое: {x}."]
"""
    tables = read_templates(written(tmp_path, text), battery_prompts()).tables
    en, ru, old = tables["en"], tables["ru"], BUILT_IN["en"]
    assert en.defining["noun"]["reverse"] == ("{D}: people call this {a}.",)
    assert en.defining["noun"]["definition"] == old.defining["noun"]["definition"]
    assert en.defining["verb"] == old.defining["verb"]
    assert en.related["synonym"] == ("{T} is much like {o}.",)
    assert en.related["broader"] == old.related["broader"]
    assert (en.contrast, en.contrast_nouns) == ((), old.contrast_nouns)
    assert ru.contrast_nouns == BUILT_IN["ru"].contrast_nouns
    texts = [t.text for t in template_texts(LEXICON, SURFACES, tables)]
    assert "A small lamp: people call this an orrim." in texts
    assert "Мирвол — одно, orrim — другое: one burns, one falls." in texts
    assert not any(t.startswith("Do not confuse") for t in texts)
    assert BUILT_IN["en"].contrast, "the built-in ones stay as they were"


def test_all_problems_are_told_together_with_their_lines(tmp_path: Path) -> None:
    text = """\
en:
  noun:
    definition:
    - "{A} is {d}."
    - "{A} is {z}, {t.__class__} and {d!r}."
    - "{A} is nice."
    - "It is {d}."
    - "{A is {d}."
    - 7
    backwards: []
  noune: {}
  contrast:
  - "{A} and {b} differ."
  - "{A}: {x}."
  - "{A} is {d}, {b} is {e}."
  noun: {}
ru:
  adjective: {definition: []}
  related: {broader: "{T} {o}"}
  related_nouns: {}
fr: {}
"""
    found = problems(tmp_path, text)
    assert [line.split(":")[0] for line in found] == [
        "5", "6", "7", "8", "9", "10", "11", "13", "14", "16", "18", "19", "20", "21",
    ]  # fmt: skip
    told = [line.split(": ", 1)[1] for line in found]
    assert "has {z}, {t.__class__}, {d}, and the slots here are {A}, {a}, {D}" in told[0]
    assert told[1] == "en.noun.definition: “{A} is nice.” lacks one of {D}, {d}"
    assert "lacks one of {A}, {a}, {T}, {t}" in told[2]
    assert "a brace that is no slot" in told[3]
    assert "put it in quotes" in told[4]
    assert told[5] == "“backwards” is unknown here; en.noun may hold definition, reverse"
    assert "“noune” is unknown here; en may hold noun, verb, adjective, adverb, quoted," in told[6]
    assert "tells no difference" in told[7]
    assert "lacks one of {B}, {b}, {O}, {o}" in told[8]
    assert "“noun” stands twice in en" in told[9]
    assert "“adjective” is unknown here; ru may hold noun, verb, quoted, contrast" in told[10]
    assert "ru.related.broader must be a list" in told[11]
    assert "“related_nouns” is unknown here" in told[12]
    assert told[13] == "“fr” is unknown here; the file may hold en, ru"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: there are no templates in it"),
        ("- a\n", "1: the file must hold en, ru"),
        ("en: [\n", "not valid YAML"),
        ("en: {A} is {d}.\n", "not valid YAML"),
        ("en:\n  noun: null\n", "2: en.noun must hold definition, reverse"),
        ("[" * 3000, "nested too deeply"),
        ("en: !!python/object:os.system {}\n", ""),
    ],
)
def test_what_are_no_templates(tmp_path: Path, text: str, told: str) -> None:
    if not told:  # a tag is only a name: nothing is constructed
        assert read_templates(written(tmp_path, text)).tables == BUILT_IN
        return
    (line,) = problems(tmp_path, text)
    assert told in line


def test_a_missing_file_and_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such file.*lexigraft new .* --templates"):
        read_templates(tmp_path / "none.yaml")
    path = tmp_path / "utf16.yaml"
    path.write_text("en: {}", encoding="utf-16")
    with pytest.raises(RecipeError, match="cannot be read as UTF-8"):
        read_templates(path)


def test_no_built_in_template_resembles_a_prompt() -> None:
    prompts = battery_prompts()
    assert len(prompts) > 30
    for table in BUILT_IN.values():
        lists = [items for shape in table.defining.values() for items in shape.values()]
        lists += [table.contrast, table.contrast_nouns]
        lists += [*table.related.values(), *table.related_nouns.values()]
        for template in (t for items in lists for t in items):
            assert resembled(template, prompts) is None, template


@pytest.mark.parametrize(
    "template",
    [
        "I looked up {t} in the glossary, and the entry said: {d}.",
        "Once I looked up {A} in the glossary and the entry said {d}!",
        "In simple terms, {t} can be described as {d}.",
        "The crossword clue was “{d}”, and the solution was {t}.",
        "I heard about {t} yesterday. It is {d}.",
        "She came across {t} in a novel. Which gloss belongs to it? This one: {d}.",
        "В сборнике загадок стоит толкование «{d}». К чему оно относится? К слову {t}.",
        "Учитель объяснил классу, что {t} — это {d}.",
        "Следующее в списке — {t}: {d}.",
    ],
)
def test_a_template_that_resembles_a_prompt_is_refused(tmp_path: Path, template: str) -> None:
    language = "en" if template[0].isascii() else "ru"
    text = yaml.safe_dump({language: {"quoted": {"definition": [template]}}}, allow_unicode=True)
    (line,) = problems(tmp_path, text)
    assert "resembles a prompt of the verification" in line
    assert read_templates(written(tmp_path, text)).tables != BUILT_IN


def test_the_digest_is_the_files(tmp_path: Path) -> None:
    one = read_templates(written(tmp_path, "en: {}\n"))
    two = read_templates(written(tmp_path, "en: {} # changed\n"))
    assert one.tables == two.tables == BUILT_IN
    assert one.digest != two.digest
