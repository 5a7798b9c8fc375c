"""From the untouched host to the taught model: rows written, LoRA folded in, nothing else moved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from lexigraft.errors import ExportError
from lexigraft.host import Host
from lexigraft.rows import grow_rows
from lexigraft.training.values import PEFT_PREFIX, Taught

__all__ = [
    "fold_lora",
    "grow",
    "is_tied",
    "lora_pairs",
    "merged_model",
    "module_name",
    "round_weights",
    "rounded",
    "write_rows",
]


def merged_model(
    host: Host, taught: Taught, rows_after: int, *, padding: int = 0
) -> PreTrainedModel:
    """`host` with everything that teaching moved put into its weights.

    Changes `host.model` in place and returns it (a copy would double the memory): afterwards the
    host is no longer the untaught one. When it raises before the last check the model is as it was.

    In this order: the embedding matrices grow to `rows_after` rows where they have fewer (they
    never shrink: rows above the tokenizer's are spare, not waste), whole weights are replaced, new
    rows are written (input rows; output rows too where embeddings are not tied), and
    W ← W + (alpha / rank) · B · A for every LoRA pair, in float32. The last `padding` rows stand
    for no token, where rows come in multiples.

    Raises:
        ExportError: the tensors do not fit this host, are not finite, would write over a row that
            the host's own tokens use (but for `old_ids`, those of corrected terms), or old rows
            are not bit-identical afterwards.
    """
    model = host.model
    old = int(host.facts.rows or 0) - int(host.facts.spare_rows or 0)
    _require_float32(model)
    pairs = lora_pairs(model, taught)
    _require_fit(model, taught, rows_after, old, padding)
    before = _row_digests(model, old, taught.old_ids)
    grow(model, rows_after)
    _apply(model, taught, pairs)
    after = _row_digests(model, old, taught.old_ids)
    moved = [
        min(names)
        for names in _embedding_names(model)
        if not names & set(taught.weights) and before[names] != after[names]
    ]
    if moved:
        raise ExportError(
            f"Rows of the host's own tokens changed in {', '.join(moved)}, and only new rows may. "
            "This is a fault of lexigraft: nothing was written; please report it."
        )
    return model


@torch.no_grad()
def _apply(model: PreTrainedModel, taught: Taught, pairs: dict[str, tuple[Tensor, Tensor]]) -> None:
    tensors = _tensors(model)
    for name, value in taught.weights.items():
        tensors[name].copy_(value)
    write_rows(model, taught)
    for path, pair in pairs.items():
        _add(model, path, pair, taught.alpha / taught.rank)


@torch.no_grad()
def write_rows(model: PreTrainedModel, taught: Taught) -> None:
    """Writes the rows of `taught`, if it has any, into the matrices of `model`, in place."""
    ids = torch.tensor(taught.new_ids, dtype=torch.long)
    if taught.input_rows is not None:
        cast(Any, model.get_input_embeddings()).weight[ids] = taught.input_rows.float()
    if taught.output_rows is not None:
        cast(Any, model.get_output_embeddings()).weight[ids] = taught.output_rows.float()


@torch.no_grad()
def fold_lora(model: PreTrainedModel, taught: Taught, factor: float = 1.0) -> None:
    """W ← W + factor · (alpha / rank) · B · A, in float32 and in place; -1 takes it out again.

    Taken out, it leaves each weight within a rounding of float32 of what it was.
    """
    for path, pair in lora_pairs(model, taught).items():
        _add(model, path, pair, factor * taught.alpha / taught.rank)


def _add(model: PreTrainedModel, path: str, pair: tuple[Tensor, Tensor], scale: float) -> None:
    module = model.get_submodule(path)
    down, up = pair
    change = (up.float() @ down.float()) * scale
    weight = cast(Tensor, module.weight)
    weight += change.t() if isinstance(module, Conv1D) else change


def rounded(taught: Taught, dtype: torch.dtype) -> Taught:
    """`taught` as it is once its LoRA and rows have been stored in `dtype`; still float32."""

    def through(value: Tensor) -> Tensor:
        return value.to(dtype).float()

    return replace(
        taught,
        lora={name: through(value) for name, value in taught.lora.items()},
        input_rows=None if taught.input_rows is None else through(taught.input_rows),
        output_rows=None if taught.output_rows is None else through(taught.output_rows),
    )


@torch.no_grad()
def round_weights(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Rounds every weight of `model` to what `dtype` can hold, in place; it stays float32."""
    for value in _tensors(model).values() if dtype != torch.float32 else ():
        if value.is_floating_point():
            value.copy_(value.to(dtype))


def is_tied(model: PreTrainedModel) -> bool:
    """Whether input and output rows are one storage, whatever the config says."""
    head: Any = model.get_output_embeddings()
    inputs = cast(Any, model.get_input_embeddings()).weight
    return head is not None and bool(head.weight.data_ptr() == inputs.data_ptr())


def module_name(model: PreTrainedModel, module: object) -> str:
    """The path of `module` in `model`: 'model.embed_tokens', 'lm_head'."""
    for name, candidate in model.named_modules(remove_duplicate=False):
        if candidate is module:
            return str(name)
    raise ExportError(f"{type(model).__name__} names no {type(module).__name__} of its own.")


def grow(model: PreTrainedModel, rows: int) -> None:
    """Gives `model` at least `rows` rows, in place; see `grow_rows` for their values.

    Also makes the config tell the truth about ties: transformers ties or unties by it on the next
    resize and on every load.
    """
    tied = is_tied(model)
    for config in (model.config, model.config.get_text_config()):
        if bool(config.tie_word_embeddings) != tied:
            config.tie_word_embeddings = tied
    grow_rows(model, rows)
    if is_tied(model) != tied:
        raise ExportError("Growing the embedding matrix changed whether embeddings are tied.")


def lora_pairs(model: PreTrainedModel, taught: Taught) -> dict[str, tuple[Tensor, Tensor]]:
    """(A, B) by the path of the module that they change, every one checked against `model`.

    Raises ExportError for a name or shape that does not fit, half a pair, and a LoRA on an
    embedding, which with tied rows cannot be folded in rightly.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in taught.lora.items():
        path, _, half = name.removesuffix(".weight").rpartition(".")
        if not name.startswith(PEFT_PREFIX) or half not in ("lora_A", "lora_B"):
            raise ExportError(f"{name!r} is not the name of a LoRA matrix as PEFT writes it.")
        found.setdefault(path.removeprefix(PEFT_PREFIX), {})[half] = value
    if found and (taught.rank <= 0 or taught.alpha <= 0):
        raise ExportError(f"A LoRA of rank {taught.rank} and alpha {taught.alpha} has no scale.")
    pairs = {}
    for path, halves in found.items():
        if len(halves) != 2:
            raise ExportError(f"The LoRA of {path} has only {next(iter(halves))}.")
        pairs[path] = (halves["lora_A"], halves["lora_B"])
        _require_linear(model, path, *pairs[path], taught.rank)
    return pairs


def _require_linear(model: PreTrainedModel, path: str, down: Tensor, up: Tensor, rank: int) -> None:
    try:
        module = model.get_submodule(path)
    except AttributeError as error:
        raise ExportError(f"{type(model).__name__} has no module {path}.") from error
    embeddings = (model.get_input_embeddings(), model.get_output_embeddings())
    if module in embeddings or not isinstance(module, nn.Linear | Conv1D):
        raise ExportError(
            f"There is a LoRA on {path}, a {type(module).__name__}: only linear layers inside the "
            "model can take one. On tied embeddings it would be merged wrongly."
        )
    out, into = module.weight.shape
    if isinstance(module, Conv1D):
        out, into = into, out
    if down.shape != (rank, into) or up.shape != (out, rank):
        raise ExportError(
            f"The LoRA of {path} has shapes {tuple(down.shape)} and {tuple(up.shape)}; rank "
            f"{rank} on a weight of {out} × {into} needs {(rank, into)} and {(out, rank)}."
        )


def _require_float32(model: PreTrainedModel) -> None:
    if model.dtype != torch.float32:
        raise ExportError(f"The host must be loaded in float32 to be merged, not {model.dtype}.")


def _require_fit(
    model: PreTrainedModel, taught: Taught, rows_after: int, old: int, padding: int
) -> None:
    """Everything that can be told before a weight is touched, LoRA apart."""
    moved = {**taught.lora, **taught.weights}
    rows = {"input rows": taught.input_rows, "output rows": taught.output_rows}
    moved |= {name: value for name, value in rows.items() if value is not None}
    broken = [name for name, value in moved.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise ExportError(
            f"{', '.join(broken[:3])} holds values that are not finite: the training diverged. "
            "Teach again with a lower learning rate."
        )
    _require_rows_fit(model, taught, rows_after, old, padding)
    tensors = _tensors(model)
    grown = frozenset().union(*_embedding_names(model))
    for name, value in taught.weights.items():
        wanted = None if name not in tensors else list(tensors[name].shape)
        if wanted is not None and name in grown:
            wanted[0] = max(rows_after, wanted[0])
        if wanted != list(value.shape):
            has = "no weight of that name" if wanted is None else f"shape {tuple(wanted)}"
            raise ExportError(f"The taught {name} has shape {tuple(value.shape)}; the host {has}.")


def _require_rows_fit(
    model: PreTrainedModel, taught: Taught, rows_after: int, old: int, padding: int
) -> None:
    rows, dim = cast(Any, model.get_input_embeddings()).weight.shape
    last = max(rows, rows_after)
    tied, new = is_tied(model), set(taught.new_ids)
    corrected = set(taught.old_ids)
    if taken := sorted(i for i in new - corrected if not old <= i < last):
        raise ExportError(
            f"New rows were taught at {taken[:5]}, but the host's own tokens use the first {old} "
            f"of {last} rows. The taught rows belong to another model."
        )
    whole = all(names & set(taught.weights) for names in _embedding_names(model))
    top = last - padding
    if not whole and (bare := [index for index in range(rows, top) if index not in new]):
        raise ExportError(f"The matrix would grow by rows that nobody taught: {bare[:5]}.")
    wanted = {"input": bool(new) and not whole, "output": bool(new) and not whole and not tied}
    for side, given in (("input", taught.input_rows), ("output", taught.output_rows)):
        if given is None and wanted[side]:
            raise ExportError(f"{len(new)} new ids were taught without {side} rows.")
        if given is not None and given.shape != (len(taught.new_ids), dim):
            raise ExportError(
                f"The {side} rows have shape {tuple(given.shape)}; {len(taught.new_ids)} new ids "
                f"of a model {dim} wide need {(len(taught.new_ids), dim)}."
            )
    if tied and taught.output_rows is not None:
        raise ExportError("Output rows were taught apart, but this host's embeddings are tied.")


def _tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """Weights and buffers by name; a tied weight under each of its names."""
    return dict(model.state_dict(keep_vars=True))


def _embedding_names(model: PreTrainedModel) -> list[frozenset[str]]:
    """The names of each embedding matrix: one matrix with two names where they are tied."""
    names = [f"{module_name(model, model.get_input_embeddings())}.weight"]
    if model.get_output_embeddings() is not None:
        names.append(f"{module_name(model, model.get_output_embeddings())}.weight")
    return [frozenset(names)] if is_tied(model) else [frozenset((name,)) for name in names]


def _row_digests(
    model: PreTrainedModel, rows: int, without: Sequence[int] = ()
) -> dict[frozenset[str], str]:
    """SHA-256 of the first `rows` rows of each embedding matrix: a copy would cost its size.

    Rows `without` may move; those between and beside them count.
    """
    tensors = _tensors(model)
    edges = [-1, *sorted(without), rows]
    parts = [slice(left + 1, right) for left, right in pairwise(edges)]
    return {
        names: "".join(_digest(tensors[min(names)][part]) for part in parts)
        for names in _embedding_names(model)
    }


def _digest(rows: Float[Tensor, "rows dim"]) -> str:
    return str(hashlib.sha256(rows.detach().contiguous().numpy().data).hexdigest())
