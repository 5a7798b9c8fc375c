"""What the proof found, as the verdict stores it."""

from __future__ import annotations

from collections.abc import Callable

from lexigraft.checks.spellings import spellings
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon
from lexigraft.spelling import Proof, prove, spell


def test_a_proof_becomes_plain_numbers(make_host: Callable[[str], Host], lexicon: Lexicon) -> None:
    host = make_host("byte-tied")
    routes = {t.term: "token" if t.term == "zorblax" else "subword" for t in lexicon}
    spelling, tokenizer = spell(lexicon, routes, host.tokenizer)  # type: ignore[arg-type]
    proof = prove(spelling, host.tokenizer, tokenizer, model_type="llama")
    found = spellings(proof)
    assert found is not None
    assert found.forms == found.exact == proof.forms > 1
    assert found.changed_words == proof.changed_words == ()
    pieces = len(host.tokenizer(" zorblax", add_special_tokens=False).input_ids)
    assert found.tokens_saved == {"zorblax": pieces - 1}


def test_every_field_has_its_own_place() -> None:
    proof = Proof(
        forms=5, exact=3, single=4, texts=9, changed_words=("tea",), tokens_saved={"a": 2}
    )
    found = spellings(proof)
    assert found is not None
    assert found.model_dump() == {
        "forms": 5, "exact": 3, "changed_words": ("tea",), "tokens_saved": {"a": 2},
    }  # fmt: skip


def test_nothing_spelled_is_nothing_to_say() -> None:
    assert spellings(None) is None
    assert spellings(Proof(forms=0, exact=0, single=0, texts=9)) is None
