"""Real vocabularies in llama.cpp: difficult words as new tokens of Qwen3, Llama 3 and Gemma 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from lexigraft.export.gguf import write_gguf
from lexigraft.lexicon.schema import Lexicon, Term
from lexigraft.progress import Silent
from lexigraft.rows import grow_rows
from lexigraft.spelling import spell

WORDS = (
    "zorblax",
    Term(term="энтелехия", definition=("форма",), forms=("энтелехии", "энтелехию"), language="ru"),
    "тёмная материя",
    "re-flome",
    Term(term="⟁", definition=("a sign",), kind="symbol"),
    Term(term="𝕽", definition=("a sign",), kind="symbol"),
    "B12x",
    Term(term="👩‍🚀", definition=("a rider",), kind="symbol"),
    "渡灵",
    "נפשון",
    "C++",
    "<|word|>",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3", "llama3", "gemma3"])
def test_llama_cpp_cuts_a_thousand_texts_alike(
    host_folder: Callable[..., Path],
    tokenizer_of: Callable[[str], PreTrainedTokenizerBase],
    tmp_path: Path,
    name: str,
) -> None:
    pytest.importorskip("xllamacpp")
    folder = host_folder(name, True)
    config = AutoConfig.from_pretrained(folder)
    if name == "gemma3":
        # As in every Gemma 3 but the largest; the small heads came with a large model's scale.
        config.query_pre_attn_scalar = config.head_dim
    model = AutoModelForCausalLM.from_config(config).eval()
    terms = tuple(Term(term=t, definition=("x",)) if isinstance(t, str) else t for t in WORDS)
    lexicon = Lexicon(name="test", terms=terms)
    routes: dict[str, Any] = {term.term: "token" for term in lexicon}
    spelling, tokenizer = spell(
        lexicon, routes, tokenizer_of(name), config.vocab_size, model_type=config.model_type
    )
    grow_rows(model, spelling.rows_after)
    [checked] = write_gguf(model, tokenizer, spelling, tmp_path, ["F16"], progress=Silent())
    assert (checked.texts, checked.differing) == (1000, 0)
