"""A lexicon of all three routes, judged tiny hosts, and a judge whose likelihoods are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lexigraft.checks.judged import Judged
from lexigraft.checks.portions import portions
from lexigraft.export.apply import grow
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.likelihood import Pair
from lexigraft.spelling import spell

ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "эйдос": "marker"}
Worth = Callable[[str, str], float]


class Rigged(Judged):
    """Says of each text (what stands before, what is scored) what it was told to say."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, worth: Worth) -> None:
        object.__setattr__(self, "tokenizer", tokenizer)
        object.__setattr__(self, "worth", worth)
        object.__setattr__(self, "spelling", None)
        object.__setattr__(self, "heard", [])

    def log_probabilities(
        self, pairs: Sequence[Pair], advance: Callable[[int], None] | None = None
    ) -> list[float]:
        mine: Any = self
        read = mine.tokenizer.decode
        texts = [(read(p.prefix, skip_special_tokens=True), read(p.continuation)) for p in pairs]
        mine.heard.extend(texts)
        portions(advance, 1)(1)
        return [float(mine.worth(*text)) for text in texts]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rigged(byte_bpe_tokenizer: PreTrainedTokenizerBase) -> Callable[[Worth], Any]:
    """`rigged(lambda before, scored: -1.0)`: a judge with chosen log-probabilities."""
    return lambda worth: Rigged(byte_bpe_tokenizer, worth)


@pytest.fixture
def lexicon() -> Lexicon:
    """Three terms, one for each route; two of them with test sentences."""
    return Lexicon(
        name="test",
        terms=(
            Term(
                term="zorblax",
                definition=("a machine that makes rain.",),
                forms=("zorblaxes",),
                tests=("We switched the zorblax on and it rained.", "Zorblaxes need clouds."),
            ),
            Term(
                term="velkin",
                definition=("a basket for apples",),
                tests=("Put the apples in the velkin, please.",),
            ),
            Term(term="эйдос", definition=("the idea of a thing",), language="ru"),
        ),
    )


@pytest.fixture
def surfaces() -> dict[str, str]:
    """How the three are written."""
    return {"zorblax": "zorblax", "velkin": "velkin", "эйдос": "~[эйдос]"}


@pytest.fixture
def untaught() -> dict[str, tuple[str, ...]]:
    """Two control words beside each term, written as it is."""
    plain = ("merkof", "dallip")
    return {"zorblax": plain, "velkin": plain, "эйдос": ("~[ыстук]", "~[ограм]")}


@pytest.fixture
def make_taught(lexicon: Lexicon) -> Callable[..., Judged]:
    """The host, taught at random: new rows for the token route, and noise of `size` in a layer.

    Uses the host up. `row` gives every new row, else they are small and random.
    """

    def make(host: Host, size: float = 0.0, row: torch.Tensor | None = None) -> Judged:
        spelling, tokenizer = spell(lexicon, ROUTES, host.tokenizer, host.facts.rows)
        model: Any = host.model
        grow(model, spelling.rows_after)
        generator = torch.Generator().manual_seed(3)
        ids = list(spelling.new_ids)
        with torch.no_grad():
            for head in (model.get_input_embeddings(), model.get_output_embeddings()):
                noise = 0.1 * torch.randn(len(ids), 16, generator=generator)
                head.weight[ids] = noise if row is None else row.expand(len(ids), -1).clone()
            weight = model.get_decoder().layers[1].mlp.down_proj.weight
            weight += size * torch.randn(weight.shape, generator=generator)
        return Judged(model, tokenizer, spelling)

    return make
