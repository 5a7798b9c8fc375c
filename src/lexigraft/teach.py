"""The whole pipeline: from a model and a lexicon to a taught model, its verdict and its report.

Every stage reads what the ones before it wrote to the run's folder and writes its own; a stage that
is marked as done is not run again. So a run that was stopped, at whatever moment, goes on with
`resume=True` and ends as it would have ended.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.base_reference import reference_to
from lexigraft.continuing import require_same_forms
from lexigraft.corpus import TemplateFile
from lexigraft.diagnose import Diagnosis, diagnose_terms
from lexigraft.distributed import Terminated, joined
from lexigraft.earlier import Earlier
from lexigraft.errors import Interrupted, SpellingError
from lexigraft.export import (
    adapter_refusal,
    base_shard_bytes,
    checkpoint_bytes,
    merged_model,
    observe,
    stored_dtype,
    write_adapter,
    write_merged,
)
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Route, check_against_tokenizer, dump_lexicon
from lexigraft.memory import TEACHING, explained_memory
from lexigraft.processes import current
from lexigraft.progress import Progress, Silent
from lexigraft.recipe import Recipe, dump_recipe, with_texts
from lexigraft.report import write_model_card, write_report
from lexigraft.retokenize import Corpus, Mined, Options, mine
from lexigraft.rows import save_rows
from lexigraft.run_given import read_given
from lexigraft.run_rows import rows_to_move
from lexigraft.run_settings import moves_of, moving_routes, training_dtype
from lexigraft.run_texts import as_kept, identified, templates_of, texts_to_learn
from lexigraft.run_training import train_on_texts
from lexigraft.spelling import NewToken, Spelling, prove, require_exact, spell
from lexigraft.training import FolderKeeper, Moves, load_taught, save_taught
from lexigraft.verdict import verify
from lexigraft.workspace import Identity, Workspace, installed_versions

__all__ = ["teach"]

Stage = Literal[
    "diagnosis",
    "spelling",
    "corpus",
    "rows",
    "texts",
    "training",
    "model",
    "adapter",
    "verdict",
    "report",
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


@explained_memory(TEACHING)
def teach(
    model: str | Path,
    lexicon: str | Path | Lexicon,
    output: str | Path,
    *,
    recipe: Recipe | None = None,
    route: Route | None = None,
    writer: str | None = None,
    writer_model: str | None = None,
    templates: str | Path | None = None,
    corpus: str | Path | Sequence[str | Path] = (),
    field: str = "text",
    skip_bad: bool = False,
    allow_changes: bool = False,
    replace: Sequence[str] = (),
    revision: str | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Workspace:
    """Teaches `lexicon` to `model` and writes everything to the folder `output`.

    Args:
        model: a folder, a hub id, a GGUF file or the embedded base's name. A run's folder is
            continued: the terms that it taught are kept and verified again.
        lexicon: a file, or a lexicon as read.
        output: a new folder; with `resume` one that holds this run, with `force` any run.
        recipe: every setting; None takes the defaults.
        route: for every term, over what lexicon and recipe say.
        writer: address of an OpenAI-compatible server that writes the texts about the terms, over
            what the recipe says; its key is in LEXIGRAFT_WRITER_KEY, else in OPENAI_API_KEY.
        writer_model: name of its model.
        templates: a YAML file with templates in the place of built-in ones.
        corpus: the user's own texts: files, folders and globs as `retokenize` reads them. Passages
            with the terms become training texts, and no other word of it may change its tokens.
        field: of a JSONL object of the corpus, or the column of a Parquet file, with the text.
        skip_bad: leave bad lines of the corpus out instead of stopping.
        allow_changes: accept that other words of the corpus have other tokens than before.
        replace: terms of the continued run that `lexicon` defines anew.
        revision: of a hub id.
        seed: of everything random.

    Returns:
        the run's folder, finished: model, adapter, verdict and report.

    Raises:
        LexiconError, ModelError, RecipeError, CorpusError, RunError, SpellingError, WriterError,
            ExportError: what was given cannot be used; nothing that was finished is lost.
        Interrupted: Ctrl-C; the message says how to go on.
    """
    recipe = with_texts(
        recipe or Recipe(), writer=writer, writer_model=writer_model, templates=templates
    )
    if route is not None:
        recipe = recipe.model_copy(update={"route": route})
    reading = Options(field=field, skip_bad=skip_bad, passages=recipe.texts.passages)
    try:
        with joined() as processes:
            progress = (progress if processes.leads else None) or Silent()

            look = partial(read_given, model, lexicon, output, corpus, replace, progress)
            given = processes.first(look)
            tables = processes.first(partial(templates_of, recipe.texts))
            opened = partial(Workspace.open, output, create=True, resume=resume, force=force)
            with processes.first(opened) as space:
                run = _Run(
                    space=space,
                    model=str(model),
                    revision=revision,
                    lexicon=given.lexicon,
                    earlier=given.earlier,
                    lexicon_path=given.lexicon_path,
                    recipe=recipe,
                    templates=tables,
                    seed=seed,
                    progress=progress,
                    corpus=given.corpus,
                    reading=reading,
                    allow_changes=allow_changes,
                )
                run.everything()
    except KeyboardInterrupt as stop:
        why = "Stopped."
        if isinstance(stop, Terminated):
            why = "Stopped by the launcher, as when another process of the run has ended."
        raise Interrupted(
            f"{why} Nothing that was finished is lost: run the same command with --resume and "
            f"{output} goes on where it was."
        ) from stop
    return space


@dataclass
class _Run:
    """One run between its stages: the folder, what it is of, and what is loaded."""

    space: Workspace
    model: str
    revision: str | None
    lexicon: Lexicon
    earlier: Earlier | None
    lexicon_path: Path | None
    recipe: Recipe
    templates: TemplateFile | None
    seed: int
    progress: Progress
    corpus: Corpus | None
    reading: Options
    allow_changes: bool

    def everything(self) -> None:
        """All stages in their order, those that are done passed over."""
        self._begin()
        self._diagnose()
        self._spell()
        self._read_corpus()
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
        recipe = identified(self.recipe, self.templates)
        identity = Identity(
            model=self.model,
            revision=self.host.facts.revision or self.revision,
            fingerprint=self.host.facts.fingerprint,
            lexicon=self.lexicon.name,
            lexicon_digest=self.lexicon.digest(),
            terms={t.term: _digest(t.model_dump_json()) for t in self.lexicon},
            recipe=recipe.model_dump(mode="json"),
            recipe_digest=recipe.digest(),
            seed=self.seed,
            corpus={f.name: (f.size, f.modified) for f in self.corpus.files} if self.corpus else {},
            continues=() if self.earlier is None else self.earlier.chain,
            replaced=tuple(c.term for c in self.earlier.corrected) if self.earlier else (),
        )

        def begin() -> None:
            self.space.begin(identity, installed_versions())
            self.space.write_text(self.space.lexicon, dump_lexicon(self.lexicon))
            kept = as_kept(self.recipe, self.templates, self.space)
            self.space.write_text(self.space.recipe, dump_recipe(kept))
            if self.earlier is not None and not self.space.earlier.is_file():
                self.space.write_json(self.space.earlier, self.earlier)

        current().lead(begin)
        self.space.reread()

    @contextmanager
    def _stage(self, stage: Stage) -> Iterator[None]:
        """All processes come out of it with the stage done and everything that it wrote there."""
        began = time.monotonic()
        yield
        self.space.mark_done(stage, time.monotonic() - began)
        current().wait()
        self.space.reread()

    def _is_done(self, stage: Stage) -> bool:
        return current().same(self.space.is_done(stage))

    def _diagnose(self) -> None:
        if self._is_done("diagnosis"):
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
                adapter_layers=self.recipe.training.layers,
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
        return moves_of(self.recipe, moving_routes(self.spelling, self.corrected))

    @cached_property
    def corrected(self) -> tuple[NewToken, ...]:
        """Tokens of an earlier run that get another meaning."""
        if self.earlier is None:
            return ()
        return self.earlier.moving_tokens(self.lexicon, self.spelling)

    @property
    def moving_tokens(self) -> tuple[NewToken, ...]:
        """Those whose rows may move alone: old ones of corrected terms, then the new ones."""
        return (*self.corrected, *self.spelling.new_tokens)

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
        if self._is_done("spelling"):
            return

        def keep() -> None:
            moves_of(self.recipe, moving_routes(spelling, self.corrected))
            require_same_forms(self.earlier, self.host.tokenizer, tokenizer)
            proof = prove(
                spelling,
                self.host.tokenizer,
                tokenizer,
                model_type=self.host.model.config.model_type,
            )
            advice = "Use --route subword or marker for these terms."
            require_exact(proof, advice, allow_changes=self.allow_changes)
            with self.space.writing_folder(self.space.spelling) as folder:
                tokenizer.save_pretrained(folder)
                written = spelling.model_dump_json(indent=2)
                (folder / "spelling.json").write_text(written, encoding="utf-8")

        with self._stage("spelling"), self.progress.stage(_TITLES["spelling"], None):
            current().lead(keep)

    def _read_corpus(self) -> None:
        if self.corpus is None or self._is_done("corpus"):
            return
        with self._stage("corpus"):
            current().lead(partial(self._mine, self.corpus))

    def _mine(self, corpus: Corpus) -> None:
        found = mine(
            corpus,
            self.reading,
            self.lexicon,
            self.spelling,
            self.host.tokenizer,
            self.tokenizer,
            self.progress,
        )
        if found.changed_words and not self.allow_changes:
            words = ", ".join(repr(word) for word in found.changed_words[:10])
            raise SpellingError(
                f"Other words of the corpus than the terms would have other tokens: {words}.\n"
                "If that is acceptable, run the same command with --resume --allow-changes; "
                "else route the terms that cause it `subword` or `marker`."
            )
        self.space.write_json(self.space.corpus, found)

    def _passages(self) -> dict[str, list[str]]:
        """The corpus' passages by term; none without a corpus."""
        if self.corpus is None:
            return {}
        found = Mined.model_validate(self.space.read_json(self.space.corpus))
        return {term.term: found.of(term.term) for term in self.lexicon}

    def _first_rows(self) -> None:
        if self._is_done("rows") or not self.moving_tokens:
            return
        with self._stage("rows"):
            current().lead(self._initialise)

    def _initialise(self) -> None:
        rows = rows_to_move(
            self.host,
            self.tokenizer,
            self.lexicon,
            self.spelling,
            self.corrected,
            self.recipe.rows,
            copied=self._fast_copy,
            title=_TITLES["rows"],
            seed=self.seed,
            progress=self.progress,
        )
        if rows is not None:
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
        if self._is_done("texts"):
            return
        with self._stage("texts"):
            texts = texts_to_learn(
                self.host.tokenizer,
                self.lexicon,
                self.spelling,
                self.earlier,
                self.recipe,
                self.templates,
                self.space,
                copied=self._fast_copy,
                passages=self._passages(),
                title=_TITLES["texts"],
                seed=self.seed,
                progress=self.progress,
            )
            self.space.write_lines(self.space.texts, texts)

    def _train(self) -> None:
        if self._is_done("training"):
            return
        with self._stage("training"):
            taught = train_on_texts(
                self.host.tokenizer,
                self.tokenizer,
                self.lexicon,
                self.spelling,
                self.recipe,
                self.space,
                moves=self.moves,
                moving=self.moving_tokens,
                copied=self._fast_copy,
                title=_TITLES["training"],
                seed=self.seed,
                progress=self.progress,
            )
            taught = changed(taught, old_ids=tuple(t.id for t in self.corrected))
            if current().leads:
                path = self.space.training / "taught.safetensors"
                with self.space.writing_file(path) as partial:
                    save_taught(taught, partial)
        # What only an unfinished training needs.
        FolderKeeper(self.space).forget()

    def _export(self) -> None:
        if self._is_done("model") and self._is_done("adapter"):
            return
        current().lead(self._write_exports)
        self.space.reread()

    def _write_exports(self) -> None:
        taught = load_taught(self.space.training / "taught.safetensors")
        # A host of its own: merging changes the model in place, and verifying needs the untaught.
        host = Host(
            copy.deepcopy(self.host.model), self.host.tokenizer, self.host.facts, self.host.path
        )
        model = merged_model(host, taught, self.spelling.rows_after, padding=self.spelling.padding)
        expected = observe(model, self.tokenizer, self.spelling)
        dtype = stored_dtype(self.host.facts.dtype)
        if not self.space.is_done("model"):  # stopped between the two, it is written already
            with self._stage("model"), self.progress.stage(_TITLES["model"], None):
                needs = checkpoint_bytes(model, dtype)
                with self.space.writing_folder(self.space.model, needs=needs) as folder:
                    shard = base_shard_bytes(self.host)
                    write_merged(model, self.tokenizer, folder, dtype, expected, shard)
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
                    self.tokenizer,
                    folder,
                    expected,
                    base=reference_to(self.model, self.space.record.revision),
                )

    def _verify(self) -> None:
        if self._is_done("verdict"):
            return
        with self._stage("verdict"):
            verify(self.space.root, base=self.host, progress=self.progress)

    def _report(self) -> None:
        # Written on every run: it costs a moment, and shows all stages' times.
        with self._stage("report"), self.progress.stage(_TITLES["report"], None):
            if current().leads:
                write_report(self.space.root)
                write_model_card(self.space.root)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
