"""A tokenizer that was extended before is extended again."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from lexigraft.lexicon import Lexicon, Term
from lexigraft.spelling import Spelling, prove, require_exact, spell


def grown(
    tokenizer: PreTrainedTokenizerBase, rows: int | None, *terms: str
) -> tuple[Spelling, PreTrainedTokenizerBase]:
    made = tuple(Term(term=term, definition=("a thing",)) for term in terms)
    lexicon = Lexicon(name="l", terms=made)
    return spell(lexicon, dict.fromkeys(terms, "token"), tokenizer, rows)


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def test_three_times_in_a_row(any_tokenizer: PreTrainedTokenizerBase) -> None:
    old, rows = any_tokenizer, None
    known: dict[str, set[int]] = {}
    for terms in (("zorblax", "dark matter"), ("brellow", "dark matter halo"), ("velkin",)):
        spelling, new = grown(old, rows, *terms)
        before = [f"we saw {term} again" for term in known]
        require_exact(prove(spelling, old, new, texts=before), "")
        assert spelling.rows_before == (rows or len(any_tokenizer))
        known |= {term: {t.id for t in spelling.tokens_of(term)} for term in terms}
        old, rows = new, spelling.rows_after
        for term, own in known.items():
            text = f"we saw {term} again"
            assert len(set(ids(old, text)) & own) == 1, text
            assert old.decode(ids(old, text)) == text
    everything = [number for own in known.values() for number in own]
    assert len(everything) == len(set(everything))
    # What is there already is no new token.
    again, same = grown(old, rows, "zorblax", "dark matter halo")
    assert again.new_tokens == ()
    assert same is old
