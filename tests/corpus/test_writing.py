"""Self-written texts: cutting, filters, the gain that ranks them, replay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from lexigraft.corpus import writing
from lexigraft.corpus.writing import (
    _apart,
    _cut,
    _usable,
    defining_line,
    gains,
    replay_count,
    replay_texts,
    written_texts,
)
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term

LEXICON = Lexicon(
    name="t",
    terms=(
        Term(term="brundel", definition=("a small copper lamp",), forms=("brundels",)),
        Term(term="ideal", definition=("the thought behind it",), kind="concept"),
    ),
)
SURFACES = {"brundel": "brundel", "ideal": "~[ideal]"}
MakeHost = Callable[[str], Host]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" 2. The brundel glows in the dark. And more.", "The brundel glows in the dark."),
        ("“The brundel glows in the dark!” he said", "The brundel glows in the dark!"),
        ("- The brundel glows for 3.5 hours. x", "The brundel glows for 3.5 hours."),
        ("The brundel glows and", "The brundel glows and"),
    ],
)  # fmt: skip
def test_the_first_sentence_is_cut_out(given: str, expected: str) -> None:
    assert _cut(given) == expected


def usable(text: str, term: str = "brundel") -> bool:
    return _usable(text, LEXICON[term], LEXICON, SURFACES)


def test_a_text_must_use_the_term_and_no_other() -> None:
    assert usable("The old brundel glows in the pit.")
    assert usable("Two brundels glow in the pit.")
    assert not usable("The old lamp glows in the pit.")
    assert not usable("A brundel, a brundel, and a brundel glow.")
    assert not usable("The brundel glows.")
    assert not usable("The word brundel is a long one.")
    assert not usable("The brundel is A small copper lamp here.")
    assert not usable("The brundel glows in the <b>pit</b>.")
    # by chance another taught term; the bare word of a marked one is an ordinary word
    assert not usable("The ~[ideal] of every brundel never glows.")
    assert usable("The brundel is the ideal present for him.")
    assert not usable("The ~[ideal] is never seen like a brundel.", "ideal")
    # markers that the model made up
    assert not usable("The brundel hangs by the ~[door] at night.")
    assert not usable("The brundel hangs by the ~[ at night.")


def test_the_defining_line() -> None:
    assert defining_line("brundel", "a small lamp.") == "Brundel: a small lamp.\n"
    assert defining_line("~[ideal]", "a thought") == "~[ideal]: a thought.\n"
    assert defining_line("λ", "a sign") == "λ: a sign.\n"


@pytest.mark.parametrize(("count", "held"), [(0, 2), (1, 2), (3, 2), (10, 4), (18, 2), (5, 0)])
def test_held_out_texts_are_few_and_spread(count: int, held: int) -> None:
    places = _apart(count, held)
    assert len(places) == min(held, count // 2)
    assert all(0 <= place < count for place in places)
    if count == 18:
        assert places == {4, 13}


def test_gains_leave_out_the_term_itself_and_read_the_definition(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    texts = ["The brundel stands on the table.", "We saw a brundel."]
    found = gains(host.model, host.tokenizer, texts, LEXICON["brundel"], LEXICON, SURFACES)
    assert found == pytest.approx(by_hand(host, texts), abs=1e-4)
    other = LEXICON.model_copy(
        update={"terms": (Term(term="brundel", definition=("a river",)), LEXICON.terms[1])}
    )
    changed = gains(host.model, host.tokenizer, texts, other["brundel"], other, SURFACES)
    assert changed != pytest.approx(found, abs=1e-4)
    assert gains(host.model, host.tokenizer, [], LEXICON["ideal"], LEXICON, SURFACES) == []
    # nothing is left of a text that is the term alone
    alone = gains(host.model, host.tokenizer, ["brundel"], LEXICON["brundel"], LEXICON, SURFACES)
    assert alone == [0.0]


def by_hand(host: Host, texts: Sequence[str]) -> list[float]:
    out = []
    for text in texts:
        parts = text.split("brundel")
        spans = host.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        start, end = len(parts[0]), len(parts[0]) + len("brundel")
        kept = [not (a < end and b > start) for a, b in spans.offset_mapping]
        with_it = scores(host, "Brundel: a small copper lamp.\n", text)
        without = scores(host, "", text)
        rise = [a - b for a, b, keep in zip(with_it, without, kept, strict=True) if keep]
        out.append(sum(rise) / len(rise))
    return out


def scores(host: Host, before: str, text: str) -> list[float]:
    front = host.tokenizer("<|endoftext|>" + before, add_special_tokens=False).input_ids
    ids = host.tokenizer(text, add_special_tokens=False).input_ids
    with torch.inference_mode():
        logits = host.model(torch.tensor([front + ids])).logits[0].log_softmax(-1)
    return [float(logits[len(front) + n - 1, i]) for n, i in enumerate(ids)]


def fake_sample(monkeypatch: pytest.MonkeyPatch, lines: Callable[[str], str]) -> list[str]:
    """Stands in for the model's writing; returns the list of prompts that it will be given."""
    asked: list[str] = []

    def sample(model: Any, tokenizer: Any, prompts: Sequence[str], **_: Any) -> list[str]:
        asked.extend(prompts)
        return [lines(prompt) for prompt in prompts]

    monkeypatch.setattr(writing, "sample", sample)
    return asked


def test_written_texts_are_distinct_ranked_and_marked(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    nouns = iter(range(10**6))

    def line(prompt: str) -> str:
        if prompt.endswith("deal]"):
            return f" stays with house {next(nouns)} on the hill."
        if "brundel" in prompt.casefold():
            return " A brundel stands by the door of the house. "
        return f" No ideal is harmed in house {next(nouns)}."

    asked = fake_sample(monkeypatch, line)
    host = make_host("byte-tied")
    texts = written_texts(host.model, host.tokenizer, LEXICON, SURFACES, keep=5, held_out=2, seed=1)
    by_term = {name: [t for t in texts if t.term == name] for name in SURFACES}
    # however often the model repeats itself, and what follows an opening is no sentence here
    assert [t.text for t in by_term["brundel"]].count(
        "A brundel stands by the door of the house."
    ) == 1
    assert len(by_term["ideal"]) == 7
    assert sum(t.held_out for t in by_term["ideal"]) == 2
    worth = [t.gain or 0.0 for t in by_term["ideal"]]
    assert worth == sorted(worth, reverse=True)
    assert all("~[ideal]" in t.text for t in by_term["ideal"])
    assert len(asked) == 2 * round((5 + 2) * 2.5)
    assert any(prompt == "Brundel: a small copper lamp.\nThe brundel" for prompt in asked)


def test_a_marked_meaning_is_asked_for_as_the_model_sees_it(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = (Term(term="glim", definition=("to light a ~[lamp]",), part_of_speech="verb"),
             Term(term="lamp", definition=("a light",)))  # fmt: skip
    lexicon = Lexicon(name="t", terms=terms)
    asked = fake_sample(monkeypatch, lambda prompt: "")
    host = make_host("byte-tied")
    surfaces = {"glim": "glim", "lamp": "lamp"}
    assert written_texts(host.model, host.tokenizer, lexicon, surfaces, keep=4) == []
    assert "Glim: to light a lamp.\nThey began to glim" in asked
    assert not any("~[" in prompt for prompt in asked)


def test_replay_goes_on_from_everyday_words_and_from_bare_concepts(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_sample(monkeypatch, lambda prompt: " goes on and on" if prompt != "In" else "")
    host = make_host("byte-tied")
    texts = replay_texts(
        host.model, host.tokenizer, ("en", "ru"), count=60, bare=[("эйдос", "ru")], seed=3
    )
    assert len(asked) == 64
    assert asked[60:] == ["Эйдос", "Здесь эйдос", "Все знают, что эйдос", "Вчера эйдос"]
    assert {"The", "Когда"} <= set(asked)
    assert "In" not in {t.text for t in texts}
    assert {t.kind for t in texts} == {"replay"}
    assert {t.term for t in texts} == {None}
    assert 0 < sum(t.held_out for t in texts) < len(texts) / 4


def test_a_tiny_host_writes_and_its_randomness_stays_its_own(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    before = torch.random.get_rng_state()
    weights = copy.deepcopy(host.model.state_dict())
    first = replay_texts(host.model, host.tokenizer, ("en",), count=6, seed=5)
    again = replay_texts(host.model, host.tokenizer, ("en",), count=6, seed=5)
    other = replay_texts(host.model, host.tokenizer, ("en",), count=6, seed=6)
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(host.model.state_dict()[n], w) for n, w in weights.items())


def test_each_epoch_has_its_own_replay(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_sample(monkeypatch, lambda prompt: " goes on and on")
    host = make_host("byte-tied")
    texts = replay_texts(
        host.model, host.tokenizer, ("en",), count=16, epochs=3, bare=[("эйдос", "ru")]
    )
    assert len(asked) == replay_count(16, 3, 1) == len(texts) == 52
    assert [text.epoch for text in texts] == [0] * 16 + [1] * 16 + [2] * 16 + [None] * 4
    # Every epoch gives some to validation.
    assert [text.epoch for text in texts if text.held_out] == [0, 1, 2]
