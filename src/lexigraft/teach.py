"""The whole pipeline: from a model and a lexicon to a taught model, its verdict and its report.

Every stage reads what the ones before it wrote to the run's folder and writes its own; a stage that
is marked as done is not run again. So a run that was stopped, at whatever moment, goes on with
`resume=True` and ends as it would have ended.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.neutral import neutral_texts
from lexigraft.corpus import Text, build_texts, candidate_count, replay_count
from lexigraft.diagnose import Diagnosis, diagnose_terms
from lexigraft.errors import Interrupted, SpellingError
from lexigraft.export import (
    adapter_refusal,
    checkpoint_bytes,
    merged_model,
    observe,
    stored_dtype,
    write_adapter,
    write_merged,
)
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, check_against_tokenizer, dump_lexicon, read_lexicon
from lexigraft.likelihood import output_rows
from lexigraft.model_source import resolve_model
from lexigraft.progress import Progress, Silent
from lexigraft.recipe import Recipe, dump_recipe
from lexigraft.report import write_model_card, write_report
from lexigraft.rows import distilled_from_lexicon, first_rows, load_rows, save_rows
from lexigraft.spelling import Spelling, prove, spell
from lexigraft.training import (
    Moves,
    Trainable,
    count_steps,
    load_taught,
    make_lessons,
    require_possible,
    save_taught,
    train,
)
from lexigraft.verdict import verify
from lexigraft.workspace import Identity, Workspace, installed_versions

__all__ = ["moves_of", "moving_routes", "teach", "training_dtype"]

Stage = Literal[
    "diagnosis", "spelling", "rows", "texts", "training", "model", "adapter", "verdict", "report"
]
_TITLES: dict[Stage, str] = {
    "diagnosis": "Diagnosing",
    "spelling": "Spelling",
    "rows": "First rows",
    "texts": "Writing texts",
    "training": "Teaching",
    "model": "Merging",
    "adapter": "Writing the adapter",
    "report": "Reporting",
}


def teach(
    model: str | Path,
    lexicon: str | Path | Lexicon,
    output: str | Path,
    *,
    recipe: Recipe | None = None,
    route: Route | None = None,
    revision: str | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Workspace:
    """Teaches `lexicon` to `model` and writes everything to the folder `output`.

    Args:
        model: a folder, a hub id, a GGUF file or the embedded base's name.
        lexicon: a file, or a lexicon as read.
        output: a new folder; with `resume` one that holds this run, with `force` any run.
        recipe: every setting; None takes the defaults.
        route: for every term, over what lexicon and recipe say.
        revision: of a hub id.
        seed: of everything random.

    Returns:
        the run's folder, finished: model, adapter, verdict and report.

    Raises:
        LexiconError, ModelError, RecipeError, RunError, SpellingError, ExportError: what was given
            cannot be used; nothing that was finished is lost.
        Interrupted: Ctrl-C; the message says how to go on.
    """
    recipe = recipe or Recipe()
    if route is not None:
        recipe = recipe.model_copy(update={"route": route})
    progress = progress or Silent()
    path = None if isinstance(lexicon, Lexicon) else Path(lexicon)
    terms = lexicon if isinstance(lexicon, Lexicon) else read_lexicon(lexicon)
    resolve_model(model, progress.say)
    try:
        with Workspace.open(output, create=True, resume=resume, force=force) as space:
            run = _Run(space, str(model), revision, terms, path, recipe, seed, progress)
            run.everything()
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"Stopped. Nothing that was finished is lost: run the same command with --resume and "
            f"{output} goes on where it was."
        ) from stop
    return space


def moves_of(recipe: Recipe, routes: set[str]) -> Moves:
    """What moves in a run with these routes. Raises RecipeError where that could teach nothing."""
    if recipe.tune != "auto":
        require_possible(recipe.tune, routes)
        return recipe.tune
    if routes == {"token"}:
        return "rows"
    return "rows+lora" if "token" in routes else "lora"


def moving_routes(spelling: Spelling) -> set[str]:
    """The routes of a run, as far as they decide what moves.

    A term on the token route whose forms are single tokens already gets no new row: it is taught
    like one on the subword route.
    """
    grown = {token.term for token in spelling.new_tokens}
    return {
        "subword" if term.route == "token" and term.term not in grown else term.route
        for term in spelling
    }


def training_dtype(name: str) -> torch.dtype:
    """The type of frozen weights while training: bfloat16 where the processor multiplies in it."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    fast = bool(capabilities.get("avx512_bf16")) or bool(capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32


@dataclass
class _Keeper:
    """Checkpoints and the log in the run's folder."""

    space: Workspace

    def load(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        path = self.space.training / "checkpoint.safetensors"
        if not path.is_file():
            return None
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["state"])
            return plain, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def save(self, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        path = self.space.training / "checkpoint.safetensors"
        needs = sum(t.numel() * t.element_size() for t in tensors.values())
        with self.space.writing_file(path, needs=needs) as partial:
            save_file(tensors, partial, metadata={"state": json.dumps(plain)})

    def log(self, line: dict[str, Any]) -> None:
        self.space.append_line(self.space.training / "log.jsonl", line)


@dataclass
class _Run:
    """One run between its stages: the folder, what it is of, and what is loaded."""

    space: Workspace
    model: str
    revision: str | None
    lexicon: Lexicon
    lexicon_path: Path | None
    recipe: Recipe
    seed: int
    progress: Progress

    def everything(self) -> None:
        """All stages in their order, those that are done passed over."""
        self._begin()
        self._diagnose()
        self._spell()
        self._first_rows()
        self._write_texts()
        self._train()
        self._export()
        self._verify()
        self._report()

    @cached_property
    def host(self) -> Host:
        """The untaught model, loaded once and never changed."""
        with self.progress.stage("Loading the model", None):
            return load_host(self.model, revision=self.revision, progress=self.progress.say)

    def _begin(self) -> None:
        tokenizer = self.host.tokenizer
        check_against_tokenizer(self.lexicon, tokenizer.all_special_tokens, self.lexicon_path)
        identity = Identity(
            model=self.model,
            revision=self.host.facts.revision or self.revision,
            fingerprint=self.host.facts.fingerprint,
            lexicon=self.lexicon.name,
            lexicon_digest=self.lexicon.digest(),
            terms={t.term: _digest(t.model_dump_json()) for t in self.lexicon},
            recipe=self.recipe.model_dump(mode="json"),
            recipe_digest=self.recipe.digest(),
            seed=self.seed,
        )
        self.space.begin(identity, installed_versions())
        self.space.write_text(self.space.lexicon, dump_lexicon(self.lexicon))
        self.space.write_text(self.space.recipe, dump_recipe(self.recipe))

    @contextmanager
    def _stage(self, stage: Stage) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.space.mark_done(stage, time.monotonic() - began)

    def _diagnose(self) -> None:
        if self.space.is_done("diagnosis"):
            return
        route = None if self.recipe.route == "auto" else self.recipe.route
        with (
            self._stage("diagnosis"),
            self.progress.stage(_TITLES["diagnosis"], len(self.lexicon)) as advance,
        ):
            found = diagnose_terms(
                self.lexicon,
                self.host.tokenizer,
                self.host.facts,
                self.host,
                route=route,
                adapter_rank=self.recipe.training.rank,
                on_term=lambda term: advance(1),
            )
            moves_of(self.recipe, set(found.routes.values()))
            self.space.write_json(self.space.diagnosis, found)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What the first stage found."""
        return Diagnosis.model_validate(self.space.read_json(self.space.diagnosis))

    @cached_property
    def moves(self) -> Moves:
        """What moves in this run."""
        return moves_of(self.recipe, moving_routes(self.spelling))

    def _spell(self) -> None:
        routes = self.diagnosis.routes
        spelling, tokenizer = spell(
            self.lexicon,
            routes,
            self.host.tokenizer,
            rows=self.host.facts.rows,
            model_type=self.host.facts.model_type,
            multiple=self.recipe.rows.multiple,
        )
        self.spelling: Spelling = spelling
        self.tokenizer: PreTrainedTokenizerBase = tokenizer
        if self.space.is_done("spelling"):
            return
        with self._stage("spelling"), self.progress.stage(_TITLES["spelling"], None):
            moves_of(self.recipe, moving_routes(spelling))
            proof = prove(
                spelling,
                self.host.tokenizer,
                tokenizer,
                model_type=self.host.model.config.model_type,
            )
            if not proof.ok:
                raise SpellingError(
                    "The new tokens are not exact on this tokenizer:\n"
                    + "\n".join(f"  {line}" for line in proof.failures[:8])
                    + "\nUse --route subword or marker for these terms."
                )
            with self.space.writing_folder(self.space.spelling) as folder:
                tokenizer.save_pretrained(folder)
                written = spelling.model_dump_json(indent=2)
                (folder / "spelling.json").write_text(written, encoding="utf-8")

    def _first_rows(self) -> None:
        if self.space.is_done("rows") or not self.spelling.new_ids:
            return
        initial = self.recipe.rows.initial
        inputs, outputs = _matrices(self.host.model)
        with self._stage("rows"):
            with self.progress.stage(_TITLES["rows"], None):
                rows = first_rows(
                    "pieces" if initial == "distilled" else initial,
                    self.spelling,
                    self.lexicon,
                    self.host.tokenizer,
                    inputs,
                    outputs,
                    seed=self.seed,
                )
            if initial == "distilled":
                rows = distilled_from_lexicon(
                    self._fast_copy(),
                    self.host.tokenizer,
                    self.tokenizer,
                    self.spelling,
                    self.lexicon,
                    rows,
                    texts=self.recipe.rows.distilled_texts,
                    epochs=self.recipe.rows.distilled_epochs,
                    learning_rate=self.recipe.rows.distilled_learning_rate,
                    text_share=self.recipe.rows.distilled_text_share,
                    seed=self.seed,
                    progress=self.progress,
                )
            with self.space.writing_file(self.space.rows) as partial:
                save_rows(rows, partial)

    def _fast_copy(self) -> PreTrainedModel:
        """A copy of the untaught model to write and train with, in its type and on its device."""
        dtype = training_dtype(self.recipe.training.dtype)
        if self.moves == "full":
            dtype = torch.float32  # what moves is kept whole; rounding it first would be a change
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model: torch.nn.Module = copy.deepcopy(self.host.model)
        return cast(PreTrainedModel, model.to(device=device, dtype=dtype))

    def _write_texts(self) -> None:
        if self.space.is_done("texts"):
            return
        wanted = self.recipe.texts
        total = texts_to_write(self.spelling, self.recipe)
        with self._stage("texts"), self.progress.stage(_TITLES["texts"], total) as advance:
            texts = build_texts(
                self._fast_copy(),
                self.host.tokenizer,
                self.lexicon,
                self.spelling,
                evaluation_texts(self.lexicon),
                written=wanted.written,
                held_out=wanted.held_out,
                swapped=wanted.swapped,
                foils=wanted.foils,
                replay=wanted.replay,
                seed=self.seed,
                advance=advance,
            )
            self.space.write_lines(self.space.texts, texts)

    def _train(self) -> None:
        if self.space.is_done("training"):
            return
        settings = self.recipe.training
        texts = [Text.model_validate(x) for x in self.space.read_lines(self.space.texts)]
        model = self._fast_copy()
        with self._stage("training"):
            with self.progress.stage("Asking the teacher", _teacher_passes(texts)) as advance:
                lessons = make_lessons(
                    model,
                    self.host.tokenizer,
                    self.tokenizer,
                    self.lexicon,
                    self.spelling,
                    texts,
                    top_k=settings.top_k,
                    text_weight=settings.text_weight,
                    term_weight=settings.term_weight,
                    lexicon_weight=settings.lexicon_weight,
                    examples=settings.teacher_examples,
                    advance=advance,
                )
            pairs = list(zip(texts, lessons, strict=True))
            trained = [lesson for text, lesson in pairs if not text.held_out]
            trainable = Trainable(
                model,
                self.moves,
                load_rows(self.space.rows) if self.spelling.new_ids else None,
                self.spelling.rows_after,
                rank=settings.rank,
                alpha=settings.alpha,
                seed=self.seed,
            )
            steps = count_steps(trained, settings, self.seed)
            with self.progress.stage(_TITLES["training"], steps) as advance:
                train(
                    trainable,
                    trained,
                    [lesson for text, lesson in pairs if text.held_out],
                    settings,
                    _Keeper(self.space),
                    drift_limit=self.recipe.limits.drift_limit,
                    seed=self.seed,
                    advance=advance,
                )
            with self.space.writing_file(self.space.training / "taught.safetensors") as partial:
                save_taught(trainable.taught(), partial)
        # What only an unfinished training needs.
        (self.space.training / "checkpoint.safetensors").unlink(missing_ok=True)

    def _export(self) -> None:
        if self.space.is_done("model") and self.space.is_done("adapter"):
            return
        taught = load_taught(self.space.training / "taught.safetensors")
        # A host of its own: merging changes the model in place, and verifying needs the untaught.
        host = Host(
            copy.deepcopy(self.host.model), self.host.tokenizer, self.host.facts, self.host.path
        )
        model = merged_model(host, taught, self.spelling.rows_after)
        expected = observe(model, self.tokenizer, self.spelling)
        dtype = stored_dtype(self.host.facts.dtype)
        with self._stage("model"), self.progress.stage(_TITLES["model"], None):
            needs = checkpoint_bytes(model, dtype)
            with self.space.writing_folder(self.space.model, needs=needs) as folder:
                write_merged(model, self.tokenizer, folder, dtype, expected)
        del model, host
        with self._stage("adapter"), self.progress.stage(_TITLES["adapter"], None):
            refusal = adapter_refusal(taught)
            if refusal is not None:
                self.progress.say(f"No adapter: {refusal}")
                return
            with self.space.writing_folder(self.space.adapter) as folder:
                write_adapter(
                    lambda: copy.deepcopy(self.host.model),
                    taught,
                    self.spelling.rows_after,
                    self.tokenizer,
                    folder,
                    expected,
                    base_name=self.model,
                    revision=self.space.record.revision,
                )

    def _verify(self) -> None:
        if self.space.is_done("verdict"):
            return
        with self._stage("verdict"):
            verify(self.space.root, base=self.host, progress=self.progress)

    def _report(self) -> None:
        # Written on every run: it costs a moment, and shows all stages' times.
        with self._stage("report"), self.progress.stage(_TITLES["report"], None):
            write_report(self.space.root)
            write_model_card(self.space.root)


def texts_to_write(spelling: Spelling, recipe: Recipe) -> int:
    """How many texts the model is asked for; about half of them are kept."""
    wanted = recipe.texts
    marked = sum(term.route == "marker" for term in spelling)
    about = candidate_count(len(spelling), wanted.written, wanted.held_out)
    return about + replay_count(wanted.replay, marked)


def _teacher_passes(texts: Sequence[Text]) -> int:
    """The teacher reads every text plain, and those about a term once more with its definition."""
    return len(texts) + sum(text.term is not None for text in texts)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _matrices(model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
    """Input rows, and output rows where they are another matrix."""
    embedding: Any = model.get_input_embeddings()
    outputs = output_rows(model)
    tied = outputs.data_ptr() == embedding.weight.data_ptr()
    return embedding.weight.detach(), None if tied else outputs.detach()


def evaluation_texts(lexicon: Lexicon) -> list[str]:
    """What no training text may share eight words with."""
    languages = {lexicon.language, *(t.language for t in lexicon)}
    neutral = [text for language in sorted(languages) for text in neutral_texts(language)]
    return [*(sentence for term in lexicon for sentence in term.unseen), *neutral]
