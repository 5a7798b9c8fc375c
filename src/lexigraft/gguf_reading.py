"""A GGUF file as a plain model and tokenizer, through transformers' own reader.

What that reader leaves undone is mended here and told in the notes: a config that
`save_pretrained` would refuse, and a pre-tokenizer that the GGUF names but does not carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lexigraft.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["GGUFHeader", "quiet", "read_header", "read_model", "read_tokenizer"]

# What transformers builds rightly by itself from `tokenizer.ggml.pre`: GPT-2's own pattern, and the
# patterns whose names it knows. Any other name is told as a doubt.
_KNOWN_PRE_TOKENIZERS = {
    "default", "gpt-2", "llama3", "llama-v3", "llama-bpe", "qwen2", "qwen35", "deepseek-r1-qwen",
    "falcon3", "tekken", "gpt-4o", "llama4", "smaug-bpe",
}  # fmt: skip


class GGUFHeader(NamedTuple):
    """What a GGUF file says about itself, without its weights."""

    architecture: str
    tokenizer_model: str
    pre_tokenizer: str | None
    rows: int
    hidden_size: int
    layers: int | None
    parameters: int
    tied: bool
    stored_as: str  # the type that holds most of the weights: 'Q4_1'


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' warnings and weight-loading bars inside; downloads keep their bars."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_bars = not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # transformers switches the hub's bars off together with its own.
    if hub_bars:
        enable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars and hub_bars:
            logging.enable_progress_bar()


def read_header(path: Path) -> GGUFHeader:
    """The header of the GGUF file at `path`. Raises ModelError for anything that is not GGUF."""
    try:
        reader = _reader(path)
        fields = {name: field for name, field in reader.fields.items() if len(field.data) == 1}
        values = {name: field.contents() for name, field in fields.items()}
        shapes = {tensor.name: [int(n) for n in tensor.shape] for tensor in reader.tensors}
        hidden_size, rows = shapes["token_embd.weight"]
        _require_agreement(values, shapes)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(
            f"{path} cannot be read as a GGUF model: {error}. "
            "It may be cut short: fetch it again, or give a folder with safetensors."
        ) from error
    weights: dict[str, int] = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        weights[kind] = weights.get(kind, 0) + int(tensor.n_elements)
    architecture = str(values.get("general.architecture", "unknown"))
    return GGUFHeader(
        architecture=architecture,
        tokenizer_model=str(values.get("tokenizer.ggml.model", "unknown")),
        pre_tokenizer=_text(values, "tokenizer.ggml.pre"),
        rows=rows,
        hidden_size=hidden_size,
        layers=values.get(f"{architecture}.block_count"),
        parameters=sum(weights.values()),
        tied="output.weight" not in shapes,
        stored_as=max(weights, key=lambda kind: weights[kind]),
    )


def _reader(path: Path) -> Any:
    import numpy
    from gguf import GGUFReader

    class Careful(GGUFReader):
        """Stops at the file's end, where the plain one may count up to a damaged length."""

        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            if offset + numpy.dtype(dtype).itemsize * int(count) > len(self.data):
                raise ValueError("it ends before what its header promises")
            return super()._get(offset, dtype, count, override_order)

    return Careful(path)


def _require_agreement(values: Mapping[str, Any], shapes: Mapping[str, list[int]]) -> None:
    """Raises ValueError where the header asks for a model of other sizes than the weights'.

    One flipped bit there can ask for thousands of layers, which would be built before they are
    compared.
    """
    kind = values.get("general.architecture")
    found = {
        "block_count": len({name.split(".")[1] for name in shapes if name.startswith("blk.")}),
        "embedding_length": shapes["token_embd.weight"][0],
        "feed_forward_length": shapes.get("blk.0.ffn_down.weight", [None])[0],
    }
    for name, size in found.items():
        said = values.get(f"{kind}.{name}")
        if size and said is not None and said != size:
            raise ValueError(f"its header says {name} {said}, its weights {size}")


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return None if value is None else str(value)


def read_tokenizer(
    path: Path, header: GGUFHeader
) -> tuple[PreTrainedTokenizerBase, tuple[str, ...]]:
    """The tokenizer inside the GGUF at `path`, and what had to be mended or could not be."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    return tokenizer, _restore_pre_tokenizer(tokenizer, header)


def _restore_pre_tokenizer(
    tokenizer: PreTrainedTokenizerBase, header: GGUFHeader
) -> tuple[str, ...]:
    from tokenizers import pre_tokenizers

    name = header.pre_tokenizer
    if header.tokenizer_model != "gpt2" or name is None or name in _KNOWN_PRE_TOKENIZERS:
        return ()
    if name != "smollm":
        return (
            f"The GGUF names its pre-tokenizer {name!r}, which transformers does not rebuild: "
            "digits and punctuation may be split differently than in training. "
            "Prefer the model's original folder.",
        )
    # As in SmolLM's tokenizer.json: every digit alone, then GPT-2's pattern.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    return ("The pre-tokenizer 'smollm' was restored: every digit is split off alone.",)


def read_model(path: Path, dtype: torch.dtype) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model inside the GGUF at `path`, dequantised to `dtype`, and transformers' loading info.

    Its config is a plain one: with the GGUF's `quantization_config` it could not be saved.
    """
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=dtype, output_loading_info=True
    )
    model, info = loaded
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    return model, info
