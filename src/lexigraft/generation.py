"""Text that a model writes: in large batches by sampling, or greedily as any user would."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.host import quiet
from lexigraft.likelihood import document_start, encode
from lexigraft.processes import current

__all__ = ["decode_together", "end_ids", "greedy", "prompt_ids", "sample"]

_NEXT_BATCH = 1_000_003
"""Between the seeds of two batches, so that each can be written without the ones before it."""


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
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """The likeliest continuation of each prompt, token by token, exactly as any user gets it.

    `tokenizer(prompt)`, then `generate` without sampling and with the model's own settings, one
    prompt at a time and without padding: the text of plain transformers and of `compare`.
    """
    out = []
    for prompt in current().mine(prompts):
        inputs: Any = tokenizer(prompt, return_tensors="pt").to(model.device)
        generate: Any = model.generate
        with quiet(), torch.inference_mode():
            whole = generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
        out.append(_text(tokenizer, whole[0, inputs["input_ids"].shape[1] :].tolist()))
        if advance is not None:
            advance(1)
    if advance is not None and len(out) < len(prompts):
        advance(len(prompts) - len(out))  # what other processes wrote
    return current().gather(out)


@torch.inference_mode()
def decode_together(
    model: PreTrainedModel,
    ids: Sequence[Sequence[int]],
    steps: int,
    pick: Callable[[Float[Tensor, "rows vocabulary"]], Int[Tensor, " rows"]],
    ends: Collection[int],
) -> list[list[int]]:
    """At most `steps` ids after each of `ids`, the one in `ends` that stopped a row included.

    Rows are padded on the left and fed together; `pick` takes the logits of all rows, the finished
    ones too, and gives a token for each.
    """
    width = max(map(len, ids))
    tokens = torch.tensor([[0] * (width - len(i)) + list(i) for i in ids], device=model.device)
    mask = torch.tensor([[0] * (width - len(i)) + [1] * len(i) for i in ids], device=model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    forward: Any = model
    cache = None
    said: list[list[int]] = [[] for _ in ids]
    open_ = [True] * len(ids)
    for _ in range(steps):
        step = forward(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = step.past_key_values
        tokens = pick(step.logits[:, -1].float())[:, None]
        for row, token in enumerate(tokens[:, 0].tolist()):
            if open_[row]:
                said[row].append(token)
                open_[row] = token not in ends
        if not any(open_):
            break
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    return said


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 200,
    seed: int = 0,
    batch: int = 192,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """One sampled line after each prompt (repeat a prompt for more), cut at the first newline.

    Prompts are sorted by length, padded on the left and decoded together, and only the `top_k`
    likeliest tokens are drawn from: nucleus sampling sorts the whole vocabulary at every step, and
    takes more than three times as long. The same seed gives the same texts, by however many
    processes.
    """
    generator = torch.Generator(device=model.device)

    def pick(logits: Tensor) -> Tensor:
        best = (logits / temperature).topk(min(top_k, logits.shape[1]))
        drawn = torch.multinomial(best.values.softmax(-1), 1, generator=generator)
        return best.indices.gather(1, drawn)[:, 0]

    ends = _stops(tokenizer)
    ids = [document_start(tokenizer) + encode(tokenizer, p) for p in prompts]
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    batches = [order[first : first + batch] for first in range(0, len(order), batch)]
    written, told = [], 0
    for number, some in current().mine(list(enumerate(batches))):
        generator.manual_seed(seed + _NEXT_BATCH * number)
        found = decode_together(model, [ids[i] for i in some], max_new_tokens, pick, ends)
        written.append([_text(tokenizer, said).split("\n", 1)[0] for said in found])
        told += len(some)
        if advance is not None:
            advance(len(some))
    out = [""] * len(prompts)
    for some, lines in zip(batches, current().gather(written), strict=True):
        for index, line in zip(some, lines, strict=True):
            out[index] = line
    if advance is not None and told < len(prompts):
        advance(len(prompts) - told)  # what other processes wrote
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
