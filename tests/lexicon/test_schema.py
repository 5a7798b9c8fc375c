from __future__ import annotations

import pytest
from pydantic import ValidationError

from lexigraft.lexicon import Lexicon, Marker, Term

ZORB = Term(term="zorb", definition=("a thing",), forms=("zorbs", "zorb"))


def test_surfaces_begin_with_the_dictionary_form_and_never_repeat() -> None:
    assert ZORB.surfaces == ("zorb", "zorbs")


def test_a_term_is_found_by_its_dictionary_form() -> None:
    lexicon = Lexicon(name="words", terms=(ZORB,))
    assert lexicon["zorb"] is ZORB
    assert (list(lexicon), len(lexicon)) == ([ZORB], 1)
    with pytest.raises(KeyError):
        lexicon["zorbs"]


def test_the_digest_follows_the_content() -> None:
    first = Lexicon(name="words", terms=(ZORB,))
    again = Lexicon.model_validate_json(first.model_dump_json())
    assert again.digest() == first.digest()
    other = first.model_copy(update={"marker": Marker(open="<<", close=">>")})
    assert other.digest() != first.digest()


def test_values_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        ZORB.term = "vorp"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Term(term="zorb", definition=("a",), weight=3)  # type: ignore[call-arg]
