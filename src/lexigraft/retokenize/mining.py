"""A corpus read once for teaching: the passages with the terms, and other words that would change.

In one process by default: a corpus to learn a few words from is small. With the engine `ray` by
many, for the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import CorpusError
from lexigraft.lexicon import Lexicon, Occurrence
from lexigraft.progress import Progress
from lexigraft.retokenize.batches import Batch, batches
from lexigraft.retokenize.documents import Reader
from lexigraft.retokenize.files import Corpus
from lexigraft.retokenize.spotting import Spotter, passage
from lexigraft.retokenize.values import Engine, Options, Passage
from lexigraft.spelling import Spelling
from lexigraft.spelling.prove import changed_words, own_ids

__all__ = ["Mined", "mine"]

_BATCH = 200_000
_MOST_CHANGED = 100


class Mined(BaseModel):
    """What the corpus held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: int
    documents: int
    passages: tuple[Passage, ...] = Field(description="the first of each term")
    changed_words: tuple[str, ...] = Field((), description="other words with other tokens")

    def of(self, term: str) -> list[str]:
        """The texts of the passages with `term`."""
        return [found.text for found in self.passages if found.term == term]


def mine(
    corpus: Corpus,
    options: Options,
    lexicon: Lexicon,
    spelling: Spelling,
    old: PreTrainedTokenizerBase,
    new: PreTrainedTokenizerBase,
    progress: Progress,
    *,
    engine: Engine = "local",
    workers: int | None = None,
) -> Mined:
    """Reads every document of `corpus`: `options.passages` passages a term, and what changed.

    A term behind a marker has passages where the marker stands: the bare word is another one.
    `engine` and `workers` are those of `retokenize`; nothing in the result depends on them.
    Raises CorpusError for what cannot be read, and where there is no text at all.
    """
    make = partial(_Miner, lexicon, spelling, old, new, options.passages)
    if engine == "ray":
        miner = _mined_on_ray(corpus, options, make, workers, progress)
    else:
        miner = make()
        with progress.stage("Reading the corpus, kB", max(1, corpus.size // 1000)) as advance:
            read = 0
            for batch in batches(corpus.files, Reader(options), _BATCH):
                miner.read(batch)
                advance((read + batch.read) // 1000 - read // 1000)
                read += batch.read
    if not miner.documents:
        raise CorpusError("The corpus holds no text: every document is empty.")
    return Mined(
        files=len(corpus.files),
        documents=miner.documents,
        passages=tuple(p for term in lexicon for p in miner.found[term.term].values()),
        changed_words=tuple(miner.changed)[:_MOST_CHANGED],
    )


@dataclass(frozen=True)
class _Part:
    """What one batch held."""

    number: int
    documents: int
    passages: list[Passage]
    changed: list[str]


def _mined_on_ray(
    corpus: Corpus,
    options: Options,
    make: Callable[[], _Miner],
    workers: int | None,
    progress: Progress,
) -> _Miner:
    """A miner that took the batches in their order, though they were read in another."""
    from lexigraft.retokenize import ray_data

    miner = make()
    waiting: dict[int, _Part] = {}
    taken = 0
    with ray_data.joined(workers) as count:
        laid = ray_data.layout(corpus.files, options, progress, characters=_BATCH)
        with progress.stage("Reading the corpus, batches", max(1, laid.batches)) as advance:
            for part in ray_data.work(laid, options, partial(_parts, make), count):
                waiting[part.number] = part
                while taken in waiting:
                    miner.take(waiting.pop(taken))
                    taken += 1
                advance(1)
    return miner


def _parts(make: Callable[[], _Miner]) -> Callable[[Batch], _Part]:
    return make().part


class _Miner:
    """What was found so far."""

    def __init__(
        self,
        lexicon: Lexicon,
        spelling: Spelling,
        old: PreTrainedTokenizerBase,
        new: PreTrainedTokenizerBase,
        most: int,
    ) -> None:
        self.documents = 0
        self.changed: dict[str, None] = {}
        self.found: dict[str, dict[str, Passage]] = {term.term: {} for term in lexicon}
        self._spelling, self._old, self._new, self._most = spelling, old, new, most
        self._own = own_ids(spelling, old) if spelling.new_tokens else None
        self._spotter = Spotter(lexicon, {term.term for term in lexicon})

    def read(self, batch: Batch) -> None:
        """Takes the documents of one batch in."""
        self.documents += len(batch.texts)
        if self._own is not None:
            found = changed_words(self._spelling, self._own, batch.texts, self._old, self._new)
            self.changed.update(dict.fromkeys(found))
        if any(len(known) < self._most for known in self.found.values()):
            for place, text in enumerate(batch.texts):
                self._spot(text, batch.names[batch.sources[place]], batch.first + place)

    def part(self, batch: Batch) -> _Part:
        """What `batch` holds, by itself: what came before is forgotten."""
        self.documents = 0
        self.changed = {}
        self.found = {term: {} for term in self.found}
        self.read(batch)
        return _Part(batch.number, self.documents, list(self._passages()), list(self.changed))

    def take(self, part: _Part) -> None:
        """Takes in what another miner found in the next batch."""
        self.documents += part.documents
        self.changed.update(dict.fromkeys(part.changed))
        for found in part.passages:
            known = self.found[found.term]
            if len(known) < self._most:
                known.setdefault(found.text, found)

    def _passages(self) -> Iterator[Passage]:
        for known in self.found.values():
            yield from known.values()

    def _spot(self, text: str, source: str, document: int) -> None:
        if not self._spotter.may_hold_sought(text):
            return
        for start, end, here in self._spotter.occurrences(text):
            known = self.found[here.term]
            if len(known) >= self._most or not self._counts(here):
                continue
            around = passage(text, start, end)
            known.setdefault(
                around,
                Passage(
                    term=here.term, form=here.form, text=around, source=source, document=document
                ),
            )

    def _counts(self, here: Occurrence) -> bool:
        return here.marked or self._spelling.route(here.term) != "marker"
