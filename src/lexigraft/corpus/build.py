"""All training texts of a run, in one list: templates, examples, self-written texts, replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus.swapping import foil_texts, swapped_texts
from lexigraft.corpus.tables import BUILT_IN, Tables
from lexigraft.corpus.templates import template_texts
from lexigraft.corpus.texts import Text, reject_seen, without_repeats
from lexigraft.corpus.wording import has_foreign_markers, terms_in, written_as
from lexigraft.corpus.writing import replay_texts, written_texts
from lexigraft.lexicon import Lexicon
from lexigraft.spelling import Spelling

__all__ = ["build_texts"]


def build_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    evaluation: Sequence[str],
    *,
    written: int,
    replay: int,
    seed: int,
    held_out: int = 2,
    swapped: bool = True,
    foils: float = 0.0,
    passages: Mapping[str, Sequence[str]] | None = None,
    answers: Mapping[str, Sequence[str]] | None = None,
    tables: Tables = BUILT_IN,
    kept: Sequence[Text] = (),
    epochs: int = 1,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Every text of the run, none twice, none sharing an 8-gram with an `evaluation` text.

    `written` and `held_out` count texts a term, `replay` counts texts of each of the `epochs`.
    `swapped` adds sentences of one term with another in them, `foils` a share of all texts with an
    untaught word in them. `passages` are texts of the user's by term. `answers` are sentences of a
    larger model by term, chosen from in the place of what `model` would write about the terms.
    `kept` hold the terms of an earlier run, and are left out where one of these terms stands in
    them.
    `model` and `tokenizer` are the untaught ones. The texts hold no token ids: the token route's
    new tokens appear when the grown tokenizer reads them.
    """
    surfaces = {t.term: t.surface for t in spelling}
    texts = [
        *template_texts(lexicon, surfaces, tables),
        *_passages(passages or {}, lexicon, surfaces),
    ]
    if written:
        texts += written_texts(
            model,
            tokenizer,
            lexicon,
            surfaces,
            keep=written,
            held_out=held_out,
            seed=seed,
            answers=answers,
            advance=advance,
        )
    texts = without_repeats(reject_seen(texts, evaluation))
    made = tuple(texts)
    if swapped:
        texts += swapped_texts(made, lexicon, surfaces, seed=seed)
    if foils:
        texts += foil_texts(made, lexicon, surfaces, tokenizer, share=foils, seed=seed)
    if replay:
        about = model, tokenizer, lexicon, spelling
        free = _free(*about, count=replay, epochs=epochs, seed=seed + 7, advance=advance)
        texts += [text for text in free if not _mentions(text.text, lexicon, surfaces)]
    texts += [text for text in kept if not terms_in(text.text, lexicon, surfaces)]
    return without_repeats(reject_seen(texts, evaluation))


def _free(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    **counts: Any,
) -> list[Text]:
    """Replay in the languages of the lexicon, and with the bare words of its marked concepts."""
    languages = tuple(dict.fromkeys((lexicon.language, *(t.language for t in lexicon))))
    bare = [(t.term, t.language) for t in lexicon if spelling.route(t.term) == "marker"]
    return replay_texts(model, tokenizer, languages, bare=bare, **counts)


def _passages(
    passages: Mapping[str, Sequence[str]], lexicon: Lexicon, surfaces: Mapping[str, str]
) -> list[Text]:
    """The user's passages, without those in which another taught term stands.

    The teacher reads one definition alone: such a text would teach that the other means nothing.
    """
    return [
        Text(text=written_as(text, lexicon, surfaces), term=term, kind="passage")
        for term, texts in passages.items()
        for text in texts
        if terms_in(text, lexicon, surfaces) == {term}
    ]


def _mentions(text: str, lexicon: Lexicon, surfaces: Mapping[str, str]) -> bool:
    """Whether a taught term stands in `text` as it is taught: replay would unteach it there.

    The bare word of a marked concept is no such mention; its old sense is what replay holds.
    """
    return has_foreign_markers(text, lexicon) or bool(terms_in(text, lexicon, surfaces))
