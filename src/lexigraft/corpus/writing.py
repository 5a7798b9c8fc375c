"""Texts that the model writes itself: about the terms with the definition in its prompt, and freely.

Texts about a term are kept by how much likelier the definition makes them: the mean over tokens
outside the term of log p(token | definition, before) - log p(token | before). The term's own tokens
do not count: a definition in the prompt makes them likelier in any sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus.templates import OPENINGS, written_as
from lexigraft.corpus.texts import Text
from lexigraft.generation import sample
from lexigraft.lexicon import Language, Lexicon, Term, find_term
from lexigraft.likelihood import Pair, document_start, encode, token_log_probabilities

__all__ = ["defining_line", "gains", "replay_texts", "written_texts"]

_ASKING: dict[Language, tuple[str, str]] = {
    "en": (
        "{T} means {d}. Here are short everyday sentences with the word {t}:\n1. {e}\n2.",
        "{T}: {d}.\n\nWrite one short sentence about this, using the word {t}.\n\nSentence:",
    ),
    "ru": (
        "{T} означает: {d}. Вот короткие предложения со словом {t}:\n1. {e}\n2.",
        "{T}: {d}.\n\nНапиши короткое предложение со словом {t}.\n\nПредложение:",
    ),
}

_FIRST_WORDS: dict[Language, tuple[str, ...]] = {
    "en": (
        "The", "In", "When", "She", "I", "A new", "It is", "How to", "We", "They", "He said",
        "Many people", "If you", "On Monday", "My", "Today", "At the", "There", "Most",
        "For the first time", "After", "This", "You can", "One of the", "What is", "Because",
        "To", "Some", "Our", "Once upon a time",
    ),
    "ru": (
        "В", "Когда", "Она", "Я", "Это", "Новый", "Как", "Мы", "Они", "Он сказал", "Многие",
        "Если", "В понедельник", "Мой", "Сегодня", "На", "Там", "Большинство", "После", "Что",
    ),
}  # fmt: skip

# A text that talks about the word, rather than using it, teaches the definition once more.
_ABOUT_WORDS = re.compile(
    r"\b(means|meaning|refers to|definition|defined|word|sentence|term|synonym|"
    r"означает|значит|определение|слово|предложение|термин)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(.{20,}?[.!?…])(?=\s|$)")


def defining_line(surface: str, definition: str) -> str:
    """The teacher's prompt: one line that defines the term."""
    return f"{surface[:1].upper()}{surface[1:]}: {definition.rstrip('.')}.\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _requests(
    term: Term, lexicon: Lexicon, surface: str, asked: int, continued: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """Prompts for whole sentences, and (prompt, opening) pairs for continuations."""
    meaning = term.definition[0].rstrip(".")
    listing, asking = _ASKING[term.language]
    words = {"t": surface, "T": _capital(surface), "d": meaning}
    examples = [written_as(e, term, lexicon, surface) for e in term.examples]
    whole = []
    for turn in range(asked):
        if examples and turn % 3:
            whole.append(listing.format(**words, e=examples[turn % len(examples)]))
        else:
            whole.append(asking.format(**words))
    begun = []
    for turn in range(continued):
        opening = OPENINGS[term.language][turn % len(OPENINGS[term.language])]
        text = opening.format(**words)
        begun.append((defining_line(surface, meaning) + text, text))
    return whole, begun


def _cut(text: str) -> str:
    """The first sentence, without quotes and list numbers around it."""
    text = re.sub(r"^\s*(\d+[.)]|[-*•])\s*", "", text).strip().strip("\"“”«»'").strip()
    found = _SENTENCE.match(text)
    return found.group(1) if found else text


def _usable(text: str, term: Term, lexicon: Lexicon) -> bool:
    if not 4 <= len(text.split()) <= 32 or _ABOUT_WORDS.search(text) or "<" in text:
        return False
    places = find_term(text, term, lexicon.marker)
    # A definition copied into the sentence adds nothing to the templates.
    copied = term.definition[0].rstrip(".").lower()
    return 1 <= len(places) <= 2 and copied not in text.lower()


def gains(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    term: Term,
    lexicon: Lexicon,
    surface: str,
) -> list[float]:
    """For each text the mean gain in nats per token outside the term; see the module."""
    start = document_start(tokenizer)
    before = start + encode(tokenizer, defining_line(surface, term.definition[0]))
    ids = [encode(tokenizer, text) for text in texts]
    table = token_log_probabilities(
        model, [Pair(before, i) for i in ids] + [Pair(start, i) for i in ids]
    )
    out = []
    for index, text in enumerate(texts):
        taken = [(o.start, o.end) for o in find_term(text, term, lexicon.marker)]
        spans = cast(
            list[tuple[int, int]],
            tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping,
        )
        rise = [
            a - b
            for a, b, (left, right) in zip(
                table[index], table[len(texts) + index], spans, strict=True
            )
            if not any(left < end and right > begin for begin, end in taken)
        ]
        out.append(fmean(rise) if rise else 0.0)
    return out


def written_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    keep: int,
    held_out: int = 2,
    oversample: float = 2.5,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Up to `keep` texts a term (and `held_out` more for validation), best gain first.

    `tokenizer` is the untaught one; markers stand in the texts as the model will see them.
    """
    wanted = round((keep + held_out) * oversample)
    prompts: list[str] = []
    origin: list[tuple[str, str]] = []
    short: list[str] = []
    short_origin: list[tuple[str, str]] = []
    for term in lexicon:
        whole, begun = _requests(
            term, lexicon, surfaces[term.term], wanted * 3 // 5, wanted * 2 // 5
        )
        prompts += whole
        origin += [(term.term, "")] * len(whole)
        short += [prompt for prompt, _ in begun]
        short_origin += [(term.term, opening) for _, opening in begun]
    lines = sample(
        model, tokenizer, prompts, max_new_tokens=30, temperature=0.9, seed=seed, advance=advance
    )
    lines += sample(
        model, tokenizer, short, max_new_tokens=20, temperature=0.9, seed=seed + 1, advance=advance
    )
    candidates: dict[str, list[str]] = {term.term: [] for term in lexicon}
    for (name, opening), line in zip(origin + short_origin, lines, strict=True):
        text = _cut(opening + line)
        term = lexicon[name]
        if _usable(text, term, lexicon):
            candidates[name].append(written_as(text, term, lexicon, surfaces[name]))
    out: list[Text] = []
    for term in lexicon:
        some = list(dict.fromkeys(candidates[term.term]))
        worth = gains(model, tokenizer, some, term, lexicon, surfaces[term.term])
        ranked = sorted(zip(worth, some, strict=True), reverse=True)[: keep + held_out]
        # Held out evenly over the ranks, so that validation texts are like the trained ones.
        step = max(2, len(ranked) // held_out) if held_out else len(ranked) + 1
        for place, (gain, text) in enumerate(ranked):
            apart = held_out > 0 and place % step == step - 1
            out.append(
                Text(text=text, term=term.term, kind="written", held_out=apart, gain=gain)
            )
    return out


def replay_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    languages: Sequence[Language],
    *,
    count: int,
    bare: Sequence[tuple[str, Language]] = (),
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Texts that the untaught model writes freely, to hold it to what it was.

    `bare` are words whose old sense must stay (the bare form of a marked concept): the model goes on
    from an opening with each, without any definition.
    """
    openings = [word for language in languages for word in _FIRST_WORDS[language]]
    prompts = [openings[i % len(openings)] for i in range(count)]
    for word, language in bare:
        prompts += [
            opening.format(t=word, T=_capital(word)) for opening in OPENINGS[language][:4]
        ]
    lines = sample(model, tokenizer, prompts, max_new_tokens=32, seed=seed, advance=advance)
    texts = [prompt + line for prompt, line in zip(prompts, lines, strict=True)]
    return [
        Text(text=text, kind="replay", held_out=place % 8 == 7)
        for place, text in enumerate(texts)
        if len(text.split()) > 3
    ]
