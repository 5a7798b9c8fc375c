"""What a run is given, read and looked through before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lexigraft.earlier import Earlier, read_earlier
from lexigraft.lexicon import Lexicon, read_lexicon
from lexigraft.model_source import resolve_model
from lexigraft.progress import Progress
from lexigraft.retokenize import Corpus, find_files

__all__ = ["Given", "read_given"]


@dataclass(frozen=True)
class Given:
    """Lexicon, corpus and the run that is continued."""

    lexicon: Lexicon
    lexicon_path: Path | None
    """None for a lexicon that came as a value."""
    corpus: Corpus | None
    earlier: Earlier | None


def read_given(
    model: str | Path,
    lexicon: str | Path | Lexicon,
    output: str | Path,
    corpus: str | Path | Sequence[str | Path],
    replace: Sequence[str],
    progress: Progress,
) -> Given:
    """Everything but the model, which is fetched if it is the embedded one and not there yet.

    Raises:
        LexiconError, CorpusError, ModelError, RunError: what was given cannot be used.
    """
    path = None if isinstance(lexicon, Lexicon) else Path(lexicon)
    terms = lexicon if isinstance(lexicon, Lexicon) else read_lexicon(lexicon)
    sources = find_files(corpus, without=Path(output).expanduser()) if corpus else None
    resolve_model(model, progress.say)
    earlier = read_earlier(model, terms, output, replace=replace, lexicon_path=path)
    if earlier is not None:
        terms = earlier.on_earlier_routes(terms)
    return Given(terms, path, sources, earlier)
