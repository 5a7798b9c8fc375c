"""Texts in which the new tokens occur, for distilling: given ones first, then self-written ones.

Self-written means by the untaught model, in the word's old pieces: an opening with the word in it
and a sampled continuation. An opening is chosen for each new token by itself, because each spelling
of a form (with its space or without, capitalised or not) is a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.generation import sample
from lexigraft.lexicon import Language, Lexicon
from lexigraft.likelihood import encode
from lexigraft.spelling import NewToken, Spelling

__all__ = ["gather_texts"]

_NEW_TOKENS = 40

# `{t}` is the token's content; a space before it is part of the content.
_SPACED: dict[Language, tuple[str, ...]] = {
    "en": (
        "The", "One evening the", "It was the first", "She looked at the", "They talked about",
        "In the morning", "He said that the", "Nobody knew the", "This is a story about", "My",
    ),
    "ru": (
        "Это", "Однажды вечером", "В тот день", "Все знают, что", "Он сказал:", "Здесь",
        "Она увидела, что", "Мы говорили про", "Я помню, как", "Самое главное —",
    ),
}  # fmt: skip
_SPACED_CAPITAL: dict[Language, tuple[str, ...]] = {
    "en": ("It was late.", "He smiled.", "What is it?", "Chapter 3.", "Yes, of course!"),
    "ru": ("Было поздно.", "Он улыбнулся.", "Что это?", "Глава 3.", "Да, конечно!"),
}
_BARE: dict[Language, tuple[str, ...]] = {
    "en": ("", '"', "She asked: “", "(", "One of them is called “"),
    "ru": ("", "«", "Она спросила: «", "(", "Это называется «"),
}


def gather_texts(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    spelling: Spelling,
    lexicon: Lexicon,
    passages: Sequence[str] = (),
    *,
    wanted: int,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """Texts with new tokens, each with at least one: about `wanted` for each new token.

    Args:
        model: the untaught model, which writes what is missing.
        old_tokenizer: its own.
        tokenizer: the one that spells the new words; it decides what occurs in a text.
        spelling: which tokens are new.
        lexicon: its examples and definitions are read; sentences for verification never are.
        passages: texts to read before anything is written, such as a user's own.
        wanted: occurrences of each new token, in different texts.
        seed: of what is sampled.
        advance: told how many texts were written: at most `wanted` for each new token.

    Returns:
        the given texts that hold a new token, then the written ones, without repeats. Only a
        token that no opening brings out (its tokenizer may never write it so) is in none of them.
    """
    new = set(spelling.new_ids)
    given = [*passages]
    for term in lexicon:
        given += [*term.examples, *term.definition]
    texts = [text for text in dict.fromkeys(given) if new & set(encode(tokenizer, text))]
    count = dict.fromkeys(spelling.new_ids, 0)
    for text in texts:
        for number in new & set(encode(tokenizer, text)):
            count[number] += 1
    asked: list[tuple[NewToken, str]] = []
    for token in spelling.new_tokens:
        usable = [o for o in _openings(token, lexicon) if token.id in encode(tokenizer, o)]
        missing = max(0, wanted - count[token.id]) if usable else 0
        asked += [(token, usable[turn % len(usable)]) for turn in range(missing)]
    openings = [opening for _, opening in asked]
    endings = sample(
        model, old_tokenizer, openings, max_new_tokens=_NEW_TOKENS, seed=seed, advance=advance
    )
    written = []
    for (token, opening), ending in zip(asked, endings, strict=True):
        # The model may go on within the word ('kettle' + 's'): then the sentence ends there.
        whole = opening + ending
        written.append(whole if token.id in encode(tokenizer, whole) else opening + ".")
    return list(dict.fromkeys([*texts, *written]))


def _openings(token: NewToken, lexicon: Lexicon) -> Iterator[str]:
    language = lexicon[token.term].language
    if not token.spaced:
        choices = _BARE[language]
    elif token.form[:1].isupper():
        choices = _SPACED_CAPITAL[language]
    else:
        choices = _SPACED[language]
    for choice in choices:
        yield choice + token.content
