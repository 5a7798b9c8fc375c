"""What retokenizing decides and finds: plain frozen values, as its files store them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.lexicon.schema import Route

__all__ = [
    "BatchRecord",
    "Compression",
    "CorpusFile",
    "Engine",
    "Format",
    "NewTokenCount",
    "Options",
    "Passage",
    "RetokenizePlan",
    "Split",
    "Summary",
    "TermCount",
]

Format = Literal["text", "jsonl", "parquet"]
Compression = Literal["gz", "bz2", "xz", "zst"]
Split = Literal["paragraph", "line", "file"]
Engine = Literal["local", "ray"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusFile(_Value):
    """One file of the corpus, as it was when the run began."""

    name: str = Field(description="as it was given or found; stands in the column `source`")
    path: str = Field(description="what is opened", exclude=True)
    size: int = Field(ge=0, description="bytes on the disk")
    modified: int = Field(description="nanoseconds since 1970")
    format: Format
    compression: Compression | None = None


class Options(_Value):
    """What decides the shards besides corpus, lexicon and tokenizer."""

    field: str = Field("text", description="of a JSONL object; the column of a Parquet file")
    split: Split = Field("paragraph", description="what is one document of a text file")
    eos: bool = Field(False, description="end each document with the end-of-text token")
    skip_bad: bool = Field(False, description="pass bad lines over, and replace bad bytes")
    passages: int = Field(0, ge=0, description="passages kept for each term, at most")


class Passage(_Value):
    """A place of the corpus in which a term stands."""

    term: str
    form: str = Field(description="the form as the lexicon lists it")
    text: str = Field(description="the sentences around it, white space made single spaces")
    source: str
    document: int


class BatchRecord(_Value):
    """What became of one batch, as a line of `batches.jsonl`."""

    batch: int = Field(ge=0)
    documents: int
    bytes: int = Field(description="of the documents' text in UTF-8")
    before: int = Field(description="tokens by the old tokenizer; without end-of-text tokens")
    after: int
    tokens: dict[int, int] = Field(default_factory=dict, description="new id -> how often")
    found: dict[str, int] = Field(default_factory=dict, description="terms sought in the text")
    saved: dict[str, int] = Field(default_factory=dict, description="term -> tokens saved")
    checked: int = Field(0, description="documents without new tokens that were compared")
    changed: tuple[str, ...] = Field((), description="other words with other tokens; the first few")


class TermCount(_Value):
    """One term in the corpus."""

    term: str
    route: Route
    occurrences: int
    tokens_saved: int


class NewTokenCount(_Value):
    """One new token in the corpus."""

    id: int
    content: str
    term: str
    count: int


class Summary(_Value):
    """What retokenizing did. The same for the same input, whatever the workers and the breaks."""

    files: int
    documents: int
    bytes: int = Field(description="of the documents' text in UTF-8")
    tokens_before: int = Field(description="by the old tokenizer; without end-of-text tokens")
    tokens_after: int
    bytes_per_token_before: float
    bytes_per_token_after: float
    terms: tuple[TermCount, ...]
    new_tokens: tuple[NewTokenCount, ...]
    never: tuple[str, ...] = Field(description="terms that the corpus does not have")
    changed_words: tuple[str, ...] = Field((), description="other words with other tokens")
    checked_documents: int = Field(0, description="documents compared that hold no new token")
    skipped_lines: int = 0
    replaced_characters: int = Field(0, description="bytes that were no UTF-8, by `skip_bad`")
    skipped_files: tuple[str, ...] = Field((), description="of an unknown kind, in a folder")
    passages: int = 0
    shards: int


class RetokenizePlan(_Value):
    """What a run would do; nothing is written for it."""

    files: tuple[CorpusFile, ...]
    bytes: int = Field(description="of the files on the disk")
    skipped_files: tuple[str, ...] = ()
    terms: dict[str, Route] = Field(description="term -> route")
    forms: tuple[str, ...] = Field(description="forms that become tokens of their own")
    new_tokens: int
    workers: int
    seconds: float = Field(description="of the whole run, measured on the first batch")
