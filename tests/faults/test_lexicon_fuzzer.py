"""Mangled lexicon files thrown at the reader: a lexicon or a list of problems, and soon.

Each file is made from its number alone, so that what fails once can be looked at again.
"""

from __future__ import annotations

import json
import logging
import random
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lexigraft.errors import LexiconError
from lexigraft.lexicon import dump_lexicon, lexicon_from_text, read_lexicon

Mangle = Callable[[bytes, random.Random], bytes]

# Processor time for one file. The slowest here take a fifth of it.
SECONDS = 2.0
LONGEST_TERM = 200
LONGEST_MESSAGE = 1_000
MOST_PROBLEMS = 2_000

YAML = """\
name: voll
language: en
marker: {open: "~[", close: "]"}
terms:
  - term: zorblax
    definition:
      - a machine that makes rain
      - >
        a folded
        definition
    part_of_speech: noun
    forms: auto
    examples: [The zorblax stands on the hill., "Two zorblaxes: old ones."]
    related: {synonym: [rainmaker], broader: machine}
    contrast: {term: velkin, difference: a velkin holds apples}
    tests:
      - Nobody repairs a zorblax.
    properties:
      - {right: A zorblax makes rain., wrong: A zorblax sleeps.}
  - term: velkin
    definition: a basket for apples
    like: [basket, bag]
    route: subword
    inside_words: false
  - term: эйдос
    language: ru
    definition: форма вещи прежде вещи
    kind: concept
    forms: auto
    examples:
      - Об ~[эйдос] спорят давно.
  - term: ⟁
    definition: a warning sign
    kind: symbol
"""
JSONL = (
    '{"term": "zorblax", "definition": ["a machine", "a rain maker"], "forms": "auto", '
    '"examples": ["The zorblax stands."], "contrast": [{"term": "velkin", "difference": "big"}]}\n'
    '{"term": "velkin", "definition": "a basket", "related": {"synonym": ["bag"]}, '
    '"properties": [{"right": "A velkin is round.", "wrong": "A velkin flies."}]}\n'
    '{"term": "эйдос", "language": "ru", "definition": "форма вещи", "forms": ["эйдоса"]}\n'
)
CSV = (
    "term,definition,forms,examples,contrast,properties,synonym,language\n"
    'zorblax,"a machine, big",auto,The zorblax stands. | "Zorblax!",velkin: big,,rainmaker,en\n'
    "velkin,a basket,,,,A velkin is round. // A velkin flies.,,\n"
    "эйдос,форма вещи,эйдоса | эйдосы,,,,,ru\n"
)
SOUND = {".yaml": YAML, ".jsonl": JSONL, ".csv": CSV, ".tsv": CSV.replace(",", "\t")}

# What has a meaning somewhere: to YAML, JSON or CSV, to Unicode, to a tokenizer, to lexigraft.
PIECES = (
    "- ", ": ", ":", "&a ", "*a", "*b ", "<<: *a", "[", "]", "{", "}", '"', "'", "|\n", ">-\n", "#",
    "!!python/object/apply:os.system [true] ", "!!binary aGk= ", "!!set ", "!!float ", "!x ", "!",
    "%YAML 9.9\n", "%TAG ! tag:x,2000:\n", "---\n", "...\n", "? ", "=", "~", "null", ".nan", ".inf",
    "1e999", "0x" + "f" * 50, "9" * 5000, "-0", "1_000", "12:30:45", "2024-13-45", "yes", "\t",
    "\n", "\r", "\r\n", "\n\n", " | ", " // ", ";", ",", '""', "\\u0000", "\\ud800", "\\x", "\\",
    "\x00", "\x07", "\x1b[2J", "\x7f", "\x85", "\xa0", "\u200b", "\u202e", "\u2028", "\ufeff",
    "\ufffc", "\ufffd", "\U0001f9ff", "e\u0301", "ﬁ", "İ", "~[", "~[~[", "]", "<|im_start|>",
    "</s>", "auto", "terms:", "term:", "true", "NaN", "-Infinity", "{}", "[]", "  ",
)  # fmt: skip
BAD_BYTES = (
    b"\xff",
    b"\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"\xe2\x82",
    b"\x80",
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1251", "koi8-r", "utf-8-sig", "utf-7")
KEYS = (
    "term", "definition", "forms", "examples", "tests", "related", "contrast", "properties", "like",
    "kind", "language", "route", "inside_words", "part_of_speech", "marker", "name", "terms",
)  # fmt: skip
VALUES = (
    "5", "1e400", "9" * 400, "true", "null", "~", "[]", "{}", "[[]]", "[1, [2, [3]]]",
    "{a: {b: c}}", "{term: x}", "[null, '']", '""', "2024-01-01", ".nan", "!!binary aGk=",
    "!!set {a, b}", "'a\n  b'", "&a [*a]", "-", "no", "0o7", "? x", "| \n      a\n", "{[1]: 2}",
)  # fmt: skip


# --- blind: the file is bytes ---


def flip_bits(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 60))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def bad_bytes(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 2, 3, 40))):
        at = chance.randrange(len(data))
        data = data[:at] + chance.choice(BAD_BYTES) + data[at:]
    return data


def cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] if chance.random() < 0.7 else data[at:]


def swap_chunks(data: bytes, chance: random.Random) -> bytes:
    a, b, c, d = sorted(chance.randrange(len(data)) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def noise_alone(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 3, 100, 5000)))


def other_encoding(data: bytes, chance: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


BLIND: tuple[Mangle, ...] = (
    flip_bits, set_bytes, bad_bytes, cut, swap_chunks, noise_alone, other_encoding,
)  # fmt: skip


# --- knowing: the file is lines with keys and values ---


def pieces(data: bytes, chance: random.Random) -> bytes:
    text = data.decode()
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(len(text) + 1)
        end = at + chance.choice((0, 0, 1, 5))
        text = text[:at] + chance.choice(PIECES) + text[end:]
    return text.encode("utf-8", "surrogatepass")


def lines_about(data: bytes, chance: random.Random) -> bytes:
    """Lines lost, doubled, moved, cut and indented otherwise."""
    lines = data.decode().split("\n")
    for _ in range(chance.choice((1, 2, 6))):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                lines[at : at + 1] = []
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines.insert(chance.randrange(len(lines)), lines.pop(at))
            case 3:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case _:
                lines[at] = " " * chance.randrange(9) + lines[at].lstrip(" ")
        lines = lines or [""]
    return "\n".join(lines).encode()


def wrong_values(data: bytes, chance: random.Random) -> bytes:
    """Values of other types, and keys twice, in YAML and JSON; in CSV they are just texts."""
    lines = data.decode().split("\n")
    for _ in range(chance.choice((1, 2, 4))):
        at = chance.randrange(len(lines))
        line = lines[at]
        key, value = chance.choice(KEYS), chance.choice(VALUES)
        if line.startswith("{"):
            value = value if chance.random() < 0.5 else json.dumps([value])
            lines[at] = f'{line[:-1]}, "{key}": {value}}}'
        elif ":" in line and chance.random() < 0.6:
            lines[at] = f"{line.split(':')[0]}: {value}"
        else:
            indent = len(line) - len(line.lstrip(" "))
            lines.insert(at, f"{' ' * indent}{key}: {value}")
    return "\n".join(lines).encode()


def long_texts(data: bytes, chance: random.Random) -> bytes:
    """A term, a form or a sentence that goes on and on."""
    text = data.decode()
    word = chance.choice(("zorblax", "velkin", "эйдос", "⟁", "a machine", "apples"))
    unit = chance.choice(
        ("a", "я", "zorblax ", "~[", "]", "\u0301", "ß", "\U0001f468\u200d", "'", "-")
    )
    many = unit * (chance.choice((201, 3_000, 60_000)) // len(unit))
    count = chance.choice((1, 1, -1))
    return text.replace(word, many, count).encode()


def deep(data: bytes, chance: random.Random) -> bytes:
    opening, closing = chance.choice(
        (("[", "]"), ("{a: ", "}"), ("- ", ""), ('{"a":', "}"), ("? ", ""))
    )
    depth = chance.choice((5, 19, 21, 300, 20_000))
    whole = opening * depth + "x" + closing * chance.choice((0, depth))
    lines = data.decode().split("\n")
    at = chance.randrange(len(lines))
    lines[at] = f"{lines[at].split(':')[0]}: {whole}" if chance.random() < 0.5 else whole
    return "\n".join(lines).encode()


def aliases(data: bytes, chance: random.Random) -> bytes:
    """Aliases that multiply (a billion laughs), stand in themselves, or name nothing."""
    width, levels = chance.choice((2, 9)), chance.choice((3, 18))
    head = ["l0: &l0 [ha, ha]"]
    head += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    names = [f"*l{levels - 1}", "*l0", "*nobody", "&me [*me]", f"{{<<: *l{levels - 1}}}"]
    lines = data.decode().split("\n")
    for _ in range(chance.choice((1, 3))):
        at = chance.randrange(len(lines))
        lines[at] = f"{lines[at].split(':')[0]}: {chance.choice(names)}"
    return "\n".join(head + lines).encode()


def many_terms(data: bytes, chance: random.Random) -> bytes:
    """Hundreds of terms that all say the same, or say it in other letters."""
    lines = data.decode().split("\n")
    last = chance.choice(lines[3:] or lines)
    again = [
        last.upper() if chance.random() < 0.2 else last for _ in range(chance.choice((30, 400)))
    ]
    return "\n".join(lines + again).encode()


KNOWING: tuple[Mangle, ...] = (
    pieces, lines_about, wrong_values, long_texts, deep, aliases, many_terms,
)  # fmt: skip


def mangled(number: int) -> tuple[str, str, bytes]:
    """How the file of this number was mangled, its suffix and its content."""
    chance = random.Random(number)
    suffix = chance.choice(tuple(SOUND))
    data = SOUND[suffix].encode()
    kinds = BLIND if number % 3 == 0 else KNOWING
    chosen = [chance.choice(kinds)]
    if chance.random() < 0.3:
        chosen.append(chance.choice(BLIND))
    for mangle in chosen:
        data = mangle(data, chance) if data else data
    return " and ".join(mangle.__name__ for mangle in chosen), suffix, data


@cache
def sound_once() -> None:
    """Reads the sound files, so that no dictionary is loaded while the clock runs."""
    for suffix, text in SOUND.items():
        format = {".yaml": "yaml", ".jsonl": "jsonl"}.get(suffix, "csv")
        lexicon_from_text(text, "sound", format)  # type: ignore[arg-type]


def throw(path: Path, data: bytes) -> bool:
    """Whether the reader took the file. What it takes must be sound; what it refuses, placed."""
    path.write_bytes(data)
    sound_once()
    began = time.process_time()
    try:
        lexicon = read_lexicon(path)
    except LexiconError as error:
        assert time.process_time() - began < SECONDS
        require_placed(error, path, data)
        return False
    assert time.process_time() - began < SECONDS
    assert len(lexicon) > 0
    for term in lexicon:
        assert term.term.strip()
        assert all(term.definition)
        for form in term.surfaces:
            assert len(form) <= LONGEST_TERM
            assert not {unicodedata.category(letter) for letter in form} & {"Cc", "Cs", "Zl", "Zp"}
    assert lexicon_from_text(dump_lexicon(lexicon), lexicon.name, "yaml") == lexicon
    return True


def require_placed(error: LexiconError, path: Path, data: bytes) -> None:
    """Every problem names the file, a line that it has, and what is wrong, in printable text."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.count("\n") + 1
    assert 0 < len(error.problems) <= MOST_PROBLEMS
    for problem in error.problems:
        assert problem.file == str(path)
        assert problem.line is not None
        assert 1 <= problem.line <= lines, problem
        assert 5 < len(problem.message) <= LONGEST_MESSAGE
        problem.message.encode()
    assert [p.line for p in error.problems] == sorted(p.line or 0 for p in error.problems)


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_every_mangled_file_is_a_lexicon_or_a_list_of_problems(tmp_path: Path, count: int) -> None:
    taken: Counter[bool] = Counter()
    for number in range(count):
        how, suffix, data = mangled(number)
        try:
            taken[throw(tmp_path / f"words{suffix}", data)] += 1
        except BaseException as error:
            error.add_note(f"file {number}: {how}, {suffix}")
            raise
    logging.getLogger(__name__).info("taken and refused: %s", taken)
    # Not so broken that the first look refuses it, nor so little that nothing is tried.
    assert taken[True] > count / 50
    assert taken[False] > count / 2


def test_the_sound_files_themselves_are_taken(tmp_path: Path) -> None:
    for suffix, text in SOUND.items():
        assert throw(tmp_path / f"words{suffix}", text.encode()), suffix


@pytest.mark.parametrize("mangle", [*BLIND, *KNOWING], ids=lambda mangle: mangle.__name__)
def test_each_way_to_mangle_changes_the_file(mangle: Mangle) -> None:
    data = YAML.encode()
    changed = [mangle(data, random.Random(number)) for number in range(8)]
    assert any(one != data for one in changed)
    assert changed == [mangle(data, random.Random(number)) for number in range(8)]
