"""Finished runs on tiny hosts, taught random non-zero things, and the packs made of them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lexigraft.checks.results import CheckSummary, Drift, Leakage, Score, TermVerdict, Verdict
from lexigraft.export import merged_model, stored_dtype
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, Term, dump_lexicon
from lexigraft.pack.packing import pack
from lexigraft.recipe import Recipe, dump_recipe
from lexigraft.spelling import Spelling, spell
from lexigraft.training.values import Taught, save_taught
from lexigraft.workspace import Identity, Workspace

What = Literal["rows", "lora", "rows+lora", "full"]
TARGETS = ("q_proj", "down_proj")
HOSTS = ("byte-tied", "byte-untied", "sentencepiece-tied", "unigram-untied", "gemma")
"""Llama tied; Qwen3 untied with spare rows, tied with spare rows, untied; Gemma 3."""


@dataclass(frozen=True)
class Run:
    """A finished run, and what was made for it."""

    folder: Path
    base: Path
    lexicon: Lexicon
    spelling: Spelling
    tokenizer: PreTrainedTokenizerBase
    taught: Taught

    def host(self) -> Host:
        """The untaught base, loaded anew."""
        return load_host(self.base)


def noise(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Random numbers of which none is near zero: a wrong index shows."""
    values = torch.randn(*shape, generator=generator)
    return values + 0.1 * values.sign()


def random_taught(host: Host, spelling: Spelling, what: What, seed: int, rank: int) -> Taught:
    """Random tensors of the shapes that teaching `what` gives."""
    generator = torch.Generator().manual_seed(seed)
    parts: dict[str, Any] = {}
    if "lora" in what:
        parts |= {"lora": {}, "rank": rank, "alpha": 1.5 * rank, "target_modules": TARGETS}
        for name, module in host.model.named_modules():
            if name.endswith(TARGETS):
                out, into = module.weight.shape
                key = f"base_model.model.{name}"
                parts["lora"][f"{key}.lora_A.weight"] = 0.2 * noise(generator, rank, into)
                parts["lora"][f"{key}.lora_B.weight"] = 0.2 * noise(generator, out, rank)
    if spelling.new_ids:
        shape = len(spelling.new_ids), int(host.facts.hidden_size or 0)
        parts |= {"new_ids": spelling.new_ids, "input_rows": noise(generator, *shape)}
        parts["output_rows"] = None if host.facts.tied else noise(generator, *shape)
    if what == "full":
        parts["weights"] = {"model.norm.weight": torch.ones(shape[1])}
    return Taught(**parts)


def verdict_of(lexicon: Lexicon, spelling: Spelling, passed: bool = True) -> Verdict:
    """A verdict by which each term passed `definition`, or none did."""
    terms = tuple(
        TermVerdict(
            term=term.term,
            surface=term.surface,
            route=term.route,
            knows=passed,
            known_before=False,
            passed=int(passed),
            measured=1,
            scores={
                "definition": Score(
                    check="definition", floor=0.0, taught=float(passed), passed=passed
                )
            },
        )
        for term in spelling.terms
    )
    drift = Drift(
        mean_kl=0.05, p99_kl=0.4, bits_per_byte_before=2.0, bits_per_byte_after=2.1,
        top1_agreement=0.9, tokens=100,
    )  # fmt: skip
    return Verdict(
        lexicon=lexicon.name,
        lexicon_digest=lexicon.digest(),
        language=lexicon.language,
        model="somewhere/else/base",
        taught="run/model",
        seed=0,
        seconds=1.0,
        terms=terms,
        checks={"definition": CheckSummary(check="definition", chance=0.25, taught=1.0)},
        drift=drift,
        leakage=Leakage(emissions_per_10k=0.5),
    )


def lexicon_of(name: str, routes: Mapping[str, Route], **extra: Any) -> Lexicon:
    """A lexicon of terms with a definition each."""
    terms = tuple(
        Term(term=term, definition=(f"a thing called {number}",), **extra)
        for number, term in enumerate(routes)
    )
    return Lexicon(name=name, terms=terms)


def gemma(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """A tiny Gemma 3: what it looks up is scaled, its norms are 1 + w, its embeddings tied."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    config = Gemma3TextConfig(
        vocab_size=len(tokenizer) + 2, hidden_size=16, intermediate_size=24,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        max_position_embeddings=256, sliding_window=32, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(3)
    model = Gemma3ForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape) + 1e-3)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mangling() -> ModuleType:
    """`mangling.py` beside this file."""
    spec = importlib.util.spec_from_file_location(
        "mangling", Path(__file__).with_name("mangling.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mangling"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bases(
    tiny_folders: dict[str, Path],
    trained_tokenizers: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """The tiny hosts by name, Gemma among them. Read only."""
    folder = tmp_path_factory.mktemp("gemma") / "gemma"
    gemma(folder, trained_tokenizers["sentencepiece"])
    return {**tiny_folders, "gemma": folder}


def finished_run(
    folder: Path,
    base: Path,
    name: str,
    routes: Mapping[str, Route],
    *,
    what: What | None = None,
    seed: int = 7,
    rank: int = 3,
    lexicon: Lexicon | None = None,
    passed: bool = True,
) -> Run:
    """Writes a run that taught random things, merged and with a verdict."""
    if what is None:
        what = "rows" if set(routes.values()) == {"token"} else "rows+lora"
    loaded = load_host(base)
    lexicon = lexicon or lexicon_of(name, routes)
    spelling, tokenizer = spell(
        lexicon, routes, loaded.tokenizer, loaded.facts.rows, model_type=loaded.facts.model_type
    )
    taught = random_taught(loaded, spelling, what, seed, rank)
    recipe = Recipe()
    with Workspace.open(folder, create=True) as space:
        identity = Identity(
            model=str(base),
            fingerprint=loaded.facts.fingerprint,
            lexicon=lexicon.name,
            lexicon_digest=lexicon.digest(),
            recipe_digest=recipe.digest(),
            seed=0,
        )
        space.begin(identity, {})
        space.write_text(space.lexicon, dump_lexicon(lexicon))
        space.write_text(space.recipe, dump_recipe(recipe))
        with space.writing_folder(space.spelling) as inside:
            tokenizer.save_pretrained(inside)
            space.write_json(inside / "spelling.json", spelling)
        with space.writing_file(space.training / "taught.safetensors") as path:
            save_taught(taught, path)
        space.write_json(space.verdict, verdict_of(lexicon, spelling, passed))
    # As `export` writes it, without its checks: they have tests of their own.
    model = merged_model(loaded, taught, spelling.rows_after)
    model.to(stored_dtype(loaded.facts.dtype)).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return Run(folder, base, lexicon, spelling, tokenizer, taught)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Any, tuple[Path, Run]]]:
    """A folder for runs and packs that several tests share, and those that are there."""
    return tmp_path_factory.mktemp("made"), {}


@pytest.fixture
def make_run(bases: dict[str, Path], tmp_path: Path) -> Callable[..., Run]:
    """`make_run("words", {"zorblax": "token"}, host="byte-tied", what="rows")`: a run to change."""

    def make(
        name: str, routes: Mapping[str, Route], *, host: str | Path = "byte-tied", **options: Any
    ) -> Run:
        base = bases[host] if isinstance(host, str) else host
        return finished_run(tmp_path / "runs" / name, base, name, routes, **options)

    return make


@pytest.fixture
def make_pack(
    bases: dict[str, Path], tmp_path: Path, made: tuple[Path, dict[Any, tuple[Path, Run]]]
) -> Callable[..., tuple[Path, Run]]:
    """The same as a pack: a file of the test's own, and the run, which is for reading only."""
    folder, known = made

    def make(
        name: str, routes: Mapping[str, Route], *, host: str | Path = "byte-tied", **options: Any
    ) -> tuple[Path, Run]:
        base = bases[host] if isinstance(host, str) else host
        key = repr((name, sorted(routes.items()), str(base), sorted(options.items())))
        if key not in known:
            place = folder / str(len(known))
            run = finished_run(place / name, base, name, routes, **options)
            known[key] = pack(run.folder, place / f"{name}.lexpack", licence="CC-BY-4.0"), run
        path, run = known[key]
        return Path(shutil.copy(path, tmp_path)), run

    return make


@pytest.fixture
def base_in(bases: dict[str, Path], tmp_path: Path) -> Callable[[str, torch.dtype], Path]:
    """A tiny host stored in another type: `base_in("byte-tied", torch.bfloat16)`."""
    from transformers import AutoModelForCausalLM

    def make(name: str, dtype: torch.dtype) -> Path:
        folder = tmp_path / f"{name}-{str(dtype).removeprefix('torch.')}"
        shutil.copytree(bases[name], folder)
        AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
        return folder

    return make
