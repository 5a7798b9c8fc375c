"""What llama.cpp makes of a written file, held against the run's own model and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from transformers import PreTrainedModel

from lexigraft.errors import ExportError
from lexigraft.export.gguf.families import merged_instead
from lexigraft.export.gguf.llama_cpp import LlamaCpp
from lexigraft.export.gguf.quantising import TOLERANCES, GGUFType
from lexigraft.export.gguf.texts import inside_longer_words, thousand_texts
from lexigraft.export.gguf.vocabulary import Vocabulary
from lexigraft.export.sample import ids_of
from lexigraft.spelling.sample import PROSE
from lexigraft.spelling.values import NewToken, Spelling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Checked", "Continued", "Reference", "check_file", "reference_of"]

_Any = TypeVar("_Any")

_MOST_PROMPTS = 8
_MOST_IDS = 48
_MOST_SHOWN = 40
_STEPS = 12
# A step may be any token that is as likely as the run's own choice, give or take the differences
# that are allowed: single ones are some times their root mean square.
_SLACK = 6.0
# Below this llama.cpp's probability is no normal float32 any more.
_FAINT = -80.0


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Continued(_Value):
    """What llama.cpp says after a prompt, the likeliest token at every step."""

    prompt: str
    text: str


class Checked(_Value):
    """What was found about one file."""

    file: str
    type: str
    bytes: int
    llama_cpp: str = Field(description="the version of xllamacpp that loaded it")
    texts: int = Field(description="texts whose ids were compared")
    differing: int = Field(description="those with other ids; 0 unless that was accepted")
    examples: tuple[str, ...] = Field((), description="some of them")
    inside: int = Field(description="texts with forms inside longer words")
    inside_differing: int = Field(description="those with other ids")
    difference: float = Field(
        description="of log-probabilities from those of the file's own weights in transformers: "
        "RMS as a share of their spread"
    )
    tolerance: float = Field(description="what `difference` may be at most")
    rounding: float = Field(description="the same between the run's weights and the file's")
    new_tokens_shown: int = Field(description="new tokens that were said and seen as their text")
    continued: tuple[Continued, ...] = ()


@dataclass(frozen=True)
class Reference:
    """What the run's own model and tokenizer do: computed once, for files of every type."""

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    inside: tuple[str, ...]
    inside_ids: tuple[tuple[int, ...], ...]
    prompts: dict[str, tuple[int, ...]]
    log_probabilities: dict[str, Float[Tensor, " rows"]]
    """After each of `prompts`, of the run's own weights."""
    asked: tuple[str, ...]
    """Those of `prompts` that are continued: terms at their end."""
    new_tokens: tuple[NewToken, ...]


def reference_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    vocabulary: Vocabulary,
    own_texts: Sequence[str],
) -> Reference:
    """What `model` and `tokenizer` do with the texts that the check asks for.

    Args:
        model: the merged model, in float32.
        own_texts: sentences of the run; some of them are compared too.
    """
    forms = list(dict.fromkeys(form for term in spelling.terms for form in term.forms))
    # Capitalised forms, and those of runs that this one continued.
    words = [word.strip() for word in vocabulary.words.values()]
    forms += dict.fromkeys(form for form in words if form not in forms)
    composed, prefix = vocabulary.composed, vocabulary.space_prefix
    texts = thousand_texts(forms, own_texts, composed=composed, no_space_first=prefix)
    inside = inside_longer_words(words)
    asked = tuple(f"The {term.surface}" for term in _some(spelling.terms, _MOST_PROMPTS - 2))
    prompts = {
        text: tuple(tokenizer(text).input_ids[:_MOST_IDS])
        for text in (*asked, PROSE["English"], PROSE["Russian"])
    }
    return Reference(
        texts=texts,
        ids=ids_of(tokenizer, texts),
        inside=inside,
        inside_ids=ids_of(tokenizer, inside),
        prompts=prompts,
        log_probabilities=_all_after(model, prompts),
        asked=asked[:3],
        new_tokens=tuple(_some(spelling.new_tokens, _MOST_SHOWN)),
    )


def check_file(
    path: Path,
    kind: GGUFType,
    model: PreTrainedModel,
    reference: Reference,
    *,
    allow_changes: bool = False,
) -> Checked:
    """Loads the file with llama.cpp and compares ids, log-probabilities and greedy text.

    Args:
        kind: the type of the file, which decides the tolerance.
        model: with the weights of the file, as they were rounded there: so the tolerance is that
            of llama.cpp's arithmetic and not that of the rounding.
        allow_changes: other ids of some texts are counted, not refused.

    Raises:
        ExportError: llama.cpp does not load it, or does not do what `model` does.
    """
    wanted = _all_after(model, reference.prompts)
    with LlamaCpp(path) as llama:
        differing = _differing(reference.texts, reference.ids, llama)
        if differing and not allow_changes:
            raise ExportError(_cut_otherwise(differing, len(reference.texts)))
        inside = _differing(reference.inside, reference.inside_ids, llama)
        difference = _compare(llama, path, kind, reference.prompts, wanted)
        continued = tuple(
            _continued(llama, path, kind, model, text, reference.prompts[text])
            for text in reference.asked
        )
        _require_shown(llama, reference)
    run = reference.log_probabilities
    return Checked(
        file=path.name,
        type=kind,
        bytes=path.stat().st_size,
        llama_cpp=version("xllamacpp"),
        texts=len(reference.texts),
        differing=len(differing),
        examples=tuple(differing[:5]),
        inside=len(reference.inside),
        inside_differing=len(inside),
        difference=round(difference, 6),
        tolerance=TOLERANCES[kind],
        rounding=round(max(_difference(run[text], wanted[text]) for text in run), 6),
        new_tokens_shown=len(reference.new_tokens),
        continued=continued,
    )


def _some(values: Sequence[_Any], most: int) -> Sequence[_Any]:
    return values[:: max(1, -(-len(values) // most))]


@torch.inference_mode()
def _after(model: PreTrainedModel, ids: Sequence[int]) -> Float[Tensor, "time rows"]:
    logits: Tensor = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
    return logits.float().log_softmax(dim=-1).cpu()


def _all_after(
    model: PreTrainedModel, prompts: Mapping[str, Sequence[int]]
) -> dict[str, Float[Tensor, " rows"]]:
    return {text: _after(model, ids)[-1] for text, ids in prompts.items()}


def _differing(texts: Sequence[str], ids: Sequence[tuple[int, ...]], llama: LlamaCpp) -> list[str]:
    found = llama.ids(texts)
    return [t for t, a, b in zip(texts, ids, found, strict=True) if list(a) != b]


def _cut_otherwise(differing: Sequence[str], count: int) -> str:
    shown = ", ".join(repr(text[:60]) for text in differing[:3])
    return merged_instead(
        f"llama.cpp cuts {len(differing)} of {count} texts into other tokens than the model was "
        f"taught with: {shown}. Nothing was kept of it. --allow-changes accepts that, and the "
        "file check.json names such texts."
    )


def _compare(
    llama: LlamaCpp,
    path: Path,
    kind: GGUFType,
    prompts: Mapping[str, Sequence[int]],
    wanted: Mapping[str, Tensor],
) -> float:
    """The largest difference over all prompts; ExportError where it is beyond the tolerance."""
    worst = 0.0
    for text, ids in prompts.items():
        difference = _difference(wanted[text], llama.log_probabilities(ids, len(wanted[text])))
        # `not <=`: what is not a number is never within a tolerance.
        if not difference <= TOLERANCES[kind]:
            raise ExportError(
                f"{path.name} does not do in llama.cpp what the run's model does: "
                f"log-probabilities after {text[:60]!r} differ by {difference:.3g} of their "
                f"spread, and {TOLERANCES[kind]:g} is allowed for {kind}. Nothing was kept of it."
            )
        worst = max(worst, difference)
    return worst


def _difference(wanted: Float[Tensor, " rows"], found: Float[Tensor, " rows"]) -> float:
    """The root mean square of the differences as a share of the spread of `wanted`.

    Tokens that are too unlikely for a float32 probability are left out.
    """
    likely = wanted > _FAINT
    gaps = (wanted - found)[likely]
    return float(gaps.pow(2).mean().sqrt() / wanted[likely].std())


def _continued(
    llama: LlamaCpp,
    path: Path,
    kind: GGUFType,
    model: PreTrainedModel,
    text: str,
    ids: Sequence[int],
) -> Continued:
    """What llama.cpp says after `text`; ExportError for a step that the model would not take."""
    said, shown = llama.greedy(ids, _STEPS)
    steps = _after(model, [*ids, *said])[len(ids) - 1 : -1]
    for step, token in zip(steps, said, strict=True):
        slack = _SLACK * TOLERANCES[kind] * float(step[step > _FAINT].std())
        if not float(step.max() - step[token]) <= slack:
            raise ExportError(
                f"{path.name} does not do in llama.cpp what the run's model does: after "
                f"{text[:60]!r} it says {shown[:60]!r}. Nothing was kept of it."
            )
    return Continued(prompt=text, text=shown)


def _require_shown(llama: LlamaCpp, reference: Reference) -> None:
    """Every new token, once said, must be seen: llama.cpp hides CONTROL tokens."""
    start = reference.prompts[PROSE["English"]]
    for token in reference.new_tokens:
        if (shown := llama.shown(start, token.id)) != token.content:
            raise ExportError(
                f"llama.cpp shows {shown!r} where the model says {token.content!r} (token "
                f"{token.id}). Nothing was kept of it. "
                "Export the merged model instead (--to merged)."
            )
