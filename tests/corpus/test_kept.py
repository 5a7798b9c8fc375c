"""Texts that hold earlier terms: as many as affordable, half of them the model's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from lexigraft.corpus import BUILT_IN, Text, build_texts, kept_texts, kept_to_write
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term, find_term
from lexigraft.spelling import SpelledTerm, Spelling

KNOWN = Lexicon(
    name="known",
    terms=(
        Term(term="velkin", definition=("a basket",), examples=("She carries the velkin.",)),
        Term(term="zorblax", definition=("a machine",)),
        Term(term="эйдос", definition=("идея вещи",), language="ru", route="marker"),
    ),
)
SURFACES = {"velkin": "velkin", "zorblax": "zorblax", "эйдос": "~[эйдос]"}
NEW = Lexicon(name="new", terms=(Term(term="brellow", definition=("a low sound",)),))


def made(host: Host, each: int, at_most: int, seed: int = 0) -> list[Text]:
    return kept_texts(
        host.model,
        host.tokenizer,
        [(KNOWN, SURFACES)],
        each=each,
        at_most=at_most,
        seed=seed,
    )


def test_half_is_given_and_half_is_written(make_host: Callable[..., Host]) -> None:
    texts = made(make_host(), 8, 100)
    assert {text.kind for text in texts} == {"kept"}
    assert {text.term for text in texts} == {None}
    counts = Counter(text.kept for text in texts)
    assert set(counts) == set(SURFACES)
    assert all(4 <= count <= 8 for count in counts.values())
    for text in texts:
        assert text.kept is not None
        assert find_term(text.text, KNOWN[text.kept], KNOWN.marker)
    assert "She carries the velkin." in {text.text for text in texts}
    assert any("~[эйдос]" in text.text for text in texts)
    assert 0 < sum(text.held_out for text in texts) <= len(texts) // 7
    assert made(make_host(), 8, 100) == texts
    assert made(make_host(), 8, 100, seed=1) != texts


def test_what_is_given_is_in_the_runs_own_templates(make_host: Callable[..., Host]) -> None:
    host = make_host()
    noun = {"noun": {"definition": ("Here is {a}, {d}.",), "reverse": ()}}
    own = replace(BUILT_IN["en"], defining={**BUILT_IN["en"].defining, **noun})
    known = [(KNOWN, SURFACES)]
    tables = {**BUILT_IN, "en": own}
    texts = kept_texts(host.model, host.tokenizer, known, each=8, at_most=100, tables=tables)
    given = {t.text for t in texts if t.kept == "zorblax" and "machine" in t.text}
    assert given == {"Here is a zorblax, a machine."}


@pytest.mark.parametrize(
    ("each", "at_most", "most"), [(8, 100, 24), (8, 7, 7), (8, 2, 2), (0, 100, 0), (8, 0, 0)]
)
def test_never_more_than_is_affordable(
    make_host: Callable[..., Host], each: int, at_most: int, most: int
) -> None:
    texts = made(make_host(), each, at_most)
    assert len(texts) <= most
    counts = Counter(text.kept for text in texts)
    if at_most == 7:
        assert sorted(counts.values())[0] >= 1
    told: list[int] = []
    host = make_host()
    kept_texts(
        host.model, host.tokenizer, [(KNOWN, SURFACES)],
        each=each, at_most=at_most, advance=told.append,
    )  # fmt: skip
    assert sum(told) == kept_to_write([(KNOWN, SURFACES)], each, at_most)


def test_without_earlier_terms_there_are_none(make_host: Callable[..., Host]) -> None:
    host = make_host()
    assert kept_texts(host.model, host.tokenizer, [], each=8, at_most=100) == []
    assert kept_to_write([], 8, 100) == 0


def test_a_kept_text_with_a_new_term_or_of_the_verification_is_left_out(
    make_host: Callable[..., Host],
) -> None:
    host = make_host()
    spelling = Spelling(
        marker=NEW.marker,
        terms=(
            SpelledTerm(term="brellow", route="subword", surface="brellow", forms=("brellow",)),
        ),
        rows_before=9,
        rows_after=9,
    )
    lines = (
        "The ~[эйдос] of a velkin is plain.",
        "A velkin and a brellow.",
        "She took the velkin and carried it down the hill again.",
    )
    kept = [Text(text=line, kind="kept", kept="velkin") for line in lines]
    unseen = ["He took the velkin and carried it down the hill again."]
    texts = build_texts(
        host.model, host.tokenizer, NEW, spelling, unseen, written=0, replay=0, seed=0, kept=kept
    )
    assert [text.text for text in texts if text.kind == "kept"] == [lines[0]]
