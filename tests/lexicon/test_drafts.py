from __future__ import annotations

import pytest

from lexigraft.lexicon import Term
from lexigraft.lexicon.drafts import DraftLexicon, draft_lexicon
from lexigraft.lexicon.sources import Problems, parse


def read(text: str) -> tuple[DraftLexicon, list[tuple[int | None, str]]]:
    problems = Problems("words")
    tree = parse(text, "yaml", problems)
    assert tree is not None
    return draft_lexicon(tree, "words", problems), [(p.line, p.message) for p in problems.found]


TERM = "terms:\n- term: zorb\n  definition: a\n"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("name: x\n", 1, "no `terms:`"),
        ("name: x\nterms:\n", 2, "`terms:` is empty"),
        ("name: x\nterms: []\n", 2, "`terms:` is empty"),
        ("terms: zorb\n", 1, "must be a list"),
        ("terms:\n- zorb\n", 2, "a term must be a mapping"),
        ("terms:\n- definition: a\n", 2, "without `term:`"),
        ('terms:\n- term: ""\n  definition: a\n', 2, "an empty term"),
        ("terms:\n- term: zorb\n", 2, "“zorb” has no definition"),
        ("terms:\n- term: zorb\n  definition:\n", 3, "the definition of “zorb” is empty"),
        ("terms:\n- term: zorb\n  definition: []\n", 3, "the definition of “zorb” is empty"),
        ('terms:\n- term: zorb\n  definition: " "\n', 3, "empty text in `definition`"),
        ("terms:\n- term: zorb\n  definition: {a: b}\n", 3, "not a mapping"),
        ("terms:\n- term: zorb\n  definition: [[a]]\n", 3, "not a list"),
        ("terms:\n- term: no\n  definition: a\n", 2, 'write "no" in quotes'),
        (f"{TERM}  kind: concpt\n", 4, "did you mean “concept”"),
        (f"{TERM}  kind: [word]\n", 4, "`kind` is a list"),
        (f"{TERM}  part_of_speech: nuon\n", 4, "did you mean “noun”"),
        (f"{TERM}  language: ru-RU\n", 4, "use one of en, ru"),
        (f"{TERM}  route: tokens\n", 4, "did you mean “token”"),
        (f"{TERM}  inside_words: maybe\n", 4, "true or false"),
        (f"{TERM}  forms: automatic\n", 4, "write auto, or a list"),
        (f"{TERM}  forms: [3]\n", 4, "not a number"),
        (f"{TERM}  examples: 5\n", 4, "not a number"),
        (f"{TERM}  examples: ['']\n", 4, "an empty text in `examples`"),
        (f"{TERM}  related: mood\n", 4, "`related` must be a mapping"),
        (f"{TERM}  related:\n    synonims: mood\n", 5, "did you mean “synonym”"),
        (f"{TERM}  contrast: vorp\n", 4, "needs `term:` and `difference:`"),
        (f"{TERM}  contrast:\n  - term: vorp\n", 5, "without `difference:`"),
        (f"{TERM}  contrast:\n  - term: vorp\n    difference:\n", 6, "is empty"),
        (f"{TERM}  properties: a zorb\n", 4, "a property needs `right:` and `wrong:`"),
        (f"{TERM}  properties:\n  - right: zorb\n", 5, "a property without `wrong:`"),
        (f"{TERM}  properties:\n  - right: zorb\n    wrong:\n", 6, "property's `wrong` is empty"),
        (f"{TERM}  properties:\n  - rihgt: a\n    right: b\n    wrong: c\n", 5, "mean “right”"),
        (f"{TERM}  exmaples: [x]\n", 4, "did you mean “examples”"),
        (f"marker: ~\n{TERM}  weight: 3\n", 5, "unknown key “weight” in a term"),
        (f"marker: '~['\n{TERM}", 1, "`marker` must be a mapping"),
        (f"marker: {{opens: '['}}\n{TERM}", 1, "did you mean “open”"),
        (f"language: de\n{TERM}", 1, "use one of en, ru"),
    ],
)
def test_a_wrong_value_is_one_located_problem(text: str, line: int, expected: str) -> None:
    _, found = read(text)
    assert len(found) == 1, found
    assert found[0][0] == line
    assert expected in found[0][1]


def test_one_text_stands_for_a_list_of_one() -> None:
    lexicon, found = read(
        f"{TERM}  examples: My zorb.\n  tests: Your zorb.\n  like: thing\n"
        "  related: {synonym: mood}\n  contrast: {term: vorp, difference: b}\n"
        "  properties: {right: A zorb rolls., wrong: A zorb flies.}\n"
    )
    assert found == []
    term = lexicon.drafts[0].finished()
    assert (term.definition, term.examples, term.tests) == (("a",), ("My zorb.",), ("Your zorb.",))
    assert (term.like, term.related.synonym) == (("thing",), ("mood",))
    assert term.contrast[0].difference == "b"
    assert term.unseen == ("Your zorb.", "A zorb rolls.", "A zorb flies.")


def test_a_key_left_blank_counts_as_absent() -> None:
    lexicon, found = read(
        TERM
        + "".join(f"  {key}:\n" for key in Term.model_fields if key not in ("term", "definition"))
    )
    assert found == []
    assert lexicon.drafts[0].finished().model_dump(exclude_defaults=True) == {
        "term": "zorb",
        "definition": ("a",),
    }


def test_a_folded_definition_is_one_line() -> None:
    lexicon, _ = read("terms:\n- term: zorb\n  definition: |\n    a thing\n    that zorbs\n")
    assert lexicon.drafts[0].finished().definition == ("a thing that zorbs",)


def test_a_terms_language_defaults_to_the_lexicons() -> None:
    lexicon, _ = read(f"language: ru\n{TERM}- {{term: b, definition: c, language: en}}\n")
    assert [draft.language for draft in lexicon.drafts] == ["ru", "en"]
