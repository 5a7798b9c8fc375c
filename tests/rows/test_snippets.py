"""Texts for distilling: every new token occurs, given texts first."""

from __future__ import annotations

from typing import Any

from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.likelihood import encode
from lexigraft.rows import gather_texts
from lexigraft.spelling import Spelling, spell

TERMS = (
    Term(
        term="kettle",
        definition=("a thing on the stove",),
        forms=("kettles",),
        examples=("The kettle sings.", "Nothing is said here."),
        tests=("She never saw the kettle boil.",),
    ),
    Term(term="гавань", definition=("место, где гавань",), language="ru"),
)
LEXICON = Lexicon(name="t", terms=TERMS)


def spelled(host: Any) -> tuple[Spelling, Any]:
    routes: dict[str, Route] = {"kettle": "token", "гавань": "token"}
    return spell(LEXICON, routes, host.tokenizer, host.facts.rows)


def gathered(host: Any, wanted: int = 2, **more: Any) -> list[str]:
    spelling, tokenizer = spelled(host)
    return gather_texts(
        host.model, host.tokenizer, tokenizer, spelling, LEXICON, wanted=wanted, **more
    )


def test_every_text_has_a_new_token_and_every_token_a_text(tiny_host: Any) -> None:
    spelling, tokenizer = spelled(tiny_host)
    texts = gathered(tiny_host)
    found = [set(encode(tokenizer, text)) & set(spelling.new_ids) for text in texts]
    assert all(found)
    assert len(set(texts)) == len(texts)
    # SentencePiece puts a space before every text: no bare token begins one.
    spaced = {t.id for t in spelling.new_tokens if t.spaced or "byte" in str(tiny_host.path)}
    assert spaced <= set().union(*found)


def test_given_texts_come_first_and_verification_is_never_read(make_host: Any) -> None:
    passage = "We bought two kettles in the old town."
    texts = gathered(make_host(), passages=[passage, "No such word."])
    assert texts[:2] == [passage, "The kettle sings."]
    assert "место, где гавань" in texts
    assert not {"Nothing is said here.", "She never saw the kettle boil.", "No such word."} & {
        *texts
    }


def test_what_is_given_is_not_written_again(make_host: Any) -> None:
    told: list[int] = []
    spelling, tokenizer = spelled(make_host())
    gathered(make_host(), wanted=1, advance=told.append)
    examples = set(encode(tokenizer, "The kettle sings.")) & set(spelling.new_ids)
    definition = set(encode(tokenizer, "место, где гавань")) & set(spelling.new_ids)
    assert sum(told) == len(spelling.new_ids) - len(examples | definition)


def test_the_same_seed_gives_the_same_texts(make_host: Any) -> None:
    assert gathered(make_host(), seed=1) == gathered(make_host(), seed=1)
    assert gathered(make_host(), seed=1) != gathered(make_host(), seed=2)
