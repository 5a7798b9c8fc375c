"""The README.md beside an adapter and in a served folder: the exact lines that load it.

No word of the lexicon stands in it, so nothing of a lexicon can become markup here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lexigraft.base_reference import BaseReference, peft_lines
from lexigraft.training.values import Taught

__all__ = ["SERVED_NAME", "adapter_card", "served_card", "write_card"]

SERVED_NAME = "taught"
"""Under which name the documented command serves the adapter."""


def write_card(folder: Path, content: str) -> None:
    """Writes `content` as the README.md of `folder`."""
    (folder / "README.md").write_text(content, encoding="utf-8")


def adapter_card(
    base: BaseReference,
    taught: Taught,
    *,
    rows_before: int,
    rows: int,
    folder: Path,
    stored: str = "float32",
) -> str:
    """The card of a PEFT adapter that will stand in `folder` or beside it.

    `rows_before` are the rows of the base, `rows` those that the adapter needs.
    """
    grows = rows if rows > rows_before else None
    code = peft_lines(base, grows, adapter=".", tokenizer=".", start=folder)
    parts = [
        _front_matter(base, "peft"),
        f"# A PEFT adapter for {_code(base.public)}",
        _what(taught, stored),
        "## Load it",
        f"With this folder as the working directory (`pip install peft transformers`):\n\n"
        f"```python\n{code}```",
    ]
    if grows is not None:
        parts.append(
            f"The line with `resize_token_embeddings` is needed: the base has {rows_before} rows, "
            f"and the new tokens are the rows {rows_before} to {rows - 1}."
        )
    elif taught.new_ids:
        parts.append("The base has spare rows for the new tokens: no shape changes.")
    parts.append(
        "Loaded like this it was compared with the taught model before it was kept: the same ids, "
        "and logits that differ by less than 0.001 of their size."
    )
    if taught.new_ids:
        parts.append(
            "vLLM and llama.cpp take no adapter that carries rows of the embedding matrix. "
            "`lexigraft export RUN --to served` writes what vLLM takes; `--to merged` writes a "
            "plain model."
        )
    return "\n\n".join(parts) + "\n"


def served_card(base: BaseReference, taught: Taught, *, max_rank: int, stored: str) -> str:
    """The card of a folder with `base` and `adapter`, for vLLM."""
    command = (
        f"vllm serve ./base --enable-lora --max-lora-rank {max_rank} "
        f"--lora-modules {SERVED_NAME}=./adapter"
    )
    request = (
        "curl http://localhost:8000/v1/completions -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "{SERVED_NAME}", "prompt": "Hello", "max_tokens": 20}}\''
    )
    python = (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'base = AutoModelForCausalLM.from_pretrained("base")\n'
        'model = PeftModel.from_pretrained(base, "adapter")\n'
        'tokenizer = AutoTokenizer.from_pretrained("base")\n'
    )
    rows = (
        f"`base` is {_code(base.public)} with {len(taught.new_ids)} new rows written into its "
        "embedding matrix and the tokenizer that knows them"
        if taught.new_ids
        else f"`base` is {_code(base.public)} as it was"
    )
    return (
        "\n\n".join(
            [
                _front_matter(base, "peft"),
                f"# {_code(base.public)} and a plain LoRA, for servers",
                f"{rows}; `adapter` is a LoRA of rank {taught.rank} on attention and MLP layers, "
                f"stored in {stored}, without any row. Both belong together: `base` alone has not "
                "learned what the LoRA carries.",
                "## Serve it",
                "With this folder as the working directory:",
                f"```sh\n{command}\n```",
                f"The model's name in a request is `{SERVED_NAME}`:",
                f"```sh\n{request}\n```",
                "The files were checked against the rules that vLLM has for an adapter. They were "
                "not run in vLLM.",
                "## Load it in Python",
                f"```python\n{python}```",
            ]
        )
        + "\n"
    )


def _what(taught: Taught, stored: str) -> str:
    parts = []
    if taught.lora:
        parts.append(f"a LoRA of rank {taught.rank} on {', '.join(_targets(taught))}")
    if taught.new_ids:
        count = len(taught.new_ids)
        parts.append(f"{count} new {'row' if count == 1 else 'rows'} of the embedding matrix")
    kept = " and ".join(parts)
    return (
        f"It holds {kept}, stored in {stored}, and no whole matrix. The tokenizer in this folder "
        "belongs to it."
    )


def _targets(taught: Taught) -> list[str]:
    return [_code(name) for name in taught.target_modules]


def _code(text: str) -> str:
    """`text` as Markdown code, whatever it holds."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _front_matter(base: BaseReference, library: str) -> str:
    matter: dict[str, Any] = {"library_name": library, "pipeline_tag": "text-generation"}
    matter["tags"] = ["lexigraft", "vocabulary"]
    # Hubs follow this name; a folder on some machine would be a dead link.
    if base.kind == "hub":
        matter["base_model"] = base.given
    body = yaml.safe_dump(matter, allow_unicode=True, sort_keys=False, default_flow_style=False)
    return f"---\n{body}---"
