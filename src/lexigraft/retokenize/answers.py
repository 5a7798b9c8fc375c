"""What a worker process answers: a result, or an error that is raised again where it is asked."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from lexigraft import errors
from lexigraft.errors import LexigraftError

__all__ = ["Answer", "answered", "result"]

Answer = tuple[str, Any]
"""`result` with a value, `error` with class and message, or `fault` with a traceback."""


def answered(work: Callable[[], Any]) -> Answer:
    """Does `work`; never raises an Exception."""
    try:
        return "result", work()
    except LexigraftError as error:
        return "error", (type(error).__name__, str(error))
    except Exception:
        return "fault", traceback.format_exc()


def result(answer: Answer) -> Any:
    """The value. Raises the error that was answered, RuntimeError for a fault of our own."""
    kind, value = answer
    if kind == "error":
        name, message = value
        raise getattr(errors, name, LexigraftError)(message)
    if kind == "fault":
        raise RuntimeError(f"A worker failed:\n{value}")
    return value
