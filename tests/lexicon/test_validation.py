from __future__ import annotations

import unicodedata

import pytest

from lexigraft.errors import LexigraftError
from lexigraft.lexicon import validation
from lexigraft.lexicon.drafts import draft_lexicon
from lexigraft.lexicon.sources import Problems, parse
from lexigraft.lexicon.validation import LONGEST_TERM, SpecialTokens, same, validate


def problems_of(text: str, special: tuple[str, ...] = ()) -> list[tuple[int | None, str]]:
    problems = Problems("words.yaml")
    tree = parse(text, "yaml", problems)
    assert tree is not None
    validate(draft_lexicon(tree, "words", problems), SpecialTokens(special), problems)
    return [(problem.line, problem.message) for problem in problems.found]


def only(text: str, special: tuple[str, ...] = ()) -> tuple[int | None, str]:
    found = problems_of(text, special)
    assert len(found) == 1, found
    return found[0]


def one_term(term: str, more: str = "") -> str:
    return f'terms:\n- term: "{term}"\n  definition: a thing\n{more}'


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("zo\\nrb", "line break"),
        ("zo\\u2028rb", "line break"),
        ("zo\\trb", "control character U+0009"),
        ("zo\\uFFFCrb", "U+FFFC"),
        (" zorb", "space"),
        ("z" * (LONGEST_TERM + 1), f"{LONGEST_TERM + 1} characters"),
        ("~[zorb]", "marker"),
        ("zorb]", "marker"),
        ("<|im_start|>", "chat markup"),
        ("<|im_end", "chat markup"),
        ("a<s>", "chat markup"),
        ("</s>", "chat markup"),
        ("[INST]", "chat markup"),
        ("[/INST]", "chat markup"),
        ("<<SYS>>", "chat markup"),
        ("<start_of_turn>", "chat markup"),
        ("<end_of_turn>", "chat markup"),
        ("<｜User｜>", "chat markup"),
        ("<｜begin▁of▁sentence｜>", "chat markup"),
        ("<think>", "chat markup"),
        ("[MASK]", "chat markup"),
        ("<0x0A>", "chat markup"),
        ("<repo_name>", "special token"),
        ("my<repo_name>", "special token"),
    ],
)
def test_a_term_that_cannot_be_taught(term: str, expected: str) -> None:
    line, message = only(one_term(term), special=("<repo_name>",))
    assert line == 2
    assert expected in message


def test_a_form_is_held_to_the_same_rules() -> None:
    line, message = only(one_term("zorb", '  forms:\n  - zorbs\n  - "<|end|>"\n'))
    assert line == 6
    assert "the form “<|end|>”" in message


@pytest.mark.parametrize("term", ["<|>", "|>", "a < b", "<zorb>", "[zorb", "$x$", "<b>"])
def test_signs_that_are_no_markup_are_valid(term: str) -> None:
    assert problems_of(one_term(term)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("zorb", "zorb"),
        ("Zorb", "zorb"),
        ("straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("ﬁsk", "fisk"),
        ("ЭЙДОС", "эйдос"),
        ("зо\u0438\u0306", "зо\u0439"),
    ],
)
def test_duplicates_are_found_through_normalisation(first: str, second: str) -> None:
    text = f"terms:\n- term: {first}\n  definition: a\n- term: {second}\n  definition: b\n"
    line, message = only(text)
    assert line == 4
    assert "(line 2)" in message
    assert same(first) == same(second)


def test_similar_terms_are_no_duplicates() -> None:
    assert same("👩‍🚀") != same("👩")
    assert same("зорб") != same("зорбь")
    assert same(unicodedata.normalize("NFD", "йод")) == same("йод")


def test_a_form_of_two_terms_is_one_problem_for_each_pair() -> None:
    text = (
        "terms:\n- term: zorb\n  definition: a\n  forms: [zorbs, zorbed]\n"
        "- term: vorp\n  definition: b\n  forms: [Zorbs, zorbed, vorps]\n"
    )
    line, message = only(text)
    assert line == 7
    assert "“Zorbs”, “zorbed”: claimed as a form by “vorp” and by “zorb” (line 2)" in message


def test_a_form_that_is_another_term_is_found_whichever_comes_first() -> None:
    forms = "- term: zorb\n  definition: a\n  forms: [zorbs]\n"
    other = "- term: zorbs\n  definition: b\n"
    assert "claimed" in only(f"terms:\n{forms}{other}")[1]
    assert "claimed" in only(f"terms:\n{other}{forms}")[1]


def test_a_made_form_that_another_term_has_says_to_list_them() -> None:
    text = "terms:\n- term: zorb\n  definition: a\n  forms: auto\n- {term: zorbs, definition: b}\n"
    line, message = only(text)
    assert line == 4
    assert "list the forms by hand" in message


def test_a_forms_repeat_of_its_own_term_is_harmless() -> None:
    assert problems_of(one_term("zorb", "  forms: [zorb, zorbs, zorbs]\n")) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("zorb", "contrasted with itself"),
        ("ZORB", "contrasted with itself"),
        ("vorpp", "did you mean “vorp”"),
        ("Vorp", "write it as “vorp”"),
        ("vorps", "write the dictionary form, “vorp”"),
        ("nowhere", "add it, or name another"),
    ],
)
def test_contrasts_name_another_term_of_the_lexicon(other: str, expected: str) -> None:
    line, message = only(
        "terms:\n- term: zorb\n  definition: a\n  contrast:\n"
        f"  - term: {other}\n    difference: louder\n"
        "- term: vorp\n  definition: b\n  forms: [vorps]\n"
    )
    assert line == 5
    assert expected in message


def test_sentences_hold_their_term_in_some_form_or_a_marker() -> None:
    found = problems_of(
        one_term(
            "zorb",
            '  forms: [zorbs]\n  examples: ["Zorb!", "my ~[zorb]", "no such thing"]\n'
            "  tests:\n  - Three zorbs ran.\n  - A zorbing.\n",
        )
    )
    assert [line for line, _ in found] == [5, 8]
    assert "an example of “zorb” does not contain it" in found[0][1]
    assert "a test sentence of “zorb” does not contain it" in found[1][1]


@pytest.mark.parametrize("sentence", ["the ~[zorbs] ran", "the ~[vorp] ran", "the ~[zorb ran"])
def test_a_faulty_marker_in_a_text_is_one_problem(sentence: str) -> None:
    for key in ("examples", "tests", "definition"):
        text = f'terms:\n- term: zorb\n  forms: [zorbs]\n  {key}: ["{sentence}"]\n'
        if key != "definition":
            text += "  definition: a\n"
        line, message = only(text)
        assert line == 4
        assert "~[" in message


def test_a_test_that_is_an_example_of_any_term_is_found() -> None:
    text = (
        "terms:\n- term: zorb\n  definition: a\n  examples: [The zorb and the vorp.]\n"
        "- term: vorp\n  definition: b\n  tests:\n  - the  ~[zorb] and the vorp.\n"
    )
    line, message = only(text)
    assert line == 8
    assert "(line 4)" in message


def test_a_property_holds_its_term_is_no_example_and_takes_a_side() -> None:
    head = "terms:\n- term: zorb\n  definition: a\n  examples: [A zorb sings.]\n  properties:\n"
    for right, wrong, line, expected in [
        ("It is blue.", "A zorb is red.", 6, "does not contain it in any form"),
        ("A zorb is blue.", "It is red.", 7, "a property of “zorb” does not contain"),
        ("A zorb sings.", "A zorb is mute.", 6, "properties are never trained on"),
        ("A zorb is blue.", "a ~[zorb] is blue.", 7, "right and wrong at once"),
    ]:
        text = f'{head}  - right: "{right}"\n    wrong: "{wrong}"\n'
        found, message = only(text)
        assert (found, expected in message) == (line, True), message


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ('{open: "*", close: "*"}', "contain each other"),
        ('{open: "[[", close: "["}', "contain each other"),
        ('{open: "x", close: "]"}', "signs"),
        ('{open: "[ ", close: "]"}', "space"),
        ('{open: "<|", close: "|>"}', "chat markup"),
    ],
)
def test_a_marker_that_cannot_be_read_back(marker: str, expected: str) -> None:
    line, message = only(f"marker: {marker}\nterms:\n- {{term: zorb, definition: a}}\n")
    assert line == 1
    assert expected in message


def test_forbidden_characters_in_texts() -> None:
    found = problems_of('terms:\n- term: zorb\n  definition: "a\\uFFFCb"\n  tests: ["zorb\\x01"]\n')
    assert [line for line, _ in found] == [3, 4]


def test_a_missing_library_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> tuple[str, ...]:
        raise LexigraftError("install it")

    monkeypatch.setattr(validation, "inflect", missing)
    text = "".join(f"- {{term: zorb{n}, definition: a, forms: auto}}\n" for n in range(3))
    assert only(f"terms:\n{text}") == (2, "install it")
