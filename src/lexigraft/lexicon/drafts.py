"""From a tree of values to drafts of terms: the right keys, the right types, each with its line.

A draft may still be wrong as a term (`validation` looks at that); what cannot be read at all is
reported here and left out of the draft.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast, get_args

from lexigraft.lexicon.schema import (
    Contrast,
    Kind,
    Language,
    Lexicon,
    Marker,
    PartOfSpeech,
    Property,
    Related,
    Route,
    Term,
)
from lexigraft.lexicon.sources import Fields, Items, Node, Problems, Scalar

__all__ = ["Draft", "DraftLexicon", "Located", "draft_lexicon"]

_RELATIONS = tuple(Related.model_fields)
_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "part_of_speech": get_args(PartOfSpeech),
    "language": get_args(Language),
    "route": get_args(Route),
}


@dataclass(frozen=True, slots=True)
class Located:
    """A text and the line it stands on."""

    text: str
    line: int


@dataclass(slots=True)
class Draft:
    """One entry of `terms:`, as far as it could be read."""

    line: int
    term: Located | None = None
    definition: list[Located] = field(default_factory=list)
    kind: Kind = "word"
    part_of_speech: PartOfSpeech = "noun"
    language: Language = "en"
    route: Route | None = None
    inside_words: bool | None = None
    forms: list[Located] = field(default_factory=list)
    auto: int | None = None
    """the line of `forms: auto`, or None"""
    examples: list[Located] = field(default_factory=list)
    tests: list[Located] = field(default_factory=list)
    like: list[Located] = field(default_factory=list)
    related: dict[str, list[Located]] = field(default_factory=dict)
    contrast: list[tuple[Located, Located]] = field(default_factory=list)
    properties: list[tuple[Located, Located]] = field(default_factory=list)
    """right, wrong"""

    @property
    def name(self) -> str:
        """How a message calls this term."""
        return "this term" if self.term is None else f"“{self.term.text}”"

    def finished(self) -> Term:
        """The term. Call it on drafts without problems only."""
        return Term(
            term=self.term.text if self.term is not None else "",
            definition=_plain(self.definition),
            kind=self.kind,
            part_of_speech=self.part_of_speech,
            language=self.language,
            forms=tuple(dict.fromkeys(_plain(self.forms))),
            examples=_plain(self.examples),
            related=Related(**{key: _plain(words) for key, words in self.related.items()}),
            contrast=tuple(Contrast(term=t.text, difference=d.text) for t, d in self.contrast),
            like=_plain(self.like),
            route=self.route,
            inside_words=self.inside_words,
            tests=_plain(self.tests),
            properties=tuple(Property(right=r.text, wrong=w.text) for r, w in self.properties),
        )


@dataclass(slots=True)
class DraftLexicon:
    """A whole file, as far as it could be read."""

    name: str
    language: Language
    marker: Marker
    marker_line: int
    drafts: list[Draft]


def _plain(texts: list[Located]) -> tuple[str, ...]:
    return tuple(located.text for located in texts)


def draft_lexicon(tree: Fields, name: str, problems: Problems) -> DraftLexicon:
    """Reads the top level and every term; `name` stands in where the file gives none."""
    reader = _Reader(problems)
    reader.known_keys(tree, tuple(Lexicon.model_fields), "in a lexicon")
    entries = tree.entries
    given = reader.text(entries["name"][1], "`name`") if "name" in entries else None
    language = cast(Language, reader.choice(tree, "language") or "en")
    marker_line, marker = reader.marker(tree)
    drafts = [reader.draft(node, language) for node in reader.terms(tree)]
    return DraftLexicon(
        name=given.text if given is not None else name,
        language=language,
        marker=marker,
        marker_line=marker_line,
        drafts=[draft for draft in drafts if draft is not None],
    )


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def known_keys(self, fields: Fields, known: tuple[str, ...], where: str) -> None:
        for key, (line, _) in fields.entries.items():
            if key not in known:
                hint = self._problems.did_you_mean(key, known)
                what = f"unknown key “{key}” {where}{hint}"
                self._problems.add(line, f"{what}: use {', '.join(known)}")

    def terms(self, tree: Fields) -> tuple[Node, ...]:
        line, node = tree.entries.get("terms", (tree.line, None))
        if node is None:
            self._problems.add(line, "no `terms:`: list at least one term below it")
            return ()
        if isinstance(node, Items):
            if not node.items:
                self._problems.add(line, "`terms:` is empty: list at least one term below it")
            return node.items
        if isinstance(node, Scalar) and node.is_nothing:
            self._problems.add(line, "`terms:` is empty: list at least one term below it")
        else:
            self._problems.add(line, "`terms:` must be a list: begin each term with “- term:”")
        return ()

    def marker(self, tree: Fields) -> tuple[int, Marker]:
        line, node = tree.entries.get("marker", (tree.line, None))
        if node is None or (isinstance(node, Scalar) and node.is_nothing):
            return line, Marker()
        if not isinstance(node, Fields):
            self._problems.add(line, '`marker` must be a mapping: {open: "~[", close: "]"}')
            return line, Marker()
        self.known_keys(node, tuple(Marker.model_fields), "in `marker`")
        parts = {}
        for key in Marker.model_fields:
            if key in node.entries:
                part = self.text(node.entries[key][1], f"`marker.{key}`", strip=False)
                if part is not None and part.text:
                    parts[key] = part.text
        return line, Marker(**parts)

    def draft(self, node: Node, language: Language) -> Draft | None:
        if not isinstance(node, Fields):
            self._problems.add(
                node.line, "a term must be a mapping with at least `term:` and `definition:`"
            )
            return None
        self.known_keys(node, tuple(Term.model_fields), "in a term")
        draft = Draft(line=node.line)
        self._named(draft, node)
        draft.kind = cast(Kind, self.choice(node, "kind") or "word")
        speech = self.choice(node, "part_of_speech")
        draft.part_of_speech = cast(PartOfSpeech, speech or "noun")
        draft.language = cast(Language, self.choice(node, "language") or language)
        draft.route = cast("Route | None", self.choice(node, "route"))
        draft.inside_words = self._truth(node, "inside_words")
        self._forms(draft, node)
        draft.examples = self._texts(node, "examples")
        draft.tests = self._texts(node, "tests")
        draft.like = self._texts(node, "like")
        self._related(draft, node)
        draft.contrast = self._pairs(node, "contrast", Contrast)
        draft.properties = self._pairs(node, "properties", Property)
        return draft

    def _named(self, draft: Draft, fields: Fields) -> None:
        if "term" not in fields.entries:
            self._problems.add(fields.line, "a term without `term:`: write the word itself there")
        else:
            draft.term = self.text(fields.entries["term"][1], "`term`", strip=False)
            if draft.term is not None and not draft.term.text.strip():
                self._problems.add(draft.term.line, "an empty term: write the word itself there")
                draft.term = None
        if "definition" not in fields.entries:
            line = draft.term.line if draft.term is not None else fields.line
            self._problems.add(line, f"{draft.name} has no definition: add `definition:`")
            return
        line, node = fields.entries["definition"]
        nothing = isinstance(node, Scalar) and node.is_nothing
        if nothing or (isinstance(node, Items) and not node.items):
            self._problems.add(line, f"the definition of {draft.name} is empty: say what it means")
            return
        # A definition is one line of text, however the file folds it.
        draft.definition = [
            Located(" ".join(one.text.split()), one.line)
            for one in self._texts(fields, "definition")
        ]

    def _forms(self, draft: Draft, fields: Fields) -> None:
        line, node = fields.entries.get("forms", (draft.line, None))
        if isinstance(node, Scalar) and node.is_text:
            if node.text.strip() == "auto":
                draft.auto = line
            else:
                self._problems.add(line, f"`forms` is “{node.text}”: write auto, or a list")
            return
        draft.forms = self._texts(fields, "forms", strip=False)

    def _related(self, draft: Draft, fields: Fields) -> None:
        line, node = fields.entries.get("related", (draft.line, None))
        if node is None or (isinstance(node, Scalar) and node.is_nothing):
            return
        if not isinstance(node, Fields):
            keys = ", ".join(_RELATIONS)
            self._problems.add(line, f"`related` must be a mapping with any of {keys}")
            return
        self.known_keys(node, _RELATIONS, "in `related`")
        draft.related = {key: self._texts(node, key) for key in _RELATIONS if key in node.entries}

    def _pairs(
        self, fields: Fields, key: str, model: type[Contrast | Property]
    ) -> list[tuple[Located, Located]]:
        """A list of mappings with two texts each, both required: contrasts, properties."""
        _, node = fields.entries.get(key, (fields.line, None))
        if node is None or (isinstance(node, Scalar) and node.is_nothing):
            return []
        what = {"contrast": "contrast", "properties": "property"}[key]
        first, second = model.model_fields
        found = []
        # One may stand without the dash of a list.
        for item in node.items if isinstance(node, Items) else (node,):
            if not isinstance(item, Fields):
                self._problems.add(item.line, f"a {what} needs `{first}:` and `{second}:`")
                continue
            self.known_keys(item, (first, second), f"in `{key}`")
            parts = [self._part(item, name, what) for name in (first, second)]
            if parts[0] is not None and parts[1] is not None:
                found.append((parts[0], parts[1]))
        return found

    def _part(self, fields: Fields, key: str, what: str) -> Located | None:
        if key not in fields.entries:
            self._problems.add(fields.line, f"a {what} without `{key}:`: add it")
            return None
        part = self.text(fields.entries[key][1], f"`{key}` of the {what}")
        if part is not None and not part.text:
            self._problems.add(part.line, f"the {what}'s `{key}` is empty: fill it in")
            return None
        return part

    def text(self, node: Node, what: str, strip: bool = True) -> Located | None:
        """A text, or None and a problem. YAML takes `no`, `5`, `2024-01-01` for other things."""
        if not isinstance(node, Scalar):
            kind = "a list" if isinstance(node, Items) else "a mapping"
            self._problems.add(node.line, f"{what} must be text, not {kind}")
        elif node.is_nothing:
            return Located("", node.line)
        elif not node.is_text:
            self._problems.add(
                node.line, f'{what} must be text, not {node.kind}: write "{node.text}" in quotes'
            )
        else:
            return Located(node.text.strip() if strip else node.text, node.line)
        return None

    def _texts(self, fields: Fields, key: str, strip: bool = True) -> list[Located]:
        """One text or a list of texts; empty ones are reported."""
        if key not in fields.entries:
            return []
        _, node = fields.entries[key]
        if isinstance(node, Scalar) and node.is_nothing:
            return []
        items = node.items if isinstance(node, Items) else (node,)
        found = [self.text(item, f"each of `{key}`", strip) for item in items]
        for one in found:
            if one is not None and not one.text.strip():
                self._problems.add(one.line, f"an empty text in `{key}`: fill it in or remove it")
        return [one for one in found if one is not None and one.text.strip()]

    def choice(self, fields: Fields, key: str) -> str | None:
        """One of the allowed values of `key`, or None where it is absent or wrong."""
        if key not in fields.entries:
            return None
        line, node = fields.entries[key]
        options = _CHOICES[key]
        if isinstance(node, Scalar):
            if node.is_nothing:
                return None
            if node.is_text and node.text.strip() in options:
                return node.text.strip()
            hint = self._problems.did_you_mean(node.text, options)
            given = f"“{node.text}”"
        else:
            hint, given = "", "a list" if isinstance(node, Items) else "a mapping"
        self._problems.add(line, f"`{key}` is {given}{hint}: use one of {', '.join(options)}")
        return None

    def _truth(self, fields: Fields, key: str) -> bool | None:
        line, node = fields.entries.get(key, (fields.line, None))
        if node is None or (isinstance(node, Scalar) and node.is_nothing):
            return None
        if isinstance(node, Scalar) and node.is_truth:
            return node.text.casefold() in ("true", "yes", "on")
        self._problems.add(line, f"`{key}` must be true or false")
        return None
