"""`uninstall`: the model as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from lexigraft.errors import PackError, RunError
from lexigraft.host import fingerprint, load_host
from lexigraft.pack.installed import read_record
from lexigraft.pack.installing import install
from lexigraft.pack.removing import uninstall

ONE = {"zorblax": "token", "квазур": "token"}
TWO = {"brellow": "token", "wabble": "token"}
MIXED = {"zorblax": "token", "velkin": "subword"}
HOSTS = ("byte-tied", "byte-untied", "sentencepiece-tied", "unigram-untied", "gemma")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def assert_same_model(found: Path, wanted: Path) -> None:
    """Every tensor bit for bit, the tokenizer, the config's sizes and the types."""
    left, right = weights(found), weights(wanted)
    assert left.keys() == right.keys()
    for key, value in right.items():
        assert left[key].dtype == value.dtype
        assert torch.equal(left[key], value), key
    before, after = load_host(wanted), load_host(found)
    assert after.facts.fingerprint == before.facts.fingerprint
    assert type(after.tokenizer) is type(before.tokenizer)
    assert after.tokenizer.get_vocab() == before.tokenizer.get_vocab()
    assert after.tokenizer.chat_template == before.tokenizer.chat_template
    assert after.model.config.vocab_size == before.model.config.vocab_size
    assert after.model.generation_config.to_dict() == before.model.generation_config.to_dict()


@pytest.mark.parametrize("host", HOSTS)
def test_rows_alone_go_without_the_base_and_leave_no_trace(
    make_pack: Any, base_in: Any, tmp_path: Path, host: str, bases: Any
) -> None:
    base = base_in(host, torch.bfloat16) if host in ("byte-untied", "gemma") else bases[host]
    one, _ = make_pack("one", ONE, host=base)
    two, _ = make_pack("two", TWO, host=base)
    both = install([one, two], base, tmp_path / "both", verify=False).folder
    # Neither is needed.
    one.unlink()
    two.unlink()
    done = uninstall(["one.lexpack", "two.lexpack"], both, tmp_path / "bare")
    assert done.packs == ()
    assert_same_model(done.folder, base)
    assert read_record(done.folder) is None


@pytest.mark.parametrize("host", ["byte-tied", "byte-untied", "gemma"])
def test_what_stays_is_as_if_it_had_been_installed_alone(
    make_pack: Any, tmp_path: Path, host: str
) -> None:
    one, run = make_pack("one", ONE, host=host)
    two, _ = make_pack("two", TWO, host=host)
    both = install([one, two], run.base, tmp_path / "both", verify=False).folder
    alone = install(two, run.base, tmp_path / "alone", verify=False).folder
    left = uninstall(one, both, tmp_path / "left")
    assert [chosen.pack.name for chosen in left.packs] == ["two.lexpack"]
    assert_same_model(left.folder, alone)
    # And from there on to the bare base.
    assert_same_model(uninstall(two, left.folder, tmp_path / "bare").folder, run.base)


def test_a_single_term_goes(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", ONE, host="byte-untied")
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    done = uninstall("Zorblax", model, tmp_path / "fewer")
    assert [chosen.left_out for chosen in done.packs] == [("zorblax",)]
    assert done.notes == ()
    tokenizer, before = AutoTokenizer.from_pretrained(done.folder), run.host().tokenizer
    assert tokenizer.tokenize("a zorblax") == before.tokenize("a zorblax")
    (number,) = set(tokenizer("(квазур)").input_ids) - set(before("(квазур)").input_ids)
    (was,) = set(run.tokenizer("(квазур)").input_ids) - set(before("(квазур)").input_ids)
    rows = weights(done.folder)["model.embed_tokens.weight"]
    assert torch.equal(rows[number], weights(model)["model.embed_tokens.weight"][was])
    # The last one takes the pack with it.
    bare = uninstall("квазур", done.folder, tmp_path / "bare")
    assert bare.packs == ()
    assert_same_model(bare.folder, run.base)


# --- with a LoRA ---


def test_a_lora_goes_by_way_of_the_base(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", MIXED)
    two, _ = make_pack("two", TWO)
    both = install([one, two], run.base, tmp_path / "both", verify=False).folder
    with pytest.raises(PackError, match="--base: it is called byte-tied"):
        uninstall(one, both, tmp_path / "left")
    left = uninstall(one, both, tmp_path / "left", base=run.base)
    alone = install(two, run.base, tmp_path / "alone", verify=False).folder
    assert_same_model(left.folder, alone)
    bare = uninstall([one, two], both, tmp_path / "bare", base=run.base)
    assert_same_model(bare.folder, run.base)


def test_another_base_is_told(make_pack: Any, bases: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", MIXED)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    with pytest.raises(PackError, match=r"one\.lexpack was taught on byte-tied"):
        uninstall(one, model, tmp_path / "bare", base=bases["byte-untied"])


def test_a_token_goes_and_what_the_lora_learnt_stays(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", MIXED)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    done = uninstall("zorblax", model, tmp_path / "fewer", base=run.base)
    assert len(done.notes) == 1
    assert "zorblax: the tokens and their rows are gone. The LoRA" in done.notes[0]
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(weights(done.folder)[name], weights(model)[name])
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    assert tokenizer.get_vocab() == run.host().tokenizer.get_vocab()


def test_a_term_that_is_only_in_the_lora_cannot_go_alone(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", MIXED)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    with pytest.raises(PackError, match=r"velkin of one\.lexpack has no token of its own"):
        uninstall("velkin", model, tmp_path / "fewer", base=run.base)
    # All of its terms are the pack.
    done = uninstall(["velkin", "zorblax"], model, tmp_path / "bare", base=run.base)
    assert_same_model(done.folder, run.base)


# --- from a run ---


@pytest.mark.parametrize("inside", ["", "model"])
def test_a_runs_own_model_loses_a_term(make_run: Any, tmp_path: Path, inside: str) -> None:
    run = make_run("words", MIXED)
    done = uninstall("zorblax", run.folder / inside, tmp_path / "fewer")
    assert [chosen.left_out for chosen in done.packs] == [("zorblax",)]
    assert "stays" in done.notes[0]
    bare = uninstall("words.lexpack", run.folder, tmp_path / "bare")
    assert_same_model(bare.folder, run.base)


# --- what is refused ---


def test_a_plain_model_is_told_what_to_do(bases: Any, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="lexigraft pack"):
        uninstall("zorblax", bases["byte-tied"], tmp_path / "bare")


@pytest.mark.parametrize(
    ("name", "why"),
    [("brundel", "no term that was installed"), ("other.lexpack", "is not installed")],
)
def test_what_is_not_installed_is_told(make_pack: Any, tmp_path: Path, name: str, why: str) -> None:
    one, run = make_pack("one", ONE)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    with pytest.raises(PackError, match=why):
        uninstall(name, model, tmp_path / "bare")


def test_a_taken_folder_is_kept(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", ONE)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    with pytest.raises(RunError, match="is kept"):
        uninstall(one, model, model)


def trained_on(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.norm.weight"][0] += 0.5
    save_file(tensors, path, metadata={"format": "pt"})


def another_pack(folder: Path) -> None:
    (folder / "packs" / "1.lexpack").write_bytes(b"x" * 100)


def damaged_record(folder: Path) -> None:
    (folder / "packs.json").write_text('{"base": 1}', "utf-8")


def damaged_rows(folder: Path) -> None:
    (folder / "packs" / "spare.safetensors").write_bytes(b"x" * 100)


CHANGED = {
    "weights that were trained on": (trained_on, "other weights inside"),
    "another file in the pack's place": (another_pack, "safetensors"),
    "a damaged record": (damaged_record, r"packs\.json is damaged"),
    "damaged rows": (damaged_rows, r"spare\.safetensors is damaged"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_folder_that_was_changed_is_told(make_pack: Any, tmp_path: Path, what: str) -> None:
    change, why = CHANGED[what]
    one, run = make_pack("one", ONE, host="byte-untied")
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    change(model)
    with pytest.raises(PackError, match=why):
        uninstall("zorblax", model, tmp_path / "bare")
    assert not (tmp_path / "bare").exists()


def test_the_tokenizer_of_the_base_is_kept_whole(make_pack: Any, tmp_path: Path) -> None:
    one, run = make_pack("one", ONE)
    model = install(one, run.base, tmp_path / "model", verify=False).folder
    kept = AutoTokenizer.from_pretrained(model / "packs" / "base")
    assert fingerprint(kept) == fingerprint(run.host().tokenizer)
