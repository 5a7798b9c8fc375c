"""The exact lines that load a run's model and adapter, for the report and the model card."""

from __future__ import annotations

from lexigraft.base_reference import BaseReference, peft_lines, reference_to
from lexigraft.report.files import RunFiles, mapping, number, sequence, text

__all__ = ["adapter_lines", "base_of", "example_prompt", "model_lines"]


def base_of(files: RunFiles) -> BaseReference:
    """The base of a run, from run.json, else from the verdict."""
    given = text(files.run, "model") or (files.verdict.model if files.verdict else "")
    return reference_to(given, text(files.run, "revision"))


def example_prompt(files: RunFiles) -> str:
    """A prompt to try the model with: one that the verdict recorded, else a plain question."""
    if files.verdict is not None:
        for term in (*(t for t in files.verdict.terms if t.knows), *files.verdict.terms):
            if term.answers and len(term.answers[0].prompt) <= 200:
                return term.answers[0].prompt
        for term in files.verdict.terms:
            if len(term.surface) <= 100:
                return f"{term.surface}:"
    return "Hello"


def model_lines(folder: str, prompt: str) -> str:
    """Python that loads the merged model in `folder` and lets it go on from `prompt`."""
    return f"""\
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({folder!r})
model = AutoModelForCausalLM.from_pretrained({folder!r})

inputs = tokenizer({prompt!r}, return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=40, do_sample=False)
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""


def adapter_lines(files: RunFiles, adapter: str, model: str) -> str:
    """Python that puts the adapter in folder `adapter` on its base, with PEFT."""
    return peft_lines(base_of(files), added_rows(files), adapter=adapter, tokenizer=model)


def added_rows(files: RunFiles) -> int | None:
    """How many rows the embedding needs for the adapter, where it had fewer; else None.

    Without those that stand for no token: in a base that is resized they would get other values.
    """
    before = number(files.spelling, "rows_before")
    after = number(files.spelling, "rows_after")
    if before is None or after is None or after <= before:
        return None
    ids = [number(token, "id") for token in new_tokens(files)]
    highest = max((index for index in ids if index is not None), default=after - 1)
    return int(min(after, highest + 1))


def new_tokens(files: RunFiles) -> tuple[dict[str, object], ...]:
    """The new tokens that the spelling recorded."""
    return tuple(dict(mapping(entry)) for entry in sequence(files.spelling.get("new_tokens")))
