"""From lexicon and model to both tokenizers and their proof: what stands before the first byte."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lexigraft.errors import ModelError
from lexigraft.host import load_tokenizer
from lexigraft.lexicon import Lexicon, Route, check_against_tokenizer, read_lexicon
from lexigraft.model_source import resolve_model
from lexigraft.progress import Progress
from lexigraft.retokenize.encoding import Setup
from lexigraft.spelling import Spelling, prove, require_exact, spell
from lexigraft.spelling.plan import wanted_pieces
from lexigraft.spelling.prove import own_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The lexicon spelled for a tokenizer."""

    model: str
    fingerprint: str
    lexicon: Lexicon
    routes: dict[str, Route]
    old: PreTrainedTokenizerBase
    new: PreTrainedTokenizerBase
    spelling: Spelling
    sought: frozenset[str]
    """terms that only the text itself can tell"""

    def setup(self, folder: Path, *, passages: int, eos: bool) -> Setup:
        """What the workers need. Raises ModelError where `eos` is wanted and there is none."""
        if eos and self.new.eos_token_id is None:
            raise ModelError(f"The tokenizer of {self.model} names no end-of-text token for --eos.")
        return Setup(
            folder=folder,
            old=self.old.backend_tokenizer.to_str(),
            new=self.new.backend_tokenizer.to_str(),
            spelling=self.spelling,
            own=own_ids(self.spelling, self.old) if self.spelling.new_tokens else frozenset(),
            lexicon=self.lexicon,
            sought=self.sought,
            passages=passages,
            eos=self.new.eos_token_id if eos else None,
        )


def prepare(
    model: str | Path,
    lexicon: str | Path | Lexicon,
    revision: str | None,
    progress: Progress,
    *,
    allow_changes: bool = False,
) -> Prepared:
    """Reads the lexicon and the tokenizer, makes the new tokens and proves them.

    A term that the lexicon routes `subword` or `marker` stays as it is; every other one becomes
    tokens. Raises LexiconError, ModelError, and SpellingError where the proof fails.
    """
    words = lexicon if isinstance(lexicon, Lexicon) else read_lexicon(lexicon)
    resolve_model(model, progress.say)
    with progress.stage("Making the tokens", None):
        old, facts = load_tokenizer(model, revision=revision)
        path = None if isinstance(lexicon, Lexicon) else lexicon
        check_against_tokenizer(words, old.all_special_tokens, path)
        routes: dict[str, Route] = {term.term: term.route or "token" for term in words}
        spelling, new = spell(words, routes, old, facts.rows, model_type=facts.model_type)
        proof = prove(spelling, old, new, model_type=facts.model_type)
    advice = "Give these terms `route: subword` or `route: marker` in the lexicon."
    require_exact(proof, advice, allow_changes=allow_changes)
    return Prepared(
        model=str(model),
        fingerprint=facts.fingerprint,
        lexicon=words,
        routes=routes,
        old=old,
        new=new,
        spelling=spelling,
        sought=_sought(words, routes, spelling),
    )


def _sought(lexicon: Lexicon, routes: dict[str, Route], spelling: Spelling) -> frozenset[str]:
    """Terms without new tokens, and those of which some spelling was one token before.

    An old token does not tell that the word stands there: it may be a piece of another word.
    """
    new = {token.content for token in spelling.new_tokens}
    old = {w.term for w in wanted_pieces(lexicon, routes) if w.content not in new}
    return frozenset({term.term for term in lexicon if routes[term.term] != "token"} | old)
