"""What a reader of a verdict must know beside its numbers, in the lexicon's language."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from lexigraft.checks.names import DECIDING
from lexigraft.checks.results import Chat, CheckSummary, Drift, Leakage, TermVerdict
from lexigraft.lexicon import Language, Lexicon

__all__ = ["SMALL", "notes_on"]

SMALL = 40
"""Terms below which a share of them is a rough number."""

_NAMES: dict[Language, dict[str, str]] = {
    "en": {
        "definition": "Definition",
        "term_from_definition": "Term from definition",
        "cloze": "Cloze",
        "cloze_pairs": "Cloze in pairs",
        "near_terms": "Near terms",
        "properties": "Properties",
        "use": "Use",
    },
    "ru": {
        "definition": "Определение",
        "term_from_definition": "Термин по определению",
        "cloze": "Пропуск в предложении",
        "cloze_pairs": "Пропуск, попарно",
        "near_terms": "Близкие термины",
        "properties": "Свойства",
        "use": "Употребление",
    },
}
_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "unmeasurable": "{check}: not measurable here. Even with the definition in its prompt the "
        "untaught model is within three standard errors of chance, so the check says nothing about "
        "this model.",
        "chat": "{check}, asked through the chat template (chance {chance} %): {shares}.",
        "floor": "untaught {share} %",
        "taught": "taught {share} %",
        "ceiling": "with the definition {share} %",
        "chat_unmeasurable": "Not measurable in this form.",
        "raises": "{check}: not measurable through the chat template, which raises an error: "
        "{detail}",
        "drops": "{check}: not measurable through the chat template, which drops the text that it "
        "is given.",
        "single": "{check}: a single candidate cannot be chosen wrongly; the check needs at least "
        "two terms.",
        "small": "Terms: {terms}. So few that a share of them is known to about ±{points} points.",
        "peerless": "Without a peer of their route and token count, so not asked for by their "
        "definition: {terms}.",
        "untested": "Without test sentences, so without a cloze check: {terms}.",
        "known": "The untaught model passes these already: {terms}.",
        "controls": "Fewer untaught words than asked for beside: {terms}.",
        "unread": "Drift and leakage were not measured: no neutral text is read alike by both "
        "models.",
        "drift": "Drift is over its limit: {value} nats a token, {limit} allowed. So no term "
        "counts as known.",
        "leakage": "Leakage is over its limit: {value} emissions in 10,000 tokens, {limit} "
        "allowed. So no term counts as known.",
        "nothing": "Nothing could be measured, so no term counts as known.",
    },
    "ru": {
        "unmeasurable": "{check}: здесь не измеримо. Даже с определением в запросе необученная "
        "модель отстоит от случайного выбора меньше чем на три стандартные ошибки, так что "
        "проверка ничего не говорит об этой модели.",
        "chat": "{check}, через шаблон чата (случайный выбор {chance} %): {shares}.",
        "floor": "без обучения {share} %",
        "taught": "после обучения {share} %",
        "ceiling": "с определением {share} %",
        "chat_unmeasurable": "В этой форме не измеримо.",
        "raises": "{check}: через шаблон чата не измеримо, он сообщает об ошибке: {detail}",
        "drops": "{check}: через шаблон чата не измеримо, он теряет данный ему текст.",
        "single": "{check}: единственный вариант нельзя выбрать неверно; нужны хотя бы два "
        "термина.",
        "small": "Терминов: {terms}. Так мало, что их доля известна примерно с точностью "
        "±{points} процентных пунктов.",
        "peerless": "Нет второго термина с тем же маршрутом и числом токенов, поэтому по "
        "определению не спрошены: {terms}.",
        "untested": "Без тестовых предложений, а значит и без проверки пропуском: {terms}.",
        "known": "Необученная модель проходит и без обучения: {terms}.",
        "controls": "Меньше необученных слов, чем задано, рядом с: {terms}.",
        "unread": "Сдвиг и утечка не измерены: нет нейтрального текста, который обе модели "
        "читают одинаково.",
        "drift": "Сдвиг выше предела: {value} ната на токен при пределе {limit}. Поэтому ни один "
        "термин не считается известным.",
        "leakage": "Утечка выше предела: {value} появлений на 10 000 токенов при пределе {limit}. "
        "Поэтому ни один термин не считается известным.",
        "nothing": "Ничего измерить не удалось, поэтому ни один термин не считается известным.",
    },
}


def notes_on(
    lexicon: Lexicon,
    terms: Sequence[TermVerdict],
    checks: Mapping[str, CheckSummary],
    *,
    asked: Sequence[str],
    untaught: Mapping[str, Sequence[str]],
    peers: Mapping[str, Sequence[str]],
    controls: int,
    unread: bool,
    drift: Drift | None,
    leakage: Leakage | None,
    drift_limit: float | None,
    leakage_limit: float | None,
) -> tuple[str, ...]:
    """Every remark that applies, the gravest first.

    `asked` names the checks that were asked for, with or without a question in them; `unread` says
    that drift was among them and no neutral text could be used.
    """
    say = _Speaker(lexicon.language)
    out: list[str] = []
    if drift and drift_limit is not None and drift.mean_kl > drift_limit:
        out.append(say("drift", value=say.number(drift.mean_kl), limit=say.number(drift_limit)))
    if leakage and leakage_limit is not None and leakage.emissions_per_10k > leakage_limit:
        value = say.number(leakage.emissions_per_10k)
        out.append(say("leakage", value=value, limit=say.number(leakage_limit)))
    if not any(checks[name].measurable for name in DECIDING if name in checks):
        out.append(say("nothing"))
    out += _on_checks(say, checks)
    if unread:
        out.append(say("unread"))
    if len(lexicon) < SMALL:
        points = round(98 / math.sqrt(len(lexicon)))  # 1.96 standard errors of a half
        out.append(say("small", terms=len(lexicon), points=points))
    peerless = [term for term, some in peers.items() if len(some) < 2 <= len(lexicon)]
    few = [term for term, words in untaught.items() if len(words) < controls]
    groups = {
        "peerless": peerless if "term_from_definition" in asked else [],
        "untested": [t.term for t in lexicon if not t.tests] if "cloze" in asked else [],
        "known": [t.term for t in terms if t.known_before],
        "controls": few,
    }
    out += [say(key, terms=", ".join(some)) for key, some in groups.items() if some]
    return tuple(out)


def _on_checks(say: _Speaker, checks: Mapping[str, CheckSummary]) -> Iterator[str]:
    for name, summary in checks.items():
        if not summary.measurable:
            yield say("single" if summary.chance >= 1 else "unmeasurable", check=say.name(name))
        if summary.chat is not None:
            yield _on_chat(say, say.name(name), summary.chat)


def _on_chat(say: _Speaker, check: str, chat: Chat) -> str:
    if chat.reason is not None:
        return say(chat.reason, check=check, detail=chat.detail or "?")
    found = {"floor": chat.floor, "taught": chat.taught, "ceiling": chat.ceiling}
    known = {key: share for key, share in found.items() if share is not None}
    shares = ", ".join(say(key, share=round(100 * share)) for key, share in known.items())
    text = say("chat", check=check, chance=round(100 * (chat.chance or 0)), shares=shares)
    return text if chat.measurable else f"{text} {say('chat_unmeasurable')}"


class _Speaker:
    """Fills the sentences of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, key: str, **values: object) -> str:
        return _TEXTS[self._language][key].format(**values)

    def name(self, check: str) -> str:
        """The check's name as the report has it."""
        return _NAMES[self._language].get(check, check)

    def number(self, value: float) -> str:
        """Three significant digits, with the language's decimal mark."""
        text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
        return text.replace(".", ",") if self._language == "ru" else text
