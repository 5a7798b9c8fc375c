"""What a larger model is asked for, and what is read from its answer: sentences about each term.

A request shows the term's definitions, contrasts and examples, bare of markers and in the term's
language, and asks for several sentences at once, each in a scene of its own, one JSON object a
line. An answer may also be a numbered list, a JSON list or plain lines: models differ in obedience.
What only the verification reads never leaves the lexicon.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lexigraft.corpus.wording import written_as
from lexigraft.lexicon import Language, Lexicon, Term, find_term

__all__ = ["Request", "request_count", "sentences_in", "writer_requests"]

# A strong writer's sentences mostly pass; the best of a few more are kept.
_OVERSAMPLE = 1.5
_AT_ONCE = 10  # sentences in one answer: more of them repeat each other
_MOST_EXAMPLES = 3

_SYSTEM: dict[Language, str] = {
    "en": "You write example sentences for a dictionary. You answer with the sentences alone.",
    "ru": "Ты пишешь примеры употребления для словаря. В ответе только сами предложения.",
}
_ASKING: dict[Language, str] = {
    "en": (
        "{about}\n\n"
        "Write {count} sentences in English that use “{term}” in this meaning.\n"
        "- Each has 8 to 25 words, is natural and stands alone.\n"
        "- The meaning shows in what happens. Do not define or explain “{term}”, do not repeat its "
        "definition, and do not speak of it as a word.\n"
        "- Each uses “{term}” once, {spelled}.\n"
        "{others}"
        "- Each plays in a scene of its own, in this order: {scenes}.\n"
        "Answer with one JSON object a line and nothing else:\n"
        '{{"sentence": "…"}}'
    ),
    "ru": (
        "{about}\n\n"
        "Напиши {count} предложений на русском языке со словом «{term}» в этом значении.\n"
        "- В каждом от 8 до 25 слов; оно звучит естественно и понятно само по себе.\n"
        "- Значение видно из того, что происходит. Не определяй и не объясняй «{term}», не "
        "повторяй определение и не говори об этом как о слове.\n"
        "- В каждом «{term}» стоит один раз, {spelled}.\n"
        "{others}"
        "- У каждого своя обстановка, по порядку: {scenes}.\n"
        "Ответь по одному объекту JSON в строке, и больше ничего не пиши:\n"
        '{{"sentence": "…"}}'
    ),
}
_LABELS: dict[Language, dict[str, str]] = {
    "en": {
        "definition": "Meaning of “{term}”: {d}.",
        "contrast": "Not to be confused with “{o}”: {x}.",
        "example": "Example: {e}",
        "spelled": "written exactly so",
        "forms": "in one of these forms: {forms}",
        "others": "- None uses any of these: {others}.\n",
    },
    "ru": {
        "definition": "Значение «{term}»: {d}.",
        "contrast": "Не путать с «{o}»: {x}.",
        "example": "Пример: {e}",
        "spelled": "написано в точности так",
        "forms": "в одной из этих форм: {forms}",
        "others": "- Ни в одном нет ничего из этого: {others}.\n",
    },
}
_SCENES: dict[Language, tuple[str, ...]] = {
    "en": (
        "a kitchen", "a railway station", "a quarrel", "a letter", "a market", "a classroom",
        "a storm", "a workshop", "a newspaper report", "a childhood memory", "a joke between "
        "friends", "a hospital", "a farm in the morning", "a diary", "a court of law", "a museum",
        "a long journey", "a question that somebody asks", "a piece of advice", "a wedding",
        "a shop that is closing", "a walk at night", "a laboratory", "a family's old custom",
    ),
    "ru": (
        "кухня", "вокзал", "ссора", "письмо", "рынок", "школьный урок", "гроза", "мастерская",
        "заметка в газете", "воспоминание детства", "шутка друзей", "больница", "утро в деревне",
        "дневник", "зал суда", "музей", "долгая дорога", "чей-то вопрос", "добрый совет",
        "свадьба", "закрывающаяся лавка", "ночная прогулка", "лаборатория", "семейный обычай",
    ),
}  # fmt: skip

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_LISTED = re.compile(r"^\s*(?:\d+\s*[.)]|[-*•])\s+(.+)$")
_QUOTES = (("“", "”"), ('"', '"'), ("«", "»"), ("'", "'"))


class Request(NamedTuple):
    """One request: the term that it is about, and the messages of the chat."""

    term: str
    messages: tuple[dict[str, str], ...]

    def key(self, model: str | None) -> str:
        """SHA-256 of what `model` is asked: an answer that was kept belongs to it."""
        said = json.dumps([model, self.messages], ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()


def _sizes(keep: int, held_out: int) -> list[int]:
    """How many sentences each request about one term asks for: alike, none above `_AT_ONCE`."""
    wanted = round((keep + held_out) * _OVERSAMPLE) if keep else 0
    requests = -(-wanted // _AT_ONCE)
    return [wanted * (i + 1) // requests - wanted * i // requests for i in range(requests)]


def request_count(terms: int, keep: int, held_out: int) -> int:
    """How many requests `writer_requests` makes for as many terms."""
    return terms * len(_sizes(keep, held_out))


def writer_requests(lexicon: Lexicon, keep: int, held_out: int) -> list[Request]:
    """Requests for about 1.5 x (`keep` + `held_out`) sentences a term, the same ones every time."""
    sizes = _sizes(keep, held_out)
    return [request for term in lexicon for request in _about(term, lexicon, sizes)]


def _about(term: Term, lexicon: Lexicon, sizes: list[int]) -> Iterator[Request]:
    language = term.language
    scenes, labels = _SCENES[language], _LABELS[language]
    forms = ", ".join(term.forms)
    others = ", ".join(_confusable(term, lexicon))
    first = 0
    for size in sizes:
        chosen = [scenes[(first + i) % len(scenes)] for i in range(size)]
        first += size
        asking = _ASKING[language].format(
            about="\n".join(_facts(term, lexicon)),
            count=size,
            term=term.term,
            spelled=labels["forms"].format(forms=f"{term.term}, {forms}")
            if forms
            else labels["spelled"],
            others=labels["others"].format(others=others) if others else "",
            scenes="; ".join(chosen),
        )
        system = {"role": "system", "content": _SYSTEM[language]}
        yield Request(term.term, (system, {"role": "user", "content": asking}))


def _facts(term: Term, lexicon: Lexicon) -> Iterator[str]:
    """What the lexicon teaches of the term, without markers; nothing of what it only verifies."""
    bare = {other.term: other.term for other in lexicon}
    labels = _LABELS[term.language]
    for meaning in term.definition:
        said = written_as(meaning.rstrip("."), lexicon, bare)
        yield labels["definition"].format(term=term.term, d=said)
    for contrast in term.contrast:
        said = written_as(contrast.difference.rstrip("."), lexicon, bare)
        yield labels["contrast"].format(o=contrast.term, x=said)
    for example in term.examples[:_MOST_EXAMPLES]:
        yield labels["example"].format(e=written_as(example, lexicon, bare))


def _confusable(term: Term, lexicon: Lexicon) -> list[str]:
    """The terms that an answer is likeliest to name: those of its contrasts and definitions."""
    said = " ".join(_facts(term, lexicon))
    return [t.term for t in lexicon if t.term != term.term and find_term(said, t, lexicon.marker)]


def sentences_in(answer: str, term: Term, lexicon: Lexicon) -> list[str]:
    """The sentences of an answer that name the term, each once, in their order."""
    text = _THOUGHT.sub("", answer).strip()
    found = dict.fromkeys(_cleaned(item) for item in _items(text))
    return [item for item in found if find_term(item, term, lexicon.marker)]


def _items(text: str) -> list[str]:
    """What stands in JSON, else in a list, else every line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("```")]
    whole = list(_texts(_json("\n".join(lines))))
    if whole:
        return whole
    rows = [item for line in lines for item in _texts(_json(line.strip().rstrip(",")))]
    listed = [found[1] for line in lines if (found := _LISTED.match(line))]
    # a JSON line that was cut off, and brackets of a list, are no sentences
    return rows or listed or [line for line in lines if line.strip()[:1] not in ("{", "[", "]", "")]


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("{", "[", '"') else None
    except (ValueError, RecursionError):
        return None


def _texts(value: Any) -> Iterator[str]:
    """The strings within a JSON value; nested deeper than any answer is, there are none."""
    todo = [value]
    while todo:
        item = todo.pop(0)
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            todo[:0] = item.values()
        elif isinstance(item, list):
            todo[:0] = item


def _cleaned(text: str) -> str:
    """Without emphasis, list numbers and quotes around the whole; spaces made single."""
    listed = _LISTED.match(text)
    text = " ".join((listed[1] if listed else text).replace("**", "").replace("`", "").split())
    for left, right in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == left and text[-1] == right and right not in inner:
            return inner.strip()
    return text
