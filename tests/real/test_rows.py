"""New rows on models of the real architectures, rows and ties; 16 wide, two layers, random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from lexigraft.export import merged_model, observe, write_merged
from lexigraft.host import load_host
from lexigraft.lexicon.schema import Lexicon, Term
from lexigraft.likelihood import output_rows
from lexigraft.rows import first_rows
from lexigraft.spelling import spell
from lexigraft.training.values import Taught

Get = Callable[[str], PreTrainedTokenizerBase]

CASES = (
    ("qwen3", True),
    ("qwen3", False),
    ("llama3", False),
    ("llama2", False),
    ("gemma3", True),
    ("deepseek", False),
    ("smollm2", True),
)
TERMS = tuple(Term(term=term, definition=("a small tool",)) for term in ("zorblax", "энтелехия"))
LEXICON = Lexicon(name="test", terms=TERMS)


@pytest.mark.parametrize(("name", "tied"), CASES)
def test_old_rows_stay_and_the_checkpoint_reads_back(
    name: str,
    tied: bool,
    tokenizer_of: Get,
    package_of: Callable[[str], Any],
    host_folder: Callable[..., Path],
    tmp_path: Path,
) -> None:
    old_tokenizer = tokenizer_of(name)
    rows = package_of(name).rows
    host = load_host(host_folder(name, tied))
    assert (host.facts.rows, host.facts.tied) == (rows, tied)
    routes = {term.term: "token" for term in LEXICON}
    spelling, tokenizer = spell(
        LEXICON, routes, old_tokenizer, host.facts.rows, model_type=host.facts.model_type
    )
    assert {token.mechanism for token in spelling.new_tokens} == {"vocabulary"}
    inputs = host.model.get_input_embeddings().weight.detach().clone()
    outputs = output_rows(host.model).detach().clone()
    made = first_rows("pieces", spelling, LEXICON, old_tokenizer, inputs, None if tied else outputs)
    taught = Taught(new_ids=made.ids, input_rows=made.input, output_rows=made.output)
    used = min(made.ids)
    spare = int(host.facts.spare_rows or 0)
    model = merged_model(host, taught, spelling.rows_after)

    shape = model.get_input_embeddings().weight.shape
    assert shape[0] == (rows if spare >= len(made.ids) else used + len(made.ids))
    assert torch.equal(model.get_input_embeddings().weight[:used], inputs[:used])
    assert torch.equal(output_rows(model)[:used], outputs[:used])
    assert torch.equal(model.get_input_embeddings().weight[list(made.ids)], made.input)
    expected = made.input if made.output is None else made.output
    assert torch.equal(output_rows(model)[list(made.ids)], expected)

    write_merged(model, tokenizer, tmp_path, torch.float32, observe(model, tokenizer, spelling))
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    reader = AutoTokenizer.from_pretrained(tmp_path)
    text = "the zorblax and «энтелехия»"
    given = reader(text, return_tensors="pt")
    assert {*spelling.new_ids} & set(given.input_ids[0].tolist())
    assert reader(text).input_ids == tokenizer(text).input_ids
    with torch.inference_mode():
        assert torch.equal(
            again(input_ids=given.input_ids).logits, model(input_ids=given.input_ids).logits
        )
