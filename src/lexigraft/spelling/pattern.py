"""Regular expressions over many forms, in the syntax of the `tokenizers` library (Oniguruma)."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["isolating_pattern", "trie_pattern"]

_Trie = dict[str, "_Trie"]
_END = ""


def trie_pattern(forms: Iterable[str]) -> str:
    """A pattern that matches any of `forms`, the longest first.

    A trie rather than a plain alternation: Oniguruma tries alternatives one after the other,
    and five thousand of them at every word start would slow all encoding.
    """
    root: _Trie = {}
    for form in forms:
        node = root
        for character in form:
            node = node.setdefault(character, {})
        node[_END] = {}
    return _render(root)


def _render(node: _Trie) -> str:
    branches = []
    for character, child in sorted(node.items()):
        if character == _END:
            continue
        run = character
        while len(child) == 1 and _END not in child:
            [(character, child)] = child.items()
            run += character
        rest = _render(child) if child.keys() != {_END} else ""
        branches.append(re.escape(run) + rest)
    optional = "?" if _END in node else ""
    if len(branches) == 1 and not optional:
        return branches[0]
    return f"(?:{'|'.join(branches)}){optional}" if branches else ""


def isolating_pattern(whole: Iterable[str], anywhere: Iterable[str], space: str) -> str:
    """A pattern that finds each form together with one leading `space`, if there is one.

    Forms of `whole` match only as whole words: no letter or mark on either side. A form that
    begins or ends with a digit must not touch another digit either ('B12' is not in 'B123').
    """
    words = sorted(set(whole))
    numbered = [f for f in words if f[0].isnumeric() or f[-1].isnumeric()]
    lettered = [f for f in words if f not in set(numbered)]
    parts = []
    for forms, around in ((numbered, r"\p{L}\p{M}\p{N}"), (lettered, r"\p{L}\p{M}")):
        if forms:
            parts.append(f"(?:{space}|(?<![{around}])){trie_pattern(forms)}(?![{around}])")
    if loose := sorted(set(anywhere)):
        parts.append(f"{space}?{trie_pattern(loose)}")
    return "|".join(parts)
