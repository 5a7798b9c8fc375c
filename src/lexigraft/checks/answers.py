"""What a model says about each term, greedily, for people to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import portions
from lexigraft.checks.prompts import ANSWER_PROMPTS, definition_line
from lexigraft.generation import end_ids, greedy, prompt_ids
from lexigraft.lexicon import Lexicon

__all__ = ["answer_prompts", "answers", "greedy_texts", "shown"]

TOKENS = 24
_BATCH = 32
# Below this distance (nats) between the two likeliest tokens, the order of a sum may decide.
_CLOSE = 1e-2
# Settings by which `generate` may choose another token than the likeliest, with what is harmless.
_CHANGES_GREEDY: dict[str, object] = {
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty", "num_beams"), 1),
    **dict.fromkeys(("no_repeat_ngram_size", "min_length", "min_new_tokens"), 0),
    **dict.fromkeys(("bad_words_ids", "sequence_bias", "suppress_tokens"), None),
    **dict.fromkeys(("begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id"), None),
    **dict.fromkeys(("exponential_decay_length_penalty", "stop_strings", "penalty_alpha"), None),
    **dict.fromkeys(("guidance_scale", "watermarking_config"), None),
}
_SENTENCE_END = re.compile(r"[.!?…](?:[\"'”’»)]*)(?=\s|$)")


def answer_prompts(lexicon: Lexicon, surfaces: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The prompts about each term."""
    frames = ANSWER_PROMPTS[lexicon.language]
    return {t.term: tuple(f.format(term=surfaces[t.term]) for f in frames) for t in lexicon}


def answers(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    with_definition: bool = False,
    advance: Callable[[int], None] | None = None,
) -> dict[str, tuple[str, ...]]:
    """The answers to `answer_prompts`, cut for showing. `with_definition`: the ceiling."""
    asked = answer_prompts(lexicon, surfaces)
    prompts = []
    for term in lexicon:
        before = definition_line(surfaces[term.term], term.definition[0]) if with_definition else ""
        prompts += [before + prompt for prompt in asked[term.term]]
    tell = portions(advance, len(prompts))
    said = iter(greedy_texts(judged.model, judged.tokenizer, prompts, advance=tell))
    return {term: tuple(shown(next(said)) for _ in some) for term, some in asked.items()}


def shown(raw: str) -> str:
    """`raw` without the white space around it, up to its first line's or sentence's end."""
    line = raw.strip().split("\n", 1)[0]
    for end in _SENTENCE_END.finditer(line):
        if len(line[: end.end()].split()) >= 3:
            return line[: end.end()]
    return line


def greedy_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = TOKENS,
    exact: bool = True,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """What `generation.greedy` gives, and so plain transformers, many prompts at a time.

    A prompt of a batch whose two likeliest tokens ever came close is asked again alone, so that no
    padding decides; so is everything where the model's own settings change greedy decoding.
    Without `exact` a close choice is taken as it came.
    """
    out: list[str | None] = [None] * len(prompts)
    ids = [prompt_ids(tokenizer, p) for p in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (len(ids[i]), i))
    if not _is_plain(model):
        order = []
    for first in range(0, len(order), _BATCH):
        some = order[first : first + _BATCH]
        found = _decode_together(model, tokenizer, [ids[i] for i in some], max_new_tokens)
        for index, (text, sure) in zip(some, found, strict=True):
            out[index] = text if sure or not exact else None
    for index, prompt in enumerate(prompts):
        if out[index] is None:
            [out[index]] = greedy(model, tokenizer, [prompt], max_new_tokens=max_new_tokens)
        if advance is not None:
            advance(1)
    return [text or "" for text in out]


def _is_plain(model: PreTrainedModel) -> bool:
    settings = model.generation_config
    given = {name: getattr(settings, name, None) for name in _CHANGES_GREEDY}
    return all(v is None or v == _CHANGES_GREEDY[name] for name, v in given.items())


@torch.inference_mode()
def _decode_together(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[Sequence[int]],
    steps: int,
) -> list[tuple[str, bool]]:
    """Greedy texts, prompts padded on the left, and whether no choice was too close to trust."""
    ends = set(end_ids(model))
    width = max(map(len, ids))
    tokens = torch.tensor([[0] * (width - len(i)) + list(i) for i in ids], device=model.device)
    mask = torch.tensor([[0] * (width - len(i)) + [1] * len(i) for i in ids], device=model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = None
    said: list[list[int]] = [[] for _ in ids]
    open_, close = [True] * len(ids), [False] * len(ids)
    for _ in range(steps):
        step = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = step.past_key_values
        best = step.logits[:, -1].float().topk(2)
        tokens = best.indices[:, :1]
        for row, (token, gap) in enumerate(
            zip(
                tokens[:, 0].tolist(), (best.values[:, 0] - best.values[:, 1]).tolist(), strict=True
            )
        ):
            if open_[row]:
                close[row] |= gap < _CLOSE
                said[row].append(token)  # an end too: as `generate` does, special or not
                open_[row] = token not in ends
        if not any(open_):
            break
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    texts = [str(tokenizer.decode(one, skip_special_tokens=True)) for one in said]
    return [(text, not doubt) for text, doubt in zip(texts, close, strict=True)]
