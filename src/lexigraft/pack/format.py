"""The bytes of a lexicon pack: a safetensors file with a digest over all of it.

Read strictly and by hand, with nothing but the standard library: a pack comes from strangers, and
`inspect` must answer without torch. docs/lexpack.md describes every byte; the two belong together.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lexigraft.errors import PackError

__all__ = [
    "MARK",
    "SUFFIX",
    "VERSION",
    "Container",
    "Stored",
    "deflated",
    "inflated",
    "joined_planes",
    "packed_bytes",
    "parsed_json",
    "plain_json",
    "planes",
    "read_container",
]

MARK = "lexpack"
"""What `format` in the file's metadata says of a pack."""

SUFFIX = ".lexpack"
"""How the name of every pack ends."""

VERSION = 1

_LONGEST_HEADER = 16_000_000
_ITEM_BYTES = {"U8": 1, "F32": 4}
_ZEROS = "0" * 64
_KEYS = {"format", "version", "sha256", "manifest"}
_KNOWN_OTHERS = {b"PK": "a zip archive", b"GGUF": "a GGUF file", b"\x80": "a pickle"}


@dataclass(frozen=True)
class Stored:
    """One tensor as it lies in the file: little-endian numbers, the last dimension fastest."""

    dtype: str
    """U8 or F32."""
    shape: tuple[int, ...]
    data: bytes | memoryview


@dataclass(frozen=True)
class Container:
    """A whole file whose digest is right. What its parts mean is not looked at yet."""

    sha256: str
    manifest: str
    tensors: dict[str, Stored]
    parts: tuple[bytes, ...]
    """The file itself: joined, they are its bytes."""


def packed_bytes(manifest: str, tensors: Mapping[str, Stored]) -> bytes:
    """The file that holds `manifest` and `tensors`."""
    # F32 first, so that numbers of four bytes begin at a multiple of four.
    names = sorted(tensors, key=lambda name: (tensors[name].dtype == "U8", name))
    metadata = {"format": MARK, "version": str(VERSION), "sha256": _ZEROS, "manifest": manifest}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in names:
        start, end = end, end + len(tensors[name].data)
        shape = list(tensors[name].shape)
        header[name] = {"dtype": tensors[name].dtype, "shape": shape, "data_offsets": [start, end]}
    text = plain_json(header).encode()
    text += b" " * (-len(text) % 8)
    parts = [len(text).to_bytes(8, "little"), text, *(tensors[name].data for name in names)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    parts[1] = text.replace(_ZEROS.encode(), digest.encode(), 1)
    return b"".join(parts)


def read_container(source: Path | bytes, name: str) -> Container:
    """The parts of the pack in a file, or in its bytes; `name` is what messages call it.

    Nothing is read beyond the header of a file that is no pack, however large it is.

    Raises:
        PackError: it cannot be read, is no safetensors file, no pack, of an unknown version, cut,
            or its content does not have the digest that it names.
    """
    if isinstance(source, bytes):
        import io

        return _read(io.BytesIO(source), len(source), name)
    try:
        if not source.is_file():
            what = "is a folder, not a pack" if source.is_dir() else "does not exist"
            raise PackError(f"{name} {what}. Give a file that `lexigraft pack` wrote.")
        with source.open("rb") as file:
            return _read(file, source.stat().st_size, name)
    except OSError as error:
        raise PackError(f"{name} cannot be read: {error.strerror or error}.") from error


def _read(file: BinaryIO, size: int, name: str) -> Container:
    head = _header_bytes(file, size, name)
    header = parsed_json(head, f"{name}: its header")
    if not isinstance(header, dict):
        raise PackError(f"{name} is no safetensors file: its header is no JSON object.")
    metadata = _metadata(header, name)
    spans = list(_spans(header, name))
    data_size = size - 8 - len(head)
    expected = spans[-1][3] if spans else 0
    if expected != data_size:
        what = "is cut short" if expected > data_size else "has bytes behind its end"
        raise PackError(
            f"{name} {what}: its header speaks of {expected} bytes of data, and {data_size} are "
            "there. Fetch it again."
        )
    data = file.read(data_size)
    if len(data) != data_size:
        raise PackError(f"{name} changed while it was read. Try again.")
    _require_digest(head, data, metadata["sha256"], name)
    whole = memoryview(data)
    tensors = {
        key: Stored(dtype, shape, whole[start:end]) for key, dtype, start, end, shape in spans
    }
    parts = (len(head).to_bytes(8, "little"), head, data)
    return Container(metadata["sha256"], metadata["manifest"], tensors, parts)


def _header_bytes(file: BinaryIO, size: int, name: str) -> bytes:
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length < 2 or length > size - 8:
        known = [what for magic, what in _KNOWN_OTHERS.items() if first.startswith(magic)]
        what = known[0] if known else "no safetensors file, or cut short"
        raise PackError(f"{name} is {what}; a pack is a whole safetensors file. Fetch it again.")
    if length > _LONGEST_HEADER:
        raise PackError(
            f"{name} has a header of {length} bytes, and a pack's has {_LONGEST_HEADER} at most."
        )
    head = file.read(length)
    if len(head) != length or not head.startswith(b"{"):
        raise PackError(f"{name} is no safetensors file: its header is no JSON object.")
    return head


def _metadata(header: dict[str, Any], name: str) -> dict[str, str]:
    """The metadata of a pack of this version."""
    metadata = header.get("__metadata__")
    texts = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not texts or not isinstance(metadata, dict) or metadata.get("format") != MARK:
        raise PackError(
            f"{name} is a safetensors file but no lexicon pack. "
            "Give a file that `lexigraft pack` wrote."
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise PackError(
            f"{name} is a pack of version {version[:20]!r}, and this lexigraft reads {VERSION}. "
            "Update lexigraft, or ask for a pack of that version."
        )
    if set(metadata) != _KEYS:
        odd = sorted(set(metadata) ^ _KEYS)
        raise PackError(f"{name} is damaged: its metadata lacks or should not have {odd[:3]}.")
    return metadata


def _spans(header: dict[str, Any], name: str) -> Iterator[tuple[str, str, int, int, Any]]:
    """(name, type, first byte, end, shape) of each tensor, in the order of the bytes, no gap."""
    entries = {key: value for key, value in header.items() if key != "__metadata__"}
    spans = []
    for key, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _odd_tensor(name, key, "its entry in the header is not as safetensors has it")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
            raise _odd_tensor(name, key, f"its type is {dtype!r:.20}, and a pack has U8 and F32")
        if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or len(shape) > 2:
            raise _odd_tensor(name, key, "its shape or its offsets are no sizes")
        if math.prod(shape) * _ITEM_BYTES[dtype] != offsets[1] - offsets[0]:
            raise _odd_tensor(name, key, f"its shape {shape} does not fill its bytes {offsets}")
        spans.append((key, dtype, offsets[0], offsets[1], tuple(shape)))
    spans.sort(key=lambda span: (span[2], span[3]))
    end = 0
    for span in spans:
        if span[2] != end:
            raise _odd_tensor(name, span[0], "its bytes overlap another's, or leave a gap")
        end = span[3]
        yield span


def _sizes(value: object) -> bool:
    whole = isinstance(value, list) and all(type(item) is int for item in value)
    return whole and all(0 <= item < 1 << 48 for item in value)  # type: ignore[attr-defined]


def _odd_tensor(name: str, key: str, why: str) -> PackError:
    return PackError(f"{name} is damaged, at the tensor {key[:60]!r}: {why}.")


def _require_digest(head: bytes, data: bytes, sha256: str, name: str) -> None:
    """The digest is that of the file in which 64 zeros stand in the digest's own place."""
    own = sha256.encode("ascii", "replace")
    digest = ""
    if len(own) == 64 and head.count(own) == 1:
        found = hashlib.sha256(len(head).to_bytes(8, "little"))
        found.update(head.replace(own, _ZEROS.encode()))
        found.update(data)
        digest = found.hexdigest()
    if digest != sha256:
        raise PackError(
            f"{name} is damaged: its content does not have the SHA-256 that it names. Fetch it "
            "again from where it came."
        )


def plain_json(value: Any) -> str:
    """`value` as JSON without spaces; letters of every script as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parsed_json(text: bytes | str, what: str) -> Any:
    """The JSON value of `text`, read strictly: no key twice, no number that is none.

    `what` begins the message of the PackError.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(
            decoded,
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise PackError(f"{what} cannot be read as JSON: {reason[:200]}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands there twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:30]} is too large")
    return value


def deflated(data: bytes) -> Stored:
    """`data` as a zlib stream (RFC 1950) in a tensor of bytes."""
    stream = zlib.compress(data, 9)
    return Stored("U8", (len(stream),), stream)


def inflated(stored: Stored, most: int, what: str) -> bytes:
    """What `deflated` was given. Raises PackError for more than `most` bytes, or no zlib stream."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(stored.data, most + 1)
    except zlib.error as error:
        raise PackError(f"{what} is damaged: it is no zlib stream.") from error
    if len(data) > most:
        raise PackError(
            f"{what} unpacks to more than {most} bytes, which is more than it may hold."
        )
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise PackError(
            f"{what} is damaged: its zlib stream is cut short, or something follows it."
        )
    return data


def planes(data: bytes, item: int) -> bytes:
    """The first bytes of all numbers of `item` bytes, then the second ones, and so on.

    The exponents of numbers of like size then stand together, and shrink to a third.
    """
    return b"".join(data[place::item] for place in range(item))


def joined_planes(data: bytes, item: int) -> bytes:
    """The inverse of `planes`."""
    out = bytearray(len(data))
    count = len(data) // item
    for place in range(item):
        out[place::item] = data[place * count : (place + 1) * count]
    return bytes(out)
