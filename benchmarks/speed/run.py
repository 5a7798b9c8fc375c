"""How fast teaching is, as ratios in one run against PEFT under transformers' Trainer.

    python benchmarks/speed/run.py rows                 a step that moves rows alone, 4 layers
    python benchmarks/speed/run.py rows --layers 28     the same on the whole shape of Qwen3-0.6B
    python benchmarks/speed/run.py teach                to the same cloze on the embedded base
    python benchmarks/speed/run.py terms                time and memory against the number of terms

Each side runs in a process of its own, one after the other on the same texts. Results are added to
results.json, and the tables of README.md are written anew from it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from show import show

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
TERMS = (12, 100, 1000, 5000)


def side(script: str, **given: Any) -> dict[str, Any]:
    """What one side measured, in a process of its own."""
    command = [sys.executable, str(HERE / f"{script}.py"), json.dumps(given)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {script} {given}: {found}", flush=True)
    return found


def machine() -> dict[str, Any]:
    """What decides the seconds, and little of the ratios."""
    import torch

    from lexigraft.likelihood import has_bfloat16_units

    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bfloat16": has_bfloat16_units(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def keep(name: str, found: Any) -> None:
    """Adds a result to the file, in place of an earlier one of that name."""
    every = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    every[name] = {"machine": machine(), "found": found}
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.rename(RESULTS)
    show(HERE, every)


def rows(options: argparse.Namespace) -> None:
    """A pass over the same texts by each side, rows alone."""
    given = {"layers": options.layers, "epochs": options.epochs}
    found = {"ours": side("rows_ours", **given)}
    for dtype in ("float32", "bfloat16"):
        found[f"usual, {dtype}"] = side("rows_usual", dtype=dtype, **given)
    keep(f"rows, {options.layers} layers", found)


def teach(options: argparse.Namespace) -> None:
    """Ours to its end; the usual way on the same texts until it has the same cloze."""
    ours = side("teach_ours", route=options.route)
    usual = side("teach_usual", cloze=ours["cloze"], most=options.most * ours["seconds"], **ours)
    keep(f"teach, {options.route}", {"ours": ours, "usual": usual})


def terms(options: argparse.Namespace) -> None:
    """Lessons and one pass of training, rows alone, for ever more terms."""
    found = {}
    for count in TERMS:
        if count <= options.largest:
            found[str(count)] = side("terms_ours", terms=count)
    keep("terms", found)


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("rows", "teach", "terms", "show"))
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--route", default="subword", choices=("subword", "token"))
    parser.add_argument("--most", type=float, default=4.0, help="times our seconds, for the usual")
    parser.add_argument("--largest", type=int, default=TERMS[-1], help="number of terms")
    options = parser.parse_args()
    if options.what == "show":
        show(HERE, json.loads(RESULTS.read_text("utf-8")))
    else:
        {"rows": rows, "teach": teach, "terms": terms}[options.what](options)


if __name__ == "__main__":
    main()
