"""Batches to shards: the work of one process. Knows tokenizers as JSON; loads no torch."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import BPE

from lexigraft.lexicon.schema import Lexicon
from lexigraft.retokenize.batches import Batch
from lexigraft.retokenize.shards import passages_path, write_passages, write_shard
from lexigraft.retokenize.spotting import Spotter, passage
from lexigraft.retokenize.values import BatchRecord, Passage
from lexigraft.spelling.prove import changed_words
from lexigraft.spelling.values import Spelling

__all__ = ["Encoder", "Setup", "encoding"]

# Encodings are heavy, about a hundred bytes a token: few of them are held at once.
_SLICE = 100_000
# Words whose pieces are remembered. The library's default of 10,000 is used up by a few megabytes
# of text, and what it does not hold is merged anew each time.
_CACHE = 100_000
_FIRST_CHECKED, _EVERY_CHECKED = 200, 50
_MOST_CHANGED, _LONGEST_CHANGED = 20, 80

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Setup:
    """What every batch of a run needs. Travels to the worker processes."""

    folder: Path
    old: str
    """the tokenizer as it was, JSON"""
    new: str
    """the tokenizer with the new tokens, JSON"""
    spelling: Spelling
    own: frozenset[int]
    """every id that stands for a form, as `own_ids` has them"""
    lexicon: Lexicon
    sought: frozenset[str]
    """terms that are counted in the text, as no new token of theirs tells every place"""
    passages: int
    eos: int | None


@dataclass(frozen=True, slots=True)
class _Backed:
    """A tokenizer as `changed_words` asks for one."""

    backend_tokenizer: Tokenizer


class Encoder:
    """Encodes batches and writes their shards."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._old, self._new = _backend(setup.old), _backend(setup.new)
        self._spotter = Spotter(setup.lexicon, setup.sought)
        tokens = setup.spelling.new_tokens
        self._base = min((token.id for token in tokens), default=0)
        self._pieces = {token.id: np.array(token.pieces, np.int32) for token in tokens}
        self._terms = {token.id: token.term for token in tokens}

    def encode(self, batch: Batch, wanted: frozenset[str] | None) -> BatchRecord:
        """Writes the shard of `batch`, and the passages of the terms in `wanted` (None: all)."""
        ids, lengths = _ids(self._new, batch.texts)
        fresh = self._fresh(ids)
        holds = _sums(fresh, lengths) > 0
        record, saved, changed = self._compared(batch, ids, lengths, holds)
        found, passages = self._spotted(batch, ids, lengths, holds, wanted)
        folder = self._setup.folder
        if self._setup.passages:
            write_passages(passages_path(folder, batch.number), passages)
        write_shard(folder, batch, *_with_eos(ids, lengths, self._setup.eos))
        numbers, counts = np.unique(ids[fresh], return_counts=True)
        return BatchRecord(
            batch=batch.number,
            documents=len(batch.texts),
            bytes=sum(len(text.encode("utf-8")) for text in batch.texts),
            after=len(ids),
            tokens=dict(zip(numbers.tolist(), counts.tolist(), strict=True)),
            found=found,
            saved=saved,
            changed=changed,
            **record,
        )

    def _fresh(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of the ids are new; new ids follow each other."""
        return (ids >= self._base) & (ids < self._base + len(self._pieces))

    # --- the old tokenizer's view ---

    def _compared(
        self, batch: Batch, ids: Ids, lengths: NDArray[np.int64], holds: NDArray[np.bool_]
    ) -> tuple[dict[str, int], dict[str, int], tuple[str, ...]]:
        """Tokens before, tokens saved a term, and other words that changed.

        Only documents with new tokens are encoded again, and a sample of the others.
        """
        starts = np.cumsum(lengths) - lengths
        numbers = np.arange(batch.first, batch.first + len(lengths))
        sampled = ~holds & ((numbers < _FIRST_CHECKED) | (numbers % _EVERY_CHECKED == 0))
        places = np.flatnonzero(holds | sampled).tolist()
        was, old_lengths = _ids(self._old, [batch.texts[place] for place in places])
        before = int(lengths.sum())
        saved: Counter[str] = Counter()
        differing = []
        position = 0
        for place, length in zip(places, old_lengths.tolist(), strict=True):
            now = ids[starts[place] : starts[place] + lengths[place]]
            old = was[position : position + length]
            position += length
            before += length - len(now)
            if np.array_equal(old, self._written_out(now)):
                for number in now[self._fresh(now)].tolist():
                    saved[self._terms[number]] += len(self._pieces[number]) - 1
            else:
                text = batch.texts[place]
                differing.append(text)
                saved.update(self._saved_in(text))
        counts = {"before": before, "checked": int(sampled.sum())}
        return counts, dict(sorted(saved.items())), self._changed(differing)

    def _written_out(self, ids: Ids) -> Ids:
        """`ids` with the pieces of each new token in its place."""
        parts: list[Ids] = []
        start = 0
        for place in np.flatnonzero(self._fresh(ids)).tolist():
            parts += (ids[start:place], self._pieces[int(ids[place])])
            start = place + 1
        return np.concatenate((*parts, ids[start:])) if parts else ids

    def _saved_in(self, text: str) -> Counter[str]:
        """Tokens saved where a new token stands in another cut than before.

        The text is cut wherever both tokenizers end a token; each part's gain is its term's.
        """
        old, new = (b.encode(text, add_special_tokens=False) for b in (self._old, self._new))
        old_ends, new_ends = ([end for _, end in e.offsets] for e in (old, new))
        saved: Counter[str] = Counter()
        done_old = done_new = 0
        for end in sorted({*old_ends} & {*new_ends}):
            upto_old, upto_new = bisect_right(old_ends, end), bisect_right(new_ends, end)
            here = (self._terms.get(number) for number in new.ids[done_new:upto_new])
            if (term := next(filter(None, here), None)) is not None:
                saved[term] += (upto_old - done_old) - (upto_new - done_new)
            done_old, done_new = upto_old, upto_new
        return saved

    def _changed(self, texts: Sequence[str]) -> tuple[str, ...]:
        if not texts:
            return ()
        setup = self._setup
        old, new = _Backed(self._old), _Backed(self._new)
        found = changed_words(setup.spelling, setup.own, texts, old, new)
        return tuple(word[:_LONGEST_CHANGED] for word in found[:_MOST_CHANGED])

    # --- terms in the text ---

    def _spotted(
        self,
        batch: Batch,
        ids: Ids,
        lengths: NDArray[np.int64],
        holds: NDArray[np.bool_],
        wanted: frozenset[str] | None,
    ) -> tuple[dict[str, int], list[Passage]]:
        """How often each sought term stands in the text, and the first passages of the wanted."""
        ends = np.cumsum(lengths)
        found: Counter[str] = Counter()
        kept = _Passages(self._setup.passages, wanted)
        for place, text in enumerate(batch.texts):
            now = ids[ends[place] - lengths[place] : ends[place]] if holds[place] else ids[:0]
            if not (self._wants(now, kept) or self._spotter.may_hold_sought(text)):
                continue
            for start, end, here in self._spotter.occurrences(text):
                if here.term in self._setup.sought:
                    found[here.term] += 1
                if kept.wants(here.term):
                    source = batch.names[batch.sources[place]]
                    kept.add(here.term, here.form, passage(text, start, end), source,
                             batch.first + place)  # fmt: skip
        return dict(sorted(found.items())), kept.found

    def _wants(self, ids: Ids, kept: _Passages) -> bool:
        """Whether some new token among `ids` is of a term whose passages are wanted."""
        fresh = ids[self._fresh(ids)] if len(ids) else ids
        return any(kept.wants(self._terms[number]) for number in set(fresh.tolist()))


def encoding(setup: Setup) -> Callable[[Batch], BatchRecord]:
    """What encodes batches somewhere where it is not known which passages are still wanted."""
    return partial(Encoder(setup).encode, wanted=None)


class _Passages:
    """The first passages of each wanted term in one batch, without repeats."""

    def __init__(self, most: int, wanted: frozenset[str] | None) -> None:
        self.found: list[Passage] = []
        self._most = most
        self._wanted = wanted
        self._texts: dict[str, set[str]] = {}

    def wants(self, term: str) -> bool:
        if self._most == 0 or (self._wanted is not None and term not in self._wanted):
            return False
        return len(self._texts.get(term, ())) < self._most

    def add(self, term: str, form: str, text: str, source: str, document: int) -> None:
        texts = self._texts.setdefault(term, set())
        if text not in texts:
            texts.add(text)
            self.found.append(
                Passage(term=term, form=form, text=text, source=source, document=document)
            )


def _backend(document: str) -> Tokenizer:
    backend = Tokenizer.from_str(document)
    # A tokenizer may have been saved with either.
    backend.no_truncation()
    backend.no_padding()
    if isinstance(backend.model, BPE):
        backend.model._resize_cache(_CACHE)
    return backend


def _slices(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = held = 0
    for place, text in enumerate(texts):
        held += len(text)
        if held >= _SLICE:
            yield texts[start : place + 1]
            start, held = place + 1, 0
    if start < len(texts):
        yield texts[start:]


def _ids(backend: Tokenizer, texts: Sequence[str]) -> tuple[Ids, NDArray[np.int64]]:
    """The ids of all texts one after the other, and how many each text has."""
    encode: Any = getattr(backend, "encode_batch_fast", backend.encode_batch)
    flat = array("i")
    lengths = []
    for part in _slices(texts):
        for encoding in encode(part, add_special_tokens=False):
            ids = encoding.ids
            flat.fromlist(ids)
            lengths.append(len(ids))
    return np.frombuffer(flat, np.int32) if flat else _NONE, np.array(lengths, np.int64)


_NONE: Ids = np.zeros(0, np.int32)


def _sums(values: NDArray[np.bool_], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of true values in each of the stretches that `lengths` cuts."""
    totals = np.concatenate(([0], np.cumsum(values)))
    ends = np.cumsum(lengths)
    return np.asarray(totals[ends] - totals[ends - lengths], np.int64)


def _with_eos(
    ids: Ids, lengths: NDArray[np.int64], eos: int | None
) -> tuple[Ids, NDArray[np.int64]]:
    if eos is None:
        return ids, lengths
    return np.insert(ids, np.cumsum(lengths), eos).astype(np.int32), lengths + 1
