"""All training texts of a run, in one list: templates, examples, self-written texts, replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus.templates import template_texts
from lexigraft.corpus.texts import Text, reject_seen
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
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Every text of the run, none of which shares an 8-gram with an `evaluation` text.

    `model` and `tokenizer` are the untaught ones. The texts hold no token ids: the token route's
    new tokens appear when the grown tokenizer reads them.
    """
    surfaces = {t.term: t.surface for t in spelling}
    texts = list(template_texts(lexicon, surfaces))
    if written:
        texts += written_texts(
            model, tokenizer, lexicon, surfaces, keep=written, seed=seed, advance=advance
        )
    if replay:
        languages = tuple(dict.fromkeys((lexicon.language, *(t.language for t in lexicon))))
        bare = [(t.term, t.language) for t in lexicon if spelling.route(t.term) == "marker"]
        texts += replay_texts(
            model, tokenizer, languages, count=replay, bare=bare, seed=seed + 7, advance=advance
        )
    return reject_seen(texts, evaluation)
