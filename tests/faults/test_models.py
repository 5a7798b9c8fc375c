"""Model files that are cut short or have a flipped bit: refused in words, or told apart.

What is found, and what is not:

- A safetensors or GGUF file that is cut short is always refused.
- A flipped bit in a header, a config or a tokenizer is refused where it makes nonsense; where it
  makes another model or tokenizer, the fingerprint is another one.
- A flipped bit in a weight loads: nothing in these formats could show it. The fingerprint looks at
  no more than some 4096 values of each weight, as bfloat16: it shows the flip of a value that it
  looks at, unless the bit is one that bfloat16 drops. So a base that changed under a run is found
  by its fingerprint or not at all, and one value of a large weight is mostly not. The merged model
  of a run has none: `verify` judges it as it is.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import random
import shutil
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lexigraft.errors import ModelError, RunError
from lexigraft.gguf_reading import read_header
from lexigraft.host import Host, load_host
from lexigraft.verdict import verify

LOG = logging.getLogger(__name__)
SECONDS = 20.0
SOME_OR_MANY = pytest.mark.parametrize(
    "count", [16, pytest.param(400, marks=pytest.mark.slow)], ids=["some", "many"]
)


@pytest.fixture
def base(tiny_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A model's folder to be damaged."""
    return Path(shutil.copytree(tiny_folders["byte-tied"], tmp_path / "base"))


@pytest.fixture
def gguf(make_host: Callable[[str], Host], tmp_path: Path) -> Path:
    """A GGUF file to be damaged."""
    path = Path(__file__).parent.parent / "test_gguf_reading.py"
    spec = importlib.util.spec_from_file_location("gguf_writing", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_gguf(tmp_path / "base.gguf", make_host("byte-tied"), "smollm")
    return tmp_path / "base.gguf"


def flipped(data: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def tried(model: Path) -> Host | None:
    """The model, or None where it is refused in a few lines and soon."""
    began = time.process_time()
    try:
        return load_host(model)
    except ModelError as error:
        said = str(error)
    finally:
        assert time.process_time() - began < SECONDS
    assert 0 < len(said) < 1000
    assert len(said.splitlines()) <= 4
    return None


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether all bits are the same: a NaN equals itself here."""
    return torch.equal(left.view(torch.int16), right.view(torch.int16))


def header_size(data: bytes) -> int:
    return 8 + int(struct.unpack("<Q", data[:8])[0])


# --- cut short ---


@SOME_OR_MANY
def test_a_checkpoint_that_is_cut_short_is_refused(base: Path, count: int) -> None:
    path = base / "model.safetensors"
    data = path.read_bytes()
    lengths = [0, 1, 8, header_size(data), len(data) - 1]
    lengths += [random.Random(n).randrange(len(data)) for n in range(count)]
    for length in lengths:
        path.write_bytes(data[:length])
        assert tried(base) is None, length
    path.write_bytes(data)
    assert tried(base) is not None


@SOME_OR_MANY
def test_a_gguf_that_is_cut_short_is_refused(gguf: Path, count: int) -> None:
    data = gguf.read_bytes()
    lengths = [
        0,
        1,
        24,
        len(data) - 1,
        *(random.Random(n).randrange(len(data)) for n in range(count)),
    ]
    for length in lengths:
        gguf.write_bytes(data[:length])
        assert tried(gguf) is None, length
    gguf.write_bytes(data)
    assert tried(gguf) is not None


# --- a flipped bit ---


@SOME_OR_MANY
def test_a_flipped_bit_in_a_header_is_refused_or_does_nothing(base: Path, count: int) -> None:
    path, sound = base / "model.safetensors", load_host(base)
    data, taken = path.read_bytes(), Counter[str]()
    for number in range(count):
        chance = random.Random(number)
        path.write_bytes(flipped(data, chance.randrange(header_size(data)), chance.randrange(8)))
        host = tried(base)
        taken["refused" if host is None else "taken"] += 1
        if host is not None:
            same = host.facts.fingerprint == sound.facts.fingerprint
            taken["the same" if same else "another"] += 1
    LOG.info("flips in a safetensors header: %s", dict(taken))
    assert taken["refused"] > count / 2


@SOME_OR_MANY
def test_a_flipped_bit_in_a_weight_shows_in_the_fingerprint(base: Path, count: int) -> None:
    path, sound = base / "model.safetensors", load_host(base)
    data, found = path.read_bytes(), Counter[str]()
    # The file is mapped into memory: what is written to it would show in the loaded weights.
    old = {name: weight.bfloat16().clone() for name, weight in sound.model.state_dict().items()}
    for number in range(count):
        chance = random.Random(number)
        place = chance.randrange(header_size(data), len(data))
        path.write_bytes(flipped(data, place, chance.randrange(8)))
        host = tried(base)
        assert host is not None
        new = host.model.state_dict()
        # Each of these weights is small enough to be looked at whole.
        seen = any(not same_bits(new[n].bfloat16(), old[n]) for n in old)
        assert (host.facts.fingerprint == sound.facts.fingerprint) != seen, number
        found["found" if seen else "below bfloat16"] += 1
    LOG.info("flips in weights: %s", dict(found))
    assert found["found"] > count / 4


@SOME_OR_MANY
def test_a_flipped_bit_in_a_gguf_is_refused_or_makes_another_model(gguf: Path, count: int) -> None:
    data, taken = gguf.read_bytes(), Counter[str]()
    head = data.index(b"tokenizer.ggml.tokens")
    for number in range(count):
        chance = random.Random(number)
        # Every second one where the sizes of the model stand.
        place = chance.randrange(head if number % 2 else len(data))
        gguf.write_bytes(flipped(data, place, chance.randrange(8)))
        taken["refused" if tried(gguf) is None else "taken"] += 1
    LOG.info("flips in a GGUF: %s", dict(taken))
    assert taken["refused"] > 0
    assert taken["taken"] > 0


@pytest.mark.parametrize("name", ["block_count", "embedding_length", "feed_forward_length"])
@pytest.mark.parametrize("bit", [1, 9, 27])
def test_a_gguf_that_asks_for_thousands_of_layers_is_refused_at_once(
    gguf: Path, name: str, bit: int
) -> None:
    data, key = gguf.read_bytes(), f"llama.{name}".encode()
    place = data.index(key) + len(key) + 4
    gguf.write_bytes(flipped(data, place + bit // 8, bit % 8))
    with pytest.raises(ModelError, match=f"its header says {name} "):
        load_host(gguf)


@pytest.mark.parametrize("padding", range(4))
def test_a_gguf_whose_list_never_ends_is_refused_at_once(gguf: Path, padding: int) -> None:
    """Behind the file's end the plain reader finds empty values, as many as the length says."""
    data, key = gguf.read_bytes() + bytes(padding), b"tokenizer.ggml.token_type"
    length = data.index(key) + len(key) + 8
    gguf.write_bytes(flipped(data, length + 6, 0))
    with pytest.raises(ModelError, match="ends before what its header promises"):
        read_header(gguf)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@SOME_OR_MANY
def test_a_flipped_bit_in_a_small_file_is_refused_or_makes_another_model(
    base: Path, name: str, count: int
) -> None:
    data, taken = (base / name).read_bytes(), Counter[str]()
    for number in range(count // 2):
        chance = random.Random(number)
        place = chance.randrange(len(data))
        (base / name).write_bytes(flipped(data, place, chance.randrange(8)))
        taken["refused" if tried(base) is None else "taken"] += 1
    LOG.info("flips in %s: %s", name, dict(taken))
    assert taken["refused"] > 0


# --- under a run ---


def test_a_base_that_changed_under_a_run_is_no_floor(
    small: Any, copied: Callable[[], Path], base: Path
) -> None:
    run = copied()
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    path = base / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(flipped(data, len(data) - 1, 5))  # of the exponent of the last value
    (run / "run.json").write_text(json.dumps({**record, "model": str(base)}), encoding="utf-8")
    with pytest.raises(RunError, match="other weights or another tokenizer"):
        verify(run, checks=["definition"])


def test_a_taught_model_that_is_cut_short_is_refused(copied: Callable[[], Path]) -> None:
    run = copied()
    before = (run / "verdict.json").read_bytes()
    path = run / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="weights are damaged"):
        verify(run, checks=["definition"])
    assert (run / "verdict.json").read_bytes() == before


# What a run's later stages read of its earlier ones, and the first stage that reads it.
READ_AGAIN = {
    "run.json": "report", "lexicon.yaml": "verdict", "recipe.yaml": "verdict",
    "diagnosis.json": "spelling", "spelling/spelling.json": "verdict",
    "rows.safetensors": "training", "texts.jsonl": "training",
    "training/taught.safetensors": "model", "model/model.safetensors": "verdict",
    "model/config.json": "verdict", "model/tokenizer.json": "verdict", "verdict.json": "report",
}  # fmt: skip


@pytest.mark.parametrize("name", READ_AGAIN)
@pytest.mark.parametrize(
    "damage",
    ["cut", *(pytest.param(d, marks=pytest.mark.slow) for d in ("emptied", "scrambled", "lost"))],
)
def test_a_damaged_file_of_a_run_is_mended_or_named(
    nursery: Any, small: Any, copied: Callable[[], Path], name: str, damage: str
) -> None:
    run = copied()
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    late = small.STAGES[small.STAGES.index(READ_AGAIN[name]) :]
    record["stages"] = {k: v for k, v in record["stages"].items() if k not in late}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    path = run / name
    data = path.read_bytes()
    if damage == "lost":
        path.unlink()
    else:
        middle = random.Random(name).randbytes(20)
        half = len(data) // 2
        new = {"cut": data[:half], "emptied": b"", "scrambled": data[:half] + middle + data[half:]}
        path.write_bytes(new[damage])
    code, said = nursery.run(*small.teach(run, "--resume"))
    assert code in (0, 2, 3, 4), said
    assert code == 0 or len(said.strip().splitlines()) < 12
    # A report is written of what there is, without a verdict too.
    if code == 0 and (name, damage) != ("verdict.json", "lost"):
        small.require_same(run)
