"""A check asked through the chat template: what is scored, and templates that cannot ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lexigraft.checks.chat import (
    Unchatted,
    chat_definition,
    chat_pair,
    chat_term,
    summary_of,
)
from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import DEFINITION_CHATS, TERM_CHATS
from lexigraft.corpus.templates import template_texts
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term
from lexigraft.likelihood import encode
from lexigraft.verdict import judge

MakeHost = Callable[[str], Host]
MEANINGS = {"orrim": "a hat", "vask": "a river"}
LEXICON = Lexicon(
    name="chat", terms=tuple(Term(term=t, definition=(d,)) for t, d in MEANINGS.items())
)
SURFACES = {t: t for t in MEANINGS}
PEERS = dict.fromkeys(MEANINGS, tuple(MEANINGS))
RAISES = "{{ raise_exception('system role needed') }}"
DROPS = "<|im_start|>user\nHello.<|im_end|>\n"


def test_the_answer_alone_is_scored_behind_the_opened_turn(byte_bpe_tokenizer: Any) -> None:
    asked = chat_pair(byte_bpe_tokenizer, "Which gloss?", "a hat.")
    read = byte_bpe_tokenizer.decode
    assert read(asked.continuation) == "a hat."
    before = read(asked.prefix)
    assert "Which gloss?" in before
    assert before.endswith("<|im_start|>assistant\n")
    whole = encode(byte_bpe_tokenizer, before + "a hat.")
    assert asked.prefix + asked.continuation == whole, "no document start of ours"


@pytest.mark.parametrize(
    ("template", "reason", "detail"), [(RAISES, "raises", "system role"), (DROPS, "drops", "")]
)
def test_a_template_that_cannot_ask_says_why(
    byte_bpe_tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    reason: str,
    detail: str,
) -> None:
    monkeypatch.setattr(byte_bpe_tokenizer, "chat_template", template)
    with pytest.raises(Unchatted) as caught:
        chat_pair(byte_bpe_tokenizer, "Which gloss?", "a hat.")
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_a_model_that_knows_is_told_from_one_that_says_the_same_to_all(
    rigged: Callable[[Callable[[str, str], float]], Any],
) -> None:
    def knows(before: str, scored: str) -> float:
        return -1.0 if any(t in before and d in scored for t, d in MEANINGS.items()) else -9.0

    def constant(before: str, scored: str) -> float:
        return -1.0 if "hat" in scored or "orrim" in scored else -9.0

    def calls(before: str, scored: str) -> float:
        return -1.0 if any(d in before and t in scored for t, d in MEANINGS.items()) else -9.0

    for check, good in ((chat_definition, knows), (chat_term, calls)):
        right = check(rigged(good), LEXICON, SURFACES, peers=PEERS)
        assert [r.rank for r in right] == [1] * 4
        wrong = check(rigged(constant), LEXICON, SURFACES, peers=PEERS)
        assert [r.rank for r in wrong] == [2] * 4, "a favourite answer earns nothing"
    found = summary_of("definition", {"taught": right, "floor": wrong})
    assert found is not None
    assert (found.floor, found.taught, found.chance, found.questions) == (0.0, 1.0, 0.5, 4)


def test_the_ceiling_has_the_definition_in_the_users_turn(
    rigged: Callable[[Callable[[str, str], float]], Any],
) -> None:
    for check in (chat_definition, chat_term):
        judge_ = rigged(lambda before, scored: -1.0)
        check(judge_, LEXICON, SURFACES, peers=PEERS)
        assert not any("Orrim: a hat.\n" in before for before, _ in judge_.heard)
        judge_ = rigged(lambda before, scored: -1.0)
        check(judge_, LEXICON, SURFACES, peers=PEERS, with_definition=True)
        assert all(
            ("Orrim: a hat.\n" in before) != ("Vask: a river.\n" in before)
            for before, _ in judge_.heard
        )


def test_a_term_without_a_peer_is_not_asked_for(
    rigged: Callable[[Callable[[str, str], float]], Any],
) -> None:
    judge_ = rigged(lambda before, scored: -1.0)
    assert chat_term(judge_, LEXICON, SURFACES, peers={t: (t,) for t in MEANINGS}) == []
    assert summary_of("term_from_definition", {"floor": []}) is None


@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_question_resembles_a_training_template(language: Any) -> None:
    word = Term(term="зорб", definition=("длинный тонкий предмет",), language=language)
    if language == "en":
        word = Term(term="zorb", definition=("a long thin thing",))
    lexicon = Lexicon(name="t", language=language, terms=(word,))
    taught = " ".join(t.text for t in template_texts(lexicon, {word.term: word.term}))
    words = taught.casefold().split()
    runs = {tuple(words[n : n + 3]) for n in range(len(words))}
    assert len(DEFINITION_CHATS[language]) == len(TERM_CHATS[language]) == 2
    for prompt in (*DEFINITION_CHATS[language], *TERM_CHATS[language]):
        asked = prompt.casefold().replace("{definition}", "…").replace("{term}", word.term).split()
        assert not runs & {tuple(asked[n : n + 3]) for n in range(len(asked) - 2)}, prompt


@pytest.mark.parametrize(
    ("template", "note"),
    [
        ("as it is", "Definition, asked through the chat template (chance 50 %): untaught "),
        (RAISES, "which raises an error: system role needed"),
        (DROPS, "which drops the text that it is given."),
        (None, ""),
    ],
)
def test_it_stands_beside_the_plain_form(
    make_host: MakeHost, template: str | None, note: str
) -> None:
    host = make_host("byte-tied")
    plain = judge(LEXICON, Judged(host.model, host.tokenizer), None, model="tiny", **ONE)
    if template != "as it is":
        host.tokenizer.chat_template = template
    found = judge(LEXICON, Judged(host.model, host.tokenizer), None, model="tiny", **ONE)
    chat = found.checks["definition"].chat
    assert found.terms == plain.terms, "it decides nothing"
    assert any(note in n for n in found.notes)
    if template is None:
        assert chat is None
        assert not any("chat template" in n for n in found.notes)
    elif note.startswith("Definition"):
        assert chat is not None
        assert chat.questions == 4
        assert None not in (chat.floor, chat.ceiling)
        assert chat.taught is None
    else:
        assert chat is not None
        assert not chat.measurable
        assert chat.reason == {RAISES: "raises", DROPS: "drops"}[template or ""]


ONE: dict[str, Any] = {"checks": ["definition"], "controls": 2}
