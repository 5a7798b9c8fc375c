"""Distilling on tiny hosts, and its loss on tables small enough to know every answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from lexigraft.errors import RunError
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.likelihood import document_start, encode, hidden_states, output_rows
from lexigraft.progress import Silent
from lexigraft.rows import NewRows, distilled_from_lexicon, distilled_rows, first_rows
from lexigraft.rows.distilled import Student, divergence
from lexigraft.rows.readings import make_readings
from lexigraft.spelling import Spelling, spell

TEXTS = (
    "The kettle stands on the table; the kettle sings.",
    "She carries a kettle up the hill and rests.",
    "Every kettle means something to the old machine.",
    "Гавань просыпается, и гавань уходит в город.",
    "Каждая гавань шире реки.",
    "Where is a «гавань» and a “kettle”?",
)
LEXICON = Lexicon(
    name="t",
    terms=(
        Term(term="kettle", definition=("a thing",)),
        Term(term="гавань", definition=("вещь",), language="ru"),
    ),
)


class Case:
    """A tiny host with two words spelled as new tokens."""

    def __init__(self, host: Any) -> None:
        routes: dict[str, Route] = {"kettle": "token", "гавань": "token"}
        self.host = host
        self.model = host.model
        self.spelling: Spelling
        self.spelling, self.tokenizer = spell(LEXICON, routes, host.tokenizer, host.facts.rows)
        inputs = host.model.get_input_embeddings().weight.detach()
        outputs = None if host.facts.tied else output_rows(host.model).detach()
        self.start = first_rows("pieces", self.spelling, LEXICON, host.tokenizer, inputs, outputs)

    def distilled(self, texts: Any = TEXTS, **more: Any) -> NewRows:
        more = {
            "epochs": 10.0,
            "learning_rate": 1e-2,
            "text_share": 0.5,
            "batch_tokens": 128,
            **more,
        }
        return distilled_rows(
            self.model,
            self.host.tokenizer,
            self.tokenizer,
            self.spelling,
            self.start,
            texts,
            **more,
        )

    def readings(self, texts: Any = TEXTS, **more: Any) -> Any:
        more = {"kept": 8, "text_share": 0.0, **more}
        return make_readings(
            self.model, self.host.tokenizer, self.tokenizer, self.spelling, texts, **more
        )

    def loss(self, rows: NewRows) -> float:
        student = Student(self.model, self.spelling, rows, (0.0, 1e9))
        return student.learn(self.readings())


@pytest.fixture
def case(tiny_host: Any) -> Case:
    """Each tiny host in turn."""
    return Case(tiny_host)


@pytest.fixture
def plain(make_host: Any) -> Case:
    """One tiny host, tied, without spare rows."""
    return Case(make_host("byte-tied"))


# --- what comes out ---


def test_the_loss_to_the_teacher_falls_and_the_model_stays_as_it_is(case: Case) -> None:
    before = {name: value.clone() for name, value in case.model.state_dict().items()}
    attention = case.model.config._attn_implementation
    rows = case.distilled(text_share=0.0)
    assert all(value.grad is None for value in case.model.parameters())
    assert all(value.requires_grad for value in case.model.parameters())
    after = case.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert case.loss(rows) < 0.9 * case.loss(case.start)
    assert case.model.config._attn_implementation == attention
    assert rows.ids == case.spelling.new_ids
    assert (rows.output is None) == case.host.facts.tied
    assert rows.input.dtype == torch.float32


def test_norms_stay_within_their_bounds(case: Case) -> None:
    bounds = (0.9, 1.1)
    rows = case.distilled(learning_rate=0.1, norms=bounds)
    moved = (rows.input != case.start.input).any(dim=1)
    assert bool(moved.any())
    pairs = [(rows.input, case.model.get_input_embeddings().weight.detach())]
    if rows.output is not None:
        pairs.append((rows.output, output_rows(case.model).detach()))
    old = [i for i in range(case.host.facts.rows) if i not in rows.ids]
    for values, matrix in pairs:
        norms = values[moved].norm(dim=-1) / matrix[old].norm(dim=-1).mean()
        assert float(norms.min()) >= bounds[0] - 1e-4
        assert float(norms.max()) <= bounds[1] + 1e-4


def test_the_same_seed_gives_the_same_rows(plain: Case) -> None:
    one, same, other = (plain.distilled(epochs=2.0, seed=s, batch_tokens=32) for s in (0, 0, 1))
    assert torch.equal(one.input, same.input)
    assert not torch.equal(one.input, other.input)


def test_a_row_whose_token_stands_in_no_text_stays(case: Case) -> None:
    texts = [text for text in TEXTS if "гавань" not in text.lower()]
    rows = case.distilled(texts, epochs=2.0)
    for place, token in enumerate(case.spelling.new_tokens):
        read = any(token.id in encode(case.tokenizer, text) for text in texts)
        assert torch.equal(rows.input[place], case.start.input[place]) != read
        assert token.term == "kettle" or not read


def test_input_and_output_rows_are_trained_apart(make_host: Any) -> None:
    case = Case(make_host("byte-untied"))
    rows = case.distilled(epochs=2.0)
    assert rows.output is not None
    assert case.start.output is not None
    assert not torch.equal(rows.input, case.start.input)
    assert not torch.equal(rows.output, case.start.output)


def test_the_watcher_hears_of_every_text_and_every_step(plain: Case) -> None:
    told: list[int] = []
    losses: list[float] = []
    plain.distilled(epochs=3.0, advance=told.append, log=losses.append)
    assert sum(told) == len(TEXTS) * (1 + 3)
    assert losses
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)


@pytest.mark.parametrize("texts", [["Nothing of that kind.", TEXTS[0]], []])
def test_texts_without_a_form_are_refused_with_what_to_do(plain: Case, texts: list[str]) -> None:
    with pytest.raises(RunError) as caught:
        plain.distilled(texts)
    said = str(caught.value)
    assert "kettle" in said
    assert "Give only texts that hold one of the forms" in said
    assert "Nothing of that kind." in said or not texts


def test_from_a_lexicon_alone(case: Case) -> None:
    rows = distilled_from_lexicon(
        case.model,
        case.host.tokenizer,
        case.tokenizer,
        case.spelling,
        LEXICON,
        case.start,
        texts=2,
        epochs=1.0,
        learning_rate=1e-2,
        text_share=0.5,
        seed=0,
        progress=Silent(),
    )
    assert rows.ids == case.start.ids
    assert not torch.equal(rows.input, case.start.input)


# --- what the teacher says ---


def test_a_new_token_gets_what_its_pieces_got_in_a_row(case: Case) -> None:
    old = len(output_rows(case.model))
    spare = [i for i in case.spelling.new_ids if i < old]
    for text, reading in zip(TEXTS, case.readings(kept=old - len(spare)), strict=True):
        start = document_start(case.host.tokenizer)
        assert reading.ids.tolist() == start + encode(case.tokenizer, text)
        pieces = {t.id: list(t.pieces) for t in case.spelling.new_tokens}
        whole = list(start)
        for position, number in enumerate(reading.ids[len(start) :].tolist()):
            with torch.no_grad():
                logits = (
                    hidden_states(case.model, torch.tensor([whole]))[0, -1:]
                    @ output_rows(case.model).t()
                )
                logits[:, spare] = -torch.inf
                expected = logits.softmax(-1)[0]
            found = torch.zeros(old + len(case.spelling.new_ids))
            found.index_add_(
                0, reading.target_ids[position], reading.target_probabilities[position]
            )
            assert float(found.sum()) == pytest.approx(1, abs=1e-4)
            assert bool(reading.before_new[position]) == (number in pieces)
            if number in pieces:
                place = case.spelling.new_ids.index(number)
                mass = probability(case, whole, pieces[number], spare)
                assert float(found[old + place]) == pytest.approx(mass, rel=1e-3)
                expected[pieces[number][0]] -= mass
            torch.testing.assert_close(found[:old], expected, rtol=1e-3, atol=1e-6)
            whole += pieces.get(number, [number])


def probability(case: Case, before: list[int], pieces: list[int], spare: list[int]) -> float:
    with torch.inference_mode():
        states = hidden_states(case.model, torch.tensor([before + pieces]))[0]
        logits = states @ output_rows(case.model).t()
        logits[:, spare] = -torch.inf
        table = logits.log_softmax(-1)
    steps = range(len(before) - 1, len(before) + len(pieces) - 1)
    return math.exp(sum(float(table[i, p]) for i, p in zip(steps, pieces, strict=True)))


def test_the_text_s_own_token_takes_its_share_from_the_word_on(plain: Case) -> None:
    bare, mixed = plain.readings(), plain.readings(text_share=0.25)
    for one, other in zip(bare, mixed, strict=True):
        following = one.ids[-len(one.before_new) :]
        first = one.before_new.tolist().index(True)
        for position, own in enumerate(following):
            before = one.target_probabilities[position]
            after = other.target_probabilities[position]
            if position < first:
                assert torch.equal(after, before)
                continue
            hit = other.target_ids[position] == own
            if one.before_new[position]:
                hit = torch.arange(len(after)) == len(after) - 1
            assert int(hit.sum()) == 1
            torch.testing.assert_close(after, 0.75 * before + 0.25 * hit)


# --- the student ---


def test_the_student_reads_as_a_grown_model_would(case: Case) -> None:
    import copy

    student = Student(case.model, case.spelling, case.start, (0.0, 1e9))
    ids = torch.tensor([encode(case.tokenizer, TEXTS[0])])
    states = student.states(ids)
    table = student.log_probabilities(states[0])
    grown = copy.deepcopy(case.model)
    grown.resize_token_embeddings(case.spelling.rows_after, mean_resizing=False)
    new = list(case.start.ids)
    with torch.no_grad():
        grown.get_input_embeddings().weight[new] = case.start.input
        if case.start.output is not None:
            output_rows(grown)[new] = case.start.output
        logits = grown(ids).logits[0]
    expected = logits.log_softmax(-1)
    old = [i for i in range(case.host.facts.rows) if i not in new]
    places = [case.host.facts.rows + n for n in range(len(new))]
    torch.testing.assert_close(table[:, old], expected[:, old], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(table[:, places], expected[:, new], rtol=1e-4, atol=1e-4)


def test_divergence_of_known_tables() -> None:
    """Two old columns and one new; the teacher keeps one, and the rest is the other old one."""
    table = torch.tensor([[0.5, 0.3, 0.2]]).log()

    def found(ids: list[int], probabilities: list[float]) -> float:
        return float(divergence(table, torch.tensor([ids]), torch.tensor([probabilities]), 2))

    assert found([0, 2], [0.5, 0.2]) == pytest.approx(0, abs=1e-6)
    leak = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.3)
    assert found([0, 2], [0.6, 0.0]) == pytest.approx(leak, abs=1e-6)
    # The two old tokens as the student has them: what is left is the leak, -log(1 - 0.2).
    assert found([0, 2], [0.625, 0.0]) == pytest.approx(-math.log(0.8), abs=1e-6)


def test_the_head_in_pieces_gives_the_same_gradients(
    plain: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = []
    for size in (1 << 30, 1):
        monkeypatch.setattr("lexigraft.rows.distilled._HEAD_BYTES", size)
        student = Student(plain.model, plain.spelling, plain.start, (0.0, 1e9))
        student.learn(plain.readings())
        gradients.append(student.rows["input"].grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)


def test_a_scaled_embedding_scales_new_rows_too(plain: Case) -> None:
    """As Gemma's: what it looks up is multiplied, so a new row must be as well."""
    embedding = plain.model.get_input_embeddings()
    student = Student(plain.model, plain.spelling, plain.start, (0.0, 1e9))
    ids = torch.tensor([encode(plain.tokenizer, TEXTS[1])])
    larger = Student(
        plain.model, plain.spelling, replace(plain.start, input=3 * plain.start.input), (0.0, 1e9)
    )
    expected = larger.states(ids)
    embedding.embed_scale = torch.tensor(3.0)
    torch.testing.assert_close(student.states(ids), expected)
