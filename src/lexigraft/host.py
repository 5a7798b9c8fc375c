"""The model and tokenizer that is taught, and its facts, inspected once.

Facts are read from the loaded object (or, without weights, from the file headers), never assumed
from the model's name: whether embeddings are tied is a matter of one shared storage, and spare
rows are counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from lexigraft.errors import LexigraftError, ModelError
from lexigraft.gguf_reading import GGUFHeader, quiet, read_header, read_model, read_tokenizer
from lexigraft.memory import ran_short
from lexigraft.model_source import (
    checkpoint_header,
    has_tokenizer,
    hub_is_reachable,
    read_config,
    require_weights,
    resolve_model,
)

__all__ = [
    "Family",
    "Host",
    "HostFacts",
    "fingerprint",
    "inspect_host",
    "layer_number",
    "linear_layers",
    "load_host",
    "load_tokenizer",
    "quiet",
    "resolve_model",
    "tokenizer_family",
]

Family = Literal["byte-level BPE", "SentencePiece BPE", "Unigram", "WordPiece", "other"]


class HostFacts(BaseModel):
    """What is true of a host. `None` means that it cannot be known without the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="the model as it was given")
    revision: str | None = Field(None, description="the hub's commit, where it came from a hub")
    architecture: str | None = Field(None, description="the model's class")
    model_type: str | None = Field(None, description="the config's; AutoTokenizer looks at it")
    tokenizer_class: str
    family: Family
    vocabulary: int = Field(description="len(tokenizer)")
    rows: int | None = Field(None, description="rows of the embedding matrix")
    spare_rows: int | None = Field(None, description="rows above the last token's id")
    tied: bool | None = Field(None, description="input and output rows are one storage")
    dtype: str | None = Field(None, description="the type that the checkpoint stores")
    hidden_size: int | None = None
    layers: int | None = None
    parameters: int | None = Field(None, description="shared weights counted once")
    chat_template: bool
    fingerprint: str = Field(description="SHA-256 of the tokenizer and a sample of every weight")
    notes: tuple[str, ...] = Field((), description="what was mended or looks doubtful, in English")


@dataclass
class Host:
    """The one heavy, mutable thing: a loaded model, its tokenizer and the facts about both."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    facts: HostFacts
    path: Path | None
    """The folder or GGUF file that it was loaded from; None for a hub id."""


def load_host(
    model: str | Path,
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[str], None] | None = None,
) -> Host:
    """Loads `model` for teaching or judging, with weights in `dtype`, on the CPU, in eval mode.

    `model` is a folder, a run's folder, a GGUF file, a hub id or the embedded base's name, which is
    fetched on first use with a line to `progress` for each step. Only
    safetensors and GGUF are opened, and no code of the model's own is run. Raises ModelError, in a
    few lines, for whatever cannot be loaded whole.
    """
    place = resolve_model(model, progress)
    if isinstance(place, Path) and place.is_dir():
        require_weights(place)
        if not has_tokenizer(place):
            raise ModelError(f"{place} holds a model and no tokenizer. Copy the tokenizer there.")
    with _explained(model), quiet():
        if isinstance(place, Path) and place.is_file():
            return _load_gguf(model, place, dtype)
        return _load_checkpoint(model, place, revision, dtype)


def _load_gguf(source: str | Path, path: Path, dtype: torch.dtype) -> Host:
    header = read_header(path)
    model, info = read_model(path, dtype)
    _require_whole(str(path), info)
    tokenizer, notes = read_tokenizer(path, header)
    notes += (f"The GGUF stores {header.stored_as} weights; they were dequantised.",)
    model.eval()
    stored = str(dtype).removeprefix("torch.")
    facts = inspect_host(model, tokenizer, source=str(source), stored_dtype=stored, notes=notes)
    return Host(model, tokenizer, facts, path)


def _load_checkpoint(
    source: str | Path, place: Path | str, revision: str | None, dtype: torch.dtype
) -> Host:
    options = _options(place, revision, weights=True)
    config = AutoConfig.from_pretrained(place, **options)
    stored = config.get_text_config().dtype
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        place,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # so that they are told like missing ones, and refused
        **options,
    )
    model, info = loaded
    _require_whole(str(source), info)
    tokenizer, notes = _read_tokenizer(place, options)
    model.eval()
    facts = inspect_host(
        model,
        tokenizer,
        source=str(source),
        revision=getattr(config, "_commit_hash", None) or revision,
        stored_dtype=str(stored or dtype).removeprefix("torch."),
        notes=notes,
    )
    return Host(model, tokenizer, facts, place if isinstance(place, Path) else None)


def _options(place: Path | str, revision: str | None, *, weights: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"trust_remote_code": False}
    if isinstance(place, Path):
        return {**options, "local_files_only": True}
    reachable = hub_is_reachable(place, revision, weights=weights)
    return {**options, "revision": revision or "main", "local_files_only": not reachable}


def _require_whole(source: str, info: dict[str, Any]) -> None:
    """transformers fills missing and misfitting weights with random ones and only warns."""
    broken = sorted({*map(str, info["missing_keys"]), *map(str, info["mismatched_keys"])})
    if broken:
        names = ", ".join(broken[:3]) + (", …" if len(broken) > 3 else "")
        raise ModelError(
            f"{source} is damaged or not a causal language model: {len(broken)} weights are "
            f"missing or have another shape ({names})."
        )


def load_tokenizer(
    model: str | Path,
    *,
    revision: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[PreTrainedTokenizerBase, HostFacts]:
    """The tokenizer of `model` and the facts that need no weights; quick, except for a GGUF file.

    Works on a folder that holds only a tokenizer. Raises ModelError.
    """
    place = resolve_model(model, progress)
    if isinstance(place, Path) and place.is_dir() and not has_tokenizer(place):
        raise ModelError(f"{place} holds no tokenizer (tokenizer.json or tokenizer.model).")
    with _explained(model), quiet():
        if isinstance(place, Path) and place.is_file():
            header = read_header(place)
            tokenizer, notes = read_tokenizer(place, header)
            return tokenizer, _facts_of_gguf(str(model), tokenizer, header, notes)
        options = _options(place, revision, weights=False)
        tokenizer, notes = _read_tokenizer(place, options)
        if isinstance(place, Path):
            return tokenizer, _facts_of_folder(str(model), tokenizer, place, notes)
        config = AutoConfig.from_pretrained(place, **options)
        commit = getattr(config, "_commit_hash", None) or revision
        values = {**config.to_dict(), **config.get_text_config().to_dict()}
        values["architectures"] = config.architectures
        return tokenizer, _facts_of_config(str(model), commit, tokenizer, values, notes)


def _read_tokenizer(
    place: Path | str, options: dict[str, Any]
) -> tuple[PreTrainedTokenizerBase, tuple[str, ...]]:
    """A folder with a bare tokenizer.json and nothing that names its class is read as it is."""
    if isinstance(place, Path):
        bare = (place / "tokenizer.json").is_file() and not (
            (place / "tokenizer_config.json").is_file() or (place / "config.json").is_file()
        )
        if bare:
            tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(place / "tokenizer.json"))
            note = "There is no tokenizer_config.json: the special tokens' roles are unknown."
            return tokenizer, (note,)
    return AutoTokenizer.from_pretrained(place, **options), ()


def inspect_host(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    source: str,
    revision: str | None = None,
    stored_dtype: str | None = None,
    notes: tuple[str, ...] = (),
) -> HostFacts:
    """The facts of a loaded model and tokenizer, read from the objects themselves."""
    inputs: torch.Tensor = cast(Any, model.get_input_embeddings()).weight
    head: Any = model.get_output_embeddings()
    outputs: torch.Tensor | None = None if head is None else head.weight
    tied = outputs is not None and outputs.data_ptr() == inputs.data_ptr()
    config = model.config.get_text_config()
    if bool(config.tie_word_embeddings) != tied:
        said, found = ("tied", "separate") if not tied else ("separate", "tied")
        notes += (f"The config says that the embeddings are {said}; they are {found}.",)
    rows = int(inputs.shape[0]) if outputs is None else min(len(inputs), len(outputs))
    spare, doubts = _spare_rows(rows, tokenizer)
    return HostFacts(
        source=source,
        revision=revision,
        architecture=type(model).__name__,
        model_type=model.config.model_type or None,
        rows=rows,
        spare_rows=spare,
        tied=tied,
        dtype=stored_dtype or str(inputs.dtype).removeprefix("torch."),
        hidden_size=int(inputs.shape[1]),
        layers=getattr(config, "num_hidden_layers", None),
        parameters=sum(weight.numel() for weight in model.parameters()),
        notes=notes + doubts,
        fingerprint=fingerprint(tokenizer, model),
        **_tokenizer_facts(tokenizer),
    )


def _tokenizer_facts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "tokenizer_class": type(tokenizer).__name__,
        "family": tokenizer_family(tokenizer),
        "vocabulary": len(tokenizer),
        "chat_template": bool(tokenizer.chat_template),
    }


def _spare_rows(rows: int, tokenizer: PreTrainedTokenizerBase) -> tuple[int, tuple[str, ...]]:
    """Rows above the highest id (some vocabularies have holes, so that is not len - 1)."""
    used = max(len(tokenizer), max(tokenizer.get_vocab().values(), default=-1) + 1)
    if used > rows:
        doubt = f"The tokenizer has ids up to {used - 1} and the model only {rows} rows."
        return 0, (doubt,)
    return rows - used, ()


def _facts_of_gguf(
    source: str, tokenizer: PreTrainedTokenizerBase, header: GGUFHeader, notes: tuple[str, ...]
) -> HostFacts:
    spare, doubts = _spare_rows(header.rows, tokenizer)
    return HostFacts(
        source=source,
        architecture=header.architecture,
        rows=header.rows,
        spare_rows=spare,
        tied=header.tied,
        dtype=header.stored_as,
        hidden_size=header.hidden_size,
        layers=header.layers,
        parameters=header.parameters,
        notes=notes + doubts,
        fingerprint=fingerprint(tokenizer),
        **_tokenizer_facts(tokenizer),
    )


def _facts_of_folder(
    source: str, tokenizer: PreTrainedTokenizerBase, folder: Path, notes: tuple[str, ...]
) -> HostFacts:
    facts = _facts_of_config(source, None, tokenizer, read_config(folder) or {}, notes)
    header = checkpoint_header(folder)
    if header is None:
        return facts
    spare, doubts = _spare_rows(header.rows, tokenizer)
    return facts.model_copy(
        update={
            "rows": header.rows,
            "spare_rows": spare,
            # A head that is stored beside a config that ties it is not used.
            "tied": bool(facts.tied) or not header.has_output_rows,
            "dtype": header.dtype,
            "hidden_size": header.hidden_size,
            "parameters": header.parameters,
            "notes": notes + doubts,
        }
    )


def _facts_of_config(
    source: str,
    revision: str | None,
    tokenizer: PreTrainedTokenizerBase,
    config: dict[str, Any],
    notes: tuple[str, ...],
) -> HostFacts:
    rows = config.get("vocab_size")
    spare, doubts = (None, ()) if rows is None else _spare_rows(int(rows), tokenizer)
    architectures = config.get("architectures") or (None,)
    tied = config.get("tie_word_embeddings") if config else None
    if config and tied is None:
        # Older files leave out what the architecture's own default says.
        tied = AutoConfig.for_model(str(config["model_type"])).tie_word_embeddings
    dtype = config.get("dtype") or config.get("torch_dtype")
    return HostFacts(
        source=source,
        revision=revision,
        architecture=architectures[0],
        model_type=config.get("model_type"),
        rows=rows,
        spare_rows=spare,
        tied=tied,
        dtype=None if dtype is None else str(dtype).removeprefix("torch."),
        hidden_size=config.get("hidden_size"),
        layers=config.get("num_hidden_layers"),
        notes=notes + doubts,
        fingerprint=fingerprint(tokenizer),
        **_tokenizer_facts(tokenizer),
    )


def tokenizer_family(tokenizer: PreTrainedTokenizerBase) -> Family:
    """The family, from the tokenizer's own model, pre-tokenizer, normaliser and decoder.

    Byte-level BPE writes bytes as letters (`Ġ`) and never meets an unknown character;
    SentencePiece BPE writes spaces as `▁` and falls back to `<0xE2>` or to unknown.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return "other"
    kind = type(backend.model).__name__
    if kind == "BPE":
        text = "".join(_states(backend))
        if '"ByteLevel"' in text:
            return "byte-level BPE"
        if backend.model.byte_fallback or '"Metaspace"' in text or "▁" in text:
            return "SentencePiece BPE"
    if kind == "Unigram":
        return "Unigram"
    return "WordPiece" if kind == "WordPiece" else "other"


def _states(backend: Any) -> Iterator[str]:
    """Each part of a `tokenizers` pipeline as JSON, without the vocabulary and without padding."""
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        part = getattr(backend, name)
        state = "null" if part is None else part.__getstate__().decode()
        yield json.dumps(json.loads(state), ensure_ascii=False, sort_keys=True)


def fingerprint(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None = None) -> str:
    """SHA-256 that tells two hosts apart: the whole tokenizer, and a sample of every weight.

    Weights are compared as bfloat16, so that it does not depend on the type they were loaded in.
    """
    digest = hashlib.sha256()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    else:
        digest.update(backend.model.__getstate__())
        for state in _states(backend):
            digest.update(state.encode())
    for index, added in sorted(tokenizer.added_tokens_decoder.items()):
        digest.update(f"{index}{added!r}".encode())
    if model is not None:
        for name, weight in sorted(model.state_dict().items()):
            flat = weight.detach().reshape(-1)
            sample = flat[:: max(1, len(flat) // 4096)].to("cpu", torch.bfloat16)
            digest.update(f"{name}{tuple(weight.shape)}".encode())
            digest.update(sample.contiguous().view(torch.int16).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _explained(model: str | Path) -> Iterator[None]:
    """Turns whatever a loader raises into a ModelError of a few lines.

    Everything is caught: a foreign file can fail in any of half a dozen libraries, and `tokenizers`
    raises bare Exceptions.
    """
    try:
        yield
    except LexigraftError:
        raise
    except Exception as error:
        raise ModelError(f"{model} cannot be loaded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error)
    name = type(error).__name__
    if ran_short(error):
        return "there is not enough memory for its weights. Free some, or take a smaller model."
    if isinstance(error, OSError) and error.errno == 28:
        return "the disk is full. Free some space, or move the hub's cache with HF_HOME."
    if name == "GatedRepoError" or "gated repo" in text:
        return "it is gated. Accept its licence on its page, then log in with `hf auth login`."
    if "trust_remote_code" in text or "custom code" in text:
        return "it needs Python code of its own, which lexigraft does not run."
    if "SafetensorError" in name or "safetensors" in text.lower():
        return f"its weights are damaged or not safetensors ({text.splitlines()[0][:200]})."
    if isinstance(error, ImportError):
        return f"a library that it needs is not installed ({text.strip().splitlines()[0][:200]})."
    first = text.strip().splitlines()[0][:300] if text.strip() else name
    return f"{first} ({name})"


_NUMBERED = re.compile(r"(?:.*?\.)?[a-z_]+\.(\d+)\.")


def layer_number(name: str) -> int | None:
    """Which of the model's layers the module or weight of this name belongs to."""
    found = _NUMBERED.match(name)
    return int(found[1]) if found else None


def linear_layers(model: PreTrainedModel, share: float = 1.0) -> dict[str, torch.nn.Linear]:
    """The linear layers by name, without the output head; of the first `share` of the layers.

    At least those of the first layer, and with a `share` of 1 also what stands in no layer.
    """
    head = model.get_output_embeddings()
    last = max(1, round(share * int(model.config.get_text_config().num_hidden_layers)))
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            number = layer_number(f"{name}.")
            if share >= 1 or (number is not None and number < last):
                found[name] = module
    return found
