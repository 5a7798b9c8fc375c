"""All texts of a run: no repeats, nothing of the examination, no taught term in replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lexigraft.corpus import build_texts, writing
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term
from lexigraft.spelling import Spelling, spell

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="brundel",
            definition=("a small lamp",),
            examples=("The brundel stands by the door of the house.",),
        ),
        Term(term="ideal", definition=("a thought",), kind="concept"),
    ),
)


@pytest.fixture
def host(make_host: Callable[[str], Host]) -> Host:
    return make_host("byte-tied")


@pytest.fixture
def spelling(host: Host) -> Spelling:
    return spell(LEXICON, {"brundel": "subword", "ideal": "marker"}, host.tokenizer)[0]


def answer(monkeypatch: pytest.MonkeyPatch, lines: Callable[[str], str]) -> None:
    def sample(model: Any, tokenizer: Any, prompts: Sequence[str], **_: Any) -> list[str]:
        return [lines(prompt) for prompt in prompts]

    monkeypatch.setattr(writing, "sample", sample)


def build(host: Host, spelling: Spelling, evaluation: Sequence[str], **counts: int) -> list[Any]:
    sizes: dict[str, Any] = {"written": 0, "replay": 0, "seed": 0, **counts}
    return build_texts(host.model, host.tokenizer, LEXICON, spelling, evaluation, **sizes)


def test_without_counts_only_the_templates(host: Host, spelling: Spelling) -> None:
    texts = build(host, spelling, [])
    assert {t.kind for t in texts} == {"definition", "reverse", "example", "swapped"}
    plain = build(host, spelling, [], swapped=False)
    assert plain == [t for t in texts if t.kind != "swapped"]
    assert any(t.text == "~[ideal] is a thought." for t in build(host, spelling, []))


def test_nothing_of_the_examination_is_left(host: Host, spelling: Spelling) -> None:
    texts = build(host, spelling, ["A brundel is a small lamp", LEXICON.terms[0].examples[0]])
    found = {t.text for t in texts}
    assert "A brundel is a small lamp." not in found
    assert "example" not in {t.kind for t in texts}


def test_an_example_that_the_model_copies_is_not_read_twice(
    host: Host, spelling: Spelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, lambda prompt: " The brundel stands by the door of the house.")
    texts = build(host, spelling, [], written=4)
    assert len({t.text for t in texts}) == len(texts)
    assert "example" in {t.kind for t in texts}
    assert not [t for t in texts if t.kind == "written" and t.text == LEXICON.terms[0].examples[0]]


def test_replay_holds_no_taught_term_but_the_bare_word_of_a_concept(
    host: Host, spelling: Spelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings = {
        "The": " brundel is an old thing",
        "In": " the ~[ideal] we trust and",
        "When": " they say ~[ nothing more",
        "When the ideal": " is far, we go on alone",
    }
    answer(monkeypatch, lambda prompt: endings.get(prompt, " ideal goes on and on"))
    texts = {t.text for t in build(host, spelling, [], replay=12) if t.kind == "replay"}
    assert "When the ideal is far, we go on alone" in texts
    assert "She ideal goes on and on" in texts
    assert not any("brundel" in text or "~[" in text for text in texts)


def test_held_out_texts_are_as_many_as_asked(
    host: Host, spelling: Spelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = iter(range(10**6))

    def line(prompt: str) -> str:
        term = "ideal" if "deal" in prompt else "brundel"
        return f" The {term} is in house {next(number)} on the hill."

    answer(monkeypatch, line)
    for held_out in (0, 3):
        texts = build(host, spelling, [], written=4, held_out=held_out)
        for term in ("brundel", "ideal"):
            mine = [t for t in texts if t.kind == "written" and t.term == term]
            assert sum(t.held_out for t in mine) == held_out
            assert len(mine) == 4 + held_out
