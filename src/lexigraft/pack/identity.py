"""Which base a pack belongs to, and whether a model at hand is that base."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lexigraft.errors import PackError
from lexigraft.export.apply import is_tied
from lexigraft.host import Host, fingerprint
from lexigraft.pack.values import BaseIdentity

__all__ = ["differences", "identity_of", "matrices", "public_name", "require_base"]

_ROWS_AT_ONCE = 8192


def identity_of(host: Host) -> BaseIdentity:
    """Who `host` is. Raises PackError for a model that a pack cannot name."""
    facts = host.facts
    if facts.architecture is None or facts.rows is None or facts.hidden_size is None:
        raise PackError(f"{facts.source} has no weights, so nothing can be packed for it.")
    return BaseIdentity(
        name=public_name(facts.source),
        revision=facts.revision,
        architecture=facts.architecture,
        model_type=facts.model_type,
        hidden_size=facts.hidden_size,
        layers=facts.layers,
        rows=facts.rows,
        vocabulary=facts.vocabulary,
        tied=is_tied(host.model),
        dtype=facts.dtype or "float32",
        tokenizer=fingerprint(host.tokenizer),
        embeddings=_embeddings(host),
        fingerprint=facts.fingerprint,
    )


def public_name(model: str) -> str:
    """What to call `model` in a file that others get: no folder of this machine."""
    if not Path(model).expanduser().exists():
        return model  # a hub id, or the embedded base's name
    place = Path(model).expanduser().resolve()
    # The model of a run is RUN/model: the run's name says more.
    return place.parent.name if place.name == "model" else place.name


def matrices(host: Host) -> dict[str, Tensor]:
    """The embedding matrices by side: `input`, and `output` where that is another one."""
    found = {"input": cast(Any, host.model.get_input_embeddings()).weight}
    if host.model.get_output_embeddings() is not None and not is_tied(host.model):
        found["output"] = cast(Any, host.model.get_output_embeddings()).weight
    return found


def _embeddings(host: Host) -> str:
    """SHA-256 over all input rows, then the output rows where they are others, as bfloat16."""
    digest = hashlib.sha256()
    for matrix in matrices(host).values():
        digest.update(f"{tuple(matrix.shape)}".encode())
        for start in range(0, len(matrix), _ROWS_AT_ONCE):
            digest.update(_bits(matrix[start : start + _ROWS_AT_ONCE]))
    return digest.hexdigest()


def _bits(rows: Tensor) -> bytes:
    cast_rows = rows.detach().to("cpu", torch.bfloat16).contiguous()
    return cast_rows.view(torch.int16).numpy().astype("<i2").tobytes()


def differences(wanted: BaseIdentity, found: BaseIdentity) -> list[str]:
    """What of `found` is not as in `wanted`, a few words each; empty for the same base.

    The name does not count, nor the type in which a checkpoint is stored.
    """
    shape = [
        f"{what} {getattr(found, field)} instead of {getattr(wanted, field)}"
        for field, what in (
            ("architecture", "the architecture"),
            ("hidden_size", "a width of"),
            ("layers", "layers:"),
            ("rows", "rows:"),
            ("vocabulary", "tokens:"),
            ("model_type", "the type"),
            ("tied", "tied embeddings:"),
        )
        if getattr(found, field) != getattr(wanted, field)
    ]
    if found.tokenizer != wanted.tokenizer:
        shape.append("another tokenizer")
    if found.embeddings != wanted.embeddings:
        shape.append("another embedding matrix")
    if not shape and found.fingerprint != wanted.fingerprint:
        shape.append("other weights inside (the same tokenizer and embeddings)")
    return shape


def require_base(wanted: BaseIdentity, found: BaseIdentity, pack: str) -> None:
    """Raises PackError, naming every difference, unless `found` is the base of the pack `pack`."""
    if changes := differences(wanted, found):
        raise PackError(
            f"{pack} was taught on {wanted.name}, and {found.name} is another model: it has "
            f"{'; '.join(changes)}.\nGive the base that it was taught on, or teach its lexicon to "
            "this one."
        )
