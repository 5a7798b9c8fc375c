"""Packs taken apart and put together wrongly: by hand for the tests, at random for the fuzzer.

Nothing here uses lexigraft's own reader or writer, so that a fault of theirs is no fault here.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DOCUMENTS = ("lexicon", "spelling", "verdict")


@dataclass
class Apart:
    """A pack as plain data: change it, then ask for `joined()`."""

    manifest: dict[str, Any]
    documents: dict[str, Any]
    tensors: dict[str, tuple[str, list[int], bytes]]
    """(type, shape, bytes) of everything but the documents."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Over the right one."""

    def joined(self, **raw: bytes) -> bytes:
        """The file, its digest right. `raw` takes the place of a document's JSON text."""
        tensors = dict(self.tensors)
        for name in DOCUMENTS:
            if name in self.documents or name in raw:
                text = raw.get(name) or compact(self.documents[name])
                stream = zlib.compress(text)
                tensors[name] = ("U8", [len(stream)], stream)
        manifest = (
            raw["manifest"].decode()
            if "manifest" in raw
            else compact(self.manifest).decode("utf-8", "surrogatepass")
        )
        return file_of(tensors, {"manifest": manifest, **self.metadata})


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def file_of(tensors: dict[str, tuple[str, list[int], bytes]], metadata: dict[str, str]) -> bytes:
    """A safetensors file with a right digest."""
    header: dict[str, Any] = {
        "__metadata__": {"format": "lexpack", "version": "1", "sha256": "0" * 64, **metadata}
    }
    data = b""
    for name, (kind, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        data += content
    return signed(compact(header), data)


def signed(head: bytes, data: bytes) -> bytes:
    """The file with its digest put where 64 zeros, or another digest, stand."""
    head += b" " * (-len(head) % 8)
    start = head.find(b'"sha256": "') + 11
    if start > 10:
        head = head[:start] + b"0" * 64 + head[start + 64 :]
        digest = hashlib.sha256(struct.pack("<Q", len(head)) + head + data).hexdigest()
        head = head[:start] + digest.encode() + head[start + 64 :]
    return struct.pack("<Q", len(head)) + head + data


def apart(data: bytes) -> Apart:
    """A sound pack as plain data."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    manifest = json.loads(header.pop("__metadata__")["manifest"])
    tensors, documents = {}, {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        content = data[8 + length + start : 8 + length + end]
        if name in DOCUMENTS:
            documents[name] = json.loads(zlib.decompress(content))
        else:
            tensors[name] = (entry["dtype"], entry["shape"], content)
    return Apart(manifest, documents, tensors)


# --- at random, with the digest left as it was ---


def flipped(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        # Half of them where the header is.
        most = len(out) if chance.random() < 0.5 else min(len(out), 4096)
        out[chance.randrange(most)] ^= 1 << chance.randrange(8)
    return bytes(out)


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def spliced(data: bytes, chance: random.Random) -> bytes:
    left, right = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    place = chance.randrange(len(data) + 1)
    return chance.choice(
        (
            data[:left] + data[right:],
            data[:place] + data[left:right] + data[place:],
            data + data[left:right],
            data[:left] + bytes(right - left) + data[right:],
            data[:left] + chance.randbytes(min(64, right - left)) + data[right:],
        )
    )


def relengthened(data: bytes, chance: random.Random) -> bytes:
    length = chance.choice((0, 1, 2, 7, 8, len(data), len(data) - 8, 2**31, 2**63, 2**64 - 1))
    return struct.pack("<Q", length) + data[8:]


# --- at random, with a new digest ---

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**40, 2**70, 0.5, -1e300, 1e308, "", " ", "a", "../x", "/etc/passwd",
    "\x00", "\x1b[2J", "<|im_end|>", "\ud800", "x" * 300, "a\nb", [], {}, [1], {"a": 1}, "\u202e",
    "~[", "▁", "float32", "U8", "subword", "token", "marker", "C:\\x", "1e999",
)  # fmt: skip


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value inside `value` stands."""
    found = [before] if before else []
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            found += paths(inner, (*before, key))
    return found


def edited(document: Any, chance: random.Random) -> Any:
    """The document with one value changed, taken away, doubled or put in."""
    new = copy.deepcopy(document)
    place = chance.choice(paths(new))
    parent = new
    for key in place[:-1]:
        parent = parent[key]
    kind = chance.random()
    if kind < 0.15:
        del parent[place[-1]]
    elif kind < 0.25 and isinstance(parent, dict):
        parent[chance.choice(("extra", "", "__proto__", "../x"))] = chance.choice(ODD)
    elif kind < 0.25:
        parent.insert(place[-1], copy.deepcopy(parent[place[-1]]))
    elif kind < 0.45 and isinstance(parent[place[-1]], int | float):
        parent[place[-1]] += chance.choice((1, -1, 0.5, 1000))
    elif kind < 0.6 and isinstance(parent[place[-1]], str):
        text = parent[place[-1]]
        spot = chance.randrange(len(text) + 1)
        parent[place[-1]] = text[:spot] + chance.choice("aя\x07/.<|0") + text[spot:]
    else:
        parent[place[-1]] = chance.choice(ODD)
    return new


def edited_json(data: bytes, chance: random.Random) -> bytes:
    """One value of the manifest or of a document is another."""
    parts = apart(data)
    name = chance.choice(("manifest", *DOCUMENTS))
    if name == "manifest":
        parts.manifest = edited(parts.manifest, chance)
    else:
        parts.documents[name] = edited(parts.documents[name], chance)
    return parts.joined()


def doubled_key(data: bytes, chance: random.Random) -> bytes:
    """A key stands twice in one of the JSON texts, or in the header."""
    parts = apart(data)
    name = chance.choice(("manifest", *DOCUMENTS, "header"))
    if name == "header":
        (length,) = struct.unpack("<Q", data[:8])
        head = json.dumps(json.loads(data[8 : 8 + length]), ensure_ascii=False).encode()
        twice = head[:-1] + b', "__metadata__": {"format": "lexpack"}}'
        return signed(twice, data[8 + length :])
    plain = parts.manifest if name == "manifest" else parts.documents[name]
    text = compact(plain)
    key = chance.choice(list(plain)).encode()
    return parts.joined(**{name: text[:-1] + b', "' + key + b'": 1}'})


def edited_tensor(data: bytes, chance: random.Random) -> bytes:
    """A tensor lost, renamed, of another shape or type, cut, or with one odd number in it."""
    parts = apart(data)
    name = chance.choice(list(parts.tensors))
    kind, shape, content = parts.tensors[name]
    what = chance.randrange(7)
    if what == 0:
        del parts.tensors[name]
    elif what == 1:
        del parts.tensors[name]
        renamed = chance.choice((name + ".x", "../" + name, "weights." + name, name.upper(), ""))
        parts.tensors[renamed] = (kind, shape, content)
    elif what == 2:
        parts.tensors[name] = (kind, [*shape, 1], content)
    elif what == 3:
        parts.tensors[name] = (chance.choice(("F16", "I64", "BOOL", "U8" * 9)), shape, content)
    elif what == 4:
        cut_off = content[: -4 * chance.randrange(1, 3)]
        parts.tensors[name] = (kind, [len(cut_off) // (4 if kind == "F32" else 1)], cut_off)
    elif what == 5:
        parts.tensors["extra"] = (kind, shape, content)
    else:
        parts.tensors[name] = (kind, shape, not_finite(kind, content, chance))
    return parts.joined()


def not_finite(kind: str, content: bytes, chance: random.Random) -> bytes:
    """The same numbers, one of them infinite or none at all."""
    odd = chance.choice((0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001))
    if kind == "F32":
        place = 4 * chance.randrange(len(content) // 4)
        return content[:place] + struct.pack("<I", odd) + content[place + 4 :]
    planes = bytearray(zlib.decompress(content))
    count = len(planes) // 4
    place = chance.randrange(count)
    for byte, value in enumerate(struct.pack("<I", odd)):
        planes[byte * count + place] = value
    return zlib.compress(bytes(planes))


def edited_header(data: bytes, chance: random.Random) -> bytes:
    """Offsets, shapes and types of the header are others, the bytes the same."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    header = edited(header, chance)
    if chance.random() < 0.3:
        metadata = edited(metadata, chance)
    return signed(compact({"__metadata__": metadata, **header}), data[8 + length :])


def bomb(data: bytes, chance: random.Random) -> bytes:
    """A part that unpacks to far more than it may."""
    parts = apart(data)
    name = chance.choice((*DOCUMENTS, *(n for n in parts.tensors if n.startswith("rows."))))
    stream = zlib.compress(b" " * 70_000_000 if name in DOCUMENTS else bytes(1_000_000), 1)
    parts.tensors[name] = ("U8", [len(stream)], stream)
    parts.documents.pop(name, None)
    return parts.joined()


def nested(data: bytes, chance: random.Random) -> bytes:
    """JSON that is deeper than any reader goes."""
    name = chance.choice(("manifest", *DOCUMENTS))
    opening = chance.choice((b"[", b'{"a":'))
    return apart(data).joined(**{name: opening * chance.choice((500, 200_000))})


BLIND: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, cut, spliced, relengthened)
"""The digest stays: whatever changes is to be found."""

KNOWING = (edited_json, edited_json, edited_json, edited_header, edited_tensor, doubled_key, nested)
"""With a digest that is right: only what cannot be is to be found."""
