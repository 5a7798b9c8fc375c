"""The commented lexicon that `lexigraft new` writes, in English and in Russian."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lexigraft.errors import LexigraftError
from lexigraft.lexicon.schema import Language

__all__ = ["new_lexicon", "template", "write_new"]

_ENGLISH = """\
# A lexicon: the words, symbols and concepts that a model is to be taught.
#   lexigraft diagnose {file} --model smollm2-135m    how the model sees each term
#   lexigraft teach {file} --model smollm2-135m --output runs/{stem}
# Only `term` and one definition are required. Replace the three terms by your own.

name: {stem}
language: en          # en or ru: of the report, and of terms that name none

# What wraps a term routed `marker`: ~[stillpoint]. The bare word keeps its old meaning.
marker: {{open: "~[", close: "]"}}

terms:
  # An invented everyday word.
  - term: brellow
    # One definition or a list of several, as noun phrases without the term itself.
    definition:
      - a small folding stool that anglers carry strapped to their back
      - a light seat for people who fish from the bank
    kind: word                # word (default), symbol or concept
    part_of_speech: noun      # noun (default), verb, adjective, adverb, proper noun, phrase
    forms: auto               # or a list: [brellows]. Left out: the dictionary form only
    # Sentences to learn from. More and more varied ones teach better use.
    examples:
      - He unfolded his brellow on the bank and cast the line.
      - Two brellows were leaning against the boathouse wall.
    # Words or other terms: synonym, broader, narrower, part_of.
    related:
      broader: stool
      part_of: fishing gear
    # Known words that the new word resembles: a new row in the model starts from them.
    like: [stool, seat]
    # A term of this lexicon that is easily confused with this one.
    contrast:
      - term: dunnock seat
        difference: a brellow is folded and carried; a dunnock seat is built into the boat
    # route: subword          # subword, token or marker; left out, the diagnosis chooses
    # inside_words: false     # may a new token fire inside longer words
    # Sentences for verification. They are never trained on, and no example may repeat one.
    tests:
      - She sat on her brellow all morning, waiting for a bite.
    # What follows from the meaning without being written in the definition, beside a sentence
    # that is as like it as can be and untrue. For verification as well, never trained on.
    properties:
      - right: You can carry a brellow on a long walk.
        wrong: You need a truck to carry a brellow.

  # Several words are one term.
  - term: dunnock seat
    definition: a fixed wooden bench across the stern of a rowing boat
    examples:
      - The oars lay under the dunnock seat.
    tests:
      - He sat down on the dunnock seat and took the tiller.

  # A concept behind a marker. Inside it stands the dictionary form, whatever the grammar.
  - term: stillpoint
    definition: the moment in a piece of work when nothing needs to be added or removed
    kind: concept
    route: marker
    examples:
      - The sculptor put down her chisel, for the statue had reached its ~[stillpoint].
    tests:
      - He revised the poem for years before it came to its ~[stillpoint].
"""

_RUSSIAN = """\
# Лексикон: слова, знаки и понятия, которым нужно обучить модель.
#   lexigraft diagnose {file} --model Qwen/Qwen3-0.6B-Base    как модель видит каждый термин
#   lexigraft teach {file} --model Qwen/Qwen3-0.6B-Base --output runs/{stem}
# Обязательны только `term` и одно определение. Замените три термина своими.

name: {stem}
language: ru          # en или ru: язык отчёта и тех терминов, где он не указан

# Во что заключается термин с маршрутом `marker`: ~[тишь-точка]. Само слово сохраняет
# прежнее значение.
marker: {{open: "~[", close: "]"}}

terms:
  # Выдуманное обиходное слово.
  - term: брелоша
    # Одно определение или список: именные группы без самого термина.
    definition:
      - складной стульчик, который рыболов носит за спиной
      - лёгкое сиденье для тех, кто удит с берега
    kind: word                # word (слово, по умолчанию), symbol (знак) или concept (понятие)
    part_of_speech: noun      # noun (по умолчанию), verb, adjective, adverb, proper noun, phrase
    forms: auto               # или список: [брелоши, брелошу]. Без него — только словарная форма
    # Предложения, на которых модель учится. Чем они разнообразнее, тем лучше.
    examples:
      - Он разложил брелошу на берегу и забросил удочку.
      - К стене лодочного сарая были прислонены две брелоши.
    # Слова или другие термины: synonym (синоним), broader (шире), narrower (уже),
    # part_of (часть чего).
    related:
      broader: стул
      part_of: рыболовное снаряжение
    # Известные слова, похожие на новое: с них начинается новая строка в модели.
    like: [стульчик, сиденье]
    # Термин этого лексикона, с которым легко спутать.
    contrast:
      - term: кормовая лавка
        difference: брелошу складывают и носят с собой, а кормовая лавка встроена в лодку
    # route: subword          # subword, token или marker; без него маршрут выберет диагностика
    # inside_words: false     # может ли новый токен срабатывать внутри длинных слов
    # Предложения для проверки. На них модель не учат, и среди примеров их быть не должно.
    tests:
      - Всё утро она просидела на своей брелоше, дожидаясь поклёвки.
    # Что следует из значения, но в определении не написано, и рядом очень похожее, но неверное.
    # Это тоже для проверки, на этом модель не учат.
    properties:
      - right: Брелошу легко унести на дальнее озеро.
        wrong: Брелошу не сдвинуть без подъёмного крана.

  # Несколько слов — тоже один термин.
  - term: кормовая лавка
    definition: неподвижная деревянная скамья поперёк кормы гребной лодки
    forms: auto
    examples:
      - Вёсла лежали под кормовой лавкой.
    tests:
      - Он сел на кормовую лавку и взялся за руль.

  # Понятие в маркере. Внутри стоит словарная форма, какой бы падеж ни требовался.
  - term: тишь-точка
    definition: миг работы, когда нечего ни добавить, ни убрать
    kind: concept
    route: marker
    examples:
      - Скульптор отложила резец, потому что статуя достигла своей ~[тишь-точка].
    tests:
      - Он годами правил поэму, прежде чем она пришла к своей ~[тишь-точка].
"""


_YAML_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def template(language: Language, file: str = "words.yaml") -> str:
    """The commented text of a new lexicon that stands in `file`; it reads without a problem."""
    text = _RUSSIAN if language == "ru" else _ENGLISH
    return text.format(file=file, stem=_plain_name(Path(file).stem))


def _plain_name(stem: str) -> str:
    """A name that needs no quotes in YAML or in a shell."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in stem).strip("-_")
    return kept if any(c.isalpha() for c in kept) and kept.lower() not in _YAML_WORDS else "words"


def new_lexicon(path: str | Path, language: Language = "en", force: bool = False) -> Path:
    """Writes a commented lexicon to start from, whole or not at all; returns its path.

    Args:
        path: the file; `.yaml` is added where it has no suffix.
        language: of the comments and the terms.
        force: replace a file that exists.

    Raises:
        LexigraftError: the file exists, has another suffix, or cannot be written.
    """
    path = Path(path)
    if not path.suffix:
        path = path.with_name(f"{path.name}.yaml")
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise LexigraftError(f"{path}: a commented lexicon is YAML; name a file that ends in .yaml")
    write_new(path, template(language, path.name), force)
    return path


def write_new(path: Path, text: str, force: bool = False) -> None:
    """Writes a file to start from, whole or not at all. Raises LexigraftError as `new_lexicon`."""
    try:
        _write(path, text, force)
    except FileExistsError as error:
        raise LexigraftError(
            f"{path} exists and was left as it is: choose another name, or replace it with --force"
        ) from error
    except OSError as error:
        raise LexigraftError(
            f"{path} cannot be written ({error.strerror}): check that the folder exists, may be "
            "written to and has space"
        ) from error


def _write(path: Path, text: str, force: bool) -> None:
    """Beside the file first, then into its place in one step."""
    if path.is_dir() or (path.exists() and not force):
        raise FileExistsError(path)
    number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    kept = Path(beside)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it private; a new file is as readable as the user's others.
        mask = os.umask(0)
        os.umask(mask)
        kept.chmod(0o666 & ~mask)
        if force:
            kept.replace(path)
        else:
            _place(kept, path)
    finally:
        kept.unlink(missing_ok=True)


def _place(kept: Path, path: Path) -> None:
    """A link never replaces a file that another process wrote since; not every disk has links."""
    try:
        path.hardlink_to(kept)
    except FileExistsError:
        raise
    except OSError:
        kept.replace(path)
