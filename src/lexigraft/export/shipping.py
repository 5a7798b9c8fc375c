"""What `lexigraft export` does for each target: merge, write, load elsewhere, compare.

The model that was merged is let go before another process loads what was written, so that there is
never more than one of them in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.base_reference import BaseReference
from lexigraft.errors import ExportError
from lexigraft.export.adapter import TOLERANCE, WEIGHTS, adapter_rows, save_adapter
from lexigraft.export.apply import fold_lora, merged_model, round_weights, rounded, write_rows
from lexigraft.export.card import adapter_card, served_card, write_card
from lexigraft.export.fresh import Written, require_equal_elsewhere
from lexigraft.export.merged import (
    TOLERANCES,
    base_shard_bytes,
    checkpoint_bytes,
    checkpoint_facts,
    dtype_name,
    save_merged,
    stored_dtype,
    tokenizer_settings,
)
from lexigraft.export.sample import Sample, distance, observe
from lexigraft.export.vllm_rules import max_lora_rank, model_refusal, vllm_problems
from lexigraft.host import Host
from lexigraft.progress import Progress
from lexigraft.spelling.values import Spelling
from lexigraft.training.values import Taught
from lexigraft.workspace import Workspace

__all__ = ["AdapterType", "Source", "served_refusal", "ship_adapter", "ship_merged", "ship_served"]

AdapterType = Literal["auto", "float32", "bfloat16", "float16"]
"""What an adapter's numbers are stored in; auto: as the base's, where that changes little."""
ROUNDING = 0.01
"""By how much of their size logits may typically change when an adapter is stored in 16 bits."""
_CONTINUED = 3
_READING = 32_000_000  # bytes for the tokenizer and the small files


@dataclass(frozen=True)
class Source:
    """What an export starts from."""

    load: Callable[[], Host]
    """Loads the untouched base in float32; what it gives is used up."""
    tokenizer_of: Callable[[Host], PreTrainedTokenizerBase]
    taught: Taught
    spelling: Spelling
    base: BaseReference
    progress: Progress

    def merged(self, host: Host, taught: Taught) -> PreTrainedModel:
        """`host` with `taught` in it and with all the rows of the spelling; changes it in place."""
        spelling = self.spelling
        return merged_model(host, taught, spelling.rows_after, padding=spelling.padding)

    @property
    def visible(self) -> tuple[int, ...]:
        """Ids of new tokens, which must not be hidden as special ones are."""
        return self.spelling.new_ids


def ship_merged(source: Source, writer: Workspace, place: Path) -> None:
    """The plain checkpoint, in the type and the number of files of the base."""
    host = source.load()
    tokenizer, dtype = source.tokenizer_of(host), stored_dtype(host.facts.dtype)
    shard = base_shard_bytes(host)
    with source.progress.stage("Merging what was taught", None):
        model = source.merged(host, source.taught)
        expected = _stored(model, tokenizer, source, dtype)
    with writer.writing_folder(place, needs=checkpoint_bytes(model, dtype)) as folder:
        with source.progress.stage("Writing the merged model", None):
            save_merged(model, tokenizer, folder, dtype, shard)
            written = _written_model(folder, model, tokenizer, source, dtype)
        del model, host
        require_equal_elsewhere(
            expected,
            written,
            what="The merged model",
            tolerance=TOLERANCES[torch.float32],
            progress=source.progress,
        )


def _stored(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: Source, dtype: torch.dtype
) -> Sample:
    """Rounds `model` to what its files will hold, and what it does then; it must do the same."""
    if dtype == torch.float32:
        return observe(model, tokenizer, source.spelling, continued=_CONTINUED)
    exact = observe(model, tokenizer, source.spelling)
    round_weights(model, dtype)
    stored = observe(model, tokenizer, source.spelling, continued=_CONTINUED)
    error = distance(exact, stored)
    if not error <= TOLERANCES[dtype]:
        raise ExportError(
            f"Stored in {dtype_name(dtype)}, as the base is, the taught model would do something "
            f"else: its logits change by {error:.2g} of their size, and {TOLERANCES[dtype]:g} is "
            "allowed. Teach again with a lower learning rate."
        )
    return stored


def _written_model(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    source: Source,
    dtype: torch.dtype,
) -> Written:
    return Written(
        model=str(folder),
        tokenizer=folder,
        checkpoint=checkpoint_facts(model, dtype),
        types={path: dtype_name(dtype) for path in sorted(folder.glob("*.safetensors"))},
        settings=tokenizer_settings(tokenizer),
        visible=source.visible,
    )


def ship_adapter(source: Source, writer: Workspace, place: Path, dtype: AdapterType) -> None:
    """The PEFT adapter with its tokenizer and card."""
    host = source.load()
    tokenizer, had = source.tokenizer_of(host), int(host.facts.rows or 0)
    rows = adapter_rows(source.taught, had)
    name, options = _loaded_by(host)
    with source.progress.stage("Merging what was taught", None):
        model = merged_model(host, source.taught, rows)
        types = _types(dtype, host)
        stored = _in_type(model, tokenizer, source, source.taught, types)
        taught, expected = stored.taught, stored.sample
    with writer.writing_folder(place, needs=_bytes(taught, stored.dtype)) as folder:
        with source.progress.stage("Writing the adapter", None):
            digests = save_adapter(
                model,
                taught,
                tokenizer,
                folder,
                base=source.base.place,
                revision=source.base.revision,
                dtype=stored.dtype,
            )
            card = adapter_card(
                source.base,
                taught,
                rows_before=had,
                rows=rows,
                folder=place,
                stored=stored.words,
            )
            write_card(folder, card)
        del model, host
        written = Written(
            model=name,
            options=options,
            tokenizer=folder,
            rows=rows if rows > had else None,
            adapter=folder,
            tensors={folder / WEIGHTS: digests},
            types={folder / WEIGHTS: dtype_name(stored.dtype)},
            settings=tokenizer_settings(tokenizer),
            visible=source.visible,
        )
        require_equal_elsewhere(
            expected, written, what="The adapter", tolerance=TOLERANCE, progress=source.progress
        )


def served_refusal(taught: Taught) -> str | None:
    """Why `taught` cannot be a base with a plain LoRA, as a sentence; None where it can."""
    if taught.weights:
        return (
            "All weights of the model were moved (tune: full), so there is no LoRA to be served "
            "beside a base. Serve the merged model instead (--to merged)."
        )
    if not taught.lora:
        return (
            "No LoRA was taught, only rows: the merged model is already the base with its rows, "
            "and every server takes it. Export that instead (--to merged)."
        )
    if max_lora_rank(taught.rank) is None:
        return (
            f"vLLM takes no LoRA of rank {taught.rank}; 512 is its most. "
            "Serve the merged model instead (--to merged)."
        )
    return None


def ship_served(source: Source, writer: Workspace, place: Path, dtype: AdapterType) -> None:
    """`base` with the rows written in, `adapter` with the LoRA alone, and the lines for vLLM."""
    host = source.load()
    if (reason := model_refusal(host.facts.architecture, source.spelling.rows_after)) is not None:
        raise ExportError(f"{reason} Serve the merged model instead (--to merged).")
    tokenizer, dtype_of_base = source.tokenizer_of(host), stored_dtype(host.facts.dtype)
    types, shard = _types(dtype, host), base_shard_bytes(host)
    rows, lora = _apart(source.taught)
    with source.progress.stage("Writing the rows into the base", None):
        model = source.merged(host, rows)
    needs = checkpoint_bytes(model, dtype_of_base) + _bytes(lora, torch.float32)
    with writer.writing_folder(place, needs=needs) as folder:
        base, beside = folder / "base", folder / "adapter"
        base.mkdir()
        beside.mkdir()
        with source.progress.stage("Writing the base", None):
            save_merged(model, tokenizer, base, dtype_of_base, shard)
            written = _written_model(base, model, tokenizer, source, dtype_of_base)
        with source.progress.stage("Merging what was taught", None):
            fold_lora(model, lora)
            stored = _in_type(model, tokenizer, source, lora, types, stored_base=dtype_of_base)
            digests = save_adapter(
                model, stored.taught, None, beside, base="../base", dtype=stored.dtype
            )
        expected = stored.sample
        _write_served_card(source, folder, str(host.facts.architecture), stored.words)
        del model, host
        written = replace(
            written,
            adapter=beside,
            tensors={beside / WEIGHTS: digests},
            types={**written.types, beside / WEIGHTS: dtype_name(stored.dtype)},
        )
        require_equal_elsewhere(
            expected,
            written,
            what="The base with its LoRA",
            tolerance=TOLERANCE,
            progress=source.progress,
        )


def _write_served_card(source: Source, folder: Path, architecture: str, stored: str) -> None:
    """The card, once the adapter's files keep vLLM's rules."""
    rank = max_lora_rank(source.taught.rank) or 0
    if problems := vllm_problems(folder / "adapter", architecture, rank):
        raise ExportError(
            f"vLLM would refuse the adapter: {'; '.join(problems[:3])}. "
            "Serve the merged model instead (--to merged)."
        )
    card = served_card(source.base, source.taught, max_rank=rank, stored=stored)
    write_card(folder, card)


def _apart(taught: Taught) -> tuple[Taught, Taught]:
    """The rows of `taught` alone, and its LoRA alone."""
    rows = replace(taught, lora={}, rank=0, alpha=0.0, target_modules=())
    lora = replace(taught, new_ids=(), old_ids=(), input_rows=None, output_rows=None)
    return rows, lora


@dataclass(frozen=True)
class _Stored:
    """What will stand in an adapter's file, and what the model does with it."""

    taught: Taught
    dtype: torch.dtype
    sample: Sample
    change: float
    """By how much of their size the logits are typically not those of the run."""

    @property
    def words(self) -> str:
        """For a card: the type, and what it costs."""
        if self.change < 1e-5:
            return dtype_name(self.dtype)
        change = f"which changes the logits by {self.change:.2g} of their size"
        return f"{dtype_name(self.dtype)} ({change})"


def _types(dtype: AdapterType, host: Host) -> list[torch.dtype]:
    """The types to try, in their order."""
    if dtype != "auto":
        return [getattr(torch, dtype)]
    return list(dict.fromkeys((stored_dtype(host.facts.dtype), torch.float32)))


def _in_type(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    source: Source,
    taught: Taught,
    types: Sequence[torch.dtype],
    *,
    stored_base: torch.dtype = torch.float32,
) -> _Stored:
    """`taught` as it is after storing in the first of `types` that changes little enough.

    `model` has `taught` merged into it; afterwards it has the rounded one, and the weights under
    it as `stored_base` holds them. Raises ExportError where none fits.
    """
    exact = observe(model, tokenizer, source.spelling)
    merged, errors = taught, []
    for stored in types:
        kept = rounded(taught, stored)
        fold_lora(model, merged, -1.0)
        round_weights(model, stored_base)
        fold_lora(model, kept)
        write_rows(model, kept)
        merged = kept
        found = observe(model, tokenizer, source.spelling, continued=_CONTINUED)
        error = distance(exact, found)
        if error <= ROUNDING:
            return _Stored(kept, stored, found, error)
        errors.append(
            f"Stored in {dtype_name(stored)} the adapter would change the logits by {error:.2g} of "
            f"their size, and {ROUNDING:g} is allowed."
        )
        source.progress.say(errors[-1])
    raise ExportError(
        f"{errors[-1]} Use --dtype float32, or export the merged model (--to merged)."
    )


def _loaded_by(host: Host) -> tuple[str, dict[str, str]]:
    """What plain transformers is given to load the untouched base: a name and options."""
    if host.path is None:
        revision = host.facts.revision
        return host.facts.source, {} if revision is None else {"revision": revision}
    if host.path.is_file():
        return str(host.path.parent), {"gguf_file": host.path.name}
    return str(host.path), {}


def _bytes(taught: Taught, dtype: torch.dtype) -> int:
    rows = [rows for rows in (taught.input_rows, taught.output_rows) if rows is not None]
    numbers = sum(value.numel() for value in (*taught.lora.values(), *rows))
    return dtype.itemsize * numbers + _READING
