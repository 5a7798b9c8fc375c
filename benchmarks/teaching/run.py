"""Teaching: ours, the usual recipe, ours without each part, and the permuted control.

    python benchmarks/teaching/run.py
    python benchmarks/teaching/run.py --only "subword ours"

Each cell is taught and judged in a process of its own and leaves a file in cells/; what is there is
not done again, so that a run which was stopped goes on. Then the table is written into README.md
and drawn as results.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from cells import LEFT_OUT, OTHERWISE, Cell, cells_of
from table import show

HERE = Path(__file__).resolve().parent
CELLS = HERE / "cells"


# --- one cell ---


def lexicon_of(cell: Cell) -> Any:
    """The first terms of the cell's lexicon, contrasts within them."""
    from lexigraft.lexicon import read_lexicon

    suffix = ".jsonl" if cell.lexicon == "wordnet" else ".yaml"
    lexicon = read_lexicon(HERE / f"{cell.lexicon}{suffix}")
    terms = lexicon.terms[: cell.terms]
    names = {term.term for term in terms}
    kept = (
        t.model_copy(update={"contrast": tuple(c for c in t.contrast if c.term in names)})
        for t in terms
    )
    return lexicon.model_copy(update={"terms": tuple(kept)})


def permuted(lexicon: Any) -> Any:
    """Every term with the definition of the one three places on, and nothing else to learn from."""
    terms = lexicon.terms
    moved = [*terms[3:], *terms[:3]]
    bare = {"examples": (), "contrast": (), "like": ()}
    changed = (
        a.model_copy(update={"definition": b.definition, "related": b.related, **bare})
        for a, b in zip(terms, moved, strict=True)
    )
    return lexicon.model_copy(update={"terms": tuple(changed)})


def recipe_of(cell: Cell) -> Any:
    """The defaults, without what the cell leaves out, or with what it does otherwise."""
    from lexigraft.recipe import Recipe

    more = {**LEFT_OUT, **OTHERWISE}.get(cell.method, {})
    return Recipe.model_validate({"route": cell.route, "tune": cell.tune, **more})


def digest_of(cell: Cell) -> str | None:
    """What the cell's result depends on besides the code; None for the usual recipe."""
    return None if cell.method == "usual" else str(recipe_of(cell).digest())


def is_current(cell: Cell) -> bool:
    """Whether the cell has been measured, with the settings that are the defaults now."""
    path = _file(cell)
    return path.is_file() and json.loads(path.read_text("utf-8")).get("recipe") == digest_of(cell)


def _file(cell: Cell) -> Path:
    return CELLS / f"{cell.name}.json"


def ours(cell: Cell, model: str, lexicon: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Taught by the product, stage by stage; what it took, without diagnosis and verdict."""
    from lexigraft.teach import teach

    run = teach(model, lexicon, folder, recipe=recipe_of(cell), seed=cell.seed)
    stages = {name: stage.seconds for name, stage in run.record.stages.items()}
    taught = sum(s for n, s in stages.items() if n in ("spelling", "rows", "texts", "training"))
    return run, {"seconds": round(taught, 1), "stages": stages}


def measure(cell: Cell, model: str) -> dict[str, Any]:
    """The whole cell: taught, then judged beside floor and ceiling."""
    from lexigraft.checks.results import Verdict

    lexicon = lexicon_of(cell)
    if cell.method == "usual":
        return measure_usual(cell, model, lexicon)
    with tempfile.TemporaryDirectory() as folder:
        given = permuted(lexicon) if cell.method == "permuted" else lexicon
        run, cost = ours(cell, model, given, Path(folder) / "run")
        cost["peak_mb"] = _peak()  # its verdict included, which needs three models at once
        found = {**cost, **_values(Verdict.model_validate(run.read_json(run.verdict)))}
        if cell.method == "permuted":
            found = {"permuted": found, **_values(_judged_by(lexicon, model, run))}
        return found


def measure_usual(cell: Cell, model: str, lexicon: Any) -> dict[str, Any]:
    """The usual recipe, in the time that ours took."""
    from usual import teach_usually

    from lexigraft.checks.judged import Judged
    from lexigraft.host import load_host
    from lexigraft.spelling import spell
    from lexigraft.verdict import judge

    routes: Any = {term.term: cell.route for term in lexicon}
    host = load_host(model)
    spelling, tokenizer = spell(
        lexicon,
        routes,
        host.tokenizer,
        rows=host.facts.rows,
        model_type=host.facts.model_type,
    )
    seconds = _seconds_of_ours(cell)
    began = time.monotonic()
    taught = teach_usually(
        host, lexicon, spelling, tokenizer, tune=cell.tune, seconds=seconds, seed=cell.seed
    )
    cost = {"seconds": round(time.monotonic() - began, 1)}
    verdict = judge(
        lexicon,
        Judged(host.model, host.tokenizer),
        Judged(taught, tokenizer, spelling),
        model=model,
        seed=cell.seed,
    )
    return {**cost, "peak_mb": _peak(), **_values(verdict)}


def _judged_by(lexicon: Any, model: str, run: Any) -> Any:
    """The taught model of `run` by the definitions of `lexicon`."""
    from lexigraft.checks.judged import Judged
    from lexigraft.host import load_host
    from lexigraft.spelling import Spelling
    from lexigraft.verdict import judge

    spelling = Spelling.model_validate(run.read_json(run.spelling / "spelling.json"))
    base, taught = load_host(model), load_host(run.model)
    return judge(
        lexicon,
        Judged(base.model, base.tokenizer),
        Judged(taught.model, taught.tokenizer, spelling),
        model=model,
        seed=run.record.seed,
        checks=("definition",),
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _seconds_of_ours(cell: Cell) -> float | None:
    """The time that ours took in the same cell; None where it has not been measured."""
    own = _file(Cell(cell.lexicon, cell.terms, cell.way, "ours", cell.seed))
    return float(json.loads(own.read_text("utf-8"))["seconds"]) if own.is_file() else None


def _values(verdict: Any) -> dict[str, Any]:
    checks = {}
    for name, summary in verdict.checks.items():
        terms = {
            t.term: [t.scores[name].floor, t.scores[name].taught, t.scores[name].ceiling]
            for t in verdict.terms
            if name in t.scores
        }
        keep = {"chance", "floor", "taught", "ceiling", "gap_closed", "measurable"}
        checks[name] = {**summary.model_dump(include=keep), "terms": terms}
    return {
        "checks": checks,
        "knows": verdict.knows(),
        "terms": len(verdict.terms),
        "drift": None if verdict.drift is None else verdict.drift.mean_kl,
        "hard_negatives": None if verdict.drift is None else verdict.drift.hard_negative_kl,
        "leakage": None if verdict.leakage is None else verdict.leakage.emissions_per_10k,
        "selectivity": None if verdict.selectivity is None else verdict.selectivity.taught,
        "said": None if verdict.said is None else verdict.said.model_dump(),
        "judging_seconds": verdict.seconds,
    }


# --- all of them ---


def main() -> None:
    """Reads the arguments; runs every cell that is missing; writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--size", choices=("trial", "default", "whole"), default="default")
    parser.add_argument("--only", default="", help="cells whose name holds all of these words")
    parser.add_argument("--list", action="store_true", help="say what is done and what is missing")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument(
        "--jobs", type=int, default=1, help="cells at a time, on a part of the cores each"
    )
    parser.add_argument("--cell", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    CELLS.mkdir(exist_ok=True)
    if options.cell:
        _one(Cell(*options.cell), options.model)
        return
    words = options.only.replace(" ", "_").split("_")
    cells = [c for c in cells_of(options.size) if all(w in c.name for w in words)]
    if not cells:
        sys.exit(f"No cell of size {options.size} has {options.only!r} in its name; see --list.")
    missing = []
    for number, cell in enumerate(cells, start=1):
        done = is_current(cell) and not options.again
        older = " (there is one of earlier defaults)" if _file(cell).is_file() else ""
        state = "done" if done else f"missing{older}"
        print(f"{number}/{len(cells)} {cell.name}: {state}", flush=True)
        missing += [] if done else [cell]
    if not options.list:
        with ThreadPoolExecutor(options.jobs) as pool:
            for _ in pool.map(partial(_in_process, options=options), missing):
                show(HERE, is_current)
    show(HERE, is_current)


def _in_process(cell: Cell, options: argparse.Namespace) -> None:
    """Measures a cell in a process of its own, on its share of the cores."""
    fields = [cell.lexicon, cell.terms, cell.way, cell.method, cell.seed]
    command = [sys.executable, __file__, "--model", options.model, "--cell", json.dumps(fields)]
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _machine() -> dict[str, Any]:
    """What decides how long a cell takes. `load`: cores that other work has, as the cell begins;
    other cells among it.

    Not the system's load average: it still counts the cell before.
    """
    from lexigraft.likelihood import has_bfloat16_units

    load = round(psutil.cpu_percent(interval=3) / 100 * (os.cpu_count() or 1), 1)
    cores = {"cores": os.cpu_count(), "threads": torch.get_num_threads()}
    return {**cores, "bfloat16": has_bfloat16_units(), "load": load}


def _one(cell: Cell, model: str) -> None:
    began = time.monotonic()
    machine = _machine()
    found = measure(cell, model)
    cell_fields = {**vars(cell), "model": model}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    path = _file(cell)
    partial = path.with_suffix(".partial")
    kept = {"cell": cell_fields, "recipe": digest_of(cell), **found}
    kept |= {"machine": machine, "versions": versions}
    text = json.dumps(kept, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.rename(path)
    short = {n: round(c["taught"], 2) for n, c in found["checks"].items()}
    took = round(time.monotonic() - began)
    print(
        f"  {cell.name}: {short} drift {found['drift']} leakage {found['leakage']} ({took} s)",
        flush=True,
    )


if __name__ == "__main__":
    main()
