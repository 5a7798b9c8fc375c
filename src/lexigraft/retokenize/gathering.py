"""What the batches found, put together in the order of the corpus."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from lexigraft.lexicon.schema import Lexicon
from lexigraft.retokenize.shards import passages_path, read_passages
from lexigraft.retokenize.values import BatchRecord, NewTokenCount, Passage, Summary, TermCount
from lexigraft.spelling.values import Spelling

__all__ = ["Passages", "summarise"]

_MOST_CHANGED = 100


class Passages:
    """The first passages of each term in the order of the corpus, without repeats.

    Batches finish in any order; a passage is decided on once all before it are known. A term that
    has all of its passages by then is sought no more, which changes nothing in the result.
    """

    def __init__(self, folder: Path, lexicon: Lexicon, most: int) -> None:
        self._folder = folder
        self._most = most
        self._next = 0
        self._waiting: set[int] = set()
        self._seen: dict[str, set[bytes]] = {term.term: set() for term in lexicon}
        self._wanted = frozenset(self._seen) if most else frozenset()

    @property
    def wanted(self) -> frozenset[str]:
        """Terms of which more passages are needed."""
        return self._wanted

    def add(self, batch: int) -> Iterator[str]:
        """Takes a finished batch; gives the lines that can be written now."""
        if not self._most:
            return
        self._waiting.add(batch)
        while self._next in self._waiting:
            self._waiting.remove(self._next)
            for found in read_passages(passages_path(self._folder, self._next)):
                if self._is_new(found):
                    yield json.dumps(found.model_dump(), ensure_ascii=False) + "\n"
            self._next += 1
        self._wanted = frozenset(t for t, seen in self._seen.items() if len(seen) < self._most)

    def _is_new(self, found: Passage) -> bool:
        seen = self._seen[found.term]
        digest = hashlib.blake2b(found.text.encode("utf-8"), digest_size=12).digest()
        if len(seen) >= self._most or digest in seen:
            return False
        seen.add(digest)
        return True

    @property
    def count(self) -> int:
        """Passages kept so far."""
        return sum(map(len, self._seen.values()))


def summarise(
    records: Iterable[BatchRecord],
    spelling: Spelling,
    sought: frozenset[str],
    *,
    files: int,
    skipped_files: tuple[str, ...],
    skipped_lines: int,
    replaced: int,
    passages: int,
) -> Summary:
    """The summary of all batches. `sought` terms were counted in the text, the others by ids."""
    total: Counter[str] = Counter()
    tokens: Counter[int] = Counter()
    found: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    changed: dict[str, None] = {}
    for record in sorted(records, key=lambda record: record.batch):
        for name in ("documents", "bytes", "before", "after", "checked"):
            total[name] += getattr(record, name)
        total["shards"] += 1
        tokens.update(record.tokens)
        found.update(record.found)
        saved.update(record.saved)
        changed.update(dict.fromkeys(record.changed))
    by_ids: Counter[str] = Counter()
    for token in spelling.new_tokens:
        by_ids[token.term] += tokens[token.id]
    terms = tuple(
        TermCount(
            term=spelled.term,
            route=spelled.route,
            occurrences=(found if spelled.term in sought else by_ids)[spelled.term],
            tokens_saved=saved[spelled.term],
        )
        for spelled in spelling
    )
    return Summary(
        files=files,
        documents=total["documents"],
        bytes=total["bytes"],
        tokens_before=total["before"],
        tokens_after=total["after"],
        bytes_per_token_before=_ratio(total["bytes"], total["before"]),
        bytes_per_token_after=_ratio(total["bytes"], total["after"]),
        terms=terms,
        new_tokens=tuple(
            NewTokenCount(id=t.id, content=t.content, term=t.term, count=tokens[t.id])
            for t in spelling.new_tokens
        ),
        never=tuple(count.term for count in terms if not count.occurrences),
        changed_words=tuple(changed)[:_MOST_CHANGED],
        checked_documents=total["checked"],
        skipped_lines=skipped_lines,
        replaced_characters=replaced,
        skipped_files=skipped_files,
        passages=passages,
        shards=total["shards"],
    )


def _ratio(size: int, tokens: int) -> float:
    return round(size / tokens, 4) if tokens else 0.0
