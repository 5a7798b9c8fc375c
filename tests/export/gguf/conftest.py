"""Small random models whose rows are wide enough to be cut into blocks of 32."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.export.gguf import GGUFType, write_gguf
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.progress import Silent
from lexigraft.spelling import Spelling, spell
from lexigraft.spelling.document import Document

ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
}
# Windows shorter than the longest prompt, so that a window that is not computed shows.
GEMMA: dict[str, Any] = {"query_pre_attn_scalar": 16, "sliding_window": 16}
MORE: dict[str, dict[str, Any]] = {"gemma2": GEMMA, "gemma3_text": GEMMA}


@dataclass
class Taught:
    """A merged model as an export gets it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    spelling: Spelling

    def write(self, folder: Path, *types: GGUFType, **options: Any) -> Any:
        return write_gguf(
            self.model, self.tokenizer, self.spelling, folder, types, progress=Silent(), **options
        )


def with_document(
    tokenizer: PreTrainedTokenizerBase, change: Callable[[Document], Document]
) -> PreTrainedTokenizerBase:
    """`tokenizer` with its tokenizer.json changed."""
    from lexigraft.spelling.document import document_of, rebuilt

    return rebuilt(tokenizer, json.loads(json.dumps(change(document_of(tokenizer)))))


def as_gemma(document: Document) -> Document:
    """'▁' for spaces and none put first, as Gemma has it."""
    decoders = [d for d in document["decoder"]["decoders"] if d["type"] != "Strip"]
    return {
        **document,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "decoder": {**document["decoder"], "decoders": decoders},
    }


def randomised(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1 + 0.1 * noise if weight.dim() == 1 else 0.2 * noise)
    return model.eval()


def taught(
    tokenizer: PreTrainedTokenizerBase,
    model_type: str = "llama",
    *,
    tied: bool = True,
    routes: dict[str, Route] = ROUTES,
    spare: int = 0,
    **config: Any,
) -> Taught:
    """A random model of `model_type` with the rows that `routes` ask for, and its tokenizer."""
    lexicon = Lexicon(
        name="test", terms=tuple(Term(term=t, definition=("a thing",)) for t in routes)
    )
    spelling, grown = spell(lexicon, routes, tokenizer, len(tokenizer) + spare)
    values = {**SIZES, **MORE.get(model_type, {}), **config}
    settings = AutoConfig.for_model(
        model_type,
        vocab_size=spelling.rows_after,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **values,
    )
    return Taught(randomised(AutoModelForCausalLM.from_config(settings)), grown, spelling)


@pytest.fixture
def make_taught() -> Callable[..., Taught]:
    """`make_taught(tokenizer, "qwen3", routes={"zorblax": "token"})`."""
    return taught


@pytest.fixture
def changed() -> Callable[..., PreTrainedTokenizerBase]:
    """`changed(tokenizer, lambda document: …)`: a tokenizer with its tokenizer.json changed."""
    return with_document


@pytest.fixture
def gemma_tokenizer(sentencepiece_tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """SentencePiece-style BPE that puts no space first."""
    return with_document(sentencepiece_tokenizer, as_gemma)


@pytest.fixture
def family(
    byte_bpe_tokenizer: PreTrainedTokenizerBase, gemma_tokenizer: PreTrainedTokenizerBase
) -> Callable[..., Taught]:
    """`family("qwen3", tied=False)`: a small random model with the tokenizer of its family."""

    def make(model_type: str, **options: Any) -> Taught:
        gemma = model_type.startswith("gemma")
        return taught(gemma_tokenizer if gemma else byte_bpe_tokenizer, model_type, **options)

    return make


@pytest.fixture(scope="session")
def real_tokenizer() -> Callable[[str], PreTrainedTokenizerBase]:
    """Real tokenizers by name, as tests/real has them."""
    place = Path(__file__).parents[2] / "real" / "conftest.py"
    made = importlib.util.spec_from_file_location("real_tokenizers", place)
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    import sys

    sys.modules["real_tokenizers"] = module
    made.loader.exec_module(module)
    found: Callable[[str], PreTrainedTokenizerBase] = module.real_tokenizer
    return found
