"""Text that a model writes: in large batches by sampling, or greedily as any user would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.host import quiet
from lexigraft.likelihood import document_start, encode

__all__ = ["end_ids", "greedy", "prompt_ids", "sample"]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The ids of `prompt` as any user gets them: with whatever the tokenizer itself adds."""
    return cast(list[int], tokenizer(prompt).input_ids)


def end_ids(model: PreTrainedModel) -> list[int]:
    """The ids at which `generate` stops by the model's own settings."""
    ends: int | list[int] | None = model.generation_config.eos_token_id
    return [ends] if isinstance(ends, int) else list(ends or ())


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 24,
) -> list[str]:
    """The likeliest continuation of each prompt, token by token, exactly as any user gets it.

    `tokenizer(prompt)`, then `generate` without sampling and with the model's own settings, one
    prompt at a time and without padding: the text of plain transformers and of `compare`.
    """
    out = []
    for prompt in prompts:
        inputs: Any = tokenizer(prompt, return_tensors="pt").to(model.device)
        generate: Any = model.generate
        with quiet(), torch.inference_mode():
            whole = generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
        out.append(_text(tokenizer, whole[0, inputs["input_ids"].shape[1] :].tolist()))
    return out


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_p: float = 0.95,
    top_k: int = 0,
    batch: int = 96,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """One sampled line after each prompt (repeat a prompt for more), cut at the first newline.

    Prompts are sorted by length, padded on the left and decoded together: on a CPU a step for 96
    texts costs little more than a step for one. `top_k` is quicker than `top_p`, which sorts the
    whole vocabulary at each step; 0 leaves it out. The same seed gives the same texts.
    """
    ids = [document_start(tokenizer) + encode(tokenizer, p) for p in prompts]
    end = _stops(tokenizer)
    out = [""] * len(prompts)
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        for first in range(0, len(order), batch):
            some = order[first : first + batch]
            width = max(len(ids[i]) for i in some)
            grid = torch.full((len(some), width), end[0])
            mask = torch.zeros_like(grid)
            for row, index in enumerate(some):
                grid[row, width - len(ids[index]) :] = torch.tensor(ids[index])
                mask[row, width - len(ids[index]) :] = 1
            with torch.inference_mode():
                whole = model.generate(  # type: ignore[operator]
                    input_ids=grid.to(model.device),
                    attention_mask=mask.to(model.device),
                    do_sample=True,
                    temperature=temperature,
                    top_p=top_p,
                    top_k=top_k,
                    max_new_tokens=max_new_tokens,
                    eos_token_id=end,
                    pad_token_id=end[0],
                )
            for row, index in enumerate(some):
                out[index] = _text(tokenizer, whole[row, width:].tolist()).split("\n", 1)[0]
            if advance is not None:
                advance(len(some))
    finally:
        torch.random.set_rng_state(state)
    return out


def _stops(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end a sampled line: the first is also used as padding."""
    special = [tokenizer.eos_token_id, *document_start(tokenizer)]
    ends = [int(i) for i in special if i is not None] or [0]
    last = [encode(tokenizer, text)[-1] for text in ("a\n", "a.\n\n")]
    # some tokenizers drop line breaks, or make them unknown: no reason to stop at those ids
    ends += [number for number in last if "\n" in _text(tokenizer, [number])]
    return list(dict.fromkeys(ends))


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=True))
