"""First rows on matrices small enough to know every answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import RunError
from lexigraft.lexicon import Lexicon, Marker, Route, Term
from lexigraft.rows import Initial, NewRows, first_rows, load_rows, save_rows
from lexigraft.rows.sources import Neighbours
from lexigraft.spelling import NewToken, SpelledTerm, Spelling, spell

INITIALS: list[Initial] = [
    "pieces",
    "mean",
    "random",
    "like",
    "similar",
    "definition",
    "distilled",
]

# Three old rows, of norms 1, 2 and 3; output rows of norm 10 that point elsewhere.
INPUTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
OUTPUTS = torch.tensor([[0.0, 10.0], [-10.0, 0.0], [0.0, -10.0]])


class Words(PreTrainedTokenizerBase):
    """A tokenizer of three words, the second of three letters."""

    def __init__(self) -> None:
        """Nothing of the real one is needed."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
        assert not add_special_tokens
        table = {"a": 0, " a": 0, " b": 1, "c": 2, " c": 2}
        parts = [text] if text in table else [" b", " c"]
        return type("Encoding", (), {"input_ids": [table[part] for part in parts]})()

    def decode(self, token_ids: Any, **_: Any) -> str:
        return {0: "a", 1: " bbb", 2: " c"}[token_ids[0]]

    def convert_ids_to_tokens(self, ids: Any, **_: Any) -> Any:
        return {0: "a", 1: "Ġbbb", 2: "Ġc"}[ids]

    @property
    def all_special_ids(self) -> list[int]:
        return []


def spelled(pieces: tuple[int, ...] = (0, 1), *, spaced: bool = True, before: int = 3) -> Spelling:
    content = " zorblax" if spaced else "zorblax"
    token = NewToken(
        id=3,
        content=content,
        token=content,
        form="zorblax",
        term="zorblax",
        pieces=pieces,
        mechanism="added",
    )
    term = SpelledTerm(term="zorblax", route="token", surface="zorblax", forms=("zorblax",))
    return Spelling(
        marker=Marker(), terms=(term,), new_tokens=(token,), rows_before=before, rows_after=4
    )


def lexicon(*like: str) -> Lexicon:
    return Lexicon(name="t", terms=(Term(term="zorblax", definition=("a thing",), like=like),))


def made(initial: Any, *, outputs: Any = None, inputs: Any = INPUTS, **changes: Any) -> NewRows:
    like = changes.pop("like", ())
    seed = changes.pop("seed", 0)
    return first_rows(
        initial, spelled(**changes), lexicon(*like), Words(), inputs, outputs, seed=seed
    )


def direction(row: torch.Tensor) -> torch.Tensor:
    return row / row.norm()


def test_pieces_count_by_their_length_and_a_tied_row_is_not_stretched() -> None:
    # 'a' counts 1 and 'bbb' counts 3.
    assert torch.allclose(made("pieces").input[0], torch.tensor([0.25, 1.5]))


def test_an_input_row_of_pieces_gets_the_mean_norm() -> None:
    row = made("pieces", outputs=OUTPUTS).input[0]
    assert torch.allclose(direction(row), direction(torch.tensor([0.25, 1.5])))
    assert float(row.norm()) == pytest.approx(2.0)  # of 1, 2 and 3


def test_in_an_output_row_each_piece_counts_half_of_the_one_before_it() -> None:
    row = made("pieces", outputs=OUTPUTS).output
    assert row is not None
    assert torch.allclose(row[0], torch.tensor([-10 / 3, 20 / 3]))
    three = made("pieces", outputs=OUTPUTS, pieces=(2, 1, 0)).output
    assert three is not None
    assert torch.allclose(three[0], (4 * OUTPUTS[2] + 2 * OUTPUTS[1] + OUTPUTS[0]) / 7)


def test_the_mean_is_of_all_old_rows_and_stays_as_short_as_it_is() -> None:
    assert torch.allclose(made("mean").input[0], torch.tensor([4 / 3, 2 / 3]))


def test_random_rows_have_the_moments_of_the_old_ones() -> None:
    generator = torch.Generator().manual_seed(1)
    many = torch.randn(1000, 2, generator=generator) * torch.tensor([3.0, 0.5]) + 7
    rows = torch.stack(
        [made("random", inputs=many, before=1000, seed=2 * s).input[0] for s in range(200)]
    )
    torch.testing.assert_close(rows.mean(0), many.mean(0), rtol=0.1, atol=0.2)
    torch.testing.assert_close(rows.std(0), many.std(0), rtol=0.2, atol=0)


def test_random_rows_are_those_of_their_seed() -> None:
    assert torch.equal(made("random", seed=3).input, made("random", seed=3).input)
    assert not torch.equal(made("random", seed=3).input, made("random", seed=4).input)
    both = made("random", outputs=INPUTS)
    assert both.output is not None
    assert not torch.equal(both.input, both.output)


def test_distilled_starts_halfway_to_the_mean_where_the_row_is_said() -> None:
    mean = torch.tensor([4 / 3, 2 / 3])
    tied = made("distilled")
    assert torch.allclose(tied.input[0], (torch.tensor([0.25, 1.5]) + mean) / 2)
    untied = made("distilled", outputs=OUTPUTS)
    assert torch.equal(untied.input, made("pieces", outputs=OUTPUTS).input)
    said = made("pieces", outputs=OUTPUTS).output
    assert untied.output is not None
    assert said is not None
    assert torch.allclose(untied.output, (said + OUTPUTS.mean(0)) / 2)


def test_like_words_count_once_each_however_many_pieces_they_have() -> None:
    # ' c' is row 2; 'bc' is the mean of rows 1 and 2.
    row = made("like", like=("c", "bc")).input[0]
    wanted = (INPUTS[2] + (INPUTS[1] + INPUTS[2]) / 2) / 2
    assert torch.allclose(direction(row), direction(wanted))
    assert float(row.norm()) == pytest.approx(2.0)


def test_like_without_words_is_as_pieces() -> None:
    assert torch.equal(made("like").input, made("pieces").input)
    assert torch.equal(made("pieces", like=("c",)).input, made("pieces").input)


def test_a_like_word_has_the_space_that_the_token_has() -> None:
    seen: list[str] = []

    class Listening(Words):
        def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
            seen.append(text)
            return super().__call__(text, add_special_tokens)

    for spaced in (True, False):
        first_rows("like", spelled(spaced=spaced), lexicon("a"), Listening(), INPUTS, None)
    assert seen == [" a", "a"]


def zipf(number: int) -> float:
    """The weight of an id among three, by the formula of `from_definition`."""
    return 1e-4 / (1e-4 + 1 / ((number + 1) * math.log(3)))


def test_a_definition_is_the_mean_of_its_tokens_rare_ones_first() -> None:
    # Whatever is not in the table reads as ' b', ' c': rows 1 and 2.
    share = zipf(1) / (zipf(1) + zipf(2))
    assert share < 0.5
    tied = made("definition").input[0]
    assert torch.allclose(tied, share * INPUTS[1] + (1 - share) * INPUTS[2])
    apart = made("definition", outputs=OUTPUTS)
    assert torch.allclose(direction(apart.input[0]), direction(tied))
    assert float(apart.input.norm()) == pytest.approx(2.0)
    assert apart.output is not None
    assert torch.allclose(apart.output[0], share * OUTPUTS[1] + (1 - share) * OUTPUTS[2])


def test_similar_takes_the_like_words_if_there_are_any() -> None:
    assert torch.equal(made("similar", like=("c",)).input, made("like", like=("c",)).input)


def test_similar_takes_the_words_nearest_to_the_definition() -> None:
    """'bbb' is the only token that begins a word and is long enough to be one."""
    seen: list[str] = []

    class Listening(Words):
        def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
            seen.append(text)
            return super().__call__(" b" if text == " bbb" else text, add_special_tokens)

    rows = first_rows("similar", spelled(), lexicon(), Listening(), INPUTS, OUTPUTS)
    assert seen[-1] == " bbb"
    assert torch.allclose(rows.input[0], INPUTS[1])  # its norm is 2, the mean, already
    assert rows.output is not None
    assert torch.allclose(rows.output[0], OUTPUTS[1])


def test_nearest_words_are_never_special_new_or_fragments(tiny_host: Any) -> None:
    host = tiny_host
    term = Term(term="zorblax", definition=("an old machine that makes a low sound",))
    spelling, _ = spell(
        Lexicon(name="t", terms=(term,)), {"zorblax": "token"}, host.tokenizer, host.facts.rows
    )
    inputs = host.model.get_input_embeddings().weight.detach()
    known = [i for i in range(host.facts.rows) if i not in spelling.new_ids and i < 480]
    found = Neighbours(host.tokenizer, inputs, known).of([term])[term.term]
    assert 0 < len(found) <= 5
    for word in found:
        assert word.isalpha()
        assert len(word) >= 3
        assert word not in host.tokenizer.all_special_tokens


def test_where_no_token_is_a_word_similar_is_as_pieces() -> None:
    class Letters(Words):
        def convert_ids_to_tokens(self, ids: Any, **_: Any) -> Any:
            return "x"

    rows = first_rows("similar", spelled(), lexicon(), Letters(), INPUTS, None)
    assert torch.equal(rows.input, made("pieces").input)


@pytest.mark.parametrize("initial", INITIALS)
def test_output_rows_come_from_output_rows(initial: Any) -> None:
    """The input rows lie on one line and the output rows on another: neither may be mixed in."""
    inputs = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    outputs = torch.tensor([[0.0, 10.0], [0.0, 20.0], [0.0, 30.0]])
    tied, apart = made(initial, inputs=inputs), made(initial, inputs=inputs, outputs=outputs)
    assert tied.output is None
    assert apart.output is not None
    if initial != "random":
        assert apart.input[0, 1] == 0
        assert apart.input[0, 0] > 0
        assert apart.output[0, 0] == 0
        assert 10 <= apart.output[0, 1] <= 30


@pytest.mark.parametrize("initial", INITIALS)
def test_no_row_depends_on_a_new_or_spare_row(initial: Any) -> None:
    """The new row is there already: a spare one, or one that was added before it was filled."""
    wild = torch.tensor([[torch.nan, torch.nan]])
    plain = made(initial, outputs=OUTPUTS)
    for before in (3, 4):
        spare = made(
            initial,
            inputs=torch.cat([INPUTS, wild]),
            outputs=torch.cat([OUTPUTS, wild]),
            before=before,
        )
        assert torch.equal(spare.input, plain.input)
        assert spare.output is not None
        assert plain.output is not None
        assert torch.equal(spare.output, plain.output)


def test_rows_are_float32_whatever_the_model_is_in() -> None:
    rows = made("pieces", inputs=INPUTS.bfloat16(), outputs=OUTPUTS.bfloat16())
    assert rows.input.dtype == torch.float32
    assert rows.output is not None
    assert rows.output.dtype == torch.float32


def test_pieces_that_cancel_out_give_no_infinite_row() -> None:
    inputs = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert bool(torch.isfinite(made("pieces", inputs=inputs).input).all())


@pytest.mark.parametrize("initial", INITIALS)
def test_on_every_tiny_host(initial: Any, tiny_host: Any) -> None:
    terms = (
        Term(term="zorblax", definition=("a thing",), like=("machine", "basket")),
        Term(term="эйдос", definition=("вещь",), language="ru"),
    )
    lexicon = Lexicon(name="t", terms=terms)
    routes: dict[str, Route] = {"zorblax": "token", "эйдос": "token"}
    host = tiny_host
    spelling, _ = spell(lexicon, routes, host.tokenizer, host.facts.rows)
    inputs = host.model.get_input_embeddings().weight.detach()
    outputs = None if host.facts.tied else host.model.get_output_embeddings().weight.detach()
    rows = first_rows(initial, spelling, lexicon, host.tokenizer, inputs, outputs)
    assert rows.ids == spelling.new_ids
    assert rows.input.shape == (len(rows.ids), 16)
    assert (rows.output is None) == host.facts.tied
    old = [i for i in range(host.facts.rows) if i not in rows.ids]
    longest = inputs[old].norm(dim=-1)
    if initial in ("pieces", "similar", "definition") and not host.facts.tied:
        wanted = longest.mean().expand(len(rows.ids))
        torch.testing.assert_close(rows.input.norm(dim=-1), wanted)
    if initial != "random" and rows.output is not None:
        assert bool((rows.output.norm(dim=-1) <= outputs[old].norm(dim=-1).max()).all())


def test_a_like_word_is_no_stray_space(make_host: Any) -> None:
    """Where the tokenizer puts a space before every text, a word gets no second one."""
    for name in ("sentencepiece-tied", "unigram-tied", "byte-tied"):
        host = make_host(name)
        lexicon = Lexicon(
            name="t", terms=(Term(term="zorblax", definition=("a thing",), like=("machine",)),)
        )
        spelling, _ = spell(lexicon, {"zorblax": "token"}, host.tokenizer, host.facts.rows)
        inputs = host.model.get_input_embeddings().weight.detach()
        rows = first_rows("like", spelling, lexicon, host.tokenizer, inputs, None)
        in_text = host.tokenizer("the machine", add_special_tokens=False).input_ids
        word = in_text[len(host.tokenizer("the", add_special_tokens=False).input_ids) :]
        spaced = next(
            i for i, t in enumerate(spelling.new_tokens) if t.spaced or "byte" not in name
        )
        wanted = direction(inputs[word].mean(0))
        torch.testing.assert_close(direction(rows.input[spaced]), wanted, msg=name)


@pytest.mark.parametrize("outputs", [None, OUTPUTS])
def test_what_is_saved_is_read_back(tmp_path: Path, outputs: Any) -> None:
    rows = made("pieces", outputs=outputs)
    save_rows(rows, tmp_path / "rows.safetensors")
    again = load_rows(tmp_path / "rows.safetensors")
    assert again.ids == (3,)
    assert torch.equal(again.input, rows.input)
    assert (again.output is None) == (outputs is None)
    if rows.output is not None and again.output is not None:
        assert torch.equal(again.output, rows.output)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.safetensors"
    save_rows(made("pieces"), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(RunError, match="damaged"):
        load_rows(path)
    path.write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        load_rows(path)
    save_file({"ids": torch.tensor([3])}, path)
    with pytest.raises(RunError, match="damaged"):
        load_rows(path)
    with pytest.raises(RunError, match="missing"):
        load_rows(tmp_path / "none.safetensors")
