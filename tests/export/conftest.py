"""A small lexicon of all three routes, and random, non-zero things to have been taught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.spelling import Spelling, spell
from lexigraft.training.values import Taught, save_taught
from lexigraft.workspace import Identity, Workspace

What = Literal["rows", "lora", "rows+lora", "full"]
ROUTES: dict[str, Route] = {
    "zorblax": "token",
    "𝕽": "token",
    "velkin": "subword",
    "энтелехия": "marker",
}
# These need more rows than this host has to spare; the others need fewer, or find none.
MORE: dict[str, dict[str, Route]] = {"unigram-tied": {"snollygoster": "token", "brellow": "token"}}
TARGETS = ("q_proj", "down_proj")


@dataclass
class Case:
    """A tiny host, how the lexicon is spelled for it, and what it was taught."""

    folder: Path
    host: Host
    lexicon: Lexicon
    spelling: Spelling
    tokenizer: PreTrainedTokenizerBase
    taught: Taught

    def fresh(self) -> Host:
        """The untaught host, loaded anew."""
        return load_host(self.folder)


def noise(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Random numbers of which none is near zero: a wrong index shows."""
    values = torch.randn(*shape, generator=generator)
    return values + 0.1 * values.sign()


def random_taught(host: Host, spelling: Spelling, what: What, seed: int = 7) -> Taught:
    """Random tensors of the shapes that teaching `what` gives."""
    generator = torch.Generator().manual_seed(seed)
    parts: dict[str, Any] = {}
    if "lora" in what:
        parts |= {"lora": {}, "rank": 3, "alpha": 4.5, "target_modules": TARGETS}
        for name, module in host.model.named_modules():
            if name.endswith(TARGETS):
                out, into = module.weight.shape
                key = f"base_model.model.{name}"
                parts["lora"][f"{key}.lora_A.weight"] = 0.3 * noise(generator, 3, into)
                parts["lora"][f"{key}.lora_B.weight"] = 0.3 * noise(generator, out, 3)
    if "rows" in what:
        shape = len(spelling.new_ids), 16
        parts |= {"new_ids": spelling.new_ids, "input_rows": noise(generator, *shape)}
        parts["output_rows"] = None if host.facts.tied else noise(generator, *shape)
    if what == "full":
        parts["new_ids"] = spelling.new_ids
        parts["weights"] = {}
        for name, weight in host.model.named_parameters():
            size = list(weight.shape)
            if size[0] == host.facts.rows:
                size[0] = spelling.rows_after
            parts["weights"][name] = 0.3 * noise(generator, *size)
    return Taught(**parts)


@pytest.fixture
def make_case(tiny_folders: dict[str, Path]) -> Callable[..., Case]:
    """`make_case("byte-tied", "rows+lora")`."""

    def make(name: str = "byte-tied", what: What = "rows+lora") -> Case:
        host = load_host(tiny_folders[name])
        routes: dict[str, Route] = {**ROUTES, **MORE.get(name, {})}
        if what == "lora":
            routes = {t: "subword" if r == "token" else r for t, r in routes.items()}
        terms = tuple(Term(term=term, definition=("a thing",)) for term in routes)
        lexicon = Lexicon(name="test", terms=terms)
        spelling, tokenizer = spell(lexicon, routes, host.tokenizer, host.facts.rows)
        taught = random_taught(host, spelling, what)
        return Case(tiny_folders[name], host, lexicon, spelling, tokenizer, taught)

    return make


@pytest.fixture
def case(tiny: Any, make_case: Callable[..., Case]) -> Case:
    """Rows and LoRA on each of the six tiny hosts in turn."""
    return make_case(str(tiny))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a case as a run whose training is finished."""

    def make(case: Case, **changes: Any) -> Path:
        values: dict[str, Any] = {
            "model": str(case.folder),
            "fingerprint": case.fresh().facts.fingerprint,
            "lexicon": case.lexicon.name,
            "lexicon_digest": case.lexicon.digest(),
            "recipe_digest": "r0",
            "seed": 0,
        }
        with Workspace.open(tmp_path / "run", create=True) as space:
            space.begin(Identity(**{**values, **changes}), {})
            with space.writing_folder(space.spelling) as folder:
                if case.spelling.new_tokens:
                    case.tokenizer.save_pretrained(folder)
                space.write_json(folder / "spelling.json", case.spelling)
            with space.writing_file(space.training / "taught.safetensors") as path:
                save_taught(case.taught, path)
        return tmp_path / "run"

    return make
