"""What both sides are given: a model of Qwen3-0.6B's shape, words and texts."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import torch

from lexigraft.checks.neutral import neutral_texts
from lexigraft.corpus import Text, template_texts
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Term
from lexigraft.spelling import Spelling, spell

__all__ = ["given", "invented", "peak_mb", "qwen3", "spelled", "texts_about", "told"]

WIDTH, ROWS = 1024, 151_936
REPLAY = 80
_SYLLABLES = ("bra", "del", "fen", "gor", "hul", "jav", "kem", "lur", "mos", "nip", "pav", "quil",
              "rov", "sim", "tor", "vek", "wen", "yas", "zul", "dro")  # fmt: skip
_THINGS = ("lamp", "shoe", "tool", "bird", "game", "bridge", "basket", "soup", "cloak", "drum")
_PLACES = ("a harbour", "the mountains", "a library", "a mill", "the desert", "an orchard")
_DEEDS = ("sleeps", "waits", "sings", "works", "hides", "dances", "counts", "burns")


def given() -> dict[str, Any]:
    """The arguments of this process."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def told(found: dict[str, Any]) -> None:
    """The result, as the last line."""
    print(json.dumps(found))


def peak_mb() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def invented(count: int) -> Lexicon:
    """So many words that nobody knows, each with a definition and an example of its own."""
    terms = []
    for number in range(count):
        first, second = divmod(number, 20)
        name = _SYLLABLES[second] + _SYLLABLES[first % 20] + _SYLLABLES[first // 20 % 20] + "ek"
        thing, place = _THINGS[number % 10], _PLACES[number // 10 % 6]
        deed = _DEEDS[number // 60 % 8]
        terms.append(
            Term(
                term=name,
                definition=(f"a {thing} from {place} that {deed} {number} times a year",),
                examples=(f"She took the {name} home from {place}, and there it {deed}.",),
                part_of_speech="noun",
                route="token",
            )
        )
    return Lexicon(name="invented", terms=tuple(terms))


def qwen3(layers: int, dtype: torch.dtype) -> Any:
    """A model of Qwen3-0.6B's shape with random weights, the same ones each time."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=ROWS,
        hidden_size=WIDTH,
        intermediate_size=3072,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(0)
        return Qwen3ForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(before)


def spelled(lexicon: Lexicon, host: Host, rows: int) -> tuple[Spelling, Any]:
    """Every form a token, in the spare rows of the matrix."""
    routes: Any = {term.term: "token" for term in lexicon}
    kind = host.facts.model_type
    return spell(lexicon, routes, host.tokenizer, rows=rows, model_type=kind)


def texts_about(lexicon: Lexicon, spelling: Spelling, replay: int = REPLAY) -> list[Text]:
    """Templates and examples of every term, and passages of prose to keep the model by."""
    surfaces = {term.term: term.surface for term in spelling}
    found = list(template_texts(lexicon, surfaces))
    words = " ".join(neutral_texts("en")).split()
    parts = [" ".join(words[i : i + 24]) for i in range(0, len(words), 24)]
    return found + [Text(text=text, kind="replay") for text in parts[:replay]]


def base() -> Host:
    """The embedded base; of it the benchmarks of rows take the tokenizer alone."""
    return load_host("smollm2-135m")
