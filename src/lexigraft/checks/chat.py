"""Checks 1 and 2 once more through a model's chat template: the user asks, the assistant answers.

The scored text is the assistant's whole turn. What makes an answer likely whatever was asked is
taken off as its mean over all questions that were asked (the terms, or the definitions of peers)
under the same condition: so a second form costs no untaught words. It stands beside the plain form
and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from transformers import PreTrainedTokenizerBase

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import DEFINITION_CHATS, TERM_CHATS, definition_line
from lexigraft.checks.ranking import Ranking, summarise
from lexigraft.checks.results import Chat, Condition
from lexigraft.lexicon import Lexicon
from lexigraft.likelihood import Pair, encode, shared_length

__all__ = ["CHATTED", "Unchatted", "chat_definition", "chat_pair", "chat_term", "summary_of"]


class Unchatted(Exception):
    """This tokenizer's template cannot ask; never seen outside the battery."""

    def __init__(self, reason: Literal["raises", "drops"], detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def chat_pair(tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Pair:
    """The user's turn with `question` and the opening of the assistant's, then `answer`.

    No document start is added: a template writes its own.

    Raises:
        Unchatted: the template raises, or `question` does not stand in what it gives.
    """
    turns = [{"role": "user", "content": question}]
    try:
        asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program: it may raise anything
        raise Unchatted("raises", " ".join(str(error).split())[:200]) from error
    if not isinstance(asked, str) or question not in asked:
        raise Unchatted("drops")
    before, whole = encode(tokenizer, asked), encode(tokenizer, asked + answer)
    shared = shared_length(before, whole)
    if not 0 < shared < len(whole):
        raise Unchatted("drops")
    return Pair(whole[:shared], whole[shared:])


def chat_definition(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    peers: Mapping[str, Sequence[str]],
    with_definition: bool = False,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each prompt and term, over all definitions. `peers` is for `chat_term`.

    Raises:
        Unchatted: the template cannot ask.
    """
    meant = {t.term: t.definition[0].rstrip(".") for t in lexicon}
    before = _before(meant, surfaces, with_definition)
    keys = [
        (prompt, term, candidate)
        for prompt in DEFINITION_CHATS[lexicon.language]
        for term in meant
        for candidate in meant
    ]
    pairs = [
        chat_pair(judged.tokenizer, before[t] + p.format(term=surfaces[t]), f"{meant[c]}.")
        for p, t, c in keys
    ]
    values = dict(zip(keys, judged.log_probabilities(pairs, advance), strict=True))

    def score(prompt: str, term: str, candidate: str) -> float:
        return values[prompt, term, candidate] - fmean(values[prompt, t, candidate] for t in meant)

    return [
        Ranking(t, p.format(term=surfaces[t]), t, {c: score(p, t, c) for c in meant})
        for p in DEFINITION_CHATS[lexicon.language]
        for t in meant
    ]


def chat_term(
    judged: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    *,
    peers: Mapping[str, Sequence[str]],
    with_definition: bool = False,
    advance: Callable[[int], None] | None = None,
) -> list[Ranking]:
    """One Ranking for each prompt and each term that has a peer, over its peers.

    Under `with_definition` a candidate's own definition stands before every question.

    Raises:
        Unchatted: the template cannot ask.
    """
    meant = {t.term: t.definition[0].rstrip(".") for t in lexicon}
    before = _before(meant, surfaces, with_definition)
    asked = [t for t in meant if len(peers[t]) > 1]
    prompts = TERM_CHATS[lexicon.language]
    keys = [(p, t, c) for p in prompts for t in asked for c in peers[t]]
    pairs = [
        chat_pair(judged.tokenizer, before[c] + p.format(definition=meant[t]), surfaces[c])
        for p, t, c in keys
    ]
    values = dict(zip(keys, judged.log_probabilities(pairs, advance), strict=True))

    def score(prompt: str, term: str, candidate: str) -> float:
        usual = fmean(values[prompt, t, candidate] for t in peers[term])
        return values[prompt, term, candidate] - usual

    return [
        Ranking(t, p.format(definition=meant[t]), t, {c: score(p, t, c) for c in peers[t]})
        for p in prompts
        for t in asked
    ]


def _before(
    meant: Mapping[str, str], surfaces: Mapping[str, str], with_definition: bool
) -> dict[str, str]:
    lines = {t: definition_line(surfaces[t], d) for t, d in meant.items()}
    return lines if with_definition else dict.fromkeys(meant, "")


CHATTED: dict[str, Callable[..., list[Ranking]]] = {
    "definition": chat_definition,
    "term_from_definition": chat_term,
}
"""The checks that are asked in this form too."""


def summary_of(check: str, conditions: Mapping[Condition, Sequence[Ranking]]) -> Chat | None:
    """The means of all conditions, as they stand beside the plain form; None without a question."""
    found = summarise(check, conditions)
    if found is None:
        return None
    return Chat(
        chance=found.chance,
        floor=found.floor,
        taught=found.taught,
        ceiling=found.ceiling,
        measurable=found.measurable,
        questions=found.questions,
    )
