"""What a taught model does with some texts: the yardstick for everything that is written.

Ids are compared on every form of every term and on prose, code and odd characters; logits on a
dozen short texts, most of them with taught terms; greedy continuations of a few.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.errors import ExportError
from lexigraft.export.plain import difference, next_tokens
from lexigraft.host import quiet
from lexigraft.spelling.sample import PROSE, SAMPLE
from lexigraft.spelling.values import Spelling

__all__ = [
    "MOST_NEW",
    "Continuation",
    "Sample",
    "distance",
    "ids_of",
    "observe",
    "require_equal",
    "require_same_ids",
    "silent",
]

MOST_NEW = 16
"""How many tokens a greedy continuation has at most."""
_MOST_TERMS = 10
_MOST_IDS = 48
# By how much of the logits' size the likeliest token must lead the next: where two are nearly
# alike, adding in another order may turn them round, and every token after them.
_CLEAR = 0.01


@dataclass(frozen=True)
class Continuation:
    """What a model says greedily after `prompt`, as far as each token leads clearly."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Sample:
    """What a model and its tokenizer gave for some texts, to be compared after a reload."""

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    """Of every text, as the tokenizer gives them by default."""
    logits: dict[str, Float[Tensor, "time rows"]]
    """float32, for some of `texts`, over their first ids."""
    continued: tuple[Continuation, ...] = ()

    def of_rows(self, rows: int) -> Sample:
        """The same over the first `rows` rows alone: without rows that no token uses."""
        return replace(self, logits={text: x[:, :rows] for text, x in self.logits.items()})


def observe(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    *,
    continued: int = 0,
) -> Sample:
    """Ids for all sample texts of `spelling`, and logits for some: about as big as 300 rows.

    `continued` of the texts with terms are gone on with.
    """
    shown = [f"The {term.surface}, and {term.surface}" for term in spelling.terms]
    step = max(1, -(-len(shown) // _MOST_TERMS))
    scored = [*shown[::step], PROSE["English"], PROSE["Russian"]]
    forms = [form for term in spelling.terms for form in term.forms]
    bare = [text for form in forms for text in (form, f" {form}", f"«{form}» {form}.")]
    texts = tuple(dict.fromkeys((*scored, *shown, *bare, *SAMPLE)))
    ids = ids_of(tokenizer, texts)
    known = dict(zip(texts, ids, strict=True))
    logits = {text: _logits(model, known[text]) for text in scored if known[text]}
    prompts = [known[f"The {term.surface}, and {term.surface}"] for term in spelling.terms]
    said = (_continuation(model, tokenizer, ids) for ids in prompts[:continued] if ids)
    return Sample(texts, ids, logits, tuple(said))


def _continuation(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: tuple[int, ...]
) -> Continuation:
    with silent():
        found = next_tokens(model, list(prompt), MOST_NEW)
    clear = 0
    for scores in found.scores:
        best = scores[0].float().topk(2).values
        if best[0] - best[1] <= _CLEAR * scores[0][scores[0].isfinite()].float().std():
            break
        clear += 1
    ids = found.sequences[0, len(prompt) : len(prompt) + clear].tolist()
    return Continuation(prompt, tuple(ids), str(tokenizer.decode(ids, skip_special_tokens=True)))


def ids_of(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(line) for line in tokenizer(list(texts)).input_ids)


@torch.inference_mode()
def _logits(model: PreTrainedModel, ids: Sequence[int]) -> Float[Tensor, "time rows"]:
    given = torch.tensor([ids[:_MOST_IDS]], device=model.device)
    logits: Tensor = model(input_ids=given, use_cache=False).logits
    return logits[0].float().cpu()


def require_same_ids(expected: Sample, tokenizer: PreTrainedTokenizerBase, what: str) -> None:
    """Raises ExportError naming the first text that `tokenizer` cuts into other ids."""
    for text, kept, found in zip(
        expected.texts, expected.ids, ids_of(tokenizer, expected.texts), strict=True
    ):
        if kept != found:
            raise ExportError(
                f"{what} does not reload equal: {text[:60]!r} became the ids {list(found[:12])} "
                f"and was {list(kept[:12])}. Nothing was kept of it."
            )


def require_equal(
    expected: Sample,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    what: str,
    tolerance: float,
    typical: bool = False,
) -> None:
    """Raises ExportError unless `model` and `tokenizer` do what `expected` says.

    Ids must be equal. No logit may differ by more than `tolerance` times the size of the expected
    ones (their root mean square about the mean of each position); with 0 they must be
    bit-identical. With `typical` the root mean square of the differences is held against it
    instead of the largest one: a cast to 16 bits throws single logits far off.
    """
    require_same_ids(expected, tokenizer, what)
    for text, ids in zip(expected.texts, expected.ids, strict=True):
        if text not in expected.logits:
            continue
        wanted, found = expected.logits[text], _logits(model, ids)
        error = difference(wanted, found, typical)
        # `not <=`: what is not a number is never within a tolerance.
        if not error <= tolerance:
            raise ExportError(
                f"{what} does not reload equal: logits for {text[:60]!r} differ by {error:.3g} of "
                f"their size, and {tolerance:g} is allowed. Nothing was kept of it."
            )


def distance(wanted: Sample, found: Sample) -> float:
    """The typical difference of logits over their size, of the text where it is largest."""
    pairs = ((value, found.logits[text]) for text, value in wanted.logits.items())
    return max((difference(left, right, typical=True) for left, right in pairs), default=0.0)


@contextmanager
def silent() -> Iterator[None]:
    """No bars and no warnings of transformers and PEFT: every result is checked by ourselves."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
