"""`install`: packs on their base, alone and together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.errors import PackError, RunError
from lexigraft.host import load_host
from lexigraft.lexicon import Lexicon, Marker, Term
from lexigraft.pack.installing import install
from lexigraft.verdict import verify

FIRST = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}
SECOND = {"brellow": "token", "квазур": "token"}
HOSTS = ("byte-tied", "byte-untied", "sentencepiece-tied", "unigram-untied", "gemma")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("host", HOSTS)
def test_one_pack_gives_the_runs_own_model(make_pack: Any, tmp_path: Path, host: str) -> None:
    path, run = make_pack("words", FIRST, host=host)
    done = install(path, run.base, tmp_path / "model", verify=False)
    assert done.folder == tmp_path / "model"
    wanted, found = weights(run.folder / "model"), weights(done.folder)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)
    text = "A zorblax and Zorblax, velkin and ~[энтелехия]."
    read = AutoTokenizer.from_pretrained(done.folder)
    assert read(text).input_ids == run.tokenizer(text).input_ids


@pytest.mark.parametrize("host", HOSTS)
def test_two_packs_stand_beside_each_other(make_pack: Any, tmp_path: Path, host: str) -> None:
    one, first = make_pack("one", FIRST, host=host, seed=1, rank=3)
    two, second = make_pack("two", SECOND, host=host, seed=2, rank=2, what="rows+lora")
    done = install([one, two], first.base, tmp_path / "both", verify=False)
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    model = AutoModelForCausalLM.from_pretrained(done.folder)
    base = first.host().model

    # Every form's token has the row that its own run gave it, though its number is another.
    spellings = (first, second)
    numbers = {}
    for run in spellings:
        rows = dict(zip(run.taught.new_ids, run.taught.input_rows, strict=True))
        heads = (
            dict(zip(run.taught.new_ids, run.taught.output_rows, strict=True))
            if (run.taught.output_rows is not None)
            else None
        )
        for token in run.spelling.new_tokens:
            text = f"x{token.content} x" if token.spaced else f"({token.content})"
            own, now = run.tokenizer(text).input_ids, tokenizer(text).input_ids
            (number,) = [n for o, n in zip(own, now, strict=True) if o == token.id]
            assert torch.equal(model.get_input_embeddings().weight[number], rows[token.id])
            if heads is not None:
                assert torch.equal(model.get_output_embeddings().weight[number], heads[token.id])
            numbers[token.content] = number
    assert len(set(numbers.values())) == sum(len(run.spelling.new_tokens) for run in spellings)

    # The LoRAs add up, each with its own scale.
    name = "model.layers.1.mlp.down_proj"
    wanted = base.get_submodule(name).weight.detach().clone()
    for run in spellings:
        key = f"base_model.model.{name}"
        down, up = (run.taught.lora[f"{key}.lora_{half}.weight"] for half in "AB")
        wanted += up @ down * (run.taught.alpha / run.taught.rank)
    torch.testing.assert_close(model.get_submodule(name).weight, wanted, rtol=1e-5, atol=1e-5)

    # Old rows are untouched, and other words are cut as before.
    old = first.spelling.new_ids[0]
    assert torch.equal(
        model.get_input_embeddings().weight[:old], base.get_input_embeddings().weight[:old]
    )
    text = "The harbour wakes before the town. Чайник стоит на плите."
    assert tokenizer(text).input_ids == first.host().tokenizer(text).input_ids


def test_a_lora_on_other_modules_leaves_zeros_where_it_has_none(
    make_pack: Any, make_run: Any, tmp_path: Path
) -> None:
    import dataclasses

    from lexigraft.export import export
    from lexigraft.pack.packing import pack
    from lexigraft.training.values import save_taught

    one, first = make_pack("one", FIRST, rank=3)
    run = make_run("two", {"wabble": "subword"}, rank=2, seed=3)
    lora = {name: value for name, value in run.taught.lora.items() if "q_proj" in name}
    taught = dataclasses.replace(run.taught, lora=lora, target_modules=("q_proj",))
    save_taught(taught, run.folder / "training" / "taught.safetensors")
    export(run.folder, "merged")
    two = pack(run.folder, tmp_path / "two.lexpack")
    done = install([one, two], first.base, tmp_path / "both", verify=False)
    alone, both = weights(first.folder / "model"), weights(done.folder)
    name = "model.layers.0.mlp.down_proj.weight"
    torch.testing.assert_close(both[name], alone[name])
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.allclose(both[name], alone[name])


def test_packs_of_other_markers_keep_theirs(make_pack: Any, tmp_path: Path) -> None:
    terms = (Term(term="эйдос", definition=("a form",)),)
    lexicon = Lexicon(name="two", terms=terms, marker=Marker(open="⟦", close="⟧"))
    one, first = make_pack("one", FIRST)
    two, _ = make_pack("two", {"эйдос": "marker"}, lexicon=lexicon)
    done = install([one, two], first.base, tmp_path / "both", verify=False)
    assert [c.pack.spelling.terms[-1].surface for c in done.packs] == ["~[энтелехия]", "⟦эйдос⟧"]


def test_what_each_pack_knew_is_asked_again(make_pack: Any, tmp_path: Path) -> None:
    one, first = make_pack("one", {"zorblax": "token", "velkin": "subword"})
    two, _ = make_pack("two", SECOND, passed=False)
    done = install([one, two], first.base, tmp_path / "both")
    stored = json.loads((done.folder / "packs-verdict.json").read_text("utf-8"))
    assert done.retention is not None
    assert stored == done.retention.model_dump(mode="json")
    mine, other = stored["packs"]
    assert (mine["pack"], mine["terms"], mine["knew"], mine["passed"]) == ("one.lexpack", 2, 2, 2)
    assert (other["knew"], other["passed"], other["still_passed"]) == (0, 0, 0)
    # Random rows and a random LoRA teach nothing, whatever the verdict claims.
    assert mine["knows"] < 2
    assert len(mine["lost"]) == 2 - mine["knows"]
    assert mine["drift"] > mine["drift_then"] == 0.05


def test_a_pack_alone_is_judged_as_its_run_was(make_run: Any, tmp_path: Path) -> None:
    from lexigraft.pack.packing import pack

    run = make_run("one", FIRST)
    checks = ("definition", "cloze", "drift", "leakage")
    found = verify(run.folder, checks=checks)
    (run.folder / "verdict.json").write_text(found.model_dump_json(), "utf-8")
    path = pack(run.folder, tmp_path / "one.lexpack")
    done = install(path, run.base, tmp_path / "model")
    assert done.retention is not None
    (again,) = done.retention.packs
    assert (again.knew, again.passed) == (found.knows(), again.still_passed)
    assert again.drift == pytest.approx(again.drift_then)
    assert again.leakage == pytest.approx(again.leakage_then)


# --- the same form twice ---


@pytest.fixture
def clashing(make_pack: Any) -> tuple[Path, Path, Path]:
    """Two packs that both have Zorblax, and their base."""
    one, run = make_pack("one", {"zorblax": "token", "velkin": "subword"})
    terms = (
        Term(term="glimmet", definition=("a lamp",), forms=("Zorblax",)),
        Term(term="brellow", definition=("a bell",)),
    )
    lexicon = Lexicon(name="two", terms=terms)
    two, _ = make_pack("two", {"glimmet": "token", "brellow": "token"}, lexicon=lexicon)
    return one, two, run.base


def test_a_form_in_two_packs_is_told_with_both_definitions(clashing: Any, tmp_path: Path) -> None:
    one, two, base = clashing
    with pytest.raises(PackError) as error:
        install([one, two], base, tmp_path / "both", verify=False)
    for words in ("“Zorblax”", "a thing called 0", "a lamp", "--prefer one.lexpack"):
        assert words in str(error.value)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("preferred", ["one.lexpack", "two"])
def test_the_preferred_packs_term_is_installed(
    clashing: Any, tmp_path: Path, preferred: str
) -> None:
    one, two, base = clashing
    done = install([one, two], base, tmp_path / "both", prefer=[preferred], verify=False)
    left_out = [chosen.left_out for chosen in done.packs]
    assert left_out == ([(), ("glimmet",)] if preferred == "one.lexpack" else [("zorblax",), ()])
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    tokens = tokenizer.tokenize("a glimmet, a brellow, a Zorblax")
    assert ("Ġglimmet" in tokens) == (preferred == "two")
    assert {"Ġbrellow", "ĠZorblax"} <= set(tokens)
    record = json.loads((done.folder / "packs.json").read_text("utf-8"))
    assert [tuple(entry["left_out"]) for entry in record["packs"]] == left_out


def test_a_pack_that_loses_every_term_is_told(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", {"zorblax": "token"})
    two, _ = make_pack("two", {"Zorblax": "token"})
    with pytest.raises(PackError, match=r"Every term of two\.lexpack"):
        install([one, two], run.base, tmp_path / "both", prefer=[one], verify=False)


def test_a_preference_that_names_no_pack_is_told(clashing: Any, tmp_path: Path) -> None:
    one, two, base = clashing
    with pytest.raises(PackError, match="--prefer three is none of the packs"):
        install([one, two], base, tmp_path / "both", prefer=["three"], verify=False)


def test_a_token_inside_a_form_taught_by_pieces_is_told(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", {"dark harbour tower": "subword"})
    two, _ = make_pack("two", {"dark harbour": "token"})
    with pytest.raises(PackError, match=r"one\.lexpack taught “dark harbour tower”"):
        install([one, two], run.base, tmp_path / "both", verify=False)


# --- what is refused ---


@pytest.mark.parametrize(
    ("host", "why"),
    [("byte-untied", "architecture"), ("sentencepiece-untied", "another tokenizer")],
)
def test_another_base_is_told(
    make_pack: Any, bases: Any, tmp_path: Path, host: str, why: str
) -> None:
    path, run = make_pack("one", FIRST)
    with pytest.raises(PackError, match=f"taught on {run.base.name}, and {host}(?s:.*){why}"):
        install(path, bases[host], tmp_path / "model", verify=False)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("key", "why"),
    [("model.norm.weight", "other weights inside"), ("model.embed_tokens.weight", "embedding")],
)
def test_the_same_model_with_other_weights_is_told(
    make_pack: Any, tmp_path: Path, key: str, why: str
) -> None:
    path, run = make_pack("one", FIRST)
    host = run.host()
    host.model.state_dict()[key].view(-1)[0] += 0.5
    host.model.save_pretrained(tmp_path / "other")
    host.tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(PackError, match=why):
        install(path, tmp_path / "other", tmp_path / "model", verify=False)


def test_the_same_base_in_another_type_is_the_same_base(
    make_pack: Any, base_in: Any, tmp_path: Path
) -> None:
    path, _ = make_pack("one", FIRST)
    done = install(path, base_in("byte-tied", torch.bfloat16), tmp_path / "model", verify=False)
    assert weights(done.folder)["model.norm.weight"].dtype == torch.bfloat16


def test_a_pack_given_twice_and_none_at_all(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("one", FIRST)
    with pytest.raises(PackError, match="the same pack"):
        install([path, path], run.base, tmp_path / "model", verify=False)
    with pytest.raises(PackError, match="No pack was given"):
        install([], run.base, tmp_path / "model", verify=False)


def test_a_folder_with_files_is_kept(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("one", FIRST)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    with pytest.raises(RunError, match="is kept"):
        install(path, run.base, tmp_path / "mine", verify=False)
    assert [item.name for item in (tmp_path / "mine").iterdir()] == ["thesis.docx"]


# --- a model that has packs already ---


def test_more_packs_go_into_a_model_that_has_some(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", {"zorblax": "token"}, host="byte-untied")
    two, _ = make_pack("two", SECOND, host="byte-untied")
    first = install(one, run.base, tmp_path / "first", verify=False).folder
    both = install(two, first, tmp_path / "both", verify=False)
    at_once = install([one, two], run.base, tmp_path / "once", verify=False)
    assert [chosen.pack.name for chosen in both.packs] == ["one.lexpack", "two.lexpack"]
    wanted, found = weights(at_once.folder), weights(both.folder)
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)
    with pytest.raises(PackError, match="already"):
        install(one, first, tmp_path / "again", verify=False)


def test_into_a_model_with_a_lora_all_go_together(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", FIRST)
    two, _ = make_pack("two", SECOND)
    first = install(one, run.base, tmp_path / "first", verify=False).folder
    with pytest.raises(PackError, match=r"all packs together on byte-tied(?s:.*)1\.lexpack"):
        install(two, first, tmp_path / "both", verify=False)


def test_a_pack_taught_on_an_installed_model_takes_it_for_its_base(
    make_pack: Any, tmp_path: Path
) -> None:
    one, run = make_pack("one", FIRST)
    first = install(one, run.base, tmp_path / "first", verify=False).folder
    two, _ = make_pack("two", SECOND, host=first)
    done = install(two, first, tmp_path / "more", verify=False)
    assert [chosen.pack.name for chosen in done.packs] == ["two.lexpack"]
    before = load_host(first)
    text = "A zorblax, a brellow."
    ids = AutoTokenizer.from_pretrained(done.folder)(text).input_ids
    assert set(ids) - set(before.tokenizer(text).input_ids)


def test_nothing_written_names_this_machine(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("one", FIRST)
    done = install(path, run.base, tmp_path / "model")
    for file in done.folder.rglob("*"):
        if file.is_file():
            assert str(tmp_path).encode() not in file.read_bytes(), file
