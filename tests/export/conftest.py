"""A small lexicon of all three routes, and random, non-zero things to have been taught."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.errors import ExportError
from lexigraft.export import fresh, plain, shipping
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


def check_here(job: Path) -> Iterator[dict[str, Any]]:
    """What the process of its own would say, without the seconds that its start takes."""
    said: list[dict[str, Any]] = []
    try:
        plain.check(json.loads(job.read_text(encoding="utf-8")), said.append)
    except Exception as error:
        raise ExportError(f"could not be loaded: {error}") from error
    yield from said


@pytest.fixture(autouse=True)
def no_new_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are checked in this process, but in tests that ask for `new_process`."""
    if "new_process" not in request.fixturenames:
        monkeypatch.setattr(fresh, "_events", check_here)
    # Going on with a text is what takes most of the time here.
    monkeypatch.setattr(shipping, "_CONTINUED", 1)


@pytest.fixture
def new_process() -> None:
    """The check runs as it does for users: a second of work and the start of torch."""


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


@pytest.fixture(scope="session")
def more_folders(
    tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The tiny hosts, and Gemma's two kinds: norms about 0, scaled embeddings, always tied."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GemmaConfig, GemmaForCausalLM

    root, folders = tmp_path_factory.mktemp("gemmas"), dict(tiny_folders)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folders["sentencepiece-tied"])
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer) + 2, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "max_position_embeddings": 256, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    models: dict[str, PreTrainedModel] = {
        "gemma": GemmaForCausalLM(GemmaConfig(**sizes)),
        "gemma3": Gemma3ForCausalLM(Gemma3TextConfig(**sizes)),
    }
    for name, model in models.items():
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator) + 1e-3)
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
        folders[name] = root / name
    return folders


@pytest.fixture
def make_case(more_folders: dict[str, Path]) -> Callable[..., Case]:
    """`make_case("byte-tied", "rows+lora")`."""

    def make(name: str = "byte-tied", what: What = "rows+lora", **options: Any) -> Case:
        folder = options.pop("folder", more_folders.get(name))
        host = load_host(folder)
        routes: dict[str, Route] = {**ROUTES, **MORE.get(name, {})}
        if what == "lora":
            routes = {t: "subword" if r == "token" else r for t, r in routes.items()}
        terms = tuple(Term(term=term, definition=("a thing",)) for term in routes)
        lexicon = Lexicon(name="test", terms=terms)
        spelling, tokenizer = spell(lexicon, routes, host.tokenizer, host.facts.rows, **options)
        taught = random_taught(host, spelling, what)
        return Case(folder, host, lexicon, spelling, tokenizer, taught)

    return make


@pytest.fixture
def case(tiny: Any, make_case: Callable[..., Case]) -> Case:
    """Rows and LoRA on each of the six tiny hosts in turn."""
    return make_case(str(tiny))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a case as a run whose training is finished."""

    def make(case: Case, *, root: Path = tmp_path / "run", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "model": str(case.folder),
            "fingerprint": case.fresh().facts.fingerprint,
            "lexicon": case.lexicon.name,
            "lexicon_digest": case.lexicon.digest(),
            "recipe_digest": "r0",
            "seed": 0,
        }
        with Workspace.open(root, create=True) as space:
            space.begin(Identity(**{**values, **changes}), {})
            with space.writing_folder(space.spelling) as folder:
                if case.spelling.new_tokens:
                    case.tokenizer.save_pretrained(folder)
                space.write_json(folder / "spelling.json", case.spelling)
            with space.writing_file(space.training / "taught.safetensors") as path:
                save_taught(case.taught, path)
        return root

    return make
