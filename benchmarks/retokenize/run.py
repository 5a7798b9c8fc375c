"""`lexigraft retokenize` against `datasets.map` with the same tokenizer on the same two cores.

    pip install 'lexigraft[bench]'
    python benchmarks/retokenize/run.py

Builds a corpus from the Python sources and documents of this installation, runs both in turn, and
writes result.json beside this file. No network, but for the embedded base if it is not cached.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
CORES = 2
TERMS = ("zorblax", "brellow", "quandrel", "stillpoint", "энтелехия", "эйдос")
LEXICON = "name: bench\nterms:\n" + "".join(
    f"  - {{term: {term}, definition: a thing{', language: ru' if ord(term[0]) > 999 else ''}}}\n"
    for term in TERMS
)
# One document in about fifty gets a term in the place of a word.
EVERY = 49


def sources() -> Iterator[Path]:
    """Text files of this Python, in a fixed order: its library, then what is installed."""
    for name in ("stdlib", "purelib"):
        root = Path(sysconfig.get_paths()[name])
        for suffix in ("py", "md", "rst", "txt"):
            yield from sorted(root.rglob(f"*.{suffix}"))


def documents(size: int) -> Iterator[str]:
    """Different texts of about 2 kB, `size` bytes in all, shuffled in a fixed way."""
    seen: set[bytes] = set()
    found: list[str] = []
    total = 0
    for path in sources():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for part in pieces(text):
            digest = hashlib.blake2b(part.encode(), digest_size=12).digest()
            if digest not in seen:
                seen.add(digest)
                found.append(part)
                total += len(part.encode())
        if total >= size:
            break
    chance = random.Random(0)
    chance.shuffle(found)
    for number, part in enumerate(found):
        yield with_term(part, chance) if number % EVERY == 0 else part


def pieces(text: str, most: int = 2000) -> Iterator[str]:
    """The text in pieces of whole paragraphs."""
    piece: list[str] = []
    held = 0
    for paragraph in text.split("\n\n"):
        if held and held + len(paragraph) > most:
            yield "\n\n".join(piece)
            piece, held = [], 0
        piece.append(paragraph)
        held += len(paragraph) + 2
    if any(part.strip() for part in piece):
        yield "\n\n".join(piece)


def with_term(text: str, chance: random.Random) -> str:
    words = list(re.finditer(r"(?<= )[a-z]{4,}(?= )", text))
    if not words:
        return text
    word = chance.choice(words)
    return text[: word.start()] + chance.choice(TERMS) + text[word.end() :]


def build(folder: Path, size: int) -> Path:
    path = folder / "corpus.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for text in documents(size):
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return path


class Memory(threading.Thread):
    """The most memory that a process and all below it held, in bytes.

    `rss` counts a page once for each process that sees it, `pss` once in all.
    """

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.rss = self.pss = 0
        self.over = False
        self._process = process

    def run(self) -> None:
        while not self.over:
            rss = pss = 0
            with suppress(psutil.Error):
                for one in (self._process, *self._process.children(recursive=True)):
                    with suppress(psutil.Error):
                        rss += one.memory_info().rss
                        pss += getattr(one.memory_full_info(), "pss", 0)
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)
            time.sleep(0.25)


def measured(command: Sequence[str], environment: dict[str, str]) -> dict[str, float]:
    """Runs a command; seconds on the clock and of the processors, and peak memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    memory = Memory(psutil.Process(process.pid))
    memory.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    memory.over = True
    memory.join()
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": round(memory.rss / 1e6),
        "peak_pss_mb": round(memory.pss / 1e6),
    }


MAP = """
import sys
from datasets import load_dataset
from transformers import AutoTokenizer
corpus, model, cache, cores = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
data = load_dataset("json", data_files=corpus, split="train", cache_dir=cache)
def encode(batch):
    return tokenizer(batch["text"], add_special_tokens=False, return_attention_mask=False)
done = data.map(encode, batched=True, num_proc=int(cores), remove_columns=["text"])
print(len(done))
"""


def run(size: int, repeats: int, folder: Path) -> dict[str, Any]:
    corpus = build(folder, size)
    lexicon = folder / "words.yaml"
    lexicon.write_text(LEXICON, encoding="utf-8")
    with corpus.open(encoding="utf-8") as lines:
        text_bytes = sum(len(json.loads(line)["text"].encode()) for line in lines)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("TOKENIZERS_PARALLELISM", None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    ids, cache = folder / "ids", folder / "cache"
    ours = [sys.executable, "-m", "lexigraft", "retokenize", str(corpus), "--lexicon",
            str(lexicon), "--model", "smollm2-135m", "--output", str(ids), "--workers",
            str(CORES), "--json"]  # fmt: skip
    theirs = [sys.executable, "-c", MAP, str(corpus), str(ids / "tokenizer"), str(cache),
              str(CORES)]  # fmt: skip
    found: dict[str, list[dict[str, float]]] = {"retokenize": [], "datasets.map": []}
    for _ in range(repeats):
        for name, command in (("retokenize", ours), ("datasets.map", theirs)):
            for old in (ids,) if name == "retokenize" else (cache,):
                shutil.rmtree(old, ignore_errors=True)
            found[name].append(measured(command, environment))
            print(name, found[name][-1], file=sys.stderr, flush=True)
    summary = json.loads((ids / "summary.json").read_text(encoding="utf-8"))
    return report(text_bytes, summary, found)


def report(
    size: int, summary: dict[str, Any], found: dict[str, list[dict[str, float]]]
) -> dict[str, Any]:
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    for values in medians.values():
        values["mb_per_second"] = round(size / 1e6 / values["seconds"], 2)
    ours, theirs = medians["retokenize"], medians["datasets.map"]
    return {
        "corpus_mb": round(size / 1e6, 1),
        "documents": summary["documents"],
        "tokens": summary["tokens_after"],
        "cores": CORES,
        "medians": medians,
        "speed_ratio": round(theirs["seconds"] / ours["seconds"], 2),
        "cpu_ratio": round(theirs["cpu_seconds"] / ours["cpu_seconds"], 2),
        "rss_ratio": round(theirs["peak_rss_mb"] / ours["peak_rss_mb"], 2),
        "runs": found,
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("lexigraft", "datasets", "tokenizers", "transformers")},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE / "result.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(given.megabytes * 10**6, given.repeats, Path(folder))
    given.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in result.items() if k != "runs"}, indent=2))


if __name__ == "__main__":
    main()
