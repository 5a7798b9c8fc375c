"""What a lexicon pack says, as plain frozen values. No torch; tensors are bytes until installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lexigraft.checks.results import Verdict
from lexigraft.lexicon import Lexicon
from lexigraft.pack.format import Stored
from lexigraft.spelling.values import Spelling

__all__ = ["BaseIdentity", "LoraShape", "Manifest", "Pack", "RowsShape", "Verification"]

RowsType = Literal["float32", "bfloat16", "float16"]

_SHA256 = r"^[0-9a-f]{64}$"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BaseIdentity(_Value):
    """Which model a pack belongs to: enough to refuse every other one, and to say why."""

    name: str = Field(description="a hub id, the embedded base's name, or a folder's last part")
    revision: str | None = Field(None, description="the hub's commit, where it came from a hub")
    architecture: str = Field(description="the model's class: 'LlamaForCausalLM'")
    model_type: str | None = Field(None, description="the config's")
    hidden_size: int = Field(description="width of a row", ge=1, le=1 << 17)
    layers: int | None = Field(None, ge=0)
    rows: int = Field(description="of the embedding matrix, spare ones included", ge=1, le=1 << 28)
    vocabulary: int = Field(description="len(tokenizer)", ge=1, le=1 << 28)
    tied: bool = Field(description="input and output rows are one matrix")
    dtype: str = Field(description="the type that the base's checkpoint stores")
    tokenizer: str = Field(description="SHA-256 of the whole tokenizer", pattern=_SHA256)
    embeddings: str = Field(description="SHA-256 of every row as bfloat16", pattern=_SHA256)
    fingerprint: str = Field(
        description="SHA-256 of the tokenizer and a sample of every weight", pattern=_SHA256
    )


class RowsShape(_Value):
    """The new rows: how many, how wide, and in which type they are stored."""

    count: int = Field(ge=1, le=1 << 24)
    width: int = Field(ge=1, le=1 << 17)
    dtype: RowsType
    output: bool = Field(description="whether output rows stand beside the input rows")


class LoraShape(_Value):
    """The LoRA: W + (alpha / rank) · B · A for every pair of matrices."""

    rank: int = Field(ge=1, le=1 << 16)
    alpha: float = Field(gt=0, le=1e6)
    target_modules: tuple[str, ...]


class Verification(_Value):
    """With what the stored verdict was found, besides its own seed: to ask the same again."""

    controls: int = Field(ge=0, le=10_000)
    drift_limit: float = Field(ge=0)
    leakage_limit: float = Field(ge=0)


class Manifest(_Value):
    """The short part of a pack, as JSON in the file's metadata."""

    created: str = Field(description="ISO 8601, UTC")
    lexigraft: str = Field(description="the version that wrote it")
    licence: str | None = Field(None, description="of the pack, as its author gave it")
    author: str | None = None
    base: BaseIdentity
    rows: RowsShape | None = Field(None, description="None where no term has new tokens")
    lora: LoraShape | None = Field(None, description="None where rows alone were taught")
    verification: Verification


@dataclass(frozen=True)
class Pack:
    """A whole pack, every part looked at and found to agree with the others."""

    name: str
    """What messages call it: its file, as it was given."""
    manifest: Manifest
    lexicon: Lexicon
    spelling: Spelling
    """As on the base alone; ids are assigned afresh when it is installed."""
    verdict: Verdict
    """Of the run, without its single questions."""
    input_rows: bytes
    """`count × width` little-endian numbers of `manifest.rows.dtype`; empty where there are none.
    Row i belongs to `spelling.new_tokens[i]`."""
    output_rows: bytes
    """The same, where embeddings are not tied."""
    lora: dict[str, Stored]
    """F32, by PEFT's names."""
    sha256: str
    """Of the file, as the file itself says."""
    parts: tuple[bytes, ...]
    """The file itself: joined, they are its bytes."""

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return sum(map(len, self.parts))

    @property
    def base(self) -> BaseIdentity:
        """The model that it was taught on."""
        return self.manifest.base
