"""New tokens for every other tokenizer: added tokens, the best that needs no new vocabulary model.

An added token matches raw text before normaliser and pre-tokenizer run. Where the tokenizer ties
a space to the word after it, that space is left behind as a token of its own: the form is one
token, but `a form` is not written as the model would have written a word of its own. The proof
counts such a form as *single* and not as *exact*.

`normalized=False`, because a normaliser that prepends '▁' would put it into the token's text.
`lstrip` is never set: it swallows the space on the way in, and decoding loses it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer

from lexigraft.errors import SpellingError
from lexigraft.spelling.document import Document, first_free_id
from lexigraft.spelling.plan import Wanted

__all__ = ["extend_with_added"]


def extend_with_added(
    document: Document, tokenizer: Tokenizer, wanted: Sequence[Wanted]
) -> tuple[tuple[Wanted, int], ...]:
    """Adds the bare pieces of `wanted` to `tokenizer` (a copy that the caller owns).

    Pieces with a leading space are passed over: with `single_word` they would never match.

    Args:
        document: what `tokenizer` was read from.

    Returns:
        each piece added, with its id; ids follow the highest one in use.

    Raises:
        SpellingError: the tokenizer's ids have holes, so that it would give out others.
    """
    bare = [piece for piece in wanted if not piece.content.startswith(" ")]
    tokens = [
        AddedToken(w.content, single_word=not w.inside_words, normalized=False, special=False)
        for w in bare
    ]
    start = first_free_id(document)
    tokenizer.add_tokens(tokens)
    given = [tokenizer.token_to_id(w.content) for w in bare]
    if given != list(range(start, start + len(bare))):
        raise SpellingError(
            f"The tokenizer gave the new tokens the ids {given[:5]}… instead of {start} onwards: "
            "its vocabulary has holes or holds these strings already. Use the subword or marker "
            f"route for {', '.join(dict.fromkeys(w.term for w in bare))}."
        )
    return tuple((piece, start + number) for number, piece in enumerate(bare))
