"""The terminal's own words, in the lexicon's language; the report's are in `report.strings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lexigraft.lexicon import Language

__all__ = ["WORDS", "say"]

WORDS: dict[str, dict[Language, str]] = {
    "truths": {"en": "What is true of this model", "ru": "Что верно для этой модели"},
    "tokens": {"en": "tokens", "ru": "токенов"},
    "parameters": {"en": "M parameters", "ru": "млн параметров"},
    "pieces": {"en": "pieces", "ru": "части"},
    "forms": {"en": "other forms: {count}", "ru": "других форм: {count}"},
    "known": {"en": "known", "ru": "известен"},
    "knowledge.unknown": {"en": "no", "ru": "нет"},
    "knowledge.maybe known": {"en": "perhaps", "ru": "возможно"},
    "knowledge.known": {"en": "yes", "ru": "да"},
    "knowledge.none": {"en": "not asked: there are no weights", "ru": "не спрошено: нет весов"},
    "token": {"en": "as a token", "ru": "токеном"},
    "token.saves": {
        "en": "{count} fewer each time; {first}.",
        "ru": "каждый раз меньше на {count}; {first}.",
    },
    "why": {"en": "why", "ru": "почему"},
    "changes": {"en": "changes", "ru": "изменит"},
    "bytes.rows": {
        "en": "Trained: {changed}; the model grows by {added}.",
        "ru": "Обучается: {changed}; модель вырастет на {added}.",
    },
    "bytes.adapter": {
        "en": "Its share of the adapter: {changed}.",
        "ru": "Его доля адаптера: {changed}.",
    },
    "given": {"en": "{route} (given)", "ru": "{route} (задан)"},
    "routes": {"en": "Routes: {routes}.", "ru": "Маршруты: {routes}."},
    "term": {"en": "Term", "ru": "Термин"},
    "before": {"en": "Said before", "ru": "Говорила раньше"},
    "now": {"en": "Says now", "ru": "Говорит теперь"},
    "says": {"en": "Says", "ru": "Говорит"},
    "definition": {"en": "Defi-\nnition", "ru": "Опреде-\nление"},
    "cloze": {"en": "Cloze", "ru": "Пропуск"},
    "check": {"en": "Check", "ru": "Проверка"},
    "check.before": {"en": "Before", "ru": "Раньше"},
    "check.now": {"en": "Now", "ru": "Теперь"},
    "check.ceiling": {"en": "Ceiling", "ru": "Потолок"},
    "check.chance": {"en": "Chance", "ru": "Угадывание"},
    "check.terms": {"en": "Terms", "ru": "Термины"},
    "check.seconds": {"en": "Seconds", "ru": "Секунды"},
    "leaks": {"en": "Leaks", "ru": "Утечка"},
    "legend": {
        "en": "✓ passed, ✗ not, – not measurable; with the share of right answers.",
        "ru": "✓ пройдено, ✗ нет, – не измеримо; рядом доля верных ответов.",
    },
    "legend.leaks": {
        "en": "Leaks: how often the term turns up in 10,000 tokens of neutral text.",
        "ru": "Утечка: сколько раз термин появляется на 10\u00a0000 токенов нейтрального текста.",
    },
    "said": {
        "en": "What it says of the terms holds {taught} of their definitions' words{before}.",
        "ru": "В ответах о терминах есть {taught} слов из их определений{before}.",
    },
    "said.before": {
        "en": " (before: {floor}; with the definition in the prompt: {ceiling})",
        "ru": " (раньше: {floor}; с определением в запросе: {ceiling})",
    },
    "leakage": {
        "en": "Taught terms turn up {value} times in 10,000 tokens of neutral text{limit}.",
        "ru": "Лишних появлений терминов на 10\u00a0000 нейтральных токенов: {value}{limit}.",
    },
    "kept": {
        "en": "Terms of {run} and before, kept: {kept} of {of}.",
        "ru": "Термины из {run} и прежних запусков сохранены: {kept} из {of}.",
    },
    "kept.lost": {"en": "Lost: {terms}.", "ru": "Утрачены: {terms}."},
    "limit": {"en": " (limit {limit})", "ru": " (предел {limit})"},
    "report": {"en": "Report", "ru": "Отчёт"},
    "next": {"en": "Next", "ru": "Дальше"},
    "prompt": {"en": "Prompt", "ru": "Запрос"},
    "plan.corpus": {"en": "Files of your own texts", "ru": "Ваших файлов с текстами"},
    "plan.continues": {"en": "Goes on with", "ru": "Продолжает"},
    "plan.kept": {
        "en": "terms kept {terms}, by texts {texts}",
        "ru": "сохраняемых терминов {terms}, текстов для этого {texts}",
    },
    "plan.texts": {"en": "Texts to learn from", "ru": "Учебных текстов"},
    "plan.requests": {"en": "Requests to the writer", "ru": "Запросов к автору текстов"},
    "plan.sent": {
        "en": "Definitions, contrasts and examples leave this machine: they go to {host}.",
        "ru": "Определения, различия и примеры покидают этот компьютер: они уйдут на {host}.",
    },
    "plan.steps": {"en": "Training steps", "ru": "Шагов обучения"},
    "plan.trainable": {"en": "Parameters that move", "ru": "Обучаемых параметров"},
    "plan.time": {"en": "Time, about", "ru": "Время, примерно"},
    "plan.disk": {"en": "Disk space", "ru": "Место на диске"},
    "plan.unknown": {"en": "not known", "ru": "неизвестно"},
    "plan.nothing": {"en": "Nothing was written.", "ru": "Ничего не записано."},
    "pack.lexicon": {"en": "Lexicon", "ru": "Словарь"},
    "pack.base": {"en": "For", "ru": "Для модели"},
    "pack.licence": {"en": "Licence", "ru": "Лицензия"},
    "pack.author": {"en": "Author", "ru": "Автор"},
    "pack.unsaid": {"en": "not stated", "ru": "не указано"},
    "pack.made": {"en": "Made", "ru": "Создан"},
    "pack.rows": {"en": "Rows", "ru": "Строк"},
    "pack.lora": {"en": "LoRA, rank", "ru": "LoRA, ранг"},
    "pack.sha256": {"en": "SHA-256 (no signature)", "ru": "SHA-256 (это не подпись)"},
    "pack.route": {"en": "Route (tokens)", "ru": "Маршрут (токенов)"},
    "pack.definition": {"en": "Definition", "ru": "Определение"},
    "pack.passed": {"en": "Checks passed", "ru": "Проверок пройдено"},
    "pack.knows": {
        "en": "By its own verdict the model knew {knows} of {of}.",
        "ru": "По вердикту пакета модель знала {knows} из {of}.",
    },
    "pack.harm": {
        "en": "Drift {drift} nats per token; {leakage} emissions in 10,000 neutral tokens.",
        "ru": "Дрейф {drift} ната на токен; лишних появлений на 10\u00a0000 токенов: {leakage}.",
    },
    "pack.left_out": {
        "en": "Left out of {pack}, as another pack has these forms: {terms}.",
        "ru": "Из {pack} не взято, так как эти формы есть в другом пакете: {terms}.",
    },
    "pack.fits": {
        "en": "The packs fit. Terms: {terms}; new tokens: {tokens}. Nothing was written.",
        "ru": "Пакеты подходят. Терминов: {terms}; новых токенов: {tokens}. Ничего не записано.",
    },
    "pack.left": {"en": "Left in it: {packs}.", "ru": "Осталось: {packs}."},
    "pack.bare": {"en": "The base, as it was.", "ru": "Базовая модель, какой она была."},
    "pack.pack": {"en": "Pack", "ru": "Пакет"},
    "pack.terms": {"en": "Terms", "ru": "Терминов"},
    "pack.knew": {"en": "Knew", "ru": "Знала"},
    "pack.now": {"en": "Knows", "ru": "Знает"},
    "pack.kept": {"en": "Checks kept", "ru": "Проверок сохранено"},
    "pack.drift": {"en": "Drift", "ru": "Дрейф"},
    "pack.leaks": {"en": "Leaks", "ru": "Утечка"},
    "new": {"en": "Written: {path}. Put your terms in it.", "ru": "Записан файл {path}."},
}


def say(key: str, language: Language, **values: object) -> str:
    return WORDS[key][language].format(**values)
