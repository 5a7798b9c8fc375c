"""What a model says about each term, greedily, for people to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import PARTS, portions
from lexigraft.checks.prompts import ANSWER_PROMPTS, definition_line
from lexigraft.generation import decode_together, end_ids, greedy, prompt_ids
from lexigraft.lexicon import Lexicon
from lexigraft.processes import current

__all__ = ["answer_prompts", "answers", "greedy_texts", "shown"]

TOKENS = 24
_BATCH = 32
# Below this distance (nats) between the two likeliest tokens, the order of a sum may decide.
# In float32 that moves a logit by some ten-thousandths at most.
_CLOSE = 1e-2
_CLOSE_IN_FLOAT32 = 2e-3
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
    with_definition: Sequence[bool] = (False,),
    advance: Callable[[int], None] | None = None,
) -> list[dict[str, tuple[str, ...]]]:
    """The answers to `answer_prompts`, cut for showing, once for each of `with_definition`.

    True puts each term's definition before its prompts: the ceiling. Both at once are decoded in
    the same steps, of which each reads all weights, however few texts it is for.
    """
    asked = answer_prompts(lexicon, surfaces)
    prompts = []
    for given in with_definition:
        for term in lexicon:
            before = definition_line(surfaces[term.term], term.definition[0]) if given else ""
            prompts += [before + prompt for prompt in asked[term.term]]
    tell = portions(advance, len(prompts), PARTS * len(with_definition))
    said = iter(greedy_texts(judged.model, judged.tokenizer, prompts, advance=tell))
    return [
        {term: tuple(shown(next(said)) for _ in some) for term, some in asked.items()}
        for _ in with_definition
    ]


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
    batches = [order[first : first + _BATCH] for first in range(0, len(order), _BATCH)]
    said = [
        _decode_together(model, tokenizer, [ids[i] for i in some], max_new_tokens)
        for some in current().mine(batches)
    ]
    for some, found in zip(batches, current().gather(said), strict=True):
        for index, (text, sure) in zip(some, found, strict=True):
            out[index] = text if sure or not exact else None
    close = [index for index, text in enumerate(out) if text is None]
    if advance is not None:
        advance(len(prompts) - len(close))
    asked = [prompts[index] for index in close]
    texts = greedy(model, tokenizer, asked, max_new_tokens=max_new_tokens, advance=advance)
    for index, text in zip(close, texts, strict=True):
        out[index] = text
    return [text or "" for text in out]


def _is_plain(model: PreTrainedModel) -> bool:
    settings = model.generation_config
    given = {name: getattr(settings, name, None) for name in _CHANGES_GREEDY}
    return all(v is None or v == _CHANGES_GREEDY[name] for name, v in given.items())


def _decode_together(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[Sequence[int]],
    steps: int,
) -> list[tuple[str, bool]]:
    """Greedy texts, and of each whether no choice in it was too close to trust."""
    gaps: list[list[float]] = []

    def pick(logits: Float[Tensor, "rows vocabulary"]) -> Int[Tensor, " rows"]:
        best = logits.topk(2)
        gaps.append((best.values[:, 0] - best.values[:, 1]).tolist())
        return best.indices[:, 0]

    close = _CLOSE_IN_FLOAT32 if model.dtype == torch.float32 else _CLOSE
    # The id that ends a text belongs to it, as `generate` has it, special or not.
    said = decode_together(model, ids, steps, pick, set(end_ids(model)))
    return [
        (
            str(tokenizer.decode(one, skip_special_tokens=True)),
            all(gaps[step][row] >= close for step in range(len(one))),
        )
        for row, one in enumerate(said)
    ]
