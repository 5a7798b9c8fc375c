"""Where a model is: the embedded base, a run, a folder, a GGUF file or a hub id.

Looks at names and file headers only, so that a wrong path is told at once and not after a minute
of loading. No torch.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lexigraft.embedded import EMBEDDED_NAME, embedded_base
from lexigraft.errors import ModelError

__all__ = [
    "CheckpointHeader",
    "checkpoint_header",
    "has_tokenizer",
    "hub_is_reachable",
    "read_config",
    "require_weights",
    "resolve_model",
]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_INPUT_ROWS = re.compile(
    r"(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|token_embd)\.weight$"
)
_OUTPUT_ROWS = re.compile(r"(lm_head|embed_out|output)\.weight$")
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class CheckpointHeader(NamedTuple):
    """What the safetensors headers of a folder say: no weight is read."""

    rows: int
    hidden_size: int
    parameters: int
    dtype: str
    has_output_rows: bool


def resolve_model(model: str | Path, progress: Callable[[str], None] | None = None) -> Path | str:
    """Where `model` is: a folder, a GGUF file, or (as a string) a hub id that is not looked up yet.

    The embedded base's name gives its folder in the cache, which is filled on first use, with a
    line to `progress` for each step. A run's folder gives its merged model.
    Raises ModelError that tells what was looked for.
    """
    name = str(model)
    if name == EMBEDDED_NAME:
        return embedded_base(progress)
    path = Path(name).expanduser()
    if path.is_dir():
        return _resolve_folder(path)
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ModelError(
                f"{path} is a file but not a .gguf one. Give the folder that holds it, "
                "a GGUF file, or a hub id."
            )
        return path
    if isinstance(model, str) and _HUB_ID.fullmatch(name) and not name.endswith(".gguf"):
        return name
    raise ModelError(f"There is no model at {name}: no such folder or file.{_suggestion(path)}")


def _resolve_folder(folder: Path) -> Path:
    if (folder / "run.json").is_file():
        if (folder / "model" / "config.json").is_file():
            return folder / "model"
        raise ModelError(
            f"{folder} is a run that has no merged model yet. "
            "Finish it with `lexigraft teach … --resume`, or name another model."
        )
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        base = _read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        raise ModelError(
            f"{folder} holds an adapter, not a model. Give its base"
            f"{f' ({base})' if base else ''}, or a merged model."
        )
    if not (folder / "config.json").is_file() and not has_tokenizer(folder):
        found = sorted(item.name for item in folder.iterdir())
        ggufs = [item for item in found if item.lower().endswith(".gguf")]
        hint = f" Did you mean {folder / ggufs[0]}?" if ggufs else ""
        listing = ", ".join(found[:5]) + (", …" if len(found) > 5 else "") if found else "nothing"
        raise ModelError(
            f"{folder} holds no model: neither config.json nor a tokenizer "
            f"(found: {listing}).{hint}"
        )
    return folder


def _suggestion(path: Path) -> str:
    """' Did you mean …?' for the likeliest sibling or the embedded base; else what can be given."""
    siblings: list[str] = []
    if path.parent.is_dir():
        siblings = [item.name for item in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, [*siblings, EMBEDDED_NAME], n=1)
    if close and close[0] in siblings:
        return f" Did you mean {path.parent / close[0]}?"
    if close:
        return f" Did you mean {EMBEDDED_NAME}?"
    return f" Give a folder, a GGUF file, a hub id, or {EMBEDDED_NAME}."


def has_tokenizer(folder: Path) -> bool:
    """Whether `folder` holds a tokenizer in any of the formats that transformers reads."""
    return any((folder / name).is_file() for name in _TOKENIZER_FILES)


def read_config(folder: Path) -> dict[str, Any] | None:
    """The folder's config.json, the language model's part where it holds several; None without."""
    path = folder / "config.json"
    if not path.is_file():
        return None
    config = _read_json(path)
    text = config.get("text_config")
    return {**config, **text} if isinstance(text, dict) else config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged: {error}. Fetch the model again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is damaged: it holds no JSON object. Fetch the model again.")
    return value


def require_weights(folder: Path) -> None:
    """Raises ModelError unless `folder` holds a config and safetensors that can be taught."""
    config = read_config(folder)
    if config is None:
        raise ModelError(
            f"{folder} holds a tokenizer and no model (no config.json). "
            "`diagnose` works on it; teaching and verifying need the weights."
        )
    _require_causal(str(folder), config)
    if any(folder.glob("*.safetensors")):
        return
    pickles = [item.name for pattern in _PICKLES for item in sorted(folder.glob(pattern))]
    if pickles:
        raise ModelError(
            f"{folder} holds its weights only as a pickle ({pickles[0]}), which can run any code "
            "when opened.\nIf you trust where it comes from, convert it once: "
            "load it with transformers' from_pretrained and save it with save_pretrained."
        )
    raise ModelError(f"{folder} holds a config.json and no weights (*.safetensors).")


def _require_causal(name: str, config: dict[str, Any]) -> None:
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method:
        raise ModelError(
            f"{name} is quantised ({method}): its weights cannot be taught. "
            "Give the model that it was quantised from."
        )
    architectures = [str(item) for item in config.get("architectures") or ()]
    refused = ("MaskedLM", "Classification", "QuestionAnswering", "MultipleChoice")
    if architectures and all(item.endswith(refused) for item in architectures):
        raise ModelError(
            f"{name} is a {architectures[0]}, which does not continue a text. "
            "Give a causal language model (…ForCausalLM)."
        )


def checkpoint_header(folder: Path) -> CheckpointHeader | None:
    """Shapes and types from the safetensors headers of `folder`; None when there are no weights."""
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[list[int], str]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 -- safe_open is no mapping
                    part = tensors.get_slice(name)
                    shapes[name] = (list(part.get_shape()), str(part.get_dtype()))
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{path} is damaged: {error}. Fetch the model again; it may be cut short."
            ) from error
    inputs = [name for name in shapes if _INPUT_ROWS.search(name)]
    if not inputs:
        return None
    shape, dtype = shapes[inputs[0]]
    return CheckpointHeader(
        rows=shape[0],
        hidden_size=shape[1],
        parameters=sum(_product(shape) for shape, _ in shapes.values()),
        dtype=_DTYPES.get(dtype, dtype),
        has_output_rows=any(_OUTPUT_ROWS.search(name) for name in shapes),
    )


def _product(shape: list[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def hub_is_reachable(name: str, revision: str | None, *, weights: bool) -> bool:
    """Whether the hub answered for `name`; False: not reachable, but a copy lies in the cache.

    Asks once, without the minute of retries that a load would spend. Raises ModelError for a model
    that does not exist, is gated, has no safetensors (with `weights`), or can be had neither way.
    """
    from huggingface_hub import HfApi, errors, try_to_load_from_cache

    try:
        info = HfApi().model_info(name, revision=revision, timeout=10)
    except errors.GatedRepoError as error:
        raise ModelError(_gated(name)) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no model {name}: no such folder here, and none of that name on the hub "
            f"(a private one needs `hf auth login`).{_suggestion(Path(name))}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"The hub's {name} has no revision {revision!r}.") from error
    except Exception as error:  # the hub's client raises those of its network library as they are
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str):
            return False
        raise ModelError(
            f"There is no folder or file {name}, and the hub cannot be asked for it "
            f"({_first_line(error)}).{_suggestion(Path(name))}"
        ) from error
    files = {item.rfilename for item in info.siblings or ()}
    if weights and files and not any(item.endswith(".safetensors") for item in files):
        raise ModelError(
            f"The hub's {name} has no safetensors weights, and pickles are refused: they can run "
            "any code when opened. Look for another revision or a converted copy."
        )
    return True


def _gated(name: str) -> str:
    return (
        f"{name} is gated: accept its licence on its page of the hub, then log in with "
        "`hf auth login` and try again."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
