"""Term from definition, with chosen likelihoods of every term after every sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import NEUTRAL_FRAMES, TERM_PROMPTS, definition_line
from lexigraft.checks.ranking import passes
from lexigraft.checks.term_from_definition import peers_of, term_from_definition
from lexigraft.corpus import template_texts
from lexigraft.lexicon import Lexicon, Term
from lexigraft.likelihood import encode

MEANINGS = {"orrim": "a small lamp", "vask": "a long rope", "tolpa": "a thin soup"}
LEXICON = Lexicon(
    name="t", terms=tuple(Term(term=t, definition=(f"{d}.",)) for t, d in MEANINGS.items())
)
SURFACES = {t: t for t in MEANINGS}
WORDS = ("merkof", "dallip")
UNTAUGHT = dict.fromkeys(MEANINGS, WORDS)
PEERS = {"orrim": ("orrim", "vask"), "vask": ("orrim", "vask"), "tolpa": ("tolpa",)}
Rig = Callable[[Callable[[str, str], float]], Any]


def knows(before: str, scored: str) -> float:
    return sum(6.0 for t, d in MEANINGS.items() if d in before and scored == f" {t}")


def ranked(judged: Any, **options: Any) -> Any:
    settings = {"peers": PEERS, **options}
    return term_from_definition(judged, LEXICON, SURFACES, UNTAUGHT, **settings)


def test_the_right_term_is_called_and_only_peers_are_offered(rigged: Rig) -> None:
    found = ranked(rigged(knows))
    assert len(found) == 2 * len(TERM_PROMPTS["en"]), "a term without a peer is not asked"
    for ranking in found:
        assert set(ranking.scores) == {"orrim", "vask"}
        assert (ranking.scores[ranking.term], ranking.untaught) == (6.0, (0.0, 0.0))
        assert passes([ranking])
    assert found[0].question == TERM_PROMPTS["en"][0].format(definition="a small lamp")


def test_a_term_that_is_said_everywhere_earns_nothing(rigged: Rig) -> None:
    """Emission alone is no knowledge: the neutral sentences take it away again."""
    loud = ranked(rigged(lambda before, scored: 40.0 * (scored == " vask")))
    assert {r.rank for r in loud} == {2}
    both = ranked(rigged(lambda b, s: knows(b, s) + 40.0 * (s == " vask")))
    assert {r.rank for r in both} == {1}


def test_an_untaught_word_that_is_called_as_well_does_not_pass(rigged: Rig) -> None:
    found = ranked(rigged(lambda b, s: knows(b, s) + 7.0 * ("lamp" in b and "dallip" in s)))
    assert {r.term: passes([r]) for r in found} == {"orrim": False, "vask": True}


def test_under_the_definition_a_mere_mention_earns_nothing(rigged: Rig) -> None:
    judged = rigged(lambda b, s: 9.0 * (s.strip() in b.casefold()))
    found = ranked(judged, with_definition=True)
    assert {r.rank for r in found} == {2}
    assert {r.untaught for r in found} == {()}
    lines = {t: definition_line(t, d) for t, d in MEANINGS.items()}
    assert all(before.startswith(lines[scored.strip()]) for before, scored in judged.heard)


def test_neutral_sentences_end_where_the_term_begins(rigged: Rig) -> None:
    judged = rigged(knows)
    ranked(judged, language="ru")
    starts = {before for before, _ in judged.heard}
    assert {f.split("{term}")[0].rstrip() for f in NEUTRAL_FRAMES["ru"]} <= starts
    assert all(scored.startswith(" ") and " " not in scored[1:] for _, scored in judged.heard)


def test_peers_share_route_and_token_count(byte_bpe_tokenizer: PreTrainedTokenizerBase) -> None:
    judged: Any = Judged.__new__(Judged)
    object.__setattr__(judged, "tokenizer", byte_bpe_tokenizer)
    routes: dict[str, Any] = {"orrim": "subword", "vask": "subword", "tolpa": "token"}
    peers = peers_of(judged, LEXICON, SURFACES, routes)
    assert peers["tolpa"] == ("tolpa",)
    sizes = {t: len(encode(byte_bpe_tokenizer, f" {t}")) for t in MEANINGS}
    alike = sizes["orrim"] == sizes["vask"]
    assert peers["orrim"] == (("orrim", "vask") if alike else ("orrim",))
    assert peers_of(judged, LEXICON, SURFACES, dict.fromkeys(MEANINGS, "token"))["orrim"] == tuple(
        t for t in MEANINGS if sizes[t] == sizes["orrim"]
    )


@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_prompt_resembles_a_training_template(language: Any) -> None:
    """No four words in a row of a prompt, the definition aside, stand in a template's text."""
    word = Term(term="зорб", definition=("длинный тонкий предмет",), language=language)
    if language == "en":
        word = Term(term="zorb", definition=("a long thin thing",))
    texts = template_texts(
        Lexicon(name="t", language=language, terms=(word,)), {word.term: word.term}
    )
    taught = " ".join(t.text for t in texts).casefold().split()
    runs = {tuple(taught[n : n + 3]) for n in range(len(taught))}
    for prompt in TERM_PROMPTS[language]:
        words = prompt.casefold().replace("{definition}", "…").split()
        assert not runs & {tuple(words[n : n + 3]) for n in range(len(words) - 2)}, prompt
