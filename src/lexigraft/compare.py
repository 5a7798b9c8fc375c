"""Before and after: what the untaught base and the taught model say to the same prompt.

The text is exactly what plain transformers gives: `tokenizer(prompt)`, then `generate` without
sampling and with the model's own generation config, on the folder RUN/model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TextStreamer,
)

from lexigraft.checks.prompts import ANSWER_PROMPTS
from lexigraft.checks.results import Verdict
from lexigraft.errors import LexigraftError, MarkerError, ModelError, RunError
from lexigraft.host import quiet
from lexigraft.lexicon import Lexicon, read_lexicon, unmark
from lexigraft.progress import Progress, Silent
from lexigraft.run_base import base_of_run
from lexigraft.spelling.values import Spelling
from lexigraft.workspace import Workspace

__all__ = ["MAX_NEW_TOKENS", "Comparer", "Comparison", "Side", "compare"]

MAX_NEW_TOKENS = 40
Side = Literal["before", "after"]
Hear = Callable[[Side, str], None]
_SILENT = Silent()


class Comparison(BaseModel):
    """What the two models said, greedily, to one prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    before: str = Field(description="the untaught base's continuation")
    after: str = Field(description="the taught model's continuation")


def compare(
    run: str | Path,
    prompts: Sequence[str] = (),
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Progress = _SILENT,
) -> list[Comparison]:
    """The greedy continuation of each prompt by the untaught base and by RUN/model.

    Without prompts, those that the verdict recorded answers to; before there is a verdict, a
    question about each term. All prompts are looked at before a model is loaded.

    Raises:
        RunError: no such run, no merged model in it yet, or its base is another one now.
        ModelError: a model cannot be loaded.
        MarkerError: a prompt has a marker that is unclosed or names no term of the lexicon.
        LexigraftError: a prompt is empty.
    """
    space = Workspace.open(run, create=False)
    lexicon = read_lexicon(space.lexicon)
    chosen = list(prompts) or _prompts_of(space, lexicon)
    for prompt in chosen:
        _require_sound(prompt, lexicon)
    comparer = Comparer(run, progress=progress)
    found = []
    with progress.stage("Comparing", len(chosen)) as advance:
        for prompt in chosen:
            found.append(comparer.ask(prompt, max_new_tokens=max_new_tokens))
            advance(1)
    return found


class Comparer:
    """Both models of a run, loaded once, to be asked prompt after prompt."""

    def __init__(self, run: str | Path, *, progress: Progress = _SILENT) -> None:
        """Loads RUN/model and the base that it was taught on, both in the base's stored type.

        Raises RunError, ModelError and LexiconError as `compare` does.
        """
        space = Workspace.open(run, create=False)
        self.lexicon = read_lexicon(space.lexicon)
        with progress.stage("Loading the model before and after", None):
            self._after = _taught(space)
            self._before = _untaught(space, self._after[0].dtype, progress)

    def ask(
        self, prompt: str, *, max_new_tokens: int = MAX_NEW_TOKENS, hear: Hear | None = None
    ) -> Comparison:
        """The greedy continuation of `prompt` by both models.

        `hear` is told each piece of text as it is written, and on which side; what is returned is
        the whole. Raises MarkerError for an unclosed or unknown marker, LexigraftError for an
        empty prompt.
        """
        _require_sound(prompt, self.lexicon)
        texts: dict[Side, str] = {}
        sides: tuple[tuple[Side, _Pair], ...] = (("before", self._before), ("after", self._after))
        for side, (model, tokenizer) in sides:
            streamer = None if hear is None else _Streamer(tokenizer, side, hear)
            texts[side] = _greedy(model, tokenizer, prompt, max_new_tokens, streamer)
        return Comparison(prompt=prompt, before=texts["before"], after=texts["after"])


_Pair = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class _Streamer(TextStreamer):
    """Hands finished pieces of text on instead of printing them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, side: Side, hear: Hear) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._side, self._hear = side, hear

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self._hear(self._side, text)


def _greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    max_new_tokens: int,
    streamer: TextStreamer | None,
) -> str:
    """What the lines in the report and the model card print: change both or neither."""
    inputs: Any = tokenizer(prompt, return_tensors="pt")
    if inputs["input_ids"].numel() == 0:
        raise LexigraftError(f"The prompt {prompt!r} is empty: give some text to go on from.")
    generate: Any = model.generate
    with quiet(), torch.inference_mode():
        output = generate(
            **inputs, max_new_tokens=max_new_tokens, do_sample=False, streamer=streamer
        )
    new = output[0, inputs["input_ids"].shape[1] :]
    return str(tokenizer.decode(new, skip_special_tokens=True))


def _require_sound(prompt: str, lexicon: Lexicon) -> None:
    try:
        unmark(prompt, lexicon)
    except MarkerError as error:
        raise MarkerError(f"In the prompt “{prompt[:80]}”: {error}") from error


def _taught(space: Workspace) -> _Pair:
    """RUN/model as anybody would load it."""
    if not (space.model / "config.json").is_file():
        raise RunError(
            f"{space.root} has no merged model yet. Finish the run with `lexigraft teach … "
            f"--resume`, or write it with `lexigraft export {space.root} --to merged`."
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(space.model, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(space.model, local_files_only=True)
    except Exception as error:  # the loaders let the errors of half a dozen libraries through
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"{space.model} cannot be loaded: {first}. "
            f"Write it anew with `lexigraft export {space.root} --to merged`."
        ) from error
    return model.eval(), tokenizer


def _untaught(space: Workspace, dtype: torch.dtype, progress: Progress) -> _Pair:
    """The base that was taught; RunError if it is another one now."""
    host = base_of_run(space, progress, dtype=dtype)
    return host.model, host.tokenizer


def _prompts_of(space: Workspace, lexicon: Lexicon) -> list[str]:
    """The prompts of the verdict's answers; else a question about each term as it is spelled."""
    try:
        if space.verdict.is_file():
            verdict = Verdict.model_validate(space.read_json(space.verdict))
            asked = [answer.prompt for term in verdict.terms for answer in term.answers]
            if asked:
                return list(dict.fromkeys(asked))
        spelling = Spelling.model_validate(space.read_json(space.spelling / "spelling.json"))
    except ValidationError as error:
        raise RunError(f"{space.root}: the {error.title} is damaged. Give a prompt.") from error
    languages = {term.term: term.language for term in lexicon}
    return [
        ANSWER_PROMPTS[languages.get(term.term, lexicon.language)][0].format(term=term.surface)
        for term in spelling.terms
    ]
