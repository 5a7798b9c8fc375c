"""Ray Data on this machine against the local processes: the same bytes, whatever is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lexigraft.errors import CorpusError, RunError
from lexigraft.lexicon import read_lexicon
from lexigraft.progress import Silent
from lexigraft.retokenize import Mined, Options, Summary, find_files, mine
from lexigraft.retokenize.answers import answered, result
from lexigraft.spelling import spell

Retokenize = Callable[..., Summary]
Contents = Callable[[Path], dict[str, bytes]]

# Of the command, in a process of its own: batches of 25,000 characters.
COMMAND = """
import lexigraft.retokenize.batches as b
b.CHARACTERS = 25_000
from lexigraft.cli import main
main()
"""


@pytest.fixture
def large(tmp_path: Path, texts: list[str]) -> Path:
    """Four files of unlike sizes, 1 MB of text in all."""
    folder = tmp_path / "large"
    folder.mkdir()
    chance = random.Random(0)
    for number, count in enumerate((2_000, 8_000, 50, 4_000)):
        lines = (json.dumps({"text": chance.choice(texts)}) + "\n" for _ in range(count))
        (folder / f"{number}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def command(corpus: Path, lexicon: Path, model: Path, output: Path, *more: str) -> Any:
    given = ["retokenize", corpus, "--lexicon", lexicon, "--model", model, "--output", output]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, given), "--passages", "3", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def kill_one_at_work(process: Any, output: Path) -> int:
    """Ends a worker that is encoding, once three batches are done."""
    deadline = time.monotonic() + 120
    log = output / "batches.jsonl"
    while process.poll() is None and time.monotonic() < deadline:
        if log.is_file() and log.read_bytes().count(b"\n") >= 3:
            for worker in psutil.Process(process.pid).children(recursive=True):
                try:
                    if worker.cmdline()[:1] == ["ray::Map(_work)"]:
                        worker.kill()
                        return worker.pid
                except psutil.Error:
                    continue
        time.sleep(0.005)
    raise AssertionError(process.communicate())


def test_a_killed_worker_changes_no_byte(
    run: Retokenize, large: Path, lexicon: Path, tmp_path: Path, tiny_folders: dict[str, Path],
    contents: Contents, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model, output = tiny_folders["byte-tied"], tmp_path / "ray"
    process = command(large, lexicon, model, output, "--engine", "ray", "--workers", "2")
    try:
        kill_one_at_work(process, output)
        done = (output / "batches.jsonl").read_bytes().count(b"\n")
        ours = psutil.Process(process.pid).children(recursive=True)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert not psutil.wait_procs(ours, timeout=20)[1], "processes of Ray are left over"
    monkeypatch.setattr("lexigraft.retokenize.batches.CHARACTERS", 25_000)
    local = run(large, tmp_path / "local", passages=3)
    assert done < local.shards
    assert contents(output) == contents(tmp_path / "local")
    assert Summary.model_validate_json((output / "summary.json").read_text("utf-8")) == local


# --- in this process, on one Ray for all ---


@pytest.fixture(scope="module")
def joined() -> Iterator[None]:
    from lexigraft.retokenize import ray_data

    with ray_data.joined(2):
        yield


def test_a_run_begun_here_goes_on_there(
    joined: None, run: Retokenize, corpus: Path, tmp_path: Path, contents: Contents,
    small_batches: None,
) -> None:  # fmt: skip
    whole = run(corpus, tmp_path / "whole")
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path / "whole", broken)
    (broken / "summary.json").unlink()
    log = (broken / "batches.jsonl").read_text("utf-8").splitlines(keepends=True)
    assert whole.shards == len(log) > 6
    # The first file is half done, the second not at all but for its end.
    (broken / "batches.jsonl").write_text("".join((log[0], log[2], log[-1])), "utf-8")
    for number in {*range(whole.shards)} - {0, 2, whole.shards - 1}:
        (broken / f"part-{number:05d}.parquet").unlink()
    (broken / ".part-00001.parquet.partial-1").write_bytes(b"of a worker that is lost")
    kept = (broken / "part-00002.parquet").stat().st_mtime_ns
    assert run(corpus, broken, resume=True, engine="ray") == whole
    assert contents(broken) == contents(tmp_path / "whole")
    assert (broken / "part-00002.parquet").stat().st_mtime_ns == kept


def test_bad_lines_are_refused_or_counted_as_here(
    joined: None, run: Retokenize, corpus: Path, tmp_path: Path, contents: Contents,
    small_batches: None,
) -> None:  # fmt: skip
    with (corpus / "b.jsonl").open("ab") as file:
        file.write(b"{]\n")
    (corpus / "c.txt").write_bytes(b"\xff\xfe end\n")
    with pytest.raises(CorpusError, match=r"b\.jsonl:61: no JSON"):
        run(corpus, tmp_path / "ray", engine="ray")
    there = run(corpus, tmp_path / "ray", engine="ray", skip_bad=True, force=True)
    here = run(corpus, tmp_path / "here", skip_bad=True)
    assert there == here
    assert (there.skipped_lines, there.replaced_characters) == (1, 2)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_an_error_of_a_worker_is_raised_here(joined: None, run: Retokenize, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n\n")
    with pytest.raises(CorpusError, match="holds no text"):
        run(tmp_path / "empty.txt", engine="ray")


def test_passages_are_mined_as_here(
    joined: None, corpus: Path, lexicon: Path, tiny_folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from transformers import AutoTokenizer

    monkeypatch.setattr("lexigraft.retokenize.mining._BATCH", 1000)
    words = read_lexicon(lexicon)
    old = AutoTokenizer.from_pretrained(tiny_folders["byte-tied"])
    routes: Any = {term.term: term.route or "token" for term in words}
    spelling, new = spell(words, routes, old, len(old))

    def mined(**options: Any) -> Mined:
        reading = Options(passages=3)
        return mine(find_files(corpus), reading, words, spelling, old, new, Silent(), **options)

    assert mined(engine="ray") == mined()
    assert len(mined().passages) == 12


# --- without Ray ---


def test_an_answer_is_a_value_or_an_error() -> None:
    def refuse() -> None:
        raise RunError("Another one is at work.")

    assert result(answered(lambda: 3)) == 3
    with pytest.raises(RunError, match="Another one"):
        result(answered(refuse))
    with pytest.raises(RuntimeError, match=r"(?s)A worker failed:.*ZeroDivisionError"):
        result(answered(lambda: 1 / 0))


def test_ray_is_told_to_be_missing_before_anything_is_written(
    run: Retokenize, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(CorpusError, match=r"pip install 'lexigraft\[ray\]'"):
        run(corpus, engine="ray")
    assert not (tmp_path / "ids").exists()


def test_a_ray_that_does_not_answer_is_named(
    run: Retokenize, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def refuse(**options: Any) -> None:
        assert options["address"] == "10.0.0.1:6379"
        assert not options.keys() & {"num_cpus", "include_dashboard"}
        raise ConnectionError("no answer")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(RunError, match=r"reached at RAY_ADDRESS=10\.0\.0\.1:6379: no answer"):
        run(corpus, engine="ray")
