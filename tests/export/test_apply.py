"""From host to taught model: equal to arithmetic by hand and to PEFT, and old rows untouched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from lexigraft.errors import ExportError
from lexigraft.export import apply
from lexigraft.export.apply import grow, is_tied, merged_model
from lexigraft.host import Host, inspect_host
from lexigraft.training.values import Taught

EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")


def by_hand(case: Any) -> dict[str, torch.Tensor]:
    """The merged state dict from the untaught one, in float64 and by names alone."""
    state = {k: v.double() for k, v in case.fresh().model.state_dict().items()}
    taught, tied = case.taught, case.host.facts.tied
    for name, rows in zip(EMBEDDINGS, (taught.input_rows, taught.output_rows), strict=True):
        if taught.input_rows is None:
            continue
        wide = torch.zeros(case.spelling.rows_after, 16, dtype=torch.float64)
        wide[: len(state[name])] = state[name]
        for index, row in zip(taught.new_ids, taught.input_rows if tied else rows, strict=True):
            wide[index] = row.double()
        state[name] = wide
    for name in taught.lora:
        if ".lora_A." in name:
            target = name.removeprefix("base_model.model.").replace(".lora_A.", ".")
            down, up = taught.lora[name], taught.lora[name.replace("lora_A", "lora_B")]
            state[target] += taught.alpha / taught.rank * up.double() @ down.double()
    return state


def test_merged_weights_are_those_of_arithmetic_by_hand(case: Any) -> None:
    wanted = by_hand(case)
    before = case.fresh().model.state_dict()
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    assert model is case.host.model
    assert is_tied(model) == case.host.facts.tied
    assert model.config.vocab_size == case.spelling.rows_after
    found = model.state_dict()
    assert found.keys() == wanted.keys()
    moved = {name for name, value in before.items() if not torch.equal(found[name], value)}
    touched = {name for name in before if "q_proj" in name or "down_proj" in name}
    assert moved == {*touched, *EMBEDDINGS}
    for name, value in wanted.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-6, atol=1e-6)


def test_rows_that_were_not_taught_are_bit_identical(case: Any) -> None:
    before = case.fresh().model.state_dict()
    found = merged_model(case.host, case.taught, case.spelling.rows_after).state_dict()
    kept = [i for i in range(case.host.facts.rows) if i not in case.taught.new_ids]
    for name in EMBEDDINGS:
        assert torch.equal(found[name][kept], before[name][kept])
        assert not any(torch.equal(found[name][i], found[name][0]) for i in case.taught.new_ids)


def test_the_hosts_cover_spare_rows_grown_rows_and_both(
    make_case: Any, tiny_folders: dict[str, Any]
) -> None:
    kinds = set()
    for name in tiny_folders:
        case = make_case(name)
        spelling, old = case.spelling, len(case.host.tokenizer)
        assert min(spelling.new_ids) == old
        grows, spare = spelling.rows_after > spelling.rows_before, spelling.rows_before > old
        kinds.add((grows, spare))
    assert {(False, True), (True, False), (True, True)} <= kinds


def test_logits_equal_those_of_peft(case: Any) -> None:
    base, taught = case.fresh(), case.taught
    base.model.resize_token_embeddings(case.spelling.rows_after, mean_resizing=False)
    ids = list(taught.new_ids)
    rows: Any = ids if base.facts.tied else {"embed_tokens": ids, "lm_head": ids}
    targets = list(taught.target_modules)
    config = LoraConfig(r=3, lora_alpha=4.5, target_modules=targets, trainable_token_indices=rows)  # type: ignore[arg-type]
    reference: Any = get_peft_model(base.model, config).eval()
    with torch.no_grad():
        for name, weight in reference.named_parameters():
            plain = name.replace(".default", "")
            if plain in taught.lora:
                weight.copy_(taught.lora[plain])
            elif "lm_head" in name and "trainable_tokens_delta" in name:
                weight.copy_(taught.output_rows)
            elif "trainable_tokens_delta" in name:
                weight.copy_(taught.input_rows)
    model = merged_model(case.host, taught, case.spelling.rows_after)
    given = torch.tensor([[*ids, 5, 6, *ids[::-1]]])
    with torch.inference_mode():
        torch.testing.assert_close(
            model(given).logits, reference(given).logits, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", ["byte-tied", "byte-untied", "sentencepiece-tied"])
def test_whole_weights_replace_those_of_the_host(make_case: Any, name: str) -> None:
    case = make_case(name, "full")
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    assert is_tied(model) == case.host.facts.tied
    for weight, value in case.taught.weights.items():
        assert torch.equal(model.get_parameter(weight), value)


def test_lora_alone_leaves_the_embeddings_as_they_were(make_case: Any) -> None:
    case = make_case("byte-tied", "lora")
    before = case.fresh().model.state_dict()
    found = merged_model(case.host, case.taught, case.spelling.rows_after).state_dict()
    assert torch.equal(found["lm_head.weight"], before["lm_head.weight"])


def test_the_matrix_never_shrinks(make_case: Any) -> None:
    case = make_case("byte-untied", "lora")
    merged_model(case.host, case.taught, len(case.tokenizer))
    assert case.host.model.get_input_embeddings().weight.shape[0] == case.spelling.rows_before
    assert case.spelling.rows_before > len(case.tokenizer)


def test_a_config_that_lies_about_ties_does_not_untie(make_host: Callable[..., Host]) -> None:
    model = make_host("byte-tied").model
    model.config.tie_word_embeddings = False
    grow(model, 500)
    assert is_tied(model)
    assert model.config.tie_word_embeddings
    assert model.get_output_embeddings().weight.shape[0] == 500


def test_a_transposed_layer_gets_the_transposed_difference(make_host: Any) -> None:
    tokenizer = make_host("byte-tied").tokenizer
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=32)
    model: Any = GPT2LMHeadModel(config).eval()
    host = Host(model, tokenizer, inspect_host(model, tokenizer, source="gpt2"), None)
    before = model.transformer.h[0].attn.c_attn.weight.detach().clone()
    path = "base_model.model.transformer.h.0.attn.c_attn"
    down, up = torch.randn(2, 16), torch.randn(48, 2)
    taught = Taught(
        lora={f"{path}.lora_A.weight": down, f"{path}.lora_B.weight": up}, rank=2, alpha=4.0
    )
    merged_model(host, taught, 0)
    after = model.transformer.h[0].attn.c_attn.weight
    torch.testing.assert_close(after, before + 2 * (up @ down).t())


def changed(taught: Taught, **changes: Any) -> Taught:
    return dataclasses.replace(taught, **changes)


def renamed(taught: Taught, name: str, to: str) -> Taught:
    lora = {k.replace(name, to): v for k, v in taught.lora.items()}
    return changed(taught, lora=lora)


REFUSED: dict[str, tuple[str, Callable[[Taught], Taught], str]] = {
    "an old row": ("byte-tied", lambda t: changed(t, new_ids=(3, *t.new_ids[1:])), "own tokens"),
    "an id without a row": (
        "byte-tied",
        lambda t: changed(t, new_ids=(*t.new_ids[:-1], 9999)),
        "another model",
    ),
    "no rows": ("byte-untied", lambda t: changed(t, input_rows=None), "without input rows"),
    "no output rows": (
        "byte-untied",
        lambda t: changed(t, output_rows=None),
        "without output rows",
    ),
    "output rows for a tied host": (
        "byte-tied",
        lambda t: changed(t, output_rows=t.input_rows),
        "tied",
    ),
    "too narrow rows": (
        "byte-tied",
        lambda t: changed(t, input_rows=torch.ones(len(t.new_ids), 15)),
        "16 wide",
    ),
    "grown rows that nobody taught": (
        "byte-tied",
        lambda t: changed(t, new_ids=t.new_ids[:-1], input_rows=t.input_rows[:-1]),  # type: ignore[index]
        "nobody taught",
    ),
    "not a number": (
        "byte-tied",
        lambda t: changed(t, input_rows=t.input_rows * float("nan")),  # type: ignore[operator]
        "diverged",
    ),
    "an unknown module": ("byte-tied", lambda t: renamed(t, "q_proj", "x_proj"), "no module"),
    "half a pair": (
        "byte-tied",
        lambda t: changed(t, lora={k: v for k, v in t.lora.items() if "lora_A" in k}),
        "only lora_A",
    ),
    "a foreign name": ("byte-tied", lambda t: renamed(t, "base_model.", ""), "as PEFT writes it"),
    "another rank": ("byte-tied", lambda t: changed(t, rank=4), "rank 4"),
    "no rank": ("byte-tied", lambda t: changed(t, rank=0), "no scale"),
    "a LoRA on the head": (
        "byte-untied",
        lambda t: changed(
            t,
            lora={
                "base_model.model.lm_head.lora_A.weight": torch.ones(3, 16),
                "base_model.model.lm_head.lora_B.weight": torch.ones(490, 3),
            },
        ),
        "tied embeddings",
    ),
    "an unknown weight": ("byte-tied", lambda t: changed(t, weights={"x": torch.ones(2)}), "name"),
    "a weight of another shape": (
        "byte-tied",
        lambda t: changed(t, weights={"model.norm.weight": torch.ones(2)}),
        "shape",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_fit_is_refused_and_the_host_left_alone(make_case: Any, why: str) -> None:
    name, change, words = REFUSED[why]
    case = make_case(name)
    before = {k: v.clone() for k, v in case.host.model.state_dict().items()}
    with pytest.raises(ExportError, match=words):
        merged_model(case.host, change(case.taught), case.spelling.rows_after)
    found = case.host.model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in before.items())


def test_a_host_in_another_type_is_refused(make_case: Any) -> None:
    case = make_case()
    case.host.model.bfloat16()
    with pytest.raises(ExportError, match="float32"):
        merged_model(case.host, case.taught, case.spelling.rows_after)


def test_old_rows_are_looked_at_afterwards(make_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resize that touches one number of one old row is noticed."""
    case = make_case()

    def clumsy(model: Any, rows: int) -> None:
        grow(model, rows)
        model.get_input_embeddings().weight.data[-20, 3] += 1e-6

    monkeypatch.setattr(apply, "grow", clumsy)
    with pytest.raises(ExportError, match="own tokens changed"):
        merged_model(case.host, case.taught, case.spelling.rows_after)
