"""`lexigraft pack`: a finished run as one small file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lexigraft.checks.results import Verdict
from lexigraft.errors import ExportError, PackError, RunError
from lexigraft.export import dtype_name, merged_model, stored_dtype
from lexigraft.host import Host
from lexigraft.lexicon import plain_lexicon, read_lexicon
from lexigraft.pack.format import SUFFIX, deflated, packed_bytes, plain_json
from lexigraft.pack.identity import identity_of
from lexigraft.pack.reading import pack_from_bytes
from lexigraft.pack.tensors import stored_matrix, stored_rows, taught_alone
from lexigraft.pack.values import LoraShape, Manifest, Pack, RowsShape, Verification
from lexigraft.progress import Progress, Silent
from lexigraft.recipe import read_recipe
from lexigraft.run_base import base_of_run
from lexigraft.spelling.values import Spelling
from lexigraft.training.values import PEFT_PREFIX, Taught, load_taught
from lexigraft.workspace import Workspace

__all__ = ["pack", "pack_of_run"]

_SILENT = Silent()


def pack(
    run: str | Path,
    output: str | Path,
    *,
    licence: str | None = None,
    author: str | None = None,
    progress: Progress = _SILENT,
) -> Path:
    """Writes what `run` taught as one file that others install on the same base.

    The file is read back as a stranger would read it, put on the base, and every weight is
    compared with the run's own merged model before it takes its place.

    Args:
        run: the folder of a finished run: taught, merged and verified.
        output: a new file whose name ends in `.lexpack`.
        licence: of the pack: a line of text, best an SPDX name.
        author: who is to be named for it.
        progress: is told the steps.

    Returns:
        the file.

    Raises:
        RunError: no such run, it is not finished, or `output` is there already.
        ModelError: the base cannot be loaded.
        PackError: what the run taught cannot be a pack, or something in it may not stand in one.
        ExportError: what was written does not give the run's merged model.
    """
    place = Path(output).expanduser()
    if place.suffix != SUFFIX:
        raise PackError(f"{place} does not end in {SUFFIX}. Name it {place.stem}{SUFFIX}.")
    if place.exists() or place.is_symlink():
        raise RunError(f"{place} is there already and is kept. Name a new file.")
    made = pack_of_run(run, place.name, licence=licence, author=author, progress=progress)
    writer = Workspace(place.absolute().parent)
    with writer.writing_file(place, needs=made.size) as partial:
        partial.write_bytes(b"".join(made.parts))
    return place


def pack_of_run(
    run: str | Path,
    name: str,
    *,
    licence: str | None = None,
    author: str | None = None,
    progress: Progress = _SILENT,
) -> Pack:
    """`run`'s pack, as it is read back from its bytes; nothing is written.

    `name` is what messages call it. Raises as `pack`.
    """
    space = Workspace.open(run, create=False)
    taught = load_taught(space.training / "taught.safetensors")
    spelling = Spelling.model_validate(space.read_json(space.spelling / "spelling.json"))
    _require_possible(taught, spelling, space)
    with progress.stage("Loading the base", None):
        host = base_of_run(space, progress)
    manifest = _manifest(space, host, taught, licence, author)
    tensors = {
        "lexicon": deflated(plain_json(plain_lexicon(read_lexicon(space.lexicon))).encode()),
        "spelling": deflated(plain_json(spelling.model_dump(mode="json")).encode()),
        "verdict": deflated(_verdict(space, manifest.base.name).model_dump_json().encode()),
    }
    sides = {"input": taught.input_rows, "output": taught.output_rows}
    dtype = stored_dtype(host.facts.dtype)
    for side, rows in sides.items():
        if rows is not None and spelling.new_tokens:
            tensors[f"rows.{side}"] = stored_rows(rows, dtype)
    tensors |= {f"lora.{key}": stored_matrix(weight) for key, weight in taught.lora.items()}
    data = packed_bytes(plain_json(manifest.model_dump(mode="json")), tensors)
    read = pack_from_bytes(data, name)
    with progress.stage("Comparing the pack with the run's model", None):
        _require_equal(read, host, space)
    return read


def _require_possible(taught: Taught, spelling: Spelling, space: Workspace) -> None:
    if taught.weights:
        raise PackError(
            f"{space.root} moved all weights of the model (tune: full), and a pack holds rows and "
            "a LoRA. Share the whole model (`lexigraft export RUN --to merged`), or teach again "
            "without --tune full."
        )
    if taught.old_ids:
        raise PackError(
            f"{space.root} corrected terms of an earlier run (--replace), so it moved rows that "
            "are the base's own, and a pack adds rows only. Share the whole model (`lexigraft "
            "export RUN --to merged`), or teach the corrected lexicon to the first base."
        )
    if spelling.padding:
        raise PackError(
            f"{space.root} grew the matrix by {spelling.padding} rows that stand for no token "
            "(rows.multiple), and a pack adds rows of tokens alone. Share the whole model "
            "(`lexigraft export RUN --to merged`), or teach again with `rows: {multiple: 1}`."
        )
    if not taught.lora and not taught.new_ids:
        raise PackError(f"{space.root} taught neither rows nor a LoRA: there is nothing to pack.")
    for path, what in ((space.verdict, "verify"), (space.model, "export … --to merged")):
        if not path.exists():
            raise RunError(
                f"{space.root} has no {path.name} yet. Finish it with `lexigraft teach … "
                f"--resume`, or by `lexigraft {what}`, then pack it."
            )


def _manifest(
    space: Workspace, host: Host, taught: Taught, licence: str | None, author: str | None
) -> Manifest:
    recipe = read_recipe(space.recipe)
    base = identity_of(host)
    dtype = dtype_name(stored_dtype(host.facts.dtype))
    rows = None
    if taught.new_ids:
        output = taught.output_rows is not None
        rows = RowsShape(
            count=len(taught.new_ids),
            width=base.hidden_size,
            dtype=dtype,  # type: ignore[arg-type]
            output=output,
        )
    lora = None
    if taught.lora:
        lora = LoraShape(
            rank=taught.rank, alpha=float(taught.alpha), target_modules=taught.target_modules
        )
    return Manifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        lexigraft=version("lexigraft"),
        licence=licence,
        author=author,
        base=base,
        rows=rows,
        lora=lora,
        verification=Verification(
            controls=recipe.verify.controls,
            drift_limit=float(recipe.limits.drift_limit),
            leakage_limit=float(recipe.limits.leakage_limit),
        ),
    )


def _verdict(space: Workspace, base: str) -> Verdict:
    """The run's verdict without its single questions, which are most of it, and without paths."""
    plain = space.read_json(space.verdict)
    verdict = Verdict.model_validate(plain)
    terms = tuple(
        term.model_copy(
            update={
                "scores": {
                    check: score.model_copy(update={"items": ()})
                    for check, score in term.scores.items()
                }
            }
        )
        for term in verdict.terms
    )
    changes = {"terms": terms, "model": base, "taught": space.root.resolve().name, "kept": None}
    return verdict.model_copy(update=changes)


# --- the comparison ---


@torch.no_grad()
def _require_equal(read: Pack, host: Host, space: Workspace) -> None:
    """Puts the pack on the base (which is used up) and compares with the run's merged model."""
    model = merged_model(host, taught_alone(read), read.spelling.rows_after)
    left = {key for key, _ in model.named_parameters()}
    weights = model.state_dict()
    touched = {key.split(".lora_")[0].removeprefix(PEFT_PREFIX) for key in read.lora}
    for key, wanted in _stored_weights(space.model):
        left.discard(key)
        if key not in weights or not _same(
            weights[key], wanted, summed=key.removesuffix(".weight") in touched
        ):
            raise _not_equal(space, f"{key} differs")
    if left:
        raise _not_equal(space, f"{min(left)} is missing there")


def _same(found: Tensor, wanted: Tensor, *, summed: bool) -> bool:
    """Bit for bit; where a LoRA was added, another machine may have summed in another order."""
    cast = found.to(wanted.dtype)
    if torch.equal(cast, wanted):
        return True
    if not summed or cast.shape != wanted.shape:
        return False
    step = torch.finfo(wanted.dtype).eps
    return torch.allclose(cast.float(), wanted.float(), rtol=2 * step, atol=step / 16)


def _not_equal(space: Workspace, why: str) -> ExportError:
    return ExportError(
        f"The pack does not give the model of {space.root}: {why}. Nothing was written. If the "
        "run's model was changed by hand, export it anew (`lexigraft export RUN --to merged`)."
    )


def _stored_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Each tensor of a checkpoint's files. Raises RunError for a damaged one."""
    try:
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 -- safe_open is no mapping
                    yield key, file.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{folder} is damaged ({error}). Export the run anew.") from error
