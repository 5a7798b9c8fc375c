"""One run by several processes: the same end as by one, and nothing lost with a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lexigraft.errors import RunError
from lexigraft.lexicon import Lexicon, Term, dump_lexicon
from lexigraft.processes import ALONE, current, launched_rank
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe, dump_recipe
from lexigraft.teach import teach

# Sums of float32 in another order move a weight by about 1e-7 a step, which AdamW makes larger
# where a gradient is next to nothing. Weights after some steps differ by less than this.
WEIGHTS = 2e-3
SCORES = 0.05

LEXICON = Lexicon(
    name="tiny",
    terms=(
        Term(
            term="zorblax",
            definition=("a machine that makes rain",),
            route="token",
            tests=("The zorblax stands on the hill and makes rain.",),
        ),
        Term(
            term="velkin",
            definition=("a basket for apples",),
            route="subword",
            examples=("She carries the velkin up the hill.",),
            tests=("There were nine apples in the velkin.",),
        ),
        Term(
            term="эйдос",
            definition=("форма вещи прежде вещи",),
            language="ru",
            kind="concept",
            route="marker",
        ),
    ),
)
RECIPE = Recipe(
    texts=TextsRecipe(written=2, held_out=1, replay=8),
    training=TrainingRecipe(
        rank=2,
        alpha=4.0,
        epochs=1,
        batch_tokens=256,
        evaluate_every=4,
        checkpoint_seconds=0,
        dtype="float32",
        top_k=8,
    ),
    verify=VerifyRecipe(controls=1),
)
# The second process ends at the third step of the training as if it had been killed.
LOSING_ONE = """
import os, signal, sys
from lexigraft.training import loop
update = loop._Run._update
def once(self, *given):
    if self.state.step == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, *given)
loop._Run._update = once
from lexigraft.__main__ import main
main()
"""


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    """Lexicon and recipe as files."""
    torch.set_num_threads(1)
    lexicon, recipe = tmp_path / "words.yaml", tmp_path / "recipe.yaml"
    lexicon.write_text(dump_lexicon(LEXICON), encoding="utf-8")
    recipe.write_text(dump_recipe(RECIPE), encoding="utf-8")
    return lexicon, recipe


def torchrun(*program: str) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*launcher, *program],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


def options(host: Path, given: tuple[Path, Path], output: Path) -> list[str]:
    lexicon, recipe = map(str, given)
    return ["teach", lexicon, "--model", str(host), "--recipe", recipe, "--output", str(output)]


def scores(run: Path) -> dict[str, Any]:
    found = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    flat: dict[str, Any] = {}

    def walk(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{place}.{name}", inner)
        elif isinstance(value, float):
            flat[place] = value

    walk("", {k: found[k] for k in ("checks", "drift", "leakage", "said")})
    return flat


def test_two_processes_come_to_the_end_of_one(
    tiny_folders: dict[str, Path], given: tuple[Path, Path], tmp_path: Path
) -> None:
    host, two = tiny_folders["byte-tied"], tmp_path / "two"
    one = teach(host, given[0], tmp_path / "one", recipe=RECIPE).root
    done = torchrun("-m", "lexigraft", *options(host, given, two))
    assert done.returncode == 0, done.stderr
    assert "".join(done.stdout.split()).count("report.html") == 1  # one of them speaks
    assert (two / "texts.jsonl").read_bytes() == (one / "texts.jsonl").read_bytes()
    steps = [len((r / "training" / "log.jsonl").read_text().splitlines()) for r in (one, two)]
    assert steps[0] == steps[1] > 3
    left, right = (load_file(r / "training" / "taught.safetensors") for r in (one, two))
    assert left.keys() == right.keys()
    apart = {name: float((left[name] - right[name]).abs().max()) for name in left}
    assert max(apart.values()) < WEIGHTS, apart
    expected, found = scores(one), scores(two)
    assert expected.keys() == found.keys()
    assert found == pytest.approx(expected, abs=SCORES)


def test_a_lost_process_ends_the_run_with_a_message_and_it_goes_on(
    tiny_folders: dict[str, Path], given: tuple[Path, Path], tmp_path: Path
) -> None:
    host, output, script = tiny_folders["byte-tied"], tmp_path / "run", tmp_path / "losing.py"
    script.write_text(LOSING_ONE, encoding="utf-8")
    done = torchrun(str(script), *options(host, given, output))
    assert done.returncode != 0
    assert "process of" in done.stderr, done.stderr
    assert "--resume" in done.stderr
    assert (
        'lexigraft/distributed.py", line' not in done.stderr
    )  # torchrun shows a traceback of its own
    assert (output / "training" / "checkpoint.safetensors").is_file()
    record = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert "training" not in record["stages"]
    teach(host, given[0], output, recipe=RECIPE, resume=True)
    unbroken = teach(host, given[0], tmp_path / "one", recipe=RECIPE).root
    assert scores(output) == pytest.approx(scores(unbroken), abs=SCORES)


def test_what_cannot_be_used_is_said_once(
    tiny_folders: dict[str, Path], given: tuple[Path, Path], tmp_path: Path
) -> None:
    given[0].write_text("terms: []\n", encoding="utf-8")
    done = torchrun("-m", "lexigraft", *options(tiny_folders["byte-tied"], given, tmp_path / "run"))
    assert done.returncode != 0
    assert done.stderr.count("problem") == 1, done.stderr
    assert not (tmp_path / "run").exists()


def test_one_process_where_several_may_have_been_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What `accelerate launch --cpu --num_processes 2` sets for the one process that it starts.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    with pytest.raises(RunError, match=r"accelerate launch started one process(?s:.*)torchrun"):
        teach("smollm2-135m", tmp_path / "words.yaml", tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_process_by_itself_has_all_of_the_work() -> None:
    assert current() is ALONE
    assert launched_rank() == 0
    assert list(ALONE.mine([1, 2, 3])) == ALONE.gather([1, 2, 3]) == [1, 2, 3]
    assert ALONE.lead(lambda: 5) == ALONE.first(lambda: 5) == ALONE.same(5) == 5
