"""Text that a tiny model writes: greedy as plain transformers, sampled lines as seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from lexigraft import generation
from lexigraft.generation import (
    _stops,
    decode_together,
    end_ids,
    greedy,
    prompt_ids,
    sample,
)
from lexigraft.host import Host
from lexigraft.likelihood import document_start, encode

MakeHost = Callable[[str], Host]
PROMPTS = ["The harbour", "Чайник стоит", "A kettle stands on the stove; the water in it"]


def as_a_user(host: Host, prompt: str, count: int) -> str:
    """The lines of the report and the model card."""
    inputs = host.tokenizer(prompt, return_tensors="pt")
    output = host.model.generate(**inputs, max_new_tokens=count, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    return str(host.tokenizer.decode(new, skip_special_tokens=True))


def test_greedy_is_what_a_user_gets(tiny_host: Host) -> None:
    texts = greedy(tiny_host.model, tiny_host.tokenizer, PROMPTS, max_new_tokens=6)
    assert texts == [as_a_user(tiny_host, prompt, 6) for prompt in PROMPTS]
    for prompt, text in zip(PROMPTS, texts, strict=True):
        own = step_by_step(tiny_host, prompt_ids(tiny_host.tokenizer, prompt), 6)
        assert text == tiny_host.tokenizer.decode(own, skip_special_tokens=True)


def step_by_step(host: Host, ids: list[int], count: int) -> list[int]:
    new = list[int]()
    with torch.inference_mode():
        while len(new) < count and not (new and new[-1] in end_ids(host.model)):
            new.append(int(host.model(torch.tensor([ids + new])).logits[0, -1].argmax()))
    return new


def test_a_prompt_has_what_its_tokenizer_adds_and_no_more(make_host: MakeHost) -> None:
    tokenizer = make_host("byte-tied").tokenizer
    assert document_start(tokenizer)
    assert prompt_ids(tokenizer, "The cat") == encode(tokenizer, "The cat")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    with_start = [tokenizer.bos_token_id, *encode(tokenizer, "The cat")]
    assert prompt_ids(tokenizer, "The cat") == with_start


def test_greedy_ends_where_the_models_own_settings_end_it(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    [whole] = greedy(host.model, host.tokenizer, PROMPTS[:1], max_new_tokens=6)
    third = step_by_step(host, prompt_ids(host.tokenizer, PROMPTS[0]), 6)[2]
    host.model.generation_config.eos_token_id = [host.tokenizer.eos_token_id, third]
    assert end_ids(host.model) == [host.tokenizer.eos_token_id, third]
    [short] = greedy(host.model, host.tokenizer, PROMPTS[:1], max_new_tokens=6)
    assert whole.startswith(short)
    assert len(short) < len(whole)
    host.model.generation_config.eos_token_id = None
    assert end_ids(host.model) == []


def always(host: Host, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The model writes `text` whatever stands before."""
    ids = encode(host.tokenizer, text)

    def generate(*, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        tail = torch.tensor(ids).repeat(len(input_ids), 1)
        return torch.cat([input_ids, tail], dim=1)

    def together(
        model: Any, prompts: Sequence[Any], steps: int, pick: Any, ends: Sequence[int]
    ) -> list[list[int]]:
        stop = next((n for n, i in enumerate(ids, start=1) if i in ends), len(ids))
        return [ids[: min(stop, steps)] for _ in prompts]

    monkeypatch.setattr(host.model, "generate", generate)
    monkeypatch.setattr(generation, "decode_together", together)


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-untied"])
def test_a_sampled_line_ends_at_its_newline(
    name: str, make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(name)
    host.tokenizer.eos_token = "<|endoftext|>"  # the document start too: one special stop
    always(host, monkeypatch, "water\nit sings\n")
    [line] = sample(host.model, host.tokenizer, ["the"], max_new_tokens=9)
    assert line.strip() == "water"
    [text] = greedy(host.model, host.tokenizer, ["the"])
    assert text.strip() == "water\nit sings"


def test_stops_are_ends_and_line_breaks_only(make_host: MakeHost) -> None:
    for name in ("byte-tied", "sentencepiece-tied", "unigram-tied"):
        tokenizer = make_host(name).tokenizer
        stops = _stops(tokenizer)
        assert stops[0] == tokenizer.eos_token_id
        assert len(set(stops)) == len(stops)
        for number in set(stops) - {tokenizer.eos_token_id, *document_start(tokenizer)}:
            assert "\n" in tokenizer.decode([number])
        assert tokenizer.unk_token_id not in stops


def test_samples_come_in_the_order_of_the_prompts_and_by_seed(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    told: list[int] = []
    prompts = [*PROMPTS, *PROMPTS]
    options: dict[str, Any] = {"max_new_tokens": 5, "batch": 4}
    first = sample(host.model, host.tokenizer, prompts, seed=1, advance=told.append, **options)
    assert sum(told) == len(prompts) == len(first)
    assert first == sample(host.model, host.tokenizer, prompts, seed=1, **options)
    assert first != sample(host.model, host.tokenizer, prompts, seed=2, **options)
    assert first[:3] != first[3:]
    assert sample(host.model, host.tokenizer, [], max_new_tokens=5) == []


def test_padding_on_the_left_changes_nothing(make_host: MakeHost) -> None:
    # so cold that sampling is greedy: a batch of unequal prompts must agree with single ones
    host = make_host("byte-untied")
    cold = sample(host.model, host.tokenizer, PROMPTS, max_new_tokens=5, temperature=1e-4)
    for prompt, line in zip(PROMPTS, cold, strict=True):
        ids = document_start(host.tokenizer) + encode(host.tokenizer, prompt)
        alone = host.tokenizer.decode(step_by_step(host, ids, 5), skip_special_tokens=True)
        assert line == alone.split("\n", 1)[0]


def test_the_callers_randomness_is_left_alone(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    before = torch.random.get_rng_state()
    sample(host.model, host.tokenizer, PROMPTS, max_new_tokens=2, seed=9)
    assert torch.equal(before, torch.random.get_rng_state())


def test_rows_that_are_decoded_together_are_those_decoded_alone(tiny_host: Host) -> None:
    ids = [prompt_ids(tiny_host.tokenizer, prompt) for prompt in PROMPTS]
    seen: list[int] = []

    def pick(logits: torch.Tensor) -> torch.Tensor:
        seen.append(len(logits))
        return logits.argmax(-1)

    found = decode_together(tiny_host.model, ids, 6, pick, end_ids(tiny_host.model))
    assert found == [step_by_step(tiny_host, some, 6) for some in ids]
    assert set(seen) == {3}
    [first, *_] = found[0]
    assert decode_together(tiny_host.model, ids[:1], 6, pick, [first]) == [[first]]


def test_sampled_lines_come_by_seed_from_the_likeliest_tokens(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    settings: dict[str, Any] = {"max_new_tokens": 6, "temperature": 1.0}
    about: Any = (host.model, host.tokenizer)
    told: list[int] = []
    before = torch.get_rng_state()
    found = sample(*about, PROMPTS * 3, top_k=20, seed=1, advance=told.append, **settings)
    assert torch.equal(torch.get_rng_state(), before), "the caller's randomness is left alone"
    assert sum(told) == len(found) == 9
    assert len(set(found)) > 3
    assert sample(*about, PROMPTS * 3, top_k=20, seed=1, **settings) == found
    assert sample(*about, PROMPTS * 3, top_k=20, seed=2, **settings) != found
    sure = sample(*about, PROMPTS, top_k=1, seed=1, **settings)
    assert sure == sample(*about, PROMPTS, top_k=1, seed=2, batch=1, **settings)
    assert not any("\n" in line for line in [*found, *sure])
    assert sample(*about, [], top_k=1, **settings) == []
