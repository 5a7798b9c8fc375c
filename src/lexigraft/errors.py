"""Every error that lexigraft raises on purpose, and the exit code that the command line gives it.

    LexigraftError                2  something given cannot be used
    ├── LexiconError              2  a lexicon with problems, all of them listed
    ├── RecipeError               2  a setting out of range or unknown
    ├── MarkerError               2  an unknown or unclosed marker in a text
    ├── CorpusError               2  a corpus that cannot be read
    ├── SpellingError             2  a term that this tokenizer cannot spell exactly
    ├── PackError                 2  a lexicon pack that is damaged, unsafe or for another base
    ├── ModelError                3  a model that is missing, damaged or of an unsupported kind
    ├── HubError                  3  a hub that refuses, cannot be reached, or holds nothing to take
    ├── WriterError               3  a writer that does not answer, or not with sentences
    ├── RunError                  4  a run folder that is taken, foreign or incomplete
    ├── ExportError               5  an export that did not reload equal to the run
    ├── RequirementNotMet         1  `verify --require` fell short
    └── Interrupted             130  stopped by the user; says how to go on

The command line has two codes besides: 70 for a fault of our own, 141 where the reader of its
output went away. The message of each error says what was given, what was found and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CorpusError",
    "ExportError",
    "HubError",
    "Interrupted",
    "LexiconError",
    "LexigraftError",
    "MarkerError",
    "ModelError",
    "PackError",
    "Problem",
    "RecipeError",
    "RequirementNotMet",
    "RunError",
    "SpellingError",
    "WriterError",
]


class LexigraftError(Exception):
    """Base of every error that a user can mend."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where it is, what it is, and what to do about it."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class LexiconError(LexigraftError):
    """A lexicon that cannot be used; carries every problem found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n".join([f"{head} in the lexicon:", *map(str, self.problems)]))


class RecipeError(LexigraftError):
    """A recipe with an unknown or impossible setting."""


class MarkerError(LexigraftError):
    """A text with a marker that is unclosed or names no term of the lexicon."""


class CorpusError(LexigraftError):
    """A corpus, or a file or line of one, that cannot be read."""


class SpellingError(LexigraftError):
    """A form that the tokenizer cannot be made to spell exactly."""


class PackError(LexigraftError):
    """A lexicon pack that is damaged, unsafe or for another base, or packs that do not agree."""


class ModelError(LexigraftError):
    """A model that cannot be found, read or taught."""

    exit_code = 3


class HubError(LexigraftError):
    """A hub that refuses, cannot be reached, or has nothing that could be fetched."""

    exit_code = 3


class WriterError(LexigraftError):
    """A model asked for sentences over the network that refuses or cannot be reached."""

    exit_code = 3


class RunError(LexigraftError):
    """A run folder that is taken, foreign, locked or incomplete."""

    exit_code = 4


class ExportError(LexigraftError):
    """An export that did not reload equal to the run it came from."""

    exit_code = 5


class RequirementNotMet(LexigraftError):
    """`verify --require` asked for more than the model reached."""

    exit_code = 1


class Interrupted(LexigraftError):
    """Stopped by the user; the message says how to resume."""

    exit_code = 130
