"""The exact lines that load a run's model and adapter, for the report and the model card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from lexigraft.report.files import RunFiles, mapping, number, sequence, text

__all__ = ["EMBEDDED", "Base", "adapter_lines", "base_of", "example_prompt", "model_lines"]

# The embedded base's name, as `--model` takes it. Its weights are not those of any hub
# repository (they come out of a 4-bit file), so only our own cache has them.
EMBEDDED = "smollm2-135m"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Base:
    """The model that was taught: as it was given, its revision, and what kind of name that is."""

    given: str
    revision: str | None
    kind: str

    @property
    def public(self) -> str:
        """A name fit for a card that leaves this machine: of a local path only the last part."""
        if self.kind in ("hub", "embedded"):
            return self.given
        return PurePath(self.given.replace("\\", "/")).name or self.given


def base_of(files: RunFiles) -> Base:
    """The base of a run, from run.json, else from the verdict."""
    given = text(files.run, "model") or (files.verdict.model if files.verdict else "")
    revision = text(files.run, "revision")
    if given == EMBEDDED:
        kind = "embedded"
    elif given.endswith(".gguf"):
        kind = "gguf"
    elif _HUB_ID.fullmatch(given) and given.count("/") == 1:
        kind = "hub"
    else:
        kind = "folder"
    return Base(given, revision, kind)


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
    """Python that puts the adapter in folder `adapter` on its base, with PEFT.

    Where the token route made the embedding matrix longer, the base is made as long first:
    PEFT refuses rows that are not there.
    """
    base = base_of(files)
    imports = ["from peft import PeftModel"]
    imports.append("from transformers import AutoModelForCausalLM, AutoTokenizer")
    if base.kind == "embedded":
        imports.append("")
        imports.append("from lexigraft.embedded import embedded_base")
    lines = [*imports, "", f"base = AutoModelForCausalLM.from_pretrained({_argument(base)})"]
    rows = added_rows(files)
    if rows is not None:
        lines.append(f"base.resize_token_embeddings({rows}, mean_resizing=False)")
    lines.append(f"model = PeftModel.from_pretrained(base, {adapter!r})")
    lines.append(f"tokenizer = AutoTokenizer.from_pretrained({model!r})")
    return "\n".join(lines) + "\n"


def added_rows(files: RunFiles) -> int | None:
    """How many rows the embedding has now, where it has more than before; else None."""
    before = number(files.spelling, "rows_before")
    after = number(files.spelling, "rows_after")
    if before is None or after is None or after <= before:
        return None
    return int(after)


def new_tokens(files: RunFiles) -> tuple[dict[str, object], ...]:
    """The new tokens that the spelling recorded."""
    return tuple(dict(mapping(entry)) for entry in sequence(files.spelling.get("new_tokens")))


def _argument(base: Base) -> str:
    if base.kind == "embedded":
        return "embedded_base()"
    if base.kind == "gguf":
        path = PurePath(base.given)
        return f"{str(path.parent)!r}, gguf_file={path.name!r}"
    if base.revision:
        return f"{base.given!r}, revision={base.revision!r}"
    return repr(base.given)
