"""What must hold among the terms of a lexicon: every check that needs more than one value.

Each check adds to the `Problems` what is wrong, where, and what to do; none raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from lexigraft.errors import LexigraftError
from lexigraft.lexicon.drafts import Draft, DraftLexicon, Located
from lexigraft.lexicon.forms import inflect
from lexigraft.lexicon.occurrences import SLOT, Fault, Finder, find_term
from lexigraft.lexicon.schema import Marker, Term
from lexigraft.lexicon.sources import Problems

__all__ = ["LONGEST_TERM", "SpecialTokens", "same", "validate"]

LONGEST_TERM = 200
"""Characters in a term or form; what is longer is a sentence."""

# The control tokens of well-known chat formats and tokenizers, for when no tokenizer is at hand.
_CHAT_MARKUP = re.compile(
    r"<[|\uff5c][^\s|\uff5c>][^|\uff5c>]*[|\uff5c]?>?"  # ChatML, Llama 3, Phi; DeepSeek's wide bar
    r"|</?s>|<(?:unk|pad|bos|eos|mask|cls|sep)>"
    r"|<<?/?SYS>>?"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS"
    r"|PREFIX|MIDDLE|SUFFIX|IMG|IMG_BREAK|IMG_END|THINK|CLS|SEP|MASK|PAD|UNK|BOS|EOS)\]"
    r"|<(?:start|end)_of_(?:turn|image|audio)>"
    r"|</?(?:think|tool_call|tool_calls|tool_response|tools|function_calls)>"
    r"|<fim_(?:prefix|middle|suffix|pad)>"
    r"|<(?:unused|extra_id_|reserved_token_)\d+>"
    r"|<0x[0-9A-Fa-f]{2}>"
)
_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"


class SpecialTokens:
    """What a term may not be: chat markup known to everybody, and one tokenizer's own tokens."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self._tokens = frozenset(token for token in tokens if token.strip())
        longer = sorted((t for t in self._tokens if len(t) > 1), key=len, reverse=True)
        self._within = re.compile("|".join(map(re.escape, longer))) if longer else None

    def clash(self, text: str) -> str | None:
        """What of `text` a tokenizer would read as a control token, in words, or None."""
        if text.strip() in self._tokens:
            return "is a special token of the tokenizer"
        markup = _CHAT_MARKUP.search(text)
        if markup is not None:
            return f"contains the chat markup “{markup.group()}”"
        within = None if self._within is None else self._within.search(text)
        if within is not None:
            return f"contains the special token “{within.group()}”"
        return None


def same(text: str) -> str:
    """The key under which two spellings count as one: NFKC and no difference of case."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split()) or text


def validate(lexicon: DraftLexicon, special: SpecialTokens, problems: Problems) -> None:
    """Adds every problem of the drafts; resolves `forms: auto` on the way."""
    _check_marker(lexicon.marker, lexicon.marker_line, problems)
    for draft in lexicon.drafts:
        _resolve_forms(draft, problems)
        _check_spellings(draft, lexicon.marker, special, problems)
    _check_duplicates(lexicon.drafts, problems)
    _check_contrasts(lexicon.drafts, problems)
    _check_texts(lexicon, problems)
    _check_tests_are_unseen(lexicon, problems)


def _check_marker(marker: Marker, line: int, problems: Problems) -> None:
    for key, part in (("open", marker.open), ("close", marker.close)):
        if part != part.strip() or SLOT in part or _bad_character(part) is not None:
            problems.add(line, f"`marker.{key}` holds a space or an invisible character: remove it")
            return
        if part.isalnum():
            problems.add(
                line, f"`marker.{key}` is “{part}”: use signs that no word has, like ~[ and ]"
            )
            return
    if marker.open in marker.close or marker.close in marker.open:
        problems.add(
            line,
            f"the marker's “{marker.open}” and “{marker.close}” contain each other: "
            "use two different strings, like ~[ and ]",
        )
    elif _CHAT_MARKUP.search(marker.wrap("x")):
        problems.add(
            line, f"the marker makes chat markup of a term: “{marker.wrap('x')}”; use other signs"
        )


def _resolve_forms(draft: Draft, problems: Problems) -> None:
    if draft.auto is None or draft.term is None:
        return
    # The spelling checks report these; no library should see them.
    if len(draft.term.text) > LONGEST_TERM or _bad_character(draft.term.text) is not None:
        return
    try:
        forms = inflect(draft.term.text, draft.part_of_speech, draft.language)
    except LexigraftError as error:
        # The library is missing: once is enough.
        if not any(problem.message == str(error) for problem in problems.found):
            problems.add(draft.auto, str(error))
        return
    draft.forms = [Located(form, draft.auto) for form in forms]


def _check_spellings(
    draft: Draft, marker: Marker, special: SpecialTokens, problems: Problems
) -> None:
    """The term and its forms, each for the first thing that is wrong with it."""
    spellings = [("term", draft.term), *(("form", form) for form in draft.forms)]
    for what, spelling in spellings:
        if spelling is None:
            continue
        wrong = _wrong_spelling(spelling.text, marker, special)
        if wrong is not None:
            problems.add(spelling.line, f"the {what} “{_shown(spelling.text)}” {wrong}")


def _wrong_spelling(text: str, marker: Marker, special: SpecialTokens) -> str | None:
    if any(character in _LINE_BREAKS for character in text):
        return "contains a line break: write it on one line"
    character = _bad_character(text)
    if character is not None:
        return f"contains the control character U+{ord(character):04X}: remove it"
    if SLOT in text:
        return "contains U+FFFC, which lexigraft keeps for itself: remove it"
    if text != text.strip():
        return "begins or ends with a space: remove it"
    if len(text) > LONGEST_TERM:
        return f"has {len(text)} characters, more than {LONGEST_TERM}: teach a shorter name"
    clash = special.clash(text)
    if clash is not None:
        return f"{clash}: the model would take it for a command; choose another spelling"
    for part in (marker.open, marker.close):
        if part in text:
            return (
                f"contains the marker's “{part}”: write the bare word, "
                "or choose another `marker:` for this lexicon"
            )
    return None


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else f"{text[:40]}…"
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else f"\\u{ord(c):04x}" for c in short
    )


def _bad_character(text: str, allowed: str = "") -> str | None:
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") and character not in allowed:
            return character
    return None


def _check_duplicates(drafts: list[Draft], problems: Problems) -> None:
    owners: dict[str, Draft] = {}
    distinct: list[Draft] = []
    for draft in drafts:
        if draft.term is None:
            continue
        first = owners.setdefault(same(draft.term.text), draft)
        if first is draft:
            distinct.append(draft)
        elif first.term is not None:
            how = "stands in the lexicon already"
            if first.term.text != draft.term.text:
                how = f"is “{first.term.text}” but for case or Unicode normalisation"
            problems.add(draft.term.line, f"{draft.name} {how} (line {first.term.line}): keep one")
    _check_forms(distinct, owners, problems)


def _check_forms(drafts: list[Draft], owners: dict[str, Draft], problems: Problems) -> None:
    """A form that two terms claim; `owners` maps every dictionary form to its term."""
    claims = dict(owners)
    for draft in drafts:
        shared: dict[int, list[Located]] = {}
        for form in draft.forms:
            owner = claims.setdefault(same(form.text), draft)
            if owner is not draft:
                shared.setdefault(id(owner), []).append(form)
        for forms in shared.values():
            owner = claims[same(forms[0].text)]
            listed = ", ".join(dict.fromkeys(f"“{_shown(form.text)}”" for form in forms))
            mend = "list the forms by hand" if draft.auto is not None else "leave it to one of them"
            problems.add(
                forms[0].line,
                f"{listed}: claimed as a form by {draft.name} and by {owner.name} "
                f"(line {owner.line}): {mend}",
            )


def _check_contrasts(drafts: list[Draft], problems: Problems) -> None:
    terms = {draft.term.text: draft for draft in drafts if draft.term is not None}
    keys = {same(term): term for term in terms}
    forms = {same(form.text): draft for draft in drafts for form in draft.forms}
    for draft in drafts:
        for other, _ in draft.contrast:
            key = same(other.text)
            if draft.term is not None and key == same(draft.term.text):
                problems.add(other.line, f"{draft.name} is contrasted with itself: name another")
            elif other.text not in terms:
                if key in keys:
                    hint = f": write it as “{keys[key]}”"
                elif key in forms:
                    hint = f": write the dictionary form, {forms[key].name}"
                else:
                    hint = problems.did_you_mean(other.text, terms) + ": add it, or name another"
                problems.add(
                    other.line, f"{draft.name} is contrasted with “{other.text}”, no term{hint}"
                )


def _check_texts(lexicon: DraftLexicon, problems: Problems) -> None:
    """Sentences must hold their term; no text may hold a faulty marker."""
    terms = {id(d): term for d in lexicon.drafts if (term := _as_term(d)) is not None}
    finder = Finder(terms.values(), lexicon.marker)
    for draft in lexicon.drafts:
        for text in (*draft.definition, *(difference for _, difference in draft.contrast)):
            _sound(text, finder, problems)
        term = terms.get(id(draft))
        properties = [sentence for pair in draft.properties for sentence in pair]
        kinds = {
            "an example": draft.examples,
            "a test sentence": draft.tests,
            "a property": properties,
        }
        for key, sentences in kinds.items():
            for sentence in sentences:
                if not _sound(sentence, finder, problems) or term is None:
                    continue
                if not find_term(sentence.text, term, lexicon.marker):
                    problems.add(
                        sentence.line,
                        f"{key} of {draft.name} does not contain it in any form: "
                        "write the term into it, or add the form to `forms:`",
                    )


def _as_term(draft: Draft) -> Term | None:
    """As much of a term as finding it in a text needs.

    What is too long for a term is reported elsewhere: looking for it would take seconds.
    """
    if draft.term is None or not 0 < len(draft.term.text) <= LONGEST_TERM:
        return None
    return Term(
        term=draft.term.text,
        definition=(),
        kind=draft.kind,
        inside_words=draft.inside_words,
        forms=tuple(form.text for form in draft.forms if len(form.text) <= LONGEST_TERM),
    )


def _sound(text: Located, finder: Finder, problems: Problems) -> bool:
    """Whether the text has no forbidden character and no faulty marker; reports it if it has."""
    if SLOT in text.text:
        problems.add(text.line, "a text contains U+FFFC, which lexigraft keeps for itself")
        return False
    character = _bad_character(text.text, allowed="\n\t\u2028\u2029\x85")
    if character is not None:
        problems.add(text.line, f"a text contains the control character U+{ord(character):04X}")
        return False
    if finder.marker.open not in text.text:
        return True
    faults = [fault for fault in finder.scan(text.text) if isinstance(fault, Fault)]
    for message in dict.fromkeys(map(finder.explain, faults)):
        problems.add(text.line, message)
    return not faults


def _check_tests_are_unseen(lexicon: DraftLexicon, problems: Problems) -> None:
    """A sentence for verification that is some term's example would be trained on."""
    marker = lexicon.marker

    def key(sentence: str) -> str:
        return same(sentence.replace(marker.open, "").replace(marker.close, ""))

    examples = {key(one.text): one for draft in lexicon.drafts for one in draft.examples}
    for draft in lexicon.drafts:
        unseen = [("a test sentence", "tests", test) for test in draft.tests]
        unseen += [("a property", "properties", one) for two in draft.properties for one in two]
        for what, field, sentence in unseen:
            example = examples.get(key(sentence.text))
            if example is not None:
                problems.add(
                    sentence.line,
                    f"{what} of {draft.name} is also an example (line {example.line}): "
                    f"{field} are never trained on, so write another sentence",
                )
        for right, wrong in draft.properties:
            if key(right.text) == key(wrong.text):
                problems.add(
                    wrong.line,
                    f"a property of {draft.name} is right and wrong at once: "
                    "write into `wrong` what is not true of it",
                )
