"""The invariants of every spelling, on every family, and the mechanism's own promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import SpellingError
from lexigraft.lexicon.schema import Lexicon, Term
from lexigraft.spelling import Spelling, prove, spell

Make = Callable[..., Lexicon]
Family = Callable[[str], PreTrainedTokenizerBase]


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def as_tokens(
    lexicon: Lexicon, tokenizer: PreTrainedTokenizerBase, rows: int | None = None
) -> tuple[Spelling, PreTrainedTokenizerBase]:
    return spell(lexicon, {term.term: "token" for term in lexicon}, tokenizer, rows)


MIXED = (
    "zorblax",
    "streblax",
    Term(term="энтелехия", definition=("форма",), forms=("энтелехии",), language="ru"),
    "тёмная материя",
    "re-flome",
    Term(term="⟁", definition=("a sign",), kind="symbol"),
    Term(term="𝕽", definition=("a sign",), kind="symbol"),
    "B12x",
    "qu’arx",
    "e\u0301\u0301zul",
    Term(term="👩‍🚀", definition=("a rider",), kind="symbol"),
    "渡灵",
    "נפשון",
    "C++",
)


def test_every_form_is_exactly_one_token_on_every_family(
    exact_tokenizer: PreTrainedTokenizerBase, lexicon: Make
) -> None:
    spelling, new = as_tokens(lexicon(*MIXED), exact_tokenizer)
    proof = prove(spelling, exact_tokenizer, new)
    assert proof.failures == ()
    assert proof.exact == proof.forms >= len(MIXED)
    assert min(proof.tokens_saved.values()) > 0
    assert {token.mechanism for token in spelling.new_tokens} == {"vocabulary"}


def test_wordpiece_has_no_spaces_to_keep(tiny_tokenizer: Family, lexicon: Make) -> None:
    old = tiny_tokenizer("wordpiece")
    spelling, new = as_tokens(lexicon("zorblax", "энтелехия"), old)
    proof = prove(spelling, old, new)
    assert proof.single == proof.exact == proof.forms == 4
    assert {token.mechanism for token in spelling.new_tokens} == {"added"}
    assert not proof.changed_words


def test_where_the_reader_forgets_entries_added_tokens_own_up_to_the_lone_space(
    tiny_tokenizer: Family, lexicon: Make
) -> None:
    # qwen2: AutoTokenizer forces Qwen2Tokenizer, which drops `ignore_merges`
    old = tiny_tokenizer("qwen")
    terms = lexicon("zorblax", "энтелехия")
    spelling, new = spell(terms, {t.term: "token" for t in terms}, old, model_type="qwen2")
    assert {token.mechanism for token in spelling.new_tokens} == {"added"}
    # a tiny tokenizer lacks Qwen's own special tokens: that it reads back is tried on the real one
    proof = prove(spelling, old, new)
    assert proof.single == proof.forms == 4
    assert proof.exact == 0


def test_never_inside_a_longer_word_unless_asked(
    exact_tokenizer: PreTrainedTokenizerBase, lexicon: Make
) -> None:
    inside = Term(term="qyx", definition=("a thing",), inside_words=True)
    spelling, new = as_tokens(lexicon("zorblax", inside), exact_tokenizer)
    own = {t.form: t.id for t in spelling.new_tokens if not t.spaced}
    for text in ("unzorblax", "zorblaxy", "a zorblaxish b", "zorblax\u0301", "Zorblaxов"):
        new_ids = set(spelling.new_ids) & set(ids(new, text))
        assert not new_ids or text.endswith("\u0301"), text
    assert own["qyx"] in ids(new, "unqyxed")


def test_old_ids_specials_and_chat_template_stay(
    any_tokenizer: PreTrainedTokenizerBase, lexicon: Make
) -> None:
    before = any_tokenizer.backend_tokenizer.to_str()
    spelling, new = as_tokens(lexicon("zorblax", "⟁"), any_tokenizer)
    assert any_tokenizer.backend_tokenizer.to_str() == before
    assert new.get_vocab().items() >= any_tokenizer.get_vocab().items()
    assert len(new) == len(any_tokenizer) + len(spelling.new_tokens)
    assert spelling.new_ids == tuple(range(len(any_tokenizer), len(new)))
    assert not set(new.all_special_ids) & set(spelling.new_ids)
    chat = [{"role": "user", "content": "a zorblax"}]
    text = new.apply_chat_template(chat, tokenize=False)
    assert text == any_tokenizer.apply_chat_template(chat, tokenize=False)
    assert new.convert_tokens_to_ids("<|user|>") == ids(new, text)[0]


def test_spare_rows_are_used_before_the_matrix_grows(lexicon: Make, tiny_tokenizer: Family) -> None:
    old = tiny_tokenizer("qwen")
    fits, _ = as_tokens(lexicon("zorblax"), old, rows=len(old) + 100)
    assert (fits.rows_before, fits.rows_after) == (len(old) + 100, len(old) + 100)
    grows, _ = as_tokens(lexicon("zorblax"), old, rows=len(old) + 1)
    assert (grows.rows_before, grows.rows_after) == (len(old) + 1, len(old) + 4)
    assert fits.new_ids[0] == grows.new_ids[0] == len(old)


def test_a_matrix_that_grows_is_padded_when_asked(lexicon: Make, tiny_tokenizer: Family) -> None:
    old = tiny_tokenizer("qwen")
    terms = lexicon("zorblax")
    routes = {"zorblax": "token"}
    grown, _ = spell(terms, routes, old, len(old), multiple=64)
    assert grown.rows_after % 64 == 0
    assert len(old) + 4 <= grown.rows_after < len(old) + 68
    fits, _ = spell(terms, routes, old, len(old) + 9, multiple=64)
    assert fits.rows_after == len(old) + 9


OVERLAPPING = (
    "dark matter",
    "dark matter halo",
    "matter halo",
    "halo",
    "тёмная материя",
    "материя",
    "re-flome",
    "flome-re",
    Term(term="渡灵", definition=("a spirit",)),
    Term(term="渡灵河", definition=("a river",)),
    Term(term="灵河", definition=("a river",)),
)


def test_forms_inside_and_across_one_another(
    exact_tokenizer: PreTrainedTokenizerBase, lexicon: Make
) -> None:
    spelling, new = as_tokens(lexicon(*OVERLAPPING), exact_tokenizer)
    assert prove(spelling, exact_tokenizer, new).ok
    form_of = {token.id: token.form for token in spelling.new_tokens}

    def found(text: str) -> list[str]:
        if exact_tokenizer.decode(ids(exact_tokenizer, text)) == text:
            assert new.decode(ids(new, text)) == text
        return [form_of[number] for number in ids(new, text) if number in form_of]

    assert found("a dark matter halo is") == ["dark matter halo"]
    assert found("the dark matter halos") == ["dark matter"]
    assert found("the hot matter halo, dark matter") == ["matter halo", "dark matter"]
    assert found("а тёмная материя и материя") == ["тёмная материя", "материя"]
    assert len(found("a re-flome-re b")) == 1
    assert found("看渡灵河了") == ["渡灵河"]


def test_marker_and_subword_terms_change_no_tokenizer(
    lexicon: Make, tiny_tokenizer: Family
) -> None:
    old = tiny_tokenizer("gpt2")
    terms = lexicon("zorblax", "эйдос")
    spelling, same = spell(terms, {"zorblax": "subword", "эйдос": "marker"}, old, 900)
    assert same is old
    assert spelling.new_tokens == ()
    assert spelling.rows_before == spelling.rows_after == 900
    assert spelling.surface("эйдос") == "~[эйдос]"
    assert spelling.surface("zorblax") == "zorblax"
    assert spelling.route("эйдос") == "marker"
    with pytest.raises(KeyError):
        spelling["absent"]


def test_a_term_without_a_route_is_refused(lexicon: Make, tiny_tokenizer: Family) -> None:
    with pytest.raises(SpellingError, match="zorblax"):
        spell(lexicon("zorblax"), {}, tiny_tokenizer("gpt2"))


def test_a_form_that_reads_as_a_space_is_refused(lexicon: Make, tiny_tokenizer: Family) -> None:
    for family in ("llama2", "gemma", "metaspace", "unigram"):
        with pytest.raises(SpellingError, match="'a▁b'"):
            as_tokens(lexicon("a▁b", "zorblax"), tiny_tokenizer(family))
    spelling, _ = as_tokens(lexicon("a▁b"), tiny_tokenizer("gpt2"))
    assert {t.form for t in spelling.new_tokens} == {"a▁b", "A▁b"}


def test_a_special_token_is_refused(lexicon: Make, tiny_tokenizer: Family) -> None:
    for family in ("qwen", "llama2", "unigram"):
        with pytest.raises(SpellingError, match="special token"):
            as_tokens(lexicon("<|user|>", "zorblax"), tiny_tokenizer(family))


def test_a_character_that_became_bytes_does_not_cost_exactness(
    lexicon: Make, tiny_tokenizer: Family
) -> None:
    # '<0x44>' ('D') is spelled with the byte of its own 'D' where the vocabulary has no 'D'
    old = tiny_tokenizer("llama2")
    assert "D" not in old.get_vocab()
    spelling, new = as_tokens(lexicon("zorblax"), old)
    assert {t.mechanism for t in spelling.new_tokens} == {"vocabulary"}
    for text in ("<0x44>", "<0x0D>", "a <0xDD> b"):
        assert ids(new, text) == ids(old, text)


def test_a_bare_form_that_was_a_token_is_no_other_word(
    lexicon: Make, tiny_tokenizer: Family
) -> None:
    # '`' was a token and ' `' is new: '(`' falls apart, as the term stands in it
    old = tiny_tokenizer("qwen")
    spelling, new = as_tokens(lexicon(Term(term="`", definition=("a sign",), kind="symbol")), old)
    assert [t.content for t in spelling.new_tokens] == [" `"]
    proof = prove(spelling, old, new, texts=["f(`x`)"])
    assert proof.ok
    assert proof.exact == proof.forms == 1
    # and in a SentencePiece vocabulary, where '^' alone is the byte token <0x5E>
    old = tiny_tokenizer("llama2")
    spelling, new = as_tokens(lexicon(Term(term="^", definition=("a sign",), kind="symbol")), old)
    assert [t.content for t in spelling.new_tokens] == [" ^"]
    assert prove(spelling, old, new).ok


def test_what_is_one_token_already_gets_no_second_one(
    lexicon: Make, tiny_tokenizer: Family
) -> None:
    old = tiny_tokenizer("gpt2")
    assert len(ids(old, " the")) == 1
    spelling, new = as_tokens(lexicon("the"), old)
    assert " the" not in {token.content for token in spelling.new_tokens}
    assert ids(new, " the") == ids(old, " the")


def test_pieces_are_the_old_ids_of_the_content_inside_a_text(
    any_tokenizer: PreTrainedTokenizerBase, lexicon: Make
) -> None:
    spelling, _ = as_tokens(lexicon("zorblax"), any_tokenizer)
    for token in spelling.new_tokens:
        # a line break before the bare form, or '▁' would be put there
        text = ("a" if token.spaced else "a\n") + token.content
        inside = ids(any_tokenizer, text)
        assert tuple(inside[-len(token.pieces) :]) == token.pieces


def test_first_of_two_terms_keeps_a_shared_capital(lexicon: Make, tiny_tokenizer: Family) -> None:
    spelling, _ = as_tokens(lexicon("zorbl", "Zorbl"), tiny_tokenizer("gpt2"))
    assert {t.form for t in spelling.tokens_of("zorbl")} == {"zorbl"}
    assert {t.form for t in spelling.tokens_of("Zorbl")} == {"Zorbl"}


def test_streaming_decodes_token_by_token(lexicon: Make, tiny_tokenizer: Family) -> None:
    spelling, new = as_tokens(lexicon("энтелехия", "𝕽"), tiny_tokenizer("gpt2"))
    text = "an энтелехия, 𝕽 too"
    numbers = ids(new, text)
    assert new.decode(numbers) == text
    for token in spelling.new_tokens:
        assert new.decode([token.id]) == token.content


def test_a_spelling_survives_json(lexicon: Make, tiny_tokenizer: Family) -> None:
    spelling, _ = as_tokens(lexicon(*MIXED), tiny_tokenizer("qwen"))
    assert Spelling.model_validate_json(spelling.model_dump_json()) == spelling


def test_a_letter_that_the_normaliser_makes_a_sign_of(
    lexicon: Make, tiny_tokenizer: Family
) -> None:
    # NFKC: 'Ŀ' → 'L·', so that in 'ĿĿA' the word does begin behind a sign
    old = tiny_tokenizer("unigram-spm")
    spelling, new = as_tokens(lexicon("ĿA", "Ŀ"), old)
    assert prove(spelling, old, new).failures == ()


letters = st.characters(categories=("Lu", "Ll", "Lt", "Lo", "Lm"))
rest = st.characters(categories=("Lu", "Ll", "Lt", "Lo", "Lm", "Mn", "Mc"))
words = st.builds("".join, st.tuples(letters, st.text(rest, min_size=1, max_size=9)))
signs = st.characters(categories=("So", "Sm", "Sk", "Co"), exclude_characters="\u2581")
symbols = st.text(signs, min_size=1, max_size=3)


@pytest.mark.parametrize("family", ["gpt2", "qwen", "llama2", "gemma", "unigram", "unigram-spm"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=st.lists(words | symbols, min_size=1, max_size=8, unique=True))
def test_any_letters_marks_and_symbols_hold_the_invariants(
    family: str, drawn: list[str], lexicon: Make, tiny_tokenizer: Family
) -> None:
    old = tiny_tokenizer(family)
    spelling, new = as_tokens(lexicon(*drawn), old)
    proof = prove(spelling, old, new)
    assert proof.failures == ()
    assert proof.exact == proof.forms
