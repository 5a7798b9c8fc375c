"""A machine that runs out of memory, told in words. No torch here: its errors are known by name."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lexigraft.errors import LexigraftError, RunError

__all__ = ["TEACHING", "VERIFYING", "explained_memory", "ran_short"]

TEACHING = (
    "Nothing that was finished is lost: once more is free, the same command with --resume goes on. "
    "To need less, lower training.batch_tokens in the recipe, then training.rank, set "
    "training.dtype to bfloat16, or teach a smaller model, and name a new folder: a resumed run "
    "keeps its settings."
)
VERIFYING = (
    "Nothing that was finished is lost: free some and verify again (an unfinished run goes on with "
    "`teach … --resume`), judge by some --checks at a time, or take a smaller model."
)
# Of the processor's allocator, on Linux and elsewhere; of safetensors; of CUDA and of its library.
# oneDNN, which multiplies on processors, says no more than that it could not.
_SAID = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_ONEDNN = "could not create a primitive"


def ran_short(error: BaseException) -> bool:
    """Whether `error` says that memory could not be had, on the processor or on a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if not isinstance(error, Exception) or isinstance(error, LexigraftError):
        return False
    text = str(error)
    return text == _ONEDNN or any(words in text for words in _SAID)


@contextmanager
def explained_memory(advice: str) -> Iterator[None]:
    """Turns a lack of memory inside into a RunError that ends in `advice`."""
    try:
        yield
    except Exception as error:
        if not ran_short(error):
            raise
        said = str(error).strip().split("\n")[0][:200].rstrip(".")
        raise RunError(f"There is not enough memory{said and f' ({said})'}.\n{advice}") from error
