"""What moves and what does not, and that a merged model says what the trained one said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lexigraft.errors import RecipeError
from lexigraft.export import merged_model
from lexigraft.host import inspect_host, layer_number
from lexigraft.lexicon import Route
from lexigraft.likelihood import encode, hidden_states, output_rows
from lexigraft.rows import NewRows
from lexigraft.training import Moves, Trainable, require_possible

from .conftest import Case

MOVES: tuple[Moves, ...] = ("rows", "lora", "rows+lora", "full")
TEXT = "A zorblax, Zorblax, velkin and ~[эйдос] by a brellax."


def state_of(model: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def ids_of(case: Case) -> Tensor:
    ids = case.tokenizer(TEXT, add_special_tokens=False).input_ids
    assert set(ids) & set(case.spelling.new_ids)
    return torch.tensor([ids, ids[::-1]])


def all_logits(trainable: Trainable, ids: Tensor) -> Tensor:
    states = trainable.states(ids)
    return trainable.logits(states.flatten(0, 1)).view(*ids.shape, -1)


def shake(trainable: Trainable, seed: int = 3) -> None:
    """Moves every master away from where it was."""
    generator = torch.Generator().manual_seed(seed)
    for value in trainable.masters.values():
        value += 0.1 * torch.randn(value.shape, generator=generator)
    trainable.push()


@pytest.mark.parametrize("moves", MOVES)
def test_what_was_taught_merges_to_the_same_logits(
    case: Case, make_host: Callable[[str], Any], tiny: Any, moves: Moves
) -> None:
    trainable = case.trainable(moves)
    shake(trainable)
    ids = ids_of(case)
    with torch.inference_mode():
        found = all_logits(trainable, ids)
        taught = trainable.taught()
        model = merged_model(make_host(str(tiny)), taught, case.spelling.rows_after)
        torch.testing.assert_close(model(input_ids=ids).logits, found, rtol=1e-4, atol=1e-4)
    assert taught.new_ids == case.spelling.new_ids
    assert (taught.output_rows is None) == case.host.facts.tied
    assert bool(taught.lora) == ("lora" in moves)
    assert bool(taught.weights) == (moves == "full")


def test_forms_that_no_text_holds_learn_with_those_that_do(case: Case) -> None:
    tokens = case.spelling.new_tokens
    terms = [token.term for token in tokens]
    first = terms[0]
    assert terms.count(first) > 1
    assert len(set(terms)) > 1
    before = case.rows()
    assert before is not None
    trainable = case.trainable("rows")
    assert trainable.shares
    seen = torch.tensor([[1, tokens[0].id, 2, 3]])
    trainable.states(seen).pow(2).sum().backward()
    for name, gradient in trainable.gradients().items():
        trainable.masters[name] -= 0.1 * gradient
    trainable.push()
    taught = trainable.taught()
    assert taught.input_rows is not None
    moved = taught.input_rows - before.input
    own = moved[0].norm()
    assert own > 0
    for row, term in zip(moved[1:], terms[1:], strict=True):
        # half of what the form that was read moved by is its own, and half its term's
        wanted = moved[0] / 2 if term == first else torch.zeros_like(row)
        torch.testing.assert_close(row, wanted, rtol=1e-4, atol=float(own) * 1e-4)


def test_single_rows_share_nothing(case: Case) -> None:
    rows = case.rows()
    assert rows is not None
    single = [str(number) for number in range(len(rows.ids))]
    trainable = Trainable(
        case.host.model, "rows", rows, case.spelling.rows_after, rank=2, alpha=2.0, seed=0,
        terms=single,
    )  # fmt: skip
    assert not trainable.shares
    assert {name.split(".")[0] for name in trainable.masters} == {"rows"}


@pytest.mark.parametrize("moves", ["rows", "lora", "rows+lora"])
def test_no_old_weight_moves(case: Case, moves: Moves) -> None:
    before = state_of(case.host.model)
    trainable = case.trainable(moves)
    logits = all_logits(trainable, ids_of(case))
    logits.pow(2).sum().backward()
    assert trainable.gradients().keys() == trainable.masters.keys()
    shake(trainable)
    after = state_of(trainable.model)
    for name, value in before.items():
        name = name if name in after else name.replace(".weight", ".base_layer.weight")
        assert torch.equal(after[name][: len(value)], value)
    frozen = {n for n, p in trainable.model.named_parameters() if not p.requires_grad}
    assert not any(".lora_" in name for name in frozen)
    assert {n for n in after if "norm" in n} <= frozen


def test_before_a_step_old_tokens_are_said_as_ever(case: Case) -> None:
    ids = torch.tensor([[5, 9, 20, 11, 40]])
    old = len(case.host.tokenizer)
    with torch.inference_mode():
        before = case.host.model(input_ids=ids).logits[..., :old]
        for_all = all_logits(case.trainable("rows+lora"), ids)[..., :old]
    torch.testing.assert_close(for_all, before, rtol=1e-4, atol=1e-5)


def test_new_rows_stand_in_the_input_and_in_the_output(case: Case) -> None:
    rows = case.rows()
    assert rows is not None
    trainable = case.trainable("rows")
    embedding: Any = trainable.model.get_input_embeddings()
    ids = torch.tensor([[*rows.ids, 3]])
    assert torch.equal(embedding(ids)[0, :-1], rows.input)
    assert torch.equal(embedding(ids)[0, -1], embedding.weight[3])
    states = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    logits = trainable.logits(states)
    own = rows.input if rows.output is None else rows.output
    torch.testing.assert_close(logits[:, list(rows.ids)], states @ own.t())
    others = [i for i in range(logits.shape[1]) if i not in rows.ids]
    torch.testing.assert_close(logits[:, others], states @ output_rows(trainable.model)[others].t())
    assert trainable.is_new.nonzero()[:, 0].tolist() == list(rows.ids)
    assert len(trainable.is_new) == case.spelling.rows_after


def test_input_and_output_rows_have_gradients_of_their_own(case: Case) -> None:
    """Read and never scored: the input row alone moves. Scored and never read: the output row."""
    trainable = case.trainable("rows")
    new = case.spelling.new_ids[0]
    states = trainable.states(torch.tensor([[new, 4]]))
    trainable.logits(states[0])[:, 7].sum().backward()
    gradients = trainable.gradients()
    assert float(gradients["rows.input"][0].norm()) > 0
    assert float(gradients["rows.input"][1:].norm()) == 0
    states = trainable.states(torch.tensor([[6, 4]]))
    trainable.logits(states[0])[:, new].sum().backward()
    scored = trainable.gradients()
    side = "rows.input" if case.host.facts.tied else "rows.output"
    assert float(scored[side][0].norm()) > 0
    if not case.host.facts.tied:
        assert float(scored["rows.input"].norm()) == 0
        assert "rows.output" not in gradients or float(gradients["rows.output"].norm()) == 0


def test_gradients_are_taken_off_the_model(make_lesson_case: Callable[..., Case]) -> None:
    trainable = make_lesson_case().trainable("rows+lora")
    for _ in range(2):
        all_logits(trainable, torch.tensor([[4, 5]])).sum().backward()
        found = trainable.gradients()
        assert found
    assert trainable.gradients() == {}


def test_the_count_is_of_what_moves(case: Case) -> None:
    new = len(case.spelling.new_ids) * 16 * (1 if case.host.facts.tied else 2)
    assert case.trainable("rows").count == new


def test_the_count_of_full_tuning_counts_no_row_twice(case: Case) -> None:
    trainable = case.trainable("full")
    assert trainable.count == sum(w.numel() for w in trainable.model.parameters())


def test_the_same_seed_gives_the_same_lora(make_lesson_case: Callable[..., Case]) -> None:
    routes: dict[str, Route] = {"velkin": "subword"}
    cases = [make_lesson_case(routes=routes) for _ in range(3)]
    state = torch.random.get_rng_state()
    one, two, other = (c.trainable("lora", seed=s) for c, s in zip(cases, (1, 1, 2), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one.masters[n], two.masters[n]) for n in one.masters)
    assert not all(torch.equal(one.masters[n], other.masters[n]) for n in one.masters)
    assert all(float(v.norm()) == 0 for n, v in one.masters.items() if "lora_B" in n)


def test_full_tuning_begins_alike_whatever_chance_gave_before(
    make_lesson_case: Callable[..., Case],
) -> None:
    found = []
    for seed in (1, 2):
        case = make_lesson_case("sentencepiece-untied")
        torch.manual_seed(seed)
        found.append(case.trainable("full").masters)
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied"])
def test_masters_stay_exact_in_bfloat16(make_lesson_case: Callable[..., Case], name: str) -> None:
    case = make_lesson_case(name)
    rows = case.rows()
    assert rows is not None
    case.host.model.to(dtype=torch.bfloat16)  # type: ignore[call-arg]
    trainable = case.trainable("rows+lora")
    all_logits(trainable, ids_of(case)).float().pow(2).sum().backward()
    gradients = trainable.gradients()
    assert {value.dtype for value in gradients.values()} == {torch.float32}
    assert {value.dtype for value in trainable.masters.values()} == {torch.float32}
    assert {p.dtype for p in trainable.model.parameters()} == {torch.bfloat16}
    # Steps far smaller than bfloat16 tells apart add up in the masters.
    start = trainable.masters["rows.input"].clone()
    for _ in range(64):
        trainable.masters["rows.input"] += 1e-4
        trainable.push()
    torch.testing.assert_close(trainable.taught().input_rows, start + 64e-4, rtol=0, atol=1e-6)
    held = trainable._rows["input"]
    assert held.dtype == torch.bfloat16
    assert torch.equal(held, trainable.masters["rows.input"].bfloat16())


def test_rows_that_do_not_move_are_taught_as_they_are(
    make_lesson_case: Callable[..., Case],
) -> None:
    case = make_lesson_case()
    rows = case.rows()
    assert rows is not None
    trainable = case.trainable("lora")
    assert not any(name.startswith("rows.") for name in trainable.masters)
    assert torch.equal(trainable.taught().input_rows, rows.input)


def test_without_new_tokens_there_are_no_rows(make_lesson_case: Callable[..., Case]) -> None:
    case = make_lesson_case(routes={"velkin": "subword", "эйдос": "marker"})
    trainable = case.trainable("lora")
    assert not bool(trainable.is_new.any())
    assert trainable.taught().input_rows is None
    assert len(output_rows(trainable.model)) == case.host.facts.rows


@pytest.mark.parametrize("grown", [0, 3])
def test_what_gemma_scales_is_scaled_for_new_rows_too(byte_bpe_tokenizer: Any, grown: int) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    def built() -> Any:
        torch.manual_seed(0)
        config = Gemma3TextConfig(
            vocab_size=len(byte_bpe_tokenizer) + 3 - grown,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=128,
            sliding_window=32,
            layer_types=["full_attention", "full_attention"],
        )
        return Gemma3ForCausalLM(config).eval()

    start = len(byte_bpe_tokenizer)
    generator = torch.Generator().manual_seed(2)
    new = NewRows((start, start + 1, start + 2), torch.randn(3, 16, generator=generator), None)
    model = built()
    assert float(model.get_input_embeddings().embed_scale) == pytest.approx(4.0)
    trainable = Trainable(model, "rows+lora", new, start + 3, rank=2, alpha=4.0, seed=0)
    shake(trainable)
    ids = torch.tensor([[5, start, 6, start + 2, start + 1, 7]])
    host = built()
    facts = inspect_host(host, byte_bpe_tokenizer, source="gemma")
    from lexigraft.host import Host

    merged = merged_model(
        Host(host, byte_bpe_tokenizer, facts, None), trainable.taught(), start + 3
    )
    with torch.inference_mode():
        torch.testing.assert_close(
            merged(input_ids=ids).logits, all_logits(trainable, ids), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("moves", MOVES)
def test_only_rows_alone_cannot_teach_every_route(moves: Moves) -> None:
    require_possible(moves, {"token"})
    if moves == "rows":
        with pytest.raises(RecipeError, match="marker, subword"):
            require_possible(moves, {"token", "subword", "marker"})
    else:
        require_possible(moves, {"token", "subword", "marker"})


@pytest.mark.parametrize(("share", "wanted"), [(0.1, {0}), (0.5, {0}), (1.0, {0, 1})])
def test_the_first_share_of_the_layers_has_a_lora(
    make_lesson_case: Callable[..., Case], share: float, wanted: set[int]
) -> None:
    model = make_lesson_case("byte-tied").host.model
    head = len(output_rows(model))
    student = Trainable(model, "lora", None, head, rank=2, alpha=2.0, seed=0, layers=share)
    names = list(student.taught().lora)
    assert {layer_number(name) for name in names} == wanted
    assert len(names) == 14 * len(wanted)


def test_the_untaught_model_is_there_while_it_is_asked_for(case: Case) -> None:
    text = torch.tensor([encode(case.host.tokenizer, "The cat sleeps under the table.")])
    before = hidden_states(case.host.model, text)
    student = case.trainable("rows+lora")
    for value in student.masters.values():
        value.add_(0.1)
    student.push()
    assert not torch.allclose(student.states(text), before, atol=1e-3)
    taught = student.states(text)
    with student.untaught():
        torch.testing.assert_close(student.states(text), before)
    torch.testing.assert_close(student.states(text), taught)
    student.states(text).sum().backward()
    assert all(".lora_" not in n or g is not None for n, g in student.gradients().items())


def test_while_it_speaks_the_model_itself_says_the_new_words(case: Case) -> None:
    student = case.trainable("rows")
    matrix = output_rows(student.model)
    was = matrix.detach().clone()
    states = torch.randn(3, matrix.shape[1], generator=torch.Generator().manual_seed(0))
    wanted = student.logits(states)
    with student.speaking():
        torch.testing.assert_close(states @ output_rows(student.model).t(), wanted)
    assert torch.equal(matrix, was)
