"""A machine that runs out of memory: a message that says what to lower, and nothing lost."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from lexigraft.errors import ModelError, RunError
from lexigraft.host import load_host
from lexigraft.memory import TEACHING, explained_memory, ran_short

# From the moment when a stage begins the process may have so many megabytes more.
LIMITED = """
import resource, sys
from pathlib import Path
from lexigraft import console
stage, megabytes = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
inner = console.Bars.stage
def limited(self, name, total):
    if name == stage:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, resource.RLIM_INFINITY))
    return inner(self, name, total)
console.Bars.stage = limited
from lexigraft.cli import main
main()
"""
# Nothing is written by the model, and one step reads many texts.
RECIPE = """\
texts: {written: 0, held_out: 1, replay: 4}
training: {rank: 2, alpha: 4.0, epochs: 1, batch_tokens: 1024, dtype: float32, top_k: 8}
verify: {controls: 1}
"""


@pytest.fixture
def make_wide(tiny_folders: dict[str, Path], tmp_path: Path) -> Callable[[int], Path]:
    """A tiny host with many spare rows: the scores of one batch take a hundred megabytes."""
    from transformers import AutoModelForCausalLM

    def make(rows: int) -> Path:
        folder = Path(shutil.copytree(tiny_folders["byte-tied"], tmp_path / "wide"))
        model = AutoModelForCausalLM.from_pretrained(folder)
        model.resize_token_embeddings(rows, mean_resizing=False)
        model.save_pretrained(folder)
        return folder

    return make


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited otherwise")
@pytest.mark.parametrize(
    ("stage", "rows", "megabytes", "said"),
    [
        (
            "Teaching",
            40_000,
            24,
            ["training.batch_tokens", "training.rank", "bfloat16", "smaller model"],
        ),
        pytest.param(
            "verifying", 150_000, 48, ["--checks", "smaller model"], marks=pytest.mark.slow
        ),
    ],
    ids=["teaching", "verifying"],
)
def test_memory_that_runs_out_is_told_and_the_run_goes_on(
    nursery: Any,
    small: Any,
    make_wide: Callable[[int], Path],
    tmp_path: Path,
    stage: str,
    rows: int,
    megabytes: int,
    said: list[str],
) -> None:
    run, recipe = tmp_path / "run", tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    arguments = ["teach", small.folder / "words.yaml", "--model", make_wide(rows)]
    arguments += ["--recipe", recipe, "--output", run]
    code, text = nursery.run(stage, megabytes, *arguments, code=LIMITED)
    assert code == 4, text
    for words in ("not enough memory", "--resume", *said):
        assert words in text, text
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) < 30
    before = small.record(run)["stages"]
    assert small.stage_of(run) == {"Teaching": "training", "verifying": "verdict"}[stage]
    code, text = nursery.run(*arguments, "--resume")
    assert code == 0, text
    assert small.stage_of(run) == "done"
    assert {name: small.record(run)["stages"][name] for name in before} == before


def allocate_on_cpu() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def allocate_in_python() -> None:
    bytearray(2**62)


def raise_cuda() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")


def raise_elsewhere() -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: "
        "you tried to allocate 68719476736 bytes."
    )


def raise_cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def raise_in_onednn() -> None:
    # Seen under a limit; unlike "… a primitive descriptor for a matmul primitive", which is a bug.
    raise RuntimeError("could not create a primitive")


def raise_mapping() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def raise_safetensors() -> None:
    raise SafetensorError(
        "Error while deserializing: I/O error: Cannot allocate memory (os error 12)"
    )


SHORT = (
    allocate_on_cpu, allocate_in_python, raise_cuda, raise_elsewhere, raise_cublas, raise_in_onednn,
    raise_mapping, raise_safetensors,
)  # fmt: skip


@pytest.mark.parametrize("fail", SHORT, ids=lambda fail: fail.__name__)
def test_every_way_to_run_short_is_told(fail: Callable[[], None]) -> None:
    with (
        pytest.raises(RunError, match=r"not enough memory(?s:.*)batch_tokens") as caught,
        explained_memory(TEACHING),
    ):
        fail()
    assert caught.value.__cause__ is not None
    assert len(str(caught.value).splitlines()) == 2


def test_other_errors_pass_as_they_are() -> None:
    others: tuple[BaseException, ...] = (
        ValueError("x"),
        RuntimeError("size mismatch"),
        OSError(errno.EIO, "x"),
    )
    others += (RuntimeError("could not create a primitive descriptor for a matmul primitive"),)
    for error in (*others, ModelError("there is not enough memory"), KeyboardInterrupt()):
        assert not ran_short(error)
        with pytest.raises(type(error)) as caught, explained_memory(TEACHING):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("fail", SHORT, ids=lambda fail: fail.__name__)
def test_a_host_that_does_not_fit_names_itself(
    fail: Callable[[], None], tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexigraft.host.inspect_host", lambda *_, **__: fail())
    with pytest.raises(ModelError, match=r"memory for its weights\. .*smaller model"):
        load_host(tiny_folders["byte-tied"])
