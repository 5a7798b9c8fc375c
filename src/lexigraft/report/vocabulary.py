"""Names of token ids, read from a `tokenizer.json` as plain JSON: no tokenizer is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lexigraft.report.files import mapping, sequence

__all__ = ["piece_text", "token_names"]

_PLACES = ("spelling/tokenizer.json", "model/tokenizer.json")


@cache
def token_names(folder: Path) -> Mapping[int, str]:
    """The vocabulary string of every id in the run's tokenizer; empty where there is none."""
    for place in _PLACES:
        try:
            tokenizer = mapping(json.loads((folder / place).read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            continue
        model = mapping(tokenizer.get("model"))
        vocabulary = model.get("vocab")
        if isinstance(vocabulary, dict):
            return {i: token for token, i in vocabulary.items() if isinstance(i, int)}
        # Unigram: a list of (token, score) in the order of the ids
        return {
            i: str(entry[0])
            for i, entry in enumerate(sequence(vocabulary))
            if isinstance(entry, list) and entry
        }
    return {}


@cache
def _bytes_of_letters() -> Mapping[str, int]:
    # GPT-2's table: printable bytes stand for themselves, the others for letters from U+0100 on.
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in own]
    table = {chr(byte): byte for byte in own}
    table.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return table


def piece_text(token: str) -> str:
    """A vocabulary string as a person reads it: byte-level letters decoded, `▁` as a space.

    Bytes that are no whole character are shown as hexadecimal: "<F0><9D>".
    """
    letters = _bytes_of_letters()
    if token and all(letter in letters for letter in token):
        data = bytes(letters[letter] for letter in token)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<{byte:02X}>" for byte in data)
    return token.replace("▁", " ")
