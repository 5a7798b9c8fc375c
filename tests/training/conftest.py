"""A lexicon of all three routes on a tiny host, with texts about it and texts of replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lexigraft.corpus import Text
from lexigraft.host import Host
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.recipe import TrainingRecipe
from lexigraft.rows import NewRows, first_rows
from lexigraft.spelling import Spelling, spell
from lexigraft.training import Lesson, Moves, Trainable, make_lessons

ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "эйдос": "marker"}
TEXTS = (
    Text(text="The zorblax turns slowly.", term="zorblax", kind="example"),
    Text(text="Zorblax: a machine that makes rain.", term="zorblax", kind="definition"),
    Text(text="It is a machine that makes rain: a zorblax.", term="zorblax", kind="reverse"),
    Text(text="She carries the velkin up the hill.", term="velkin", kind="example"),
    Text(text="A basket for apples is a velkin.", term="velkin", kind="reverse"),
    Text(
        text="Its ~[эйдос] stands before it, and the ~[эйдос] waits.", term="эйдос", kind="written"
    ),
    Text(text="A text that lost its word.", term="velkin", kind="written"),
    Text(text="The cat sleeps under the table.", kind="replay"),
    Text(text="Чайник стоит на плите; вода поёт.", kind="replay"),
    Text(text="The boats leave while it is dark.", kind="replay"),
)


@dataclass
class Case:
    """A tiny host and how the lexicon is spelled for it."""

    host: Host
    lexicon: Lexicon
    spelling: Spelling
    tokenizer: PreTrainedTokenizerBase
    known: dict[tuple[int, ...], torch.Tensor] = field(default_factory=dict)
    """What the untaught model says after some ids, as far as a test has asked."""

    def rows(self) -> NewRows | None:
        """First rows of the new tokens."""
        if not self.spelling.new_ids:
            return None
        model: Any = self.host.model
        outputs = None if self.host.facts.tied else model.get_output_embeddings().weight.detach()
        inputs = model.get_input_embeddings().weight.detach()
        return first_rows(
            "pieces", self.spelling, self.lexicon, self.host.tokenizer, inputs, outputs
        )

    def trainable(self, moves: Moves, rank: int = 4, seed: int = 0) -> Trainable:
        """The host's model, prepared; the host is used up."""
        return Trainable(
            self.host.model,
            moves,
            self.rows(),
            self.spelling.rows_after,
            rank=rank,
            alpha=2.0 * rank,
            seed=seed,
            terms=[token.term for token in self.spelling.new_tokens],
        )

    def lessons(self, texts: tuple[Text, ...] = TEXTS, **changes: Any) -> list[Lesson]:
        """Lessons of the texts, before the host is used up."""
        advance, whole = changes.pop("advance", None), changes.pop("whole", False)
        usual = TrainingRecipe(top_k=12, lexicon_weight=1.0, teacher_examples=0)
        return make_lessons(
            self.host.model,
            self.host.tokenizer,
            self.tokenizer,
            self.lexicon,
            self.spelling,
            texts,
            usual.model_copy(update=changes),
            advance,
            whole=whole,
        )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_lesson_case(make_host: Callable[[str], Host]) -> Callable[..., Case]:
    """`make_lesson_case("byte-tied")`; `more` are further terms with their routes."""

    def make(name: str = "byte-tied", routes: dict[str, Route] = ROUTES, more: int = 0) -> Case:
        host = make_host(name)
        routes = {**routes, **{f"brell{chr(97 + i)}x": "token" for i in range(more)}}
        meanings = {"velkin": ("a basket for apples", "what carries apples")}
        terms = tuple(
            Term(term=term, definition=meanings.get(term, ("a machine that makes rain",)))
            for term in routes
        )
        lexicon = Lexicon(name="test", terms=terms)
        spelling, tokenizer = spell(lexicon, routes, host.tokenizer, host.facts.rows)
        return Case(host, lexicon, spelling, tokenizer)

    return make


@pytest.fixture
def case(tiny: Any, make_lesson_case: Callable[..., Case]) -> Case:
    """Each tiny host in turn; those with spare rows get more tokens than they have spare."""
    return make_lesson_case(str(tiny), more=2)
