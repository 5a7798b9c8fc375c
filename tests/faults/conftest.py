"""Real processes that run lexigraft, started in no time, and what a whole run looks like.

Importing torch takes seconds. So one process imports everything once, and a copy of it (a fork) is
made for every command: it has threads, files and a memory of its own, and can be killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

# Imports, and then copies itself for each order that it reads.
NURSERY = """
import importlib, json, os, sys, traceback
import torch
torch.set_num_threads(1)
for name in ("cli", "teach", "console", "plan", "compare"):
    importlib.import_module("lexigraft." + name)
importlib.import_module("lexigraft.host").load_host(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    code = 70
    try:
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.argv = ["lexigraft", *order["arguments"]]
        exec(order["code"], {"__name__": "child"})
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
"""
COMMAND = "from lexigraft.cli import main\nmain()\n"
LEXICON = """\
name: tiny
terms:
  - term: zorblax
    definition: a machine that makes rain
    route: token
    tests: [The zorblax stands on the hill and makes rain.]
  - term: velkin
    definition: a basket for apples
    route: subword
    examples: [She carries the velkin up the hill.]
    tests: [There were nine apples in the velkin.]
"""
RECIPE = """\
texts: {written: 1, held_out: 1, replay: 4}
training: {rank: 2, alpha: 4.0, epochs: 1, batch_tokens: 192, evaluate_every: 3,
  checkpoint_seconds: 0, dtype: float32, top_k: 8}
verify: {controls: 1}
"""


@dataclass
class Child:
    """A running command."""

    nursery: Nursery
    pid: int
    said: Path

    def kill(self) -> None:
        """`kill -9`, whatever it is at."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        """Its exit code, -9 for a killed one, and what it printed."""
        code = int(self.nursery.ask({"wait": self.pid}))
        return code, self.said.read_text(encoding="utf-8", errors="replace")


class Nursery:
    """The process that has everything imported."""

    def __init__(self, folder: Path, host: Path) -> None:
        self.folder, self.count = folder, 0
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(names, "1"), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, order: dict[str, Any]) -> str:
        """What the nursery says to `order`: one line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def start(self, *arguments: object, code: str = COMMAND) -> Child:
        """Begins `lexigraft ARGUMENTS`, or other Python `code` with these arguments."""
        self.count += 1
        said = self.folder / f"said-{self.count}.txt"
        order = {"arguments": [*map(str, arguments)], "said": str(said), "code": code}
        return Child(self, int(self.ask(order)), said)

    def run(self, *arguments: object, code: str = COMMAND) -> tuple[int, str]:
        """The same to its end: exit code and what was printed."""
        return self.start(*arguments, code=code).wait()

    def close(self) -> None:
        """Ends the process. Its children have been waited for by the tests."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def nursery(
    tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    """A process to start commands from. Skipped where processes cannot be copied or killed."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        pytest.skip("the platform copies no processes that have loaded torch")
    started = Nursery(tmp_path_factory.mktemp("said"), tiny_folders["byte-tied"])
    yield started
    started.close()


@dataclass(frozen=True)
class Small:
    """A small run: its files, its arguments, and how it ends when nothing breaks."""

    host: Path
    folder: Path

    STAGES: ClassVar[tuple[str, ...]] = (
        "diagnosis", "spelling", "rows", "texts", "training", "model", "adapter", "verdict",
        "report",
    )  # fmt: skip

    def teach(self, output: Path, *more: object) -> Sequence[object]:
        """The command line that teaches into `output`."""
        words, recipe = self.folder / "words.yaml", self.folder / "recipe.yaml"
        given = ("--model", self.host, "--recipe", recipe, "--output", output)
        return ("teach", words, *given, *more)

    @property
    def whole(self) -> Path:
        """The unbroken run. Read only."""
        return self.folder / "whole"

    def record(self, run: Path) -> dict[str, Any]:
        """run.json; empty where there is none yet."""
        path = run / "run.json"
        found: dict[str, Any] = {}
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
        return found

    def stage_of(self, run: Path) -> str:
        """The stage that the run is in: "loading" before it is recorded, "done" after its end."""
        record = self.record(run)
        if not record:
            return "loading"
        left = [stage for stage in self.STAGES if stage not in record["stages"]]
        return left[0] if left else "done"

    def verdict(self, run: Path) -> dict[str, Any]:
        """The verdict but for the time that it took."""
        found = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
        named = found["taught"] == f"{run.name}/model"
        drop = {"taught"} if named else set()
        return {k: v for k, v in found.items() if not k.startswith("seconds") and k not in drop}

    def log(self, run: Path) -> list[dict[str, Any]]:
        """The lines of the training's log that are whole, but for the times."""
        path = run / "training" / "log.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
        return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines if x]

    def require_same(self, run: Path) -> None:
        """That `run` has come to the end of the unbroken one, bit for bit, times apart."""
        assert self.stage_of(run) == "done"
        for name in (
            "texts.jsonl",
            "rows.safetensors",
            "training/taught.safetensors",
            "model/model.safetensors",
        ):
            assert (run / name).read_bytes() == (self.whole / name).read_bytes(), name
        assert self.verdict(run) == self.verdict(self.whole)
        assert {x["step"]: x for x in self.log(run)} == {x["step"]: x for x in self.log(self.whole)}
        kept = {p.relative_to(self.whole) for p in self.whole.rglob("*")}
        assert {p.relative_to(run) for p in run.rglob("*")} == kept


@pytest.fixture(scope="session")
def small(
    nursery: Nursery, tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Small:
    """A run of two terms on a tiny host, done once without a fault."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "words.yaml").write_text(LEXICON, encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    made = Small(tiny_folders["byte-tied"], folder)
    code, said = nursery.run(*made.teach(made.whole))
    assert code == 0, said
    return made


@pytest.fixture
def copied(small: Small, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the finished run, to be damaged."""
    import shutil

    return lambda: Path(shutil.copytree(small.whole, tmp_path / "run"))
