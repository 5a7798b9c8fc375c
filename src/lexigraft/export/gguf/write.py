"""The GGUF files of a run, each checked by llama.cpp before it counts as written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.errors import ExportError
from lexigraft.export.apply import grow, is_tied
from lexigraft.export.gguf.check import Checked, check_file, reference_of
from lexigraft.export.gguf.families import family_refusal, merged_instead
from lexigraft.export.gguf.file import gguf_bytes, write_file
from lexigraft.export.gguf.llama_cpp import require_llama_cpp
from lexigraft.export.gguf.modelfile import modelfile
from lexigraft.export.gguf.quantising import GGUFType
from lexigraft.export.gguf.tensors import load_stored, require_stored
from lexigraft.export.gguf.vocabulary import vocabulary_of
from lexigraft.export.sample import silent
from lexigraft.progress import Progress
from lexigraft.spelling.values import Spelling

__all__ = ["files_bytes", "gguf_refusal", "write_gguf"]


def gguf_refusal(model: PreTrainedModel) -> str | None:
    """Why there can be no right GGUF of `model`, as a sentence; None where there can be one."""
    reason = family_refusal(model, tied=is_tied(model))
    return None if reason is None else merged_instead(reason)


def files_bytes(model: PreTrainedModel, types: Sequence[GGUFType]) -> int:
    """About how many bytes `write_gguf` writes."""
    return sum(gguf_bytes(model, kind, tied=is_tied(model)) for kind in types)


def write_gguf(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    folder: Path,
    types: Sequence[GGUFType],
    *,
    own_texts: Sequence[str] = (),
    allow_changes: bool = False,
    progress: Progress,
) -> tuple[Checked, ...]:
    """Writes `model-TYPE.gguf` for each type, a Modelfile for each, and check.json.

    Args:
        model: the merged model, in float32; afterwards it holds the last file's weights.
        tokenizer: the one that belongs to it, the grown one where there are new tokens.
        folder: an empty folder.
        own_texts: sentences of the run, some of which are cut by both tokenizers.
        allow_changes: texts that llama.cpp cuts otherwise are counted, not refused.

    Raises:
        ExportError: llama.cpp is not installed or cannot run such a model, cannot read its
            tokenizer, or does something else with a file than the run's model does.
    """
    require_llama_cpp()
    if (reason := gguf_refusal(model)) is not None:
        raise ExportError(reason)
    grow(model, 0)  # so that the config tells the truth about ties
    rows = len(model.get_input_embeddings().weight)  # type: ignore[arg-type]
    tied = is_tied(model)
    paths = {kind: folder / f"model-{kind}.gguf" for kind in types}
    with silent():
        vocabulary = vocabulary_of(tokenizer, rows)
        reference = reference_of(model, tokenizer, spelling, vocabulary, own_texts)
        for kind, path in paths.items():
            with progress.stage(f"Writing {path.name}", None):
                write_file(path, kind, model, tokenizer, vocabulary, tied=tied)
                require_stored(path, model, tied=tied)
        found = []
        for kind, path in paths.items():
            with progress.stage(f"Asking llama.cpp about {path.name}", None):
                load_stored(path, model, tied=tied)
                found.append(check_file(path, kind, model, reference, allow_changes=allow_changes))
    _write_beside(folder, model, found, chat=bool(tokenizer.chat_template))
    for checked in found:
        progress.say(_told(checked))
    return tuple(found)


def _write_beside(
    folder: Path, model: PreTrainedModel, found: Sequence[Checked], *, chat: bool
) -> None:
    """A Modelfile for each file, the plain name for the first, and what was found."""
    for number, checked in enumerate(found):
        name = "Modelfile" if number == 0 else f"Modelfile-{checked.type}"
        (folder / name).write_text(modelfile(checked.file, model, chat=chat), encoding="utf-8")
    plain = [checked.model_dump(mode="json") for checked in found]
    listing = json.dumps(plain, ensure_ascii=False, indent=2) + "\n"
    (folder / "check.json").write_text(listing, encoding="utf-8")


def _told(checked: Checked) -> str:
    """One line about a file for the person who asked for it."""
    same = checked.texts - checked.differing
    line = (
        f"{checked.file}: llama.cpp cuts {same:,} of {checked.texts:,} texts as the run does; its "
        f"log-probabilities are {checked.difference:.2%} off. Rounding to {checked.type} moved "
        f"them by {checked.rounding:.2%} of their spread."
    )
    if checked.inside_differing:
        line += " It finds new words inside longer ones too, where the run's tokenizer does not."
    return line
