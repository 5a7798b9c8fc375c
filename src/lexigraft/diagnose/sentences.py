"""The sentences of a diagnosis, in English and Russian, one function a topic."""

from __future__ import annotations

import re

from lexigraft.lexicon.schema import Language

__all__ = ["CHANGES", "REASONS", "byte_count", "say", "say_change", "say_first", "truths"]

REASONS: dict[str, dict[Language, str]] = {
    "given": {
        "en": "The route was given, not chosen: {route}.",
        "ru": "Маршрут задан, а не выбран: {route}.",
    },
    "concept": {
        "en": "It is a concept: inside {marker} it gets its meaning, and the bare word keeps its "
        "own.",
        "ru": "Это понятие: внутри {marker} оно получает своё значение, а слово без маркера "
        "сохраняет прежнее.",
    },
    "one token": {
        "en": "It is one token already, so a common word to this model; a marker leaves its old "
        "sense alone.",
        "ru": "Это уже один токен, то есть для модели обычное слово; маркер не тронет его "
        "прежний смысл.",
    },
    "known": {
        "en": "The model seems to know this word already; a marker leaves its old sense alone.",
        "ru": "Похоже, модель уже знает это слово; маркер не тронет его прежний смысл.",
    },
    "bytes": {
        "en": "The tokenizer breaks its characters into bytes ({count} pieces); as one token it "
        "has a row of its own.",
        "ru": "Токенизатор дробит его символы на байты (частей: {count}); одним токеном оно "
        "получит собственную строку эмбеддингов.",
    },
    "unknown": {
        "en": "The tokenizer cannot write it at all, only as an unknown token; it needs its own.",
        "ru": "Токенизатор не может его записать, только как неизвестный токен; нужен свой.",
    },
    "symbol": {
        "en": "It is a symbol of {count} pieces; as one token it can be used like a letter.",
        "ru": "Это символ, частей: {count}; одним токеном им можно пользоваться как буквой.",
    },
    "own row": {
        "en": "It is a word of {count} pieces; as one token it is taught by a row of its own, and "
        "no old weight need move.",
        "ru": "Это слово из частей (их {count}); одним токеном оно учится собственной строкой, и "
        "прежние веса могут остаться как есть.",
    },
    "pieces": {
        "en": "It is a word of {count} pieces, and one token for it would not be exact on this "
        "tokenizer; the pieces spell it as they are.",
        "ru": "Это слово из частей (их {count}), а один токен с этим токенизатором точным не "
        "будет; части записывают его как есть.",
    },
    "maybe known": {
        "en": "The model may know this string; choose the marker route if its old sense must stay.",
        "ru": "Возможно, модель знает эту строку; если прежний смысл важен, выберите маркер.",
    },
    "lone space": {
        "en": "On this tokenizer a space before it stays a token of its own ({forms}): not exact.",
        "ru": "С этим токенизатором пробел перед ним остаётся отдельным токеном ({forms}): "
        "запись не точная.",
    },
    "already": {
        "en": "Already one token, left as they are: {forms}.",
        "ru": "Уже один токен, остаются как есть: {forms}.",
    },
    "nothing new": {
        "en": "No new token is needed, so the token route has no new row to teach: choose marker "
        "or subword.",
        "ru": "Новый токен не нужен, и на маршруте token нечего учить: выберите marker или "
        "subword.",
    },
    "cannot": {
        "en": "A new token cannot be made exactly here: {error}",
        "ru": "Сделать новый токен точно здесь нельзя: {error}",
    },
    "special": {
        "en": "It reads as a special token ({forms}): the model would take it for a command, so "
        "it cannot be taught; choose another spelling.",
        "ru": "Совпадает со служебным токеном ({forms}): модель примет его за команду, учить "
        "нельзя; выберите другое написание.",
    },
    "rewritten": {
        "en": "The tokenizer rewrites these forms before reading them: {forms}.",
        "ru": "Токенизатор переписывает эти формы перед чтением: {forms}.",
    },
}

CHANGES: dict[str, dict[Language, str]] = {
    "adapter": {
        "en": "Adapter weights (terms that share them: {terms}); tokenizer and shapes stay.",
        "ru": "Веса адаптера, общие для терминов: {terms}; токенизатор и все формы не меняются.",
    },
    "adapter beside": {
        "en": "Adapter weights besides (terms that share them: {terms}); none with --tune rows.",
        "ru": "Кроме того, веса адаптера, общие для терминов: {terms}; с --tune rows их нет.",
    },
    "marked": {
        "en": "It is written {surface}; the bare word is left alone.",
        "ru": "Пишется {surface}; слово без маркера не затронуто.",
    },
    "tokens": {
        "en": "New tokens: {count} ({forms}).",
        "ru": "Новых токенов: {count} ({forms}).",
    },
    "spare": {
        "en": "They take spare rows: no shape changes.",
        "ru": "Они займут запасные строки: формы не меняются.",
    },
    "grown": {
        "en": "Rows added to the embedding matrix: {count} ({size}); old rows stay as they are.",
        "ru": "Матрица эмбеддингов вырастет, строк: {count} ({size}); прежние строки остаются.",
    },
}

_FIRST: dict[str, dict[Language, str]] = {
    "distilled": {
        "en": "first values: distilled, for the model seems to understand the string",
        "ru": "начальные значения: distilled, ведь модель, похоже, понимает эту строку",
    },
    "like": {
        "en": "first values: like, from the words that the lexicon names",
        "ru": "начальные значения: like, от слов, названных в лексиконе",
    },
    "similar": {
        "en": "first values: similar, from words near the definition, since bytes mean little",
        "ru": "начальные значения: similar, от слов, близких к определению: байты значат мало",
    },
    "pieces": {
        "en": "first values: pieces, from the tokens that spell it now",
        "ru": "начальные значения: pieces, от токенов, которыми она пишется сейчас",
    },
}

_TRUTHS: dict[str, dict[Language, str]] = {
    "byte-level BPE": {
        "en": "This tokenizer is a byte-level BPE, not SentencePiece. Nothing ever becomes an "
        "unknown token: what it has not seen becomes bytes.",
        "ru": "Этот токенизатор — BPE по байтам, не SentencePiece. Ничто не становится "
        "неизвестным токеном: незнакомое распадается на байты.",
    },
    "SentencePiece BPE": {
        "en": "This tokenizer is a SentencePiece-style BPE: '▁' stands for the space before a "
        "word.",
        "ru": "Этот токенизатор — BPE в стиле SentencePiece: «▁» обозначает пробел перед словом.",
    },
    "Unigram": {
        "en": "This tokenizer is a Unigram model: it takes the likeliest pieces, and merges "
        "nothing.",
        "ru": "Этот токенизатор — модель Unigram: он берёт самые вероятные части и ничего не "
        "сливает.",
    },
    "WordPiece": {
        "en": "This tokenizer is WordPiece: a character that it lacks makes the whole word "
        "unknown.",
        "ru": "Этот токенизатор — WordPiece: из-за незнакомого символа неизвестно всё слово.",
    },
    "other": {
        "en": "This tokenizer is of an uncommon kind; new tokens are added beside it.",
        "ru": "Этот токенизатор редкого вида; новые токены добавляются рядом с ним.",
    },
    "spare": {
        "en": "The vocabulary can grow without re-initialising the model: {vocabulary:,} tokens, "
        "{rows:,} rows, so {spare:,} spare rows take new tokens and no shape changes. Resizing "
        "to the tokenizer's length would shrink the matrix.",
        "ru": "Словарь растёт без переобучения модели: токенов {vocabulary:,}, строк {rows:,}, "
        "значит {spare:,} запасных строк примут новые токены без изменения форм. Приведение "
        "матрицы к длине токенизатора её бы укоротило.",
    },
    "no spare": {
        "en": "There are no spare rows ({rows:,} rows for {vocabulary:,} tokens): each new token "
        "adds a row, and every old row stays as it is.",
        "ru": "Запасных строк нет (строк {rows:,}, токенов {vocabulary:,}): каждый новый токен "
        "добавляет строку, а все прежние остаются как есть.",
    },
    "tied": {
        "en": "Input and output embeddings are tied: a new token has one row for reading and "
        "writing, and what teaches one moves the other.",
        "ru": "Входные и выходные эмбеддинги связаны: у нового токена одна строка и на чтение, и "
        "на письмо; обучая одно, меняешь и другое.",
    },
    "untied": {
        "en": "Input and output embeddings are not tied: a new token has two rows, and both must "
        "be set.",
        "ru": "Входные и выходные эмбеддинги раздельны: у нового токена две строки, и задать "
        "нужно обе.",
    },
    "lora": {
        "en": "LoRA alone does not teach a new token: its embedding rows are trained beside it. "
        "Subword and marker terms need no new row, and LoRA is enough for them.",
        "ru": "Одна LoRA не научит новому токену: его строки эмбеддингов учатся рядом с ней. "
        "Терминам на маршрутах subword и marker новые строки не нужны, им LoRA достаточно.",
    },
}


def say(key: str, language: Language, **values: object) -> str:
    """The sentence for a reason, filled in."""
    return REASONS[key][language].format(**values)


def say_change(key: str, language: Language, **values: object) -> str:
    """The sentence for a change, filled in."""
    return CHANGES[key][language].format(**values)


def truths(
    language: Language,
    *,
    family: str,
    vocabulary: int,
    rows: int | None,
    spare_rows: int | None,
    tied: bool | None,
) -> tuple[str, ...]:
    """True sentences about this model where widely repeated claims about new words are false.

    What is not known without the weights is not said.
    """
    keys = [family if family in _TRUTHS else "other"]
    if rows is not None and spare_rows is not None:
        keys.append("spare" if spare_rows > 0 else "no spare")
    if tied is not None:
        keys.append("tied" if tied else "untied")
    keys.append("lora")
    values = {"vocabulary": vocabulary, "rows": rows, "spare": spare_rows}
    sentences = [_TRUTHS[key][language].format(**values) for key in keys]
    # a Russian reader takes '151,669' for a fraction
    return tuple(_spaced(s) if language == "ru" else s for s in sentences)


def _spaced(sentence: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "\u00a0", sentence)


def say_first(key: str, language: Language) -> str:
    """Which first values fit the row of a new token, and why."""
    return _FIRST[key][language]


def byte_count(count: int, language: Language) -> str:
    """A number of bytes for a reader: '13.5 kB', '13,5 КБ'; a kilobyte is 1,000 bytes."""
    units = {"en": ("bytes", "kB", "MB", "GB"), "ru": ("байт", "КБ", "МБ", "ГБ")}[language]
    size, unit = float(count), 0
    while round(size, 1) >= 1000 and unit < len(units) - 1:
        size, unit = size / 1000, unit + 1
    text = f"{size:.0f}" if unit == 0 else f"{size:.1f}"
    return f"{text.replace('.', ',') if language == 'ru' else text} {units[unit]}"
