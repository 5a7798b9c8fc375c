"""Arguments and options, each with its help: those that commands share, and the long ones."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "AllowChanges",
    "BuiltIn",
    "Corpus",
    "DryRun",
    "FileType",
    "GivenRoute",
    "Json",
    "LexiconFile",
    "Model",
    "Revision",
    "Route",
    "RecipeFile",
    "Replace",
    "RunFolder",
    "SkipBad",
    "Templates",
    "TextField",
    "Tune",
    "Workers",
    "Writer",
    "WriterModel",
]

LexiconFile = Annotated[
    Path, typer.Argument(metavar="LEXICON", help="The lexicon: .yaml, .jsonl or .csv.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `teach` wrote.")]
Model = Annotated[
    str,
    typer.Option(help="A folder, a run, a hub id, a GGUF file, or smollm2-135m.", metavar="MODEL"),
]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a hub id.", metavar="REVISION")
]
Route = Annotated[
    Literal["auto", "subword", "token", "marker"],
    typer.Option(help="For every term, over what the lexicon says; auto: per term."),
]
GivenRoute = Annotated[
    Literal["auto", "subword", "token", "marker"] | None,
    typer.Option(help="For every term, over what lexicon and recipe say.", show_default=False),
]
Tune = Annotated[
    Literal["auto", "rows", "lora", "rows+lora", "full"] | None,
    typer.Option(help="What moves, over what the recipe says (auto).", show_default=False),
]
TextField = Annotated[
    str, typer.Option(metavar="NAME", help="JSONL field or Parquet column with the corpus' text.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave the corpus' bad lines out; replace bad bytes.")
]
RecipeFile = Annotated[
    Path | None, typer.Option(help="YAML with settings to change.", metavar="FILE")
]
Replace = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TERM",
        help="With a run as MODEL: LEXICON corrects this term of it; may be given several times.",
    ),
]


class FileType(StrEnum):
    """The types of GGUF files; a list option takes no Literal."""

    F16 = "F16"
    BF16 = "BF16"
    Q8_0 = "Q8_0"
    Q4_0 = "Q4_0"
    Q4_1 = "Q4_1"


AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="Accept that other words change their tokens.")
]
Corpus = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH",
        help="Your own texts, to learn from and to prove the tokens on: a file, a folder or a "
        "glob, .txt, .jsonl or .parquet; may be given several times.",
    ),
]
Templates = Annotated[
    Path | None,
    typer.Option(
        help="YAML with templates of your own; `new --templates` writes the built-in ones.",
        metavar="FILE",
    ),
]
BuiltIn = Annotated[
    bool,
    typer.Option("--templates", help="Write the templates of training texts, not a lexicon."),
]
Writer = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible server writes the texts about the terms; definitions, contrasts "
        "and examples are sent there. Its key: LEXIGRAFT_WRITER_KEY, else OPENAI_API_KEY.",
    ),
]
WriterModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="The model of the writer's server.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and how long; write nothing.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes; by default one for each core.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")]
