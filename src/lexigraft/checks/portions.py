"""How far a check is, in parts of itself: whoever watches need not know how many texts it reads."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PARTS", "portions"]

PARTS = 100
"""Parts that every check reports in all, whatever its size."""


def portions(
    advance: Callable[[int], None] | None, total: int, parts: int = PARTS
) -> Callable[[int], None]:
    """A function that takes the number of units done, and tells `advance` the parts of `parts`."""
    done = told = 0

    def tell(count: int) -> None:
        nonlocal done, told
        done += count
        now = parts if total <= 0 else min(parts, parts * done // total)
        if advance is not None and now > told:
            advance(now - told)
        told = max(told, now)

    return tell
