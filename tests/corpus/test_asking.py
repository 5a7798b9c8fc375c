"""What a larger model is asked, and what is read from answers of every make."""

from __future__ import annotations

import json

import pytest

from lexigraft.corpus.asking import request_count, sentences_in, writer_requests
from lexigraft.lexicon import Contrast, Lexicon, Property, Term

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(
            term="brundel",
            definition=("a small copper lamp", "what a miner of the ~[идеал] carries"),
            forms=("brundels",),
            examples=("Her brundel hung by the door.", "Two brundels glowed."),
            contrast=(Contrast(term="tussop", difference="a tussop hangs at sea"),),
            tests=("Nobody saw the brundel in the shaft.",),
            properties=(Property(right="A brundel is warm.", wrong="A brundel is wet."),),
        ),
        Term(term="tussop", definition=("a tall glass lamp",)),
        Term(
            term="идеал",
            definition=("мысль за вещью",),
            language="ru",
            kind="concept",
            route="marker",
            examples=("Он верен ~[идеал] всю жизнь.",),
        ),
    ),
)


def asked(term: str, keep: int = 16, held_out: int = 2) -> list[str]:
    requests = writer_requests(LEXICON, keep, held_out)
    return [r.messages[1]["content"] for r in requests if r.term == term]


def test_a_request_shows_what_the_lexicon_teaches_and_nothing_of_the_examination() -> None:
    text = asked("brundel")[0]
    for part in (
        "Meaning of “brundel”: a small copper lamp.",
        "what a miner of the идеал carries",
        "Not to be confused with “tussop”: a tussop hangs at sea.",
        "Example: Her brundel hung by the door.",
        "in one of these forms: brundel, brundels",
        "None uses any of these: tussop, идеал.",
        '{"sentence": "…"}',
    ):
        assert part in text
    for hidden in ("shaft", "warm", "wet", "~["):
        assert hidden not in "".join(asked("brundel"))


def test_a_russian_term_is_asked_about_in_russian_and_bare() -> None:
    request = next(r for r in writer_requests(LEXICON, 4, 0) if r.term == "идеал")
    assert [m["role"] for m in request.messages] == ["system", "user"]
    text = " ".join(m["content"] for m in request.messages)
    assert "Напиши 6 предложений" in text
    assert "Он верен идеал всю жизнь." in text
    assert "~[" not in text
    assert not any(word in text for word in ("Meaning", "Write", "Example", "scene"))


def test_every_request_has_scenes_of_its_own() -> None:
    texts = asked("tussop")
    assert [t.split("Write ")[1].split()[0] for t in texts] == ["9", "9", "9"]
    scenes = [t.split("in this order: ")[1].split(".\n")[0].split("; ") for t in texts]
    assert [len(s) for s in scenes] == [9, 9, 9]
    assert len({s for some in scenes for s in some}) == 24, "all scenes, before any comes again"
    assert len({r.key("m") for r in writer_requests(LEXICON, 16, 2)}) == 9
    first = writer_requests(LEXICON, 16, 2)[0]
    assert first.key("m") != first.key(None)


@pytest.mark.parametrize(
    ("keep", "held_out", "count"), [(16, 2, 9), (2, 1, 3), (0, 2, 0), (1, 0, 3), (100, 0, 45)]
)
def test_as_many_requests_as_are_foretold(keep: int, held_out: int, count: int) -> None:
    assert len(writer_requests(LEXICON, keep, held_out)) == count
    assert request_count(3, keep, held_out) == count


ONE, TWO = "The brundel hung low.", "Two brundels went “home” at six: tired."
SAME = [ONE, TWO]


@pytest.mark.parametrize(
    "answer",
    [
        "\n".join(json.dumps({"sentence": s}) for s in SAME),
        f"```json\n{json.dumps([{'sentence': s} for s in SAME], indent=1)}\n```",
        json.dumps({"sentences": SAME}),
        "[\n" + ",\n".join(json.dumps({"text": s}) for s in SAME) + ",\n]",
        f"Here are your sentences:\n1. {ONE}\n2) **Two brundels** went “home” at six: tired.",
        f"- “{ONE}”\n- {TWO}\n\nShall I go on with brundel?",
        f"{ONE}\n{TWO}\n",
        f"<think>1. A brundel must be\n2. used.</think>\n1. {ONE}\n2. {TWO}\n",
        f'{json.dumps({"sentence": ONE})}\n{json.dumps({"sentence": TWO})}\n{{"sentence": "The bru',
        "\n".join(json.dumps({"sentence": f"1. {s}"}) for s in [*SAME, *SAME]),
    ],
)
def test_sentences_are_read_from_every_kind_of_answer(answer: str) -> None:
    assert sentences_in(answer, LEXICON["brundel"], LEXICON) == SAME


def test_russian_and_escaped_sentences() -> None:
    wanted = ["Его идеал остался на кухне."]
    for escaped in (True, False):
        answer = json.dumps({"sentence": wanted[0]}, ensure_ascii=escaped)
        assert sentences_in(answer, LEXICON["идеал"], LEXICON) == wanted


@pytest.mark.parametrize(
    "answer", ["", "I cannot help with that.", "{", "[" * 5000, "null", "```", '{"sentence": 3}']
)
def test_what_holds_no_sentence_with_the_term(answer: str) -> None:
    assert sentences_in(answer, LEXICON["brundel"], LEXICON) == []
