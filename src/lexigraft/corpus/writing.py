"""Texts that the model writes itself: about each term, with its definition before it, and freely.

Those about a term may come from a larger model instead; they are chosen in the same way.

Texts about a term are kept by how much likelier the definition makes them: the mean over tokens
outside the term of log p(token | definition, before) - log p(token | before). The term's own tokens
do not count: a definition in the prompt makes them likelier in any sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.corpus.openings import openings
from lexigraft.corpus.swapping import stand_in, with_term
from lexigraft.corpus.texts import Text
from lexigraft.corpus.wording import capital, has_foreign_markers, terms_in, written_as
from lexigraft.generation import sample
from lexigraft.lexicon import Language, Lexicon, Term, find_term
from lexigraft.likelihood import Pair, document_start, encode, token_log_probabilities

__all__ = [
    "candidate_count",
    "defining_line",
    "gains",
    "meaning_of",
    "replay_count",
    "replay_texts",
    "written_texts",
]

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
_OVERSAMPLE = 2.5
_BARE_OPENINGS = 4
# Of every epoch's texts: a dozen held-out texts let three odd ones decide how far a model drifted.
_HELD_OUT = 16
_SENTENCE = re.compile(r"(.{20,}?[.!?…])(?=\s|$)")


def defining_line(surface: str, definition: str) -> str:
    """The teacher's prompt: one line that defines the term."""
    return f"{capital(surface)}: {definition.rstrip('.')}.\n"


def meaning_of(term: Term, lexicon: Lexicon, surfaces: Mapping[str, str], index: int = 0) -> str:
    """One of the term's definitions, as the model shall see it, without its full stop."""
    return written_as(term.definition[index].rstrip("."), lexicon, surfaces)


class _Request(NamedTuple):
    """One text asked for. `word` is the known word that stands for the term, if one does."""

    term: str
    prompt: str
    opening: str
    word: str | None = None


def _requests(
    term: Term, lexicon: Lexicon, surfaces: Mapping[str, str], wanted: int
) -> Iterator[_Request]:
    """About `wanted` requests: whole sentences, continued openings, and openings with a known word.

    Without a known word the other two kinds share its part.
    """
    surface, meaning = surfaces[term.term], meaning_of(term, lexicon, surfaces)
    word = stand_in(term, lexicon)
    listing, asking = _ASKING[term.language]
    words = {"t": surface, "T": capital(surface), "d": meaning}
    examples = [written_as(e, lexicon, surfaces, bare=(term.term,)) for e in term.examples]
    asked = wanted // (3 if word else 2)
    for turn in range(asked):
        if examples and turn % 3:
            prompt = listing.format(**words, e=examples[turn % len(examples)])
        else:
            prompt = asking.format(**words)
        yield _Request(term.term, prompt, "")
    for turn in range(wanted - asked):
        known = word if word is not None and turn % 2 else None
        stands = known or surface
        beginnings = openings(term.language, term.part_of_speech, stands)
        opening = beginnings[turn // (2 if word else 1) % len(beginnings)]
        line = defining_line(stands, meaning)
        yield _Request(term.term, line + opening, opening, known)


def _cut(text: str) -> str:
    """The first sentence, without quotes and list numbers around it."""
    text = re.sub(r"^\s*(\d+[.)]|[-*•])\s*", "", text).strip()
    if text[:1] in ('"', "“", "«"):  # what stands after the closing quote belongs outside it
        text = re.split(r'["”»]', text[1:], maxsplit=1)[0]
    text = text.strip("\"“”«»'").strip()
    found = _SENTENCE.match(text)
    return found.group(1) if found else text


def _usable(text: str, term: Term, lexicon: Lexicon, surfaces: Mapping[str, str]) -> bool:
    """Whether `text` uses `term` once or twice, and no other taught term by chance.

    Another term's meaning is not in the prompt: such a text would teach that it means nothing. Its
    bare word is another matter where the taught one stands in a marker.
    """
    if not 4 <= len(text.split()) <= 32 or _ABOUT_WORDS.search(text) or "<" in text:
        return False
    if has_foreign_markers(text, lexicon):
        return False
    if terms_in(text, lexicon, surfaces) - {term.term}:
        return False
    # A definition copied into the sentence adds nothing to the templates.
    copied = any(meaning.rstrip(".").lower() in text.lower() for meaning in term.definition)
    return not copied and 1 <= len(find_term(text, term, lexicon.marker)) <= 2


def gains(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    term: Term,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
) -> list[float]:
    """For each text the mean gain in nats per token outside the term; see the module."""
    start = document_start(tokenizer)
    line = defining_line(surfaces[term.term], meaning_of(term, lexicon, surfaces))
    before = start + encode(tokenizer, line)
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


def candidate_count(terms: int, keep: int, held_out: int) -> int:
    """How many texts the model is asked for so that about `keep` and `held_out` a term remain."""
    return terms * round((keep + held_out) * _OVERSAMPLE) if keep else 0


def replay_count(count: int, epochs: int, bare: int) -> int:
    """How many texts `replay_texts` asks for with as many `bare` words."""
    return count * epochs + bare * _BARE_OPENINGS if count else 0


def written_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    keep: int,
    held_out: int = 2,
    seed: int = 0,
    answers: Mapping[str, Sequence[str]] | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Up to `keep` texts a term (and up to `held_out` more for validation), best gain first.

    `tokenizer` is the untaught one; markers stand in the texts as the model will see them. With
    `answers`, sentences of a larger model by term, the texts are chosen from these alone.
    """
    if answers is None:
        wanted = round((keep + held_out) * _OVERSAMPLE)
        candidates = _candidates(
            model, tokenizer, lexicon, surfaces, wanted=wanted, seed=seed, advance=advance
        )
    else:
        candidates = _answered(answers, lexicon, surfaces)
    out: list[Text] = []
    for term in lexicon:
        pools = candidates[term.term]
        worth = gains(model, tokenizer, [x for p in pools for x in p], term, lexicon, surfaces)
        ranked = _best_of_each(pools, worth, keep + held_out)
        apart = _apart(len(ranked), held_out)
        out += [
            Text(text=text, term=term.term, kind="written", held_out=place in apart, gain=gain)
            for place, (gain, text) in enumerate(ranked)
        ]
    return out


def _best_of_each(
    pools: Sequence[Sequence[str]], worth: Sequence[float], count: int
) -> list[tuple[float, str]]:
    """The best `count` (gain, text) pairs, half from each pool as far as it has them."""
    gain = iter(worth)
    ranked = [sorted(((next(gain), x) for x in pool), reverse=True) for pool in pools]
    first, second = ranked
    half = max(count // 2, count - len(second))
    best = first[:half]
    return sorted([*best, *second[: count - len(best)]], reverse=True)


def _candidates(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    wanted: int,
    seed: int,
    advance: Callable[[int], None] | None,
) -> dict[str, tuple[list[str], list[str]]]:
    """What the model writes about each term, as far as it is usable, without repeats.

    Two pools a term: written with the term itself, and with a known word in its place.
    """
    requests = [r for term in lexicon for r in _requests(term, lexicon, surfaces, wanted)]
    lines = sample(
        model,
        tokenizer,
        [request.prompt for request in requests],
        max_new_tokens=26,
        temperature=0.8,
        seed=seed,
        advance=advance,
    )
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {t.term: ({}, {}) for t in lexicon}
    for request, line in zip(requests, lines, strict=True):
        term = lexicon[request.term]
        text: str | None = _cut(request.opening + line)
        if text is not None and request.word is not None:
            text = with_term(text, request.word, term, surfaces[term.term])
        # an opening that the model did not go on from is no text
        if text is None or len(line.split()) < 2 or not _usable(text, term, lexicon, surfaces):
            continue
        written = written_as(text, lexicon, surfaces, bare=(term.term,))
        found[term.term][request.word is not None][written] = None
    return {name: (list(own), list(other)) for name, (own, other) in found.items()}


def _answered(
    answers: Mapping[str, Sequence[str]], lexicon: Lexicon, surfaces: Mapping[str, str]
) -> dict[str, tuple[list[str], list[str]]]:
    """The usable sentences of a larger model, as `_candidates` has them: the second pool is empty.

    Its sentences are whole, so nothing is cut from them.
    """
    return {
        term.term: (
            list(
                dict.fromkeys(
                    written_as(text, lexicon, surfaces, bare=(term.term,))
                    for text in answers.get(term.term, ())
                    if _usable(text, term, lexicon, surfaces)
                )
            ),
            [],
        )
        for term in lexicon
    }


def _apart(count: int, held_out: int) -> frozenset[int]:
    """The places held out of `count` ranked texts: evenly over the ranks, never most of them.

    Validation texts are like the trained ones only if they are neither the best nor the worst.
    """
    number = min(held_out, count // 2)
    return frozenset((2 * turn + 1) * count // (2 * number) for turn in range(number))


def replay_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    languages: Sequence[Language],
    *,
    count: int,
    epochs: int = 1,
    bare: Sequence[tuple[str, Language]] = (),
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> list[Text]:
    """Texts that the untaught model writes freely, to hold it to what it was: `count` an epoch.

    Each is read once, but for those held out, which judge the drift after every few steps. What is
    read again and again holds the model there and nowhere else.
    `bare` are words whose old sense must stay (the bare form of a marked concept): the model goes
    on from an opening with each, without any definition. These are read in every epoch.
    """
    beginnings = [word for language in languages for word in _FIRST_WORDS[language]]
    turns = [place // count for place in range(count * epochs)]
    prompts = [beginnings[place % len(beginnings)] for place in range(len(turns))]
    for word, language in bare:
        prompts += openings(language, "noun", word)[:_BARE_OPENINGS]
    lines = sample(model, tokenizer, prompts, max_new_tokens=32, seed=seed, advance=advance)
    texts = [prompt + line for prompt, line in zip(prompts, lines, strict=True)]
    when = [*turns, *(None for _ in texts[len(turns) :])]
    return [
        Text(
            text=text,
            kind="replay",
            epoch=turn,
            held_out=place % _HELD_OUT == _HELD_OUT - 1,
        )
        for place, (text, turn) in enumerate(zip(texts, when, strict=True))
        if len(text.split()) > 3
    ]
