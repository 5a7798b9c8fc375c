from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexigraft.errors import LexiconError, Problem
from lexigraft.lexicon import (
    Lexicon,
    check_against_tokenizer,
    dump_lexicon,
    lexicon_from_text,
    read_lexicon,
)

MISTAKES = """\
name: mistakes
lanquage: en
terms:
  - term: zorblax
    definition: a mood
    forms: [zorblaxes]
    tests:
      - Nothing of the kind.
  - term: Zorblax
    definition: another mood
  - term: <|im_start|>
    definition: a command
  - term: vorpel
    definition: ""
  - term: quindle
    definiton: a bird
    definition: a bird
  - term: morvin
    definition: a fish
    forms: [zorblaxes]
  - term: selpit
    definition: a tool
    contrast:
      - {term: selpid, difference: none}
      - {term: selpit, difference: none}
  - term: ~[glim]
    definition: a light
  - term: brank
    definition: a door
    kind: wood
  - term: 42
    definition: a number
  - term: plosk
"""

FULL = """\
name: full
language: en
marker: {open: "«", close: "»"}
terms:
  - term: zorblax
    definition: [a mood, a second sense]
    kind: concept
    part_of_speech: verb
    language: ru
    forms: [zorblaxes]
    examples: [We zorblax daily., "«zorblax» it: now."]
    related: {synonym: mood, broader: [feeling, state]}
    contrast: [{term: vorpel, difference: louder}]
    like: [mood]
    route: marker
    inside_words: no
    tests: [They zorblaxes.]
  - term: vorpel
    definition: a sound
"""


def problems_of(text: str, format: str = "yaml", **kwargs: object) -> list[tuple[int | None, str]]:
    with pytest.raises(LexiconError) as caught:
        lexicon_from_text(text, "words", format, **kwargs)  # type: ignore[arg-type]
    return [(problem.line, problem.message) for problem in caught.value.problems]


def read_or_problems(text: str, format: str) -> tuple[Lexicon | None, tuple[Problem, ...]]:
    try:
        return lexicon_from_text(text, "words", format), ()  # type: ignore[arg-type]
    except LexiconError as error:
        return None, error.problems


def test_every_mistake_of_a_file_is_one_located_problem() -> None:
    found = problems_of(MISTAKES)
    assert [line for line, _ in found] == [2, 8, 9, 11, 14, 16, 20, 24, 25, 26, 30, 31, 33]
    assert len({message for _, message in found}) == 13


def test_a_message_says_what_to_do_and_guesses_a_misspelt_key() -> None:
    messages = dict(problems_of(MISTAKES))
    assert "unknown key “lanquage” in a lexicon (did you mean “language”?)" in messages[2]
    assert "did you mean “definition”" in messages[16]
    assert "(did you mean “selpit”?)" in messages[24]
    assert 'write "42" in quotes' in messages[31]
    assert "“zorblaxes”" in messages[20]
    assert "(line 4)" in messages[20]


def test_every_field_is_read() -> None:
    lexicon = lexicon_from_text(FULL, "file", "yaml")
    term = lexicon["zorblax"]
    assert lexicon.name == "full"
    assert lexicon.marker.wrap("x") == "«x»"
    assert term.definition == ("a mood", "a second sense")
    assert (term.kind, term.part_of_speech, term.language) == ("concept", "verb", "ru")
    assert term.examples == ("We zorblax daily.", "«zorblax» it: now.")
    assert term.related.synonym == ("mood",)
    assert term.related.broader == ("feeling", "state")
    assert term.contrast[0].term == "vorpel"
    assert term.inside_words is False
    assert term.route == "marker"
    assert lexicon["vorpel"].language == "en"


def test_what_is_dumped_reads_back_equal() -> None:
    lexicon = lexicon_from_text(FULL, "file", "yaml")
    again = lexicon_from_text(dump_lexicon(lexicon), "other", "yaml")
    assert again == lexicon
    assert again.digest() == lexicon.digest()


def test_the_three_formats_give_the_same_terms(tmp_path: Path) -> None:
    yaml = tmp_path / "words.yaml"
    yaml.write_text(
        "terms:\n  - term: zorblax\n    definition: [a mood, a state]\n    forms: auto\n"
        "    related: {broader: [feeling]}\n"
        "    contrast: [{term: vorpel, difference: 'not: loud'}]\n"
        "    tests: ['Two zorblaxes, again.']\n    inside_words: true\n"
        "    properties: [{right: 'The zorblax ends.', wrong: 'No zorblax ends.'}]\n"
        "  - term: vorpel\n    definition: a sound\n"
    )
    jsonl = tmp_path / "words.jsonl"
    jsonl.write_text(
        '{"term": "zorblax", "definition": ["a mood", "a state"], "forms": "auto", "related": '
        '{"broader": "feeling"}, "contrast": [{"term": "vorpel", "difference": "not: loud"}], '
        '"tests": ["Two zorblaxes, again."], "inside_words": true, "properties": '
        '{"right": "The zorblax ends.", "wrong": "No zorblax ends."}}\n\n'
        '{"term": "vorpel", "definition": "a sound"}\n'
    )
    csv = tmp_path / "words.csv"
    csv.write_text(
        "\ufeffterm,definition,forms,broader,contrast,tests,inside_words,properties\r\n"
        'zorblax,a mood | a state,auto,feeling,vorpel: not: loud,"Two zorblaxes, again.",true,'
        "The zorblax ends. // No zorblax ends.\r\n"
        "vorpel,a sound,,,,,,\r\n",
        encoding="utf-8",
    )
    semicolons = tmp_path / "words-2.csv"
    semicolons.write_text(csv.read_text("utf-8").replace(";", "").replace(",", ";"))
    first = read_lexicon(yaml)
    assert first["zorblax"].forms == ("zorblaxes",)
    assert read_lexicon(jsonl) == first
    assert read_lexicon(csv) == first
    assert read_lexicon(semicolons).terms[1] == first.terms[1]


@pytest.mark.parametrize(
    "term",
    [
        "mood lag",
        "well-zorbed",
        "o'zorb",
        "o’zorb",
        "zo\u0301rb",
        "👩‍🚀",
        "❤️",
        "\ue123",
        "שלוםית",
        "مرحبون",
        "नमस्तेक",
        "𝕽",
        "C++",
        "=",
        "<<",
        "~",
        "#zorb",
        "null",
        "x" * 200,
    ],
)
def test_unusual_terms_are_valid(term: str) -> None:
    quoted = term.replace("'", "''")
    text = f"terms:\n- term: '{quoted}'\n  definition: a thing\n  tests: ['See {quoted} there.']\n"
    lexicon = lexicon_from_text(text, "words", "yaml")
    assert lexicon.terms[0].term == term
    assert lexicon_from_text(dump_lexicon(lexicon), "words", "yaml") == lexicon


def test_the_language_of_a_file_without_a_top_level_is_its_first_terms() -> None:
    text = (
        '{"term": "мурвель", "definition": "рыба", "language": "ru"}\n'
        '{"term": "корл", "definition": "птица"}'
    )
    lexicon = lexicon_from_text(text, "words", "jsonl")
    assert [lexicon.language, *(term.language for term in lexicon)] == ["ru", "ru", "ru"]


def test_a_byte_that_is_not_utf8_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_bytes(b"terms:\n- term: zorb\n  definition: caf\xe9\n  kind: wood\n")
    with pytest.raises(LexiconError) as caught:
        read_lexicon(path)
    first, second = caught.value.problems
    assert (first.line, second.line) == (3, 4)
    assert f"byte 0xE9 at offset {path.read_bytes().index(0xE9)};" in first.message


@pytest.mark.parametrize("encoding", ["utf-16", "cp1251"])
def test_a_file_in_another_encoding_is_one_problem(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("terms:\n- term: зорб\n  definition: слово\n", encoding=encoding)
    with pytest.raises(LexiconError) as caught:
        read_lexicon(path)
    assert len(caught.value.problems) == 1
    assert "not UTF-8" in str(caught.value)


def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("zorb")
    for path, expected in [
        (tmp_path / "no.yaml", "lexigraft new no.yaml"),
        (tmp_path, "folder"),
        (tmp_path / "words.txt", "“.txt”"),
    ]:
        with pytest.raises(LexiconError, match=expected):
            read_lexicon(path)


def test_an_unknown_format_is_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="jsonl"):
        lexicon_from_text("", "words", "toml")  # type: ignore[arg-type]


def test_a_tokenizers_special_tokens_are_checked_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(
        "terms:\n- term: zorb\n  definition: a thing\n- term: ⟦end⟧\n  definition: an end\n"
        "- term: x⟦end⟧y\n  definition: an end\n"
    )
    lexicon = read_lexicon(path)
    check_against_tokenizer(lexicon, ["⟦begin⟧", " "])
    with pytest.raises(LexiconError) as caught:
        check_against_tokenizer(lexicon, ["⟦end⟧"], path)
    assert [problem.line for problem in caught.value.problems] == [4, 6]
    with pytest.raises(LexiconError) as unlocated:
        check_against_tokenizer(lexicon, ["⟦end⟧"])
    assert [problem.file for problem in unlocated.value.problems] == ["words", "words"]
    with pytest.raises(LexiconError):
        read_lexicon(path, special_tokens=["⟦end⟧"])


def test_chat_markup_is_refused_without_a_tokenizer() -> None:
    lexicon = lexicon_from_text("terms:\n- term: zorb\n  definition: a thing\n", "words", "yaml")
    term = lexicon.terms[0].model_copy(update={"forms": ("<|eot_id|>",)})
    with pytest.raises(LexiconError, match="chat markup"):
        check_against_tokenizer(lexicon.model_copy(update={"terms": (term,)}), [])


@pytest.mark.parametrize("format", ["yaml", "jsonl", "csv"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_mangled_text_raises_nothing_but_a_lexicon_error(format: str, data: st.DataObject) -> None:
    whole = {
        "yaml": FULL,
        "jsonl": '{"term": "zorb", "definition": ["a"], "contrast": [{"term": "b"}]}\n' * 3,
        "csv": 'term,definition,contrast,forms\nzorb,a,"b: c",auto\n',
    }[format]
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    piece = st.sampled_from(
        [
            "- ",
            ": ",
            "&a ",
            "*a",
            "[",
            "{",
            '"',
            "'",
            "|\n",
            "!!python/none ",
            "\ufffc",
            "\ud800",
            "\x00",
            "\n",
            "\t",
            "~[",
            "«",
            "<<: ",
            "null",
            "1e999",
            "auto",
            "?",
            "---\n",
            "%",
            "\u2028",
        ]
    )
    noise = data.draw(st.lists(st.one_of(piece, st.text(max_size=5)), max_size=6))
    mangled = whole[:start] + "".join(noise) + whole[end:]
    lexicon, problems = read_or_problems(mangled, format)
    if lexicon is None:
        lines = mangled.count("\n") + mangled.count("\r") + mangled.count("\u2028") + 2
        assert problems
        assert all(p.line is None or 1 <= p.line <= lines for p in problems)
        assert "\n".join(map(str, problems)).encode()
    else:
        assert lexicon_from_text(dump_lexicon(lexicon), "words", "yaml") == lexicon


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "terms: " + "[" * 5_000, "- " * 5_000, "{a: " * 5_000]
)
def test_deep_nesting_is_a_problem_and_no_crash(text: str) -> None:
    assert problems_of(text)
    assert problems_of(text, "jsonl")


def test_aliases_that_multiply_do_not_explode() -> None:
    levels = ["a0: &a0 [x, x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
    ]
    start = time.process_time()
    assert problems_of("\n".join([*levels, "terms: *a11"]))
    assert time.process_time() - start < 2


def test_an_alias_inside_itself_is_a_problem() -> None:
    assert any("alias" in m for _, m in problems_of("terms: &a\n- term: zorb\n  definition: *a\n"))


def test_thousands_of_terms_read_in_seconds() -> None:
    text = "terms:\n" + "".join(
        f"- term: zorb{chr(97 + n % 26)}{n}\n  definition: thing {n}\n"
        f"  examples: [See zorb{chr(97 + n % 26)}{n} here.]\n"
        for n in range(5000)
    )
    start = time.process_time()
    assert len(lexicon_from_text(text, "words", "yaml")) == 5000
    assert time.process_time() - start < 10
