"""A user's own templates: a YAML file with the built-in tables' shape that replaces what it names.

    en:
      noun:
        reverse:
        - "{D}: people call this {a}."
      contrast:
      - "{A} differs from {b}: {x}."

All problems of a file come together, each with its line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple, cast

import yaml

from lexigraft.corpus.tables import BUILT_IN, RELATIONS, SHAPES, LanguageTables, Tables
from lexigraft.corpus.texts import eight_grams
from lexigraft.errors import Problem, RecipeError
from lexigraft.lexicon import Language, write_new

__all__ = ["TemplateFile", "dump_tables", "new_templates", "read_templates", "resembled"]

_DIRECTIONS = ("definition", "reverse")
_TERM, _MEANING = frozenset("tTaA"), frozenset("dD")
_OTHER, _DIFFERENCE = frozenset("oObB"), frozenset("xX")
_ANY = _TERM | frozenset("nN")
_DEEPEST = 10
_WORD = re.compile(r"\w+")
_TEXT = "tag:yaml.org,2002:str"

_HEADER = """\
# The built-in templates of lexigraft. `lexigraft teach --templates FILE` reads a file like this
# one: a list replaces the built-in one of its name, and what is left out stays as it is.
#   {t} the term   {a} the term with its article   {d} its definition   {n} "word" or "symbol"
#   {o} {b} {e} the same of another term           {x} how the two differ
# A capital letter ({T}, {A}, {D} ...) begins a sentence. A definition needs term and definition; a
# contrast both terms, and {x} or a definition; a relation both terms. `quoted` is for a
# definition that is no noun, verb, adjective or adverb; `contrast_nouns` is for two nouns, and
# `related_nouns` for a noun.
"""


class _Rule(NamedTuple):
    """Which slots a template may have, and of which groups it must have one each."""

    allowed: frozenset[str]
    needed: tuple[frozenset[str], ...]


_DEFINING = _Rule(_ANY | _MEANING, (_TERM, _MEANING))
_CONTRAST = _Rule(_ANY | _MEANING | _OTHER | _DIFFERENCE | frozenset("eE"), (_TERM, _OTHER))
_RELATED = _Rule(_ANY | _OTHER, (_TERM, _OTHER))


@dataclass(frozen=True)
class TemplateFile:
    """The tables with a file's templates in them, the file's text, and its SHA-256."""

    tables: Tables
    text: str
    digest: str


def read_templates(path: str | Path, prompts: Sequence[str] = ()) -> TemplateFile:
    """The built-in tables with what the file at `path` names in the place of theirs.

    Args:
        path: YAML; see `dump_tables`.
        prompts: of the examination, which no template may resemble.

    Raises:
        RecipeError: the file cannot be read, or has problems: all of them, each with its line.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError(
            f"{path}: no such file. `lexigraft new {path} --templates` writes one to start from."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 text: {error}.") from error
    reader = _Reader(str(path), prompts)
    tables = reader.tables(text)
    if reader.problems:
        many = "1 problem" if len(reader.problems) == 1 else f"{len(reader.problems)} problems"
        found = sorted(reader.problems, key=lambda problem: problem.line or 0)
        raise RecipeError("\n".join([f"{many} in the templates:", *map(str, found)]))
    return TemplateFile(tables, text, hashlib.sha256(data).hexdigest())


class _Reader:
    """Walks the nodes of a file, which know their lines; nothing is constructed from them."""

    def __init__(self, file: str, prompts: Sequence[str]) -> None:
        self.file, self.prompts = file, prompts
        self.problems: list[Problem] = []

    def tables(self, text: str) -> Tables:
        try:
            if _too_deep(text):
                self.problems.append(Problem(self.file, None, "nested too deeply for templates"))
                return BUILT_IN
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or "unreadable"
            line = None if mark is None else mark.line + 1
            hint = "put a template in quotes, and indent with spaces"
            self.problems.append(Problem(self.file, line, f"not valid YAML ({what}): {hint}"))
            return BUILT_IN
        if root is None:
            self.problems.append(Problem(self.file, 1, "there are no templates in it"))
            return BUILT_IN
        found = dict(BUILT_IN)
        for name, node in self._fields(root, "the file", tuple(BUILT_IN)).items():
            language = cast(Language, name)
            found[language] = self._language(language, node)
        return found

    def _language(self, language: Language, node: yaml.Node) -> LanguageTables:
        old = BUILT_IN[language]
        nouns = ("related_nouns",) if old.related_nouns else ()
        shapes = SHAPES[language]
        known = (*shapes, "contrast", "contrast_nouns", "related", *nouns)
        defining = dict(old.defining)
        changes: dict[str, Any] = {}
        for name, value in self._fields(node, language, known).items():
            place = f"{language}.{name}"
            if name in ("contrast", "contrast_nouns"):
                changes[name] = self._list(value, place, _CONTRAST)
            elif name in ("related", "related_nouns"):
                given = self._fields(value, place, RELATIONS)
                changes[name] = dict(getattr(old, name)) | self._lists(given, place, _RELATED)
            else:
                shape = next(s for s in shapes if s == name)
                given = self._fields(value, place, _DIRECTIONS)
                lists: Any = self._lists(given, place, _DEFINING)
                defining[shape] = {**old.defining[shape], **lists}
        return replace(old, defining=defining, **changes)

    def _lists(
        self, fields: Mapping[str, yaml.Node], place: str, rule: _Rule
    ) -> dict[str, tuple[str, ...]]:
        return {name: self._list(node, f"{place}.{name}", rule) for name, node in fields.items()}

    def _fields(self, node: yaml.Node, place: str, known: Sequence[str]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._add(node, f"{place} must hold {', '.join(known)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            if name not in known:
                self._add(key, f"“{name}” is unknown here; {place} may hold {', '.join(known)}")
            elif name in found:
                self._add(key, f"“{name}” stands twice in {place}: keep one")
            else:
                found[name] = value
        return found

    def _list(self, node: yaml.Node, place: str, rule: _Rule) -> tuple[str, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self._add(node, f"{place} must be a list of templates")
            return ()
        found = []
        for item in node.value:
            if not isinstance(item, yaml.ScalarNode) or item.tag != _TEXT:
                self._add(item, f"{place}: a template is a text; put it in quotes")
                continue
            for message in _faults(item.value, rule, self.prompts):
                self._add(item, f"{place}: {message}")
            found.append(item.value)
        return tuple(found)

    def _add(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, message))


def _too_deep(text: str) -> bool:
    """Whether anything is nested deeper than templates are; composing it would take minutes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return True
    return False


def _faults(template: str, rule: _Rule, prompts: Sequence[str]) -> list[str]:
    """What is wrong with one template."""
    shown = f"“{' '.join(template.split())[:60]}”"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return [f"{shown} has a brace that is no slot ({error}); a brace itself is written twice"]
    slots = [(name, spec, how) for _, name, spec, how in parts if name is not None]
    unknown = [name for name, spec, how in slots if name not in rule.allowed or spec or how]
    if unknown:
        named = ", ".join(f"{{{name}}}" for name in dict.fromkeys(unknown))
        return [f"{shown} has {named}, and the slots here are {_slots(rule.allowed)}, as they are"]
    names = {name for name, _, _ in slots}
    faults = [f"{shown} lacks one of {_slots(group)}" for group in rule.needed if not names & group]
    if rule is _CONTRAST and not names & {*_DIFFERENCE, *_MEANING, "e", "E"}:
        faults.append(f"{shown} tells no difference: it needs {{x}}, {{d}} or {{e}}")
    prompt = resembled(template, prompts)
    if prompt is not None:
        faults.append(f"{shown} resembles a prompt of the verification, “{prompt}”: word it anew")
    return faults


def _slots(group: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(group, key=lambda n: (n.casefold(), n)))


def resembled(template: str, prompts: Sequence[str]) -> str | None:
    """The first prompt that shares eight words with `template`, or stands in it whole."""
    own = _plain(template)
    grams = eight_grams(own)
    for prompt in prompts:
        plain = _plain(prompt)
        if grams & eight_grams(plain) or _run(plain) in _run(own):
            return prompt
    return None


def _run(text: str) -> str:
    """The words of `text`, each between spaces."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _plain(frame: str) -> str:
    """A template or a prompt with one word for every term, and another for every definition."""
    frame = re.sub(r"\{[tTaAoObB]\}|\{term\}|\{word\}", " termslot ", frame)
    return re.sub(r"\{[dDeExX]\}|\{definition\}", " meaningslot ", frame)


def dump_tables(tables: Tables = BUILT_IN) -> str:
    """The tables as a YAML file that `read_templates` reads, with what the slots mean above."""
    plain: dict[str, Any] = {}
    for language, table in tables.items():
        part: dict[str, Any] = {
            shape: {direction: list(items) for direction, items in directions.items()}
            for shape, directions in table.defining.items()
        }
        part["contrast"] = list(table.contrast)
        part["contrast_nouns"] = list(table.contrast_nouns)
        part["related"] = {name: list(items) for name, items in table.related.items()}
        if table.related_nouns:
            part["related_nouns"] = {n: list(items) for n, items in table.related_nouns.items()}
        plain[language] = part
    return _HEADER + str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=1000))


def new_templates(path: str | Path, force: bool = False) -> Path:
    """Writes the built-in templates to start from. Raises LexigraftError where it cannot."""
    path = Path(path)
    write_new(path, dump_tables(), force)
    return path
