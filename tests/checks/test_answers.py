"""Answers: what plain transformers says, many at a time, cut for reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lexigraft.checks import answers as module
from lexigraft.checks.answers import answer_prompts, answers, greedy_texts, shown
from lexigraft.checks.judged import Judged
from lexigraft.generation import end_ids, greedy
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon

MakeHost = Callable[[str], Host]
PROMPTS = [
    "The harbour", "Чайник стоит", "A kettle stands on the stove; the water in it", "A", "Each",
    "Someone asked me about velkin. I told them that velkin is",
]  # fmt: skip


def alone(host: Host, prompt: str, count: int = 12) -> str:
    inputs = host.tokenizer(prompt, return_tensors="pt")
    output = host.model.generate(**inputs, max_new_tokens=count, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    return str(host.tokenizer.decode(new, skip_special_tokens=True))


@pytest.fixture
def asked_alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts that were not decoded with others."""
    prompts: list[str] = []

    def watched(model: Any, tokenizer: Any, some: Sequence[str], **options: Any) -> list[str]:
        prompts.extend(some)
        return greedy(model, tokenizer, some, **options)

    monkeypatch.setattr(module, "greedy", watched)
    return prompts


def together(host: Host, count: int = 12) -> list[str]:
    return greedy_texts(host.model, host.tokenizer, PROMPTS, max_new_tokens=count)


def test_together_they_say_what_each_says_alone(tiny_host: Host, asked_alone: list[str]) -> None:
    texts = together(tiny_host)
    assert len(asked_alone) < len(PROMPTS), "some were decoded together"
    assert texts == [alone(tiny_host, prompt) for prompt in PROMPTS]
    assert len(set(texts)) > 1


def test_they_end_where_the_models_own_settings_end_them(
    make_host: MakeHost, asked_alone: list[str]
) -> None:
    host = make_host("byte-untied")
    texts = together(host)
    inputs = host.tokenizer(PROMPTS[0], return_tensors="pt")
    third = int(host.model.generate(**inputs, max_new_tokens=3, do_sample=False)[0, -1])
    host.model.generation_config.eos_token_id = [*end_ids(host.model), third]
    asked_alone.clear()
    cut = together(host)
    assert cut == [alone(host, prompt) for prompt in PROMPTS]
    assert len(cut[0]) < len(texts[0])
    assert PROMPTS[0] not in asked_alone


def test_a_document_start_ends_nothing_and_begins_nothing(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    separator = host.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert separator not in end_ids(host.model)
    assert separator not in host.tokenizer(PROMPTS[0]).input_ids
    assert together(host) == [alone(host, prompt) for prompt in PROMPTS]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repetition_penalty", 1.8),
        ("no_repeat_ngram_size", 1),
        ("min_new_tokens", 1),
        ("suppress_tokens", [70, 80]),
        ("forced_eos_token_id", 1),
    ],
)
def test_settings_that_change_greedy_decoding_are_obeyed(
    make_host: MakeHost, asked_alone: list[str], name: str, value: Any
) -> None:
    host = make_host("byte-tied")
    setattr(host.model.generation_config, name, value)
    texts = together(host, 6)
    assert asked_alone == PROMPTS
    assert texts == [alone(host, prompt, 6) for prompt in PROMPTS]


def test_harmless_settings_change_nothing(make_host: MakeHost, asked_alone: list[str]) -> None:
    host = make_host("byte-untied")
    before = together(host, 4)
    close = [*asked_alone]
    asked_alone.clear()
    assert len(close) < len(PROMPTS)
    host.model.generation_config.repetition_penalty = 1.0
    host.model.generation_config.no_repeat_ngram_size = 0
    host.model.generation_config.temperature = 0.6
    assert together(host, 4) == before
    assert asked_alone == close


def test_a_close_choice_is_asked_again_alone(
    make_host: MakeHost, asked_alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host("byte-tied")
    before = together(host, 4)
    asked_alone.clear()
    monkeypatch.setattr(module, "_CLOSE_IN_FLOAT32", 1e9)
    told: list[int] = []
    again = greedy_texts(host.model, host.tokenizer, PROMPTS, max_new_tokens=4, advance=told.append)
    assert again == before
    assert asked_alone == PROMPTS
    assert sum(told) == len(PROMPTS)


def test_the_ceiling_has_the_definition_in_its_prompt(
    make_host: MakeHost,
    lexicon: Lexicon,
    surfaces: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = make_host("byte-tied")
    heard: list[str] = []

    def say(model: Any, tokenizer: Any, prompts: Sequence[str], advance: Any) -> list[str]:
        heard[:] = prompts
        return [f" answer {n}. More." for n, _ in enumerate(prompts)]

    monkeypatch.setattr(module, "greedy_texts", say)
    asked = answer_prompts(lexicon, surfaces)
    judged = Judged(host.model, host.tokenizer)
    [plain] = answers(judged, lexicon, surfaces)
    bare = list(heard)
    assert heard == [prompt for some in asked.values() for prompt in some]
    assert plain == {t.term: (f"answer {n}. More.",) for n, t in enumerate(lexicon)}
    [ceiling] = answers(judged, lexicon, surfaces, with_definition=[True])
    assert ceiling == plain
    assert heard == [
        "Zorblax: a machine that makes rain.\n" + asked["zorblax"][0],
        "Velkin: a basket for apples.\n" + asked["velkin"][0],
        "~[эйдос]: the idea of a thing.\n" + asked["эйдос"][0],
    ]
    assert "~[эйдос]" in asked["эйдос"][0]
    given = list(heard)
    both = answers(judged, lexicon, surfaces, with_definition=[False, True])
    assert heard == bare + given  # in one batch
    assert both[0] == plain
    assert both[1] == {t.term: (f"answer {n}. More.",) for n, t in enumerate(lexicon, len(bare))}


@pytest.mark.parametrize(
    ("raw", "cut"),
    [
        (" a small lamp. It burns oil.", "a small lamp."),
        (" a small lamp\nIt burns.", "a small lamp"),
        ("\n\n a lamp, I said", "a lamp, I said"),
        (" No. It is a lamp. Really.", "No. It is a lamp."),
        (" it costs 3.5 crowns", "it costs 3.5 crowns"),
        (" «форма цели в теле.» Да.", "«форма цели в теле.»"),
        ("", ""),
    ],
)
def test_an_answer_is_shown_to_the_end_of_its_sentence(raw: str, cut: str) -> None:
    assert shown(raw) == cut
