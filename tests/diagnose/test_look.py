"""How each host sees a term, the route that auto gives it, and what that changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexigraft.diagnose import Diagnosis, Probe, TermDiagnosis, diagnose, diagnose_terms
from lexigraft.errors import ModelError
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Term

MakeHost = Callable[[str], Host]


def term(word: str, **fields: Any) -> Term:
    return Term.model_validate({"term": word, "definition": ("a thing",), **fields})


def look(host: Host, *terms: Term, **options: Any) -> Diagnosis:
    options = {"probe": False, **options}
    lexicon = Lexicon(name="t", terms=terms)
    return diagnose_terms(lexicon, host.tokenizer, host.facts, host, **options)


def look_at(host: Host, word: str, **fields: Any) -> TermDiagnosis:
    return look(host, term(word, **fields))[word]


@pytest.mark.parametrize("host", ["byte-tied", "sentencepiece-tied", "unigram-tied"])
def test_a_common_word_is_one_token_on_every_family(host: str, make_host: MakeHost) -> None:
    found = look_at(make_host(host), "the")
    assert found.seen == "one token"
    assert found.route == "marker"
    assert "one token" in found.reasons[0]
    [spaced] = [p for p in found.pieces if p.spaced]
    assert spaced.readable == ("␣the",)


@pytest.mark.parametrize(
    ("host", "word", "seen"),
    [
        ("byte-tied", "⟁", "bytes"),
        ("byte-tied", "lamp", "pieces"),
        ("sentencepiece-tied", "⟁", "bytes"),
        ("sentencepiece-tied", "lamp", "pieces"),
        ("unigram-tied", "⟁", "unknown"),
        ("unigram-tied", "lamp", "pieces"),
    ],
)
def test_what_is_seen(host: str, word: str, seen: str, make_host: MakeHost) -> None:
    assert look_at(make_host(host), word).seen == seen


@pytest.mark.parametrize(
    ("word", "fields", "route", "reason"),
    [
        ("lamp", {}, "token", "a row of its own"),
        ("lamp", {"kind": "concept"}, "marker", "~[lamp]"),
        ("lamp", {"kind": "symbol"}, "token", "symbol"),
        ("⟁", {}, "token", "bytes"),
        ("⟁", {"kind": "concept"}, "marker", "~[⟁]"),
        ("lamp", {"route": "marker"}, "marker", "given"),
    ],
)
def test_auto_gives_a_reason(
    word: str, fields: dict[str, Any], route: str, reason: str, make_host: MakeHost
) -> None:
    found = look_at(make_host("byte-tied"), word, **fields)
    assert found.route == route
    assert reason in found.reasons[0]
    assert found.chosen is ("route" not in fields)
    assert found.surface == (f"~[{word}]" if route == "marker" else word)


def test_what_no_token_spells_exactly_is_left_in_pieces(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    facts = host.facts.model_copy(update={"model_type": "qwen2"})  # takes added tokens alone
    terms = Lexicon(name="t", terms=(term("lamp"), term("⟁")))
    found = diagnose_terms(terms, host.tokenizer, facts, probe=False)
    assert found.routes == {"lamp": "subword", "⟁": "token"}
    assert "would not be exact" in found["lamp"].reasons[0]
    assert "not exact" in found["⟁"].reasons[-1]


def test_a_given_route_goes_over_the_lexicon_s(make_host: MakeHost) -> None:
    terms = (term("lamp", route="marker"), term("⟁"))
    found = look(make_host("byte-tied"), *terms, route="subword")
    assert found.routes == {"lamp": "subword", "⟁": "subword"}
    assert not any(t.chosen for t in found.terms)
    assert found["lamp"].surface == "lamp"
    with pytest.raises(KeyError):
        found["absent"]


def test_rows_are_counted_in_bytes_and_spare_ones_are_free(make_host: MakeHost) -> None:
    # 16 float32 values a row: 64 bytes tied, 128 untied
    tied = look_at(make_host("byte-tied"), "lamp", route="token")
    assert tied.new_tokens == 4
    assert (tied.bytes_changed, tied.bytes_added) == (256, 256)
    assert "4 (256 bytes)" in tied.changes[1]
    spare = look_at(make_host("byte-untied"), "lamp", route="token")
    assert (spare.bytes_changed, spare.bytes_added) == (512, 0)
    assert "spare" in spare.changes[1]
    more = look(make_host("byte-untied"), term("lamp", route="token"), term("zorb", route="token"))
    assert sum(t.bytes_added or 0 for t in more.terms) == 128


def test_adapter_bytes_are_shared(make_host: MakeHost) -> None:
    host = make_host("byte-tied")
    terms = (term("lamp", route="subword"), term("zorb", route="marker"), term("⟁"))
    found = look(host, *terms, adapter_rank=2)
    layers = [m for n, m in host.model.named_modules() if n.endswith("proj")]
    whole = sum(4 * 2 * (m.in_features + m.out_features) for m in layers)
    share = -(-whole // 3)
    assert found["lamp"].bytes_added == found["zorb"].bytes_added == share
    assert found["⟁"].bytes_added == 128 + share  # its rows, and a part in the LoRA beside them
    assert "--tune rows" in found["⟁"].changes[-1]
    assert look(host, *terms)["lamp"].bytes_added is None


def test_what_is_left_inexact_is_told(make_host: MakeHost) -> None:
    exact = look_at(make_host("sentencepiece-tied"), "lamp", route="token")
    assert exact.exact
    nothing = look_at(make_host("sentencepiece-tied"), "▁", route="token")
    assert not nothing.exact
    assert "cannot be made" in nothing.reasons[-1]


@pytest.mark.parametrize(
    ("word", "fields", "first"),
    [
        ("the", {}, None),
        ("lamptable", {}, "pieces"),
        ("lamptable", {"like": ("table",)}, "like"),
        ("⟁", {}, "similar"),
    ],
)
def test_first_values_that_fit(
    word: str, fields: dict[str, Any], first: str | None, make_host: MakeHost
) -> None:
    found = look_at(make_host("byte-tied"), word, **fields)
    assert found.first_values == first
    [spaced] = [p for p in found.pieces if p.spaced and p.form == word]
    assert found.tokens_saved == len(spaced.ids) - 1


def test_a_string_that_the_probe_finds_known_is_distilled(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Probe(
        definition=-1.0,
        definition_deviations=-5.0,
        string=-4.0,
        string_deviations=-5.0,
        controls=("x",),
        verdict="known",
    )
    monkeypatch.setattr("lexigraft.diagnose.look.probe_term", lambda *_: asked)
    found = look(make_host("byte-tied"), term("lamptable", like=("table",)), probe=True)
    assert found["lamptable"].first_values == "distilled"


def test_a_special_token_is_told(make_host: MakeHost) -> None:
    found = look_at(make_host("byte-tied"), "<|im_end|>", route="token")
    assert any("special token" in reason for reason in found.reasons)
    assert found.new_tokens == 0


def test_a_form_that_is_one_token_already_is_told(make_host: MakeHost) -> None:
    found = look_at(make_host("byte-tied"), "the", route="token")
    assert any("' the'" in reason for reason in found.reasons)


def test_what_the_normaliser_rewrites_is_told(make_host: MakeHost) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    host = make_host("byte-untied")
    found = look_at(host, decomposed)
    assert any(f"{decomposed} → {composed}" in reason for reason in found.reasons)
    assert not any("→" in reason for reason in look_at(host, composed).reasons)
    assert not any("→" in reason for reason in look_at(make_host("sentencepiece-tied"), "a b").reasons)  # fmt: skip # noqa: E501


def test_the_probe_runs_only_when_asked_and_terms_are_told(make_host: MakeHost) -> None:
    host, told = make_host("byte-tied"), list[str]()
    found = look(host, term("lamp"), term("zorb"), probe=True, on_term=told.append)
    assert told == ["lamp", "zorb"]
    assert all(t.probe is not None for t in found.terms)
    assert look_at(host, "lamp").probe is None


def test_it_speaks_the_lexicon_s_language_and_survives_json(make_host: MakeHost) -> None:
    host = make_host("byte-untied")
    lexicon = Lexicon(name="t", language="ru", terms=(term("лампа", language="ru"),))
    found = diagnose_terms(lexicon, host.tokenizer, host.facts)
    assert all(any("а" <= c <= "я" for c in text) for text in found.truths)
    assert any("а" <= c <= "я" for c in found.terms[0].reasons[0])
    assert Diagnosis.model_validate_json(found.model_dump_json()) == found


def test_diagnose_looks_at_folders_with_and_without_weights(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    lexicon = Lexicon(name="t", terms=(term("lamp", route="token"),))
    whole = diagnose(lexicon, tiny_folders["byte-tied"])
    assert whole.terms[0].probe is not None
    assert whole.model.tied is True
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny_folders["byte-tied"] / name).read_bytes())
    bare = diagnose(lexicon, tmp_path)
    assert bare.terms[0].probe is None
    assert bare.model.rows is None
    assert bare.terms[0].bytes_added is None
    assert bare.terms[0].pieces == whole.terms[0].pieces
    assert len(bare.truths) < len(whole.truths)
    with pytest.raises(ModelError):
        diagnose(lexicon, tmp_path / "absent")
