"""The whole of it: corpus in, shards out, resumable; and the dry run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from lexigraft.errors import CorpusError, SpellingError
from lexigraft.lexicon import Lexicon
from lexigraft.progress import Advance, Progress, Silent
from lexigraft.retokenize.batches import Batch, batches
from lexigraft.retokenize.documents import Reader
from lexigraft.retokenize.encoding import Encoder, encoding
from lexigraft.retokenize.files import Corpus, Paths, find_files
from lexigraft.retokenize.folder import Folder, Identity
from lexigraft.retokenize.gathering import Passages, summarise
from lexigraft.retokenize.pool import Pool, Task, available_workers
from lexigraft.retokenize.preparing import Prepared, prepare
from lexigraft.retokenize.requirements import pyarrow_parquet, ray
from lexigraft.retokenize.shards import passages_path
from lexigraft.retokenize.values import (
    BatchRecord,
    Engine,
    Options,
    RetokenizePlan,
    Split,
    Summary,
)

__all__ = ["plan", "retokenize"]


def retokenize(
    corpus: Paths,
    lexicon: str | Path | Lexicon,
    model: str | Path,
    output: str | Path,
    *,
    revision: str | None = None,
    field: str = "text",
    split: Split = "paragraph",
    eos: bool = False,
    passages: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    skip_bad: bool = False,
    allow_changes: bool = False,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Encodes a corpus with the lexicon's terms as tokens, into Parquet files of token ids.

    Args:
        corpus: text, JSONL or Parquet files, compressed or not; folders; globs.
        lexicon: its terms become tokens, but for those that it routes `subword` or `marker`.
        model: whose tokenizer is extended.
        output: a new folder: `part-*.parquet` (columns source, document, ids), `tokenizer`,
            `spelling.json`, `summary.json`, and with `passages` `passages.jsonl`.
        revision: of a hub id.
        field: of a JSONL object, or the column of a Parquet file, that holds the text.
        split: what is one document of a text file. One of more than a million characters is cut.
        eos: end each document with the tokenizer's end-of-text token. No other one is added.
        passages: passages kept for each term, the first in the order of the corpus; 0: none.
        workers: processes; None takes one for each core. The output does not depend on it.
        engine: `local` takes processes of this machine; `ray` those of Ray Data, at RAY_ADDRESS if
            that is set, else on this machine. Other machines need lexigraft, and corpus and output
            at the same paths. The output does not depend on it.
        skip_bad: leave bad lines out, and replace bytes that are no UTF-8, instead of stopping.
        allow_changes: accept that other words have other tokens than before.
        resume: go on with the run in `output` where it stopped, or start one.
        force: throw away the run in `output`, if there is one.
        progress: told of bytes read; with `ray`, of batches done.

    Returns:
        counts, the same whatever the workers and the interruptions; also in `summary.json`.

    Raises:
        CorpusError: something in the corpus cannot be read, or pyarrow or Ray is not installed.
        LexiconError, ModelError: of the lexicon and the model.
        SpellingError: the new tokens are not exact, or (once all is written) other words changed.
        RunError: the folder is taken, foreign or in use, or holds another run; or workers ended.
    """
    progress = progress or Silent()
    pyarrow_parquet()
    if engine == "ray":
        ray()
    root = Path(output).expanduser()
    found = find_files(corpus, without=root)
    options = Options(field=field, split=split, eos=eos, skip_bad=skip_bad, passages=passages)
    prepared = prepare(model, lexicon, revision, progress, allow_changes=allow_changes)
    with Folder.open(root, _identity(prepared, options, found), resume=resume, force=force) as kept:
        if kept.summary.is_file():
            summary = Summary.model_validate(kept.space.read_json(kept.summary))
            kept.forget_parts()
        else:
            run = _Run(kept, prepared, options, found, workers, progress)
            summary = run.run(engine)
    if summary.changed_words and not allow_changes:
        raise SpellingError(_changed(summary, root))
    return summary


def _identity(prepared: Prepared, options: Options, corpus: Corpus) -> Identity:
    return Identity(
        model=prepared.model,
        fingerprint=prepared.fingerprint,
        lexicon=prepared.lexicon.name,
        lexicon_digest=prepared.lexicon.digest(),
        options=options,
        files=corpus.files,
    )


def _changed(summary: Summary, root: Path) -> str:
    words = ", ".join(repr(word) for word in summary.changed_words[:10])
    return (
        f"Other words than the terms have other tokens now: {words}.\n"
        f"{root} is complete. If that is acceptable, run the same command with --resume "
        "--allow-changes; else route the terms that cause it `subword` or `marker`."
    )


class _Run:
    """One run in an open folder."""

    def __init__(
        self,
        folder: Folder,
        prepared: Prepared,
        options: Options,
        corpus: Corpus,
        workers: int | None,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._prepared = prepared
        self._corpus = corpus
        self._workers = workers
        self._progress = progress
        self._options = options
        self._reader = Reader(options)
        self._passages = Passages(folder.root, prepared.lexicon, options.passages)
        self._setup = prepared.setup(folder.root, passages=options.passages, eos=options.eos)

    def run(self, engine: Engine) -> Summary:
        """Encodes what is not done yet, and writes the summary."""
        self._save_spelling()
        records = self._folder.finished()
        if self._options.passages:  # a batch whose passages are lost is done again
            root = self._folder.root
            records = {n: r for n, r in records.items() if passages_path(root, n).is_file()}
        with ExitStack() as stack:
            lines = None
            if self._options.passages:
                partial = self._folder.space.writing_file(self._folder.passages)
                lines = stack.enter_context(
                    stack.enter_context(partial).open("w", encoding="utf-8")
                )
            encode = self._encode_on_ray if engine == "ray" else self._encode
            encode(records, lines)
        if not records:
            raise CorpusError("The corpus holds no text: every document is empty.")
        summary = self._summary(records)
        self._folder.space.write_json(self._folder.summary, summary)
        self._folder.forget_parts()
        return summary

    def _save_spelling(self) -> None:
        space = self._folder.space
        if not self._folder.tokenizer.is_dir():
            with space.writing_folder(self._folder.tokenizer) as partial:
                self._prepared.new.save_pretrained(partial)
        space.write_json(self._folder.spelling, self._prepared.spelling)

    def _encode(self, records: dict[int, BatchRecord], lines: IO[str] | None) -> None:
        size = self._corpus.size
        name, unit = ("MB", 10**6) if size > 20 * 10**6 else ("kB", 10**3)
        stage = self._progress.stage(f"Retokenizing, {name}", max(1, size // unit))
        workers = self._workers or available_workers()
        with stage as advance, Pool(self._setup, workers) as pool:
            told = _Scaled(advance, unit)
            tasks = self._tasks(records, lines, told)
            for batch, record in pool.run(tasks):
                self._keep(record, records, lines)
                told(batch.read)

    def _encode_on_ray(self, records: dict[int, BatchRecord], lines: IO[str] | None) -> None:
        from lexigraft.retokenize import ray_data

        for number in sorted(records):
            self._gather(number, lines)
        make = partial(encoding, replace(self._setup, folder=self._folder.root.absolute()))
        with ray_data.joined(self._workers) as workers:
            files, options = self._corpus.files, self._options
            laid = ray_data.layout(files, options, self._progress, done=records)
            self._reader.skipped, self._reader.replaced = laid.skipped, laid.replaced
            with self._progress.stage("Retokenizing, batches", max(1, laid.batches)) as advance:
                advance(len(records))
                done = frozenset(records)
                for record in ray_data.work(laid, options, make, workers, done):
                    self._keep(record, records, lines)
                    advance(1)
        self._folder.sweep()

    def _keep(
        self, record: BatchRecord, records: dict[int, BatchRecord], lines: IO[str] | None
    ) -> None:
        self._folder.finish(record)
        records[record.batch] = record
        self._gather(record.batch, lines)

    def _tasks(
        self, records: dict[int, BatchRecord], lines: IO[str] | None, told: _Scaled
    ) -> Iterator[Task]:
        """Every batch that is not done; what is done is read past."""
        for batch in self._all_batches():
            if batch.number in records:
                self._gather(batch.number, lines)
                told(batch.read)
            else:
                yield batch, self._passages.wanted

    def _all_batches(self) -> Iterator[Batch]:
        return batches(self._corpus.files, self._reader)

    def _gather(self, number: int, lines: IO[str] | None) -> None:
        if lines is not None:
            lines.writelines(self._passages.add(number))

    def _summary(self, records: dict[int, BatchRecord]) -> Summary:
        return summarise(
            records.values(),
            self._prepared.spelling,
            self._prepared.sought,
            files=len(self._corpus.files),
            skipped_files=self._corpus.skipped,
            skipped_lines=self._reader.skipped,
            replaced=self._reader.replaced,
            passages=self._passages.count,
        )


class _Scaled:
    """Tells an `Advance` of whole units."""

    def __init__(self, advance: Advance, unit: int) -> None:
        self._advance = advance
        self._unit = unit
        self._rest = 0

    def __call__(self, count: int) -> None:
        whole, self._rest = divmod(self._rest + count, self._unit)
        self._advance(whole)


def plan(
    corpus: Paths,
    lexicon: str | Path | Lexicon,
    model: str | Path,
    output: str | Path,
    *,
    revision: str | None = None,
    field: str = "text",
    split: Split = "paragraph",
    eos: bool = False,
    passages: int = 0,
    workers: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> RetokenizePlan:
    """What `retokenize` would do with the same arguments, timed on the first batch.

    Writes nothing, besides a shard in the system's folder for temporary files.
    """
    import tempfile

    progress = progress or Silent()
    pyarrow_parquet()
    found = find_files(corpus, without=Path(output).expanduser())
    options = Options(field=field, split=split, eos=eos, skip_bad=skip_bad, passages=passages)
    prepared = prepare(model, lexicon, revision, progress)
    count = workers or available_workers()
    with tempfile.TemporaryDirectory() as folder, progress.stage("Timing the first batch", None):
        encoder = Encoder(prepared.setup(Path(folder), passages=passages, eos=eos))
        began = time.perf_counter()
        batch = next(batches(found.files, Reader(options)), None)
        if batch is None:
            raise CorpusError("The corpus holds no text: every document is empty.")
        encoder.encode(batch, None)
        took = time.perf_counter() - began
    # A corpus of one batch has nothing to share out.
    seconds = took if batch.read >= found.size else took * found.size / batch.read / count
    tokens = prepared.spelling.new_tokens
    return RetokenizePlan(
        files=found.files,
        bytes=found.size,
        skipped_files=found.skipped,
        terms=prepared.routes,
        forms=tuple(dict.fromkeys(token.form for token in tokens)),
        new_tokens=len(tokens),
        workers=count,
        seconds=round(seconds, 1),
    )
