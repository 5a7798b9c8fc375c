"""The report's Russian."""

from __future__ import annotations

__all__ = ["PLURALS", "STRINGS"]

# one, few, many; `of_terms` is the genitive that stands after «из»
PLURALS: dict[str, tuple[str, ...]] = {
    "term": ("термин", "термина", "терминов"),
    "of_terms": ("термина", "терминов", "терминов"),
    "question": ("вопрос", "вопроса", "вопросов"),
    "piece": ("часть", "части", "частей"),
    "token": ("токен", "токена", "токенов"),
    "step": ("шаг", "шага", "шагов"),
    "character": ("знак", "знака", "знаков"),
}

STRINGS: dict[str, str] = {
    "unit.seconds": "{n} с",
    "unit.minutes": "{n} мин",
    "unit.hours": "{n} ч",
    "page.title": "{lexicon}: что выучила модель",
    "page.kicker": "отчёт lexigraft",
    "page.contents": "Содержание",
    "page.lexicon": "Словарь",
    "page.model": "Модель",
    "page.before": "Учили раньше",
    "page.seed": "Зерно",
    "page.time": "Время",
    "page.footer": "Составлено по файлам из папки запуска. Ни сеть, ни модель не нужны.",
    "headline.taught": "Теперь модель знает {known} из {terms}; до обучения знала {before}.",
    "headline.untaught": "Необученная модель знает {before} из {terms}.",
    "headline.unverified": "Этот запуск ещё не проверен.",
    "headline.unverified_more": (
        "Выполните для этой папки «lexigraft verify», затем «lexigraft report»: результаты "
        "появятся здесь."
    ),
    "headline.drift": "Дрейф на нейтральном тексте: {drift} ната на токен (предел {limit}).",
    "headline.drift_over": (
        "Дрейф на нейтральном тексте: {drift} ната на токен, выше предела {limit}."
    ),
    "headline.drift_no_limit": "Дрейф на нейтральном тексте: {drift} ната на токен.",
    "headline.drift_missing": "Дрейф на нейтральном тексте не измерен.",
    "headline.lost": "Больше не знает: {terms}.",
    "headline.learned": "Выучено заново: {terms}; знала и раньше: {already}.",
    "figure.knows": "{terms} известно",
    "figure.knows_note": "до обучения: {before}",
    "figure.check_note": "до обучения: {before}",
    "figure.drift": "ната дрейфа на токен",
    "figure.drift_short": "Дрейф",
    "figure.limit": "предел {limit}",
    "figure.no_limit": "предел не задан",
    "figure.leakage": "лишних появлений на 10 000 токенов",
    "figure.leakage_note": "до обучения: {before}",
    "figure.of": "из {total}",
    "section.summary": "По терминам",
    "section.checks": "Проверки",
    "section.terms": "Каждый термин подробно",
    "section.harm": "Что пострадало",
    "section.training": "Обучение",
    "section.load": "Как загрузить результат",
    "section.settings": "Настройки и версии",
    "section.glossary": "Что значат слова",
    "summary.term": "Термин",
    "summary.route": "Маршрут",
    "summary.before": "Говорила раньше",
    "summary.now": "Говорит теперь",
    "summary.definition": "Определение",
    "summary.cloze": "Пропуск",
    "summary.status": "Итог",
    "summary.harmed": "Вред",
    "summary.none": "В проверке нет ни одного термина.",
    "summary.caption": (
        "Определение и пропуск: доля верных ответов, раньше → теперь. "
        "Ответы даны словами самих моделей, без правки."
    ),
    "summary.caption_harm": (
        "Утечка: лишние появления термина на 10 000 токенов нейтрального текста."
    ),
    "summary.more": "Ещё {hidden} здесь не показано; все они есть в verdict.json.",
    "answer.none": "ответа нет",
    "answer.empty": "(ничего)",
    "status.learned": "выучен",
    "status.known": "известен и раньше",
    "status.lost": "утрачен",
    "status.not_learned": "не выучен",
    "status.knows": "знает",
    "status.unknown": "не знает",
    "route.subword": "подслова",
    "route.token": "токен",
    "route.marker": "маркер",
    "route.subword_what": "прежние части; токенизатор не меняется",
    "route.token_what": "новый токен для каждой формы",
    "route.marker_what": "прежние части внутри маркера; слово без маркера значит то же, что раньше",
    "harm.none": "не обнаружен",
    "harm.leaks": "утечка {value}",
    "harm.unmeasured": "не измерен",
    "check.definition": "Определение",
    "check.definition_what": "По термину поставить верное определение на первое место.",
    "check.definition_score": "проверка",
    "check.term_from_definition": "Термин по определению",
    "check.term_from_definition_what": "По определению поставить верный термин на первое место.",
    "check.alignment": "Сопоставление",
    "check.alignment_what": "Соотнести разом все термины со всеми определениями.",
    "check.cloze": "Пропуск",
    "check.cloze_what": "Выбрать термин, который подходит к незнакомому предложению.",
    "check.cloze_pairs": "Пропуск попарно",
    "check.cloze_pairs_what": "Продолжение предложения вероятнее со своим термином.",
    "check.near_terms": "Близкие термины",
    "check.near_terms_what": "Различить термины, которые легко спутать.",
    "check.properties": "Свойства",
    "check.properties_what": "Сделать выводы, которых в определении прямо нет.",
    "check.use": "Употребление",
    "check.use_what": "Написать с термином предложения, из которых виден его смысл.",
    "check.override": "Другое определение",
    "check.override_what": "Следовать иному определению, если оно дано в запросе.",
    "check.selectivity": "Избирательность маркера",
    "check.selectivity_what": "С маркером смысл новый, без маркера прежний.",
    "checks.caption": (
        "Доля верных ответов по всем терминам. Пунктир: уровень угадывания. Закрытая доля "
        "разрыва: 1 значит, что обучение дало столько же, сколько определение прямо в запросе."
    ),
    "checks.check": "Проверка",
    "checks.scores": "Раньше, теперь и с определением в запросе (потолок)",
    "checks.gap": "Закрыто разрыва",
    "checks.rank": "Средний обратный ранг",
    "checks.questions": "Вопросов",
    "checks.unmeasurable": "Здесь не измеримо",
    "checks.unmeasurable_why": (
        "Даже с определением в запросе эта модель не отвечает заметно лучше угадывания, поэтому "
        "проверка ничего о ней не говорит."
    ),
    "checks.chance": "угадывание {value}",
    "checks.error": "теперь ± {value}",
    "checks.none": "Ни одной проверки не было.",
    "checks.baselines": "Без всякой модели: {rules}.",
    "checks.baseline_majority": "всегда самый частый ответ {value}",
    "checks.baseline_longest": "всегда самый длинный {value}",
    "checks.baseline_overlap": "больше общих слов с определением {value}",
    "beside.measure": "Показатель",
    "beside.value": "Значение",
    "beside.before": "{now} (раньше {before})",
    "beside.ceiling": "{values} (потолок {ceiling}, угадывание {chance})",
    "beside.rows": "Термины, нашедшие своё определение",
    "beside.columns": "Определения, нашедшие свой термин",
    "beside.assignment": "Верных пар, если соотнести всё сразу",
    "beside.copied": "Отрезки в восемь слов, взятые из учебных текстов",
    "beside.copied_lexicon": "Отрезки в восемь слов, взятые из лексикона",
    "beside.distinct": "Разных пар соседних слов",
    "beside.emitted": "Термины, написанные по определению в запросе",
    "beside.sentences": "Написано предложений с терминами",
    "beside.follows": "Следует другому определению из запроса",
    "beside.agrees": "Верное определение из запроса на первом месте",
    "beside.no_worse": "С верным определением не хуже прежнего",
    "map.title": "Какой термин какую проверку прошёл",
    "map.caption": "● проходит теперь, ◐ проходил и раньше, ○ не проходит, · не спрашивали.",
    "map.passed": "проходит",
    "map.before": "проходил и раньше",
    "map.failed": "не проходит",
    "map.absent": "не спрашивали",
    "map.unmeasurable": "здесь не измеримо",
    "map.unmeasurable_legend": "– на этой модели не измеримо.",
    "map.lost": "больше не проходит",
    "map.lost_legend": "× больше не проходит.",
    "condition.floor": "раньше",
    "condition.taught": "теперь",
    "condition.ceiling": "потолок",
    "condition.floor_long": "До обучения",
    "condition.taught_long": "Теперь",
    "condition.ceiling_long": "Необученная, с определением в запросе",
    "term.definition": "Определение",
    "term.definitions": "Определения",
    "term.forms": "Формы",
    "term.written": "Как подаётся модели",
    "term.pieces": "Как его делит токенизатор",
    "term.pieces_before": "Раньше",
    "term.pieces_after": "Теперь",
    "term.pieces_none": "Части не записаны.",
    "term.pieces_same": "Те же части: этот маршрут не трогает токенизатор.",
    "term.new": "новый токен",
    "term.id": "номер {id}",
    "term.saved": "Каждое употребление короче на {tokens}.",
    "term.why": "Почему выбран маршрут «{route}»",
    "term.why_none": "Причины выбора маршрута не записаны.",
    "term.changes": "Что это меняет",
    "term.answers": "Что говорит модель",
    "term.answers_none": "Ответы не записаны.",
    "term.prompt": "Запрос",
    "term.checks": "Проверки",
    "term.checks_none": "Этот термин не проверялся.",
    "term.questions": "Задано: {questions}",
    "term.passed": "пройдена",
    "term.not_passed": "не пройдена",
    "term.percentile": "выше, чем {share} невыученных слов",
    "term.question": "Вопрос",
    "term.right": "Верный ответ",
    "term.chose": "Выбрано",
    "term.rank": "верный ответ на месте {rank}",
    "term.cut": "… (всего {characters})",
    "term.details": "Показать подробности: {term}",
    "harm.intro": (
        "Обучение меняет веса, от которых зависит и обычный текст. Вот чего это стоило: измерено "
        "на тексте, на котором модель не учили."
    ),
    "harm.intro_untaught": "Модель не обучали, поэтому ничего и не пострадало.",
    "harm.drift": "Дрейф на нейтральном тексте",
    "harm.drift_none": "Дрейф не измерен.",
    "harm.mean": "Средний дрейф",
    "harm.p99": "99-й процентиль",
    "harm.nats": "{value} ната на токен",
    "harm.top1": "Самый вероятный следующий токен тот же",
    "harm.bits": "Бит на байт, раньше → теперь",
    "harm.hard": "Трудные случаи",
    "harm.hard_what": "части терминов в других словах и слова без маркера",
    "harm.tokens": "Измерено на",
    "harm.rows": "Прежние строки эмбеддингов",
    "harm.rows_same": "все {rows} совпадают до бита",
    "harm.rows_moved": (
        "сдвинулось {moved} из {rows}: в среднем на {mean}% длины, не больше чем на {most}%"
    ),
    "harm.worst": "Тексты, которые изменились сильнее всего",
    "harm.worst_text": "Текст",
    "harm.worst_kl": "Нат на токен",
    "harm.within": "в пределах {limit}",
    "harm.over": "выше предела {limit}",
    "harm.leakage": "Утечка",
    "harm.leakage_what": (
        "Ожидаемое число появлений выученных терминов на 10 000 токенов нейтрального текста, где "
        "им не место."
    ),
    "harm.leakage_none": "Утечка не измерена.",
    "harm.leakage_all": "Все термины",
    "harm.leakage_before": "До обучения",
    "harm.leakage_now": "Теперь",
    "harm.related_term": "Термин после родственного слова",
    "harm.related_words": "Ключевые слова его определения там же",
    "harm.related_what": "изменение логарифма вероятности там, где ему не место",
    "harm.rise": "{value} ната",
    "harm.leakage_term": "Термин",
    "harm.leakage_value": "На 10 000 токенов",
    "harm.selectivity": "Прежние смыслы за маркерами",
    "harm.selectivity_what": (
        "Слово с маркером должно нести новый смысл, а слово без маркера сохранять прежний."
    ),
    "before.run": "{lexicon}, {terms} (запуск {run})",
    "before.chain": "Эту модель уже учили: {runs}; изначально это {base}.",
    "kept.title": "Термины прежних запусков",
    "kept.what": (
        "Спрошены снова: доля верных ответов, когда термин учили → до этого запуска → теперь. "
        "Термин сохранён, если проходит все проверки, которые проходил до этого запуска."
    ),
    "kept.figure": "прежних терминов сохранено",
    "kept.all": "Из прежних терминов сохранено {kept} из {of}.",
    "kept.some": "Из прежних терминов сохранено {kept} из {of}. Утрачены: {terms}.",
    "kept.nothing": "До этого запуска ни один из прежних терминов не проходил ни одной проверки.",
    "kept.yes": "сохранён",
    "kept.no": "утрачен",
    "kept.none_before": "раньше не проходил ничего",
    "harm.spelling": "Запись новых токенов",
    "harm.spelling_exact": "Ровно одним токеном в любом месте пишутся {exact} из {forms} форм.",
    "harm.spelling_changed": "Другие слова, которые теперь делятся иначе:",
    "harm.spelling_unchanged": "Все прочие слова делятся как прежде.",
    "training.none": "В этой папке нет журнала обучения.",
    "training.loss": "Потери",
    "training.drift": "Дрейф во время обучения",
    "training.train": "обучение",
    "training.validation": "проверка",
    "training.drift_line": "дрейф",
    "training.step": "шаг",
    "training.nats": "нат на токен",
    "training.loss_unit": "потери",
    "training.limit": "предел",
    "training.summary": "{steps} за {time}; потери изменились с {first} до {last}.",
    "training.skipped": "Шагов без конечного значения потерь: {count}.",
    "training.describe": (
        "График: {name} по шагам обучения с {start} по {end}: от {first} до {last}."
    ),
    "load.model": "Слитая модель, обычным transformers",
    "load.model_none": "В этой папке пока нет model/.",
    "load.adapter": "Только адаптер, через PEFT",
    "load.adapter_none": (
        "В этой папке нет adapter/: его не бывает при --tune full и до конца обучения."
    ),
    "load.adapter_base": (
        "Адаптер накладывается на ту самую базовую модель, которую обучали. Токенизатор берётся "
        "у обученной модели."
    ),
    "load.write": "Так термины подаются модели:",
    "load.copy": "Копировать",
    "load.copied": "Скопировано",
    "settings.recipe": "Рецепт",
    "settings.versions": "Версии",
    "settings.stages": "Время по этапам",
    "settings.run": "Запуск",
    "settings.none": "Не записано.",
    "settings.base": "Модель, которую обучали",
    "settings.truths": "Что верно для этой модели",
    "value.yes": "да",
    "value.no": "нет",
    "model.architecture": "архитектура",
    "model.tokenizer_class": "класс токенизатора",
    "model.family": "вид токенизатора",
    "model.vocabulary": "токенов",
    "model.rows": "строк эмбеддингов",
    "model.spare_rows": "свободных строк",
    "model.tied": "вход и выход связаны",
    "model.dtype": "тип весов",
    "model.hidden_size": "ширина",
    "model.layers": "слоёв",
    "model.parameters": "параметров",
    "settings.name": "Название",
    "settings.value": "Значение",
    "settings.model": "модель",
    "settings.revision": "ревизия",
    "settings.seed": "зерно",
    "settings.lexicon_digest": "отпечаток словаря",
    "settings.recipe_digest": "отпечаток рецепта",
    "settings.verify_seconds": "время проверки",
    "settings.notes": "Примечания",
    "settings.missing": (
        "В папке нет файлов: {files}. В отчёте нет того, что они могли бы показать."
    ),
    "settings.unreadable": "Не удалось прочесть, поэтому пропущено: {files}.",
    "glossary.floor": "Исходный уровень (floor)",
    "glossary.floor_text": "Результат необученной модели: точка отсчёта.",
    "glossary.ceiling": "Потолок (ceiling)",
    "glossary.ceiling_text": (
        "Результат необученной модели с определением в запросе: что она могла бы, если бы знала."
    ),
    "glossary.gap": "Закрытая доля разрыва (gap closed)",
    "glossary.gap_text": (
        "(теперь − исходный уровень) / (потолок − исходный уровень). При 1 обучение дало столько "
        "же, сколько определение в запросе; при 0 не дало ничего."
    ),
    "glossary.drift": "Дрейф (drift)",
    "glossary.drift_text": (
        "Насколько сдвинулись предсказания модели на тексте, который с терминами не связан: "
        "расстояние Кульбака — Лейблера от необученной модели к обученной, в натах на токен."
    ),
    "glossary.leakage": "Утечка (leakage)",
    "glossary.leakage_text": "Выученные термины, которые появляются в тексте, где им не место.",
    "glossary.chance": "Угадывание (chance)",
    "glossary.chance_text": "Результат ответов наугад.",
    "glossary.knows": "Знает",
    "glossary.knows_text": (
        "Термин считается известным, если в большинстве проверок, которыми эту модель можно "
        "измерить, он набирает больше, чем невыученные выдуманные слова."
    ),
    "card.title": "{model}: выучено {terms}",
    "card.intro": (
        "Языковая модель, словарь которой расширен программой lexigraft. Её научили терминам, "
        "перечисленным ниже; основа: {base}."
    ),
    "card.licence": (
        "На эту модель распространяется лицензия базовой модели. Здесь она не записана: узнайте "
        "её там, откуда взята базовая модель."
    ),
    "card.licence_known": ("На эту модель распространяется лицензия базовой модели, {licence}."),
    "card.local_base": "локальная модель {name}",
    "card.taught": "Чему научили",
    "card.harmed": "Что пострадало",
    "card.load": "Как загрузить",
    "card.load_where": (
        "Пути даны относительно этого файла. Если папка лежит в хранилище моделей, укажите имя "
        'хранилища и `subfolder="model"`.'
    ),
    "card.made": "Как это сделано",
    "card.seed": "Зерно: {seed}",
    "card.versions": "Версии: {versions}",
    "card.no_verdict": "Модель ещё не проверена: в папке нет verdict.json.",
    "card.drift": (
        "Дрейф на нейтральном тексте: {mean} ната на токен (99-й процентиль {p99}); самый "
        "вероятный следующий токен остался тем же у {top1} токенов."
    ),
    "card.leakage": (
        "Утечка: {value} появлений выученных терминов на 10 000 токенов нейтрального текста."
    ),
    "card.nothing": "Вред не измерялся.",
    "card.limits": "Границы",
    "card.limits_text": (
        "Модель проверена на вопросах из `verdict.json` и больше ни на чём; каждый из них есть в "
        "`report.html`. Где ошибается базовая модель, ошибается и эта."
    ),
}
