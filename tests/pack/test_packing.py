"""`pack`: from a finished run to a file that gives its model again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lexigraft.errors import ExportError, PackError, RunError
from lexigraft.export import merged_model
from lexigraft.pack.packing import pack
from lexigraft.pack.reading import read_pack
from lexigraft.pack.tensors import taught_alone

ROUTES = {"zorblax": "token", "𝕽": "token", "velkin": "subword", "энтелехия": "marker"}


def test_a_pack_holds_what_the_run_taught(make_pack: Any) -> None:
    path, run = make_pack("words", ROUTES)
    read = read_pack(path)
    assert read.lexicon == run.lexicon
    assert read.spelling == run.spelling
    assert read.manifest.licence == "CC-BY-4.0"
    assert read.manifest.author is None
    assert read.verdict.knows() == 4
    taught = taught_alone(read)
    assert taught.new_ids == run.taught.new_ids
    assert taught.input_rows is not None
    assert torch.equal(taught.input_rows, run.taught.input_rows)
    assert taught.lora.keys() == run.taught.lora.keys()
    assert all(torch.equal(taught.lora[n], v) for n, v in run.taught.lora.items())
    assert (taught.rank, taught.alpha) == (run.taught.rank, run.taught.alpha)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("name", ["byte-tied", "byte-untied"])
def test_rows_in_the_bases_own_type_give_the_same_merged_model(
    make_pack: Any, base_in: Any, name: str, dtype: torch.dtype
) -> None:
    base = base_in(name, dtype)
    path, run = make_pack("words", ROUTES, host=base)
    read = read_pack(path)
    assert read.manifest.rows is not None
    assert read.manifest.rows.dtype == str(dtype).removeprefix("torch.")
    merged = load_file(run.folder / "model" / "model.safetensors")
    again = merged_model(run.host(), taught_alone(read), read.spelling.rows_after).state_dict()
    assert merged["model.embed_tokens.weight"].dtype == dtype
    for key, value in merged.items():
        assert torch.equal(again[key].to(dtype), value), key


def test_twelve_terms_on_a_model_1024_wide_take_less_than_100_kilobytes(
    make_pack: Any, tmp_path: Path, byte_bpe_tokenizer: Any
) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(byte_bpe_tokenizer), hidden_size=1024, intermediate_size=32,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    base = tmp_path / "wide"
    Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(base)
    byte_bpe_tokenizer.save_pretrained(base)
    names = ("brundel", "tussop", "hessick", "drenzle", "kerfel", "bascoll", "bralune", "pirrel",
             "snorvik", "velkin", "zorblax", "quiltam")  # fmt: skip
    path, run = make_pack("twelve", dict.fromkeys(names, "token"), host=base)
    # Each with and without a space and a capital: four rows of 2,048 bytes for each term.
    assert len(run.spelling.new_ids) == 48
    assert path.stat().st_size < 100_000


def test_no_folder_of_this_machine_is_in_it(make_pack: Any, tmp_path: Path) -> None:
    path, run = make_pack("words", ROUTES)
    read = read_pack(path)
    assert read.base.name == run.base.name
    said = read.manifest.model_dump_json() + read.verdict.model_dump_json()
    assert str(tmp_path) not in said
    assert "somewhere/else" not in said
    assert str(tmp_path).encode() not in path.read_bytes()


def test_single_questions_of_the_verdict_stay_behind(make_run: Any, tmp_path: Path) -> None:
    run = make_run("words", ROUTES)
    verdict = json.loads((run.folder / "verdict.json").read_text("utf-8"))
    item = {"condition": "taught", "question": "A secret?", "chosen": "a", "right": "a", "rank": 1}
    for term in verdict["terms"]:
        term["scores"]["definition"]["items"] = [item]
    (run.folder / "verdict.json").write_text(json.dumps(verdict), "utf-8")
    read = read_pack(pack(run.folder, tmp_path / "words.lexpack"))
    assert {term.scores["definition"].items for term in read.verdict.terms} == {()}


# --- what cannot be packed ---


def test_an_existing_file_is_kept(make_pack: Any, make_run: Any) -> None:
    path, run = make_pack("words", ROUTES)
    before = path.read_bytes()
    with pytest.raises(RunError, match="is kept"):
        pack(run.folder, path)
    assert path.read_bytes() == before


def test_the_name_says_what_it_is(make_run: Any, tmp_path: Path) -> None:
    run = make_run("words", ROUTES)
    with pytest.raises(PackError, match=r"Name it words\.lexpack"):
        pack(run.folder, tmp_path / "words.safetensors")


def test_full_tuning_is_refused(make_run: Any, tmp_path: Path) -> None:
    run = make_run("words", ROUTES, what="full")
    with pytest.raises(PackError, match=r"tune: full(?s:.*)--to merged"):
        pack(run.folder, tmp_path / "words.lexpack")
    assert not (tmp_path / "words.lexpack").exists()


def test_corrected_terms_are_refused(make_run: Any, tmp_path: Path) -> None:
    import dataclasses

    from lexigraft.training.values import save_taught

    run = make_run("words", ROUTES)
    changed = dataclasses.replace(run.taught, old_ids=run.taught.new_ids[:1])
    save_taught(changed, run.folder / "training" / "taught.safetensors")
    with pytest.raises(PackError, match="corrected terms"):
        pack(run.folder, tmp_path / "words.lexpack")


def test_rows_that_stand_for_no_token_are_refused(make_run: Any, tmp_path: Path) -> None:
    run = make_run("words", ROUTES)
    changed = run.spelling.model_copy(update={"rows_after": run.spelling.rows_after + 3})
    (run.folder / "spelling" / "spelling.json").write_text(changed.model_dump_json())
    with pytest.raises(PackError, match=r"3 rows that stand for no token(?s:.*)multiple: 1"):
        pack(run.folder, tmp_path / "words.lexpack")


@pytest.mark.parametrize("part", ["verdict.json", "model"])
def test_an_unfinished_run_is_told(make_run: Any, tmp_path: Path, part: str) -> None:
    run = make_run("words", ROUTES)
    (run.folder / part).rename(tmp_path / part)
    with pytest.raises(RunError, match=f"no {part} yet"):
        pack(run.folder, tmp_path / "words.lexpack")


@pytest.mark.parametrize("key", ["model.embed_tokens.weight", "model.norm.weight"])
def test_a_model_that_was_changed_by_hand_is_told(make_run: Any, tmp_path: Path, key: str) -> None:
    run = make_run("words", ROUTES)
    path = run.folder / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors[key].view(-1)[3] += 1e-3
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ExportError, match=f"{key} differs"):
        pack(run.folder, tmp_path / "words.lexpack")
    assert list(tmp_path.glob("*.lexpack")) == []


def test_a_verdict_about_another_lexicon_is_told(make_run: Any, tmp_path: Path) -> None:
    run, other = make_run("words", ROUTES), make_run("other", {"brellow": "token"})
    (run.folder / "verdict.json").write_bytes((other.folder / "verdict.json").read_bytes())
    with pytest.raises(PackError, match="verdict"):
        pack(run.folder, tmp_path / "words.lexpack")


@pytest.mark.parametrize(
    ("author", "why"),
    [("a\nb", "control character"), (" a", "space"), ("../../x", "path"), ("x" * 300, "300")],
)
def test_what_may_not_stand_in_a_pack_is_told(
    make_run: Any, tmp_path: Path, author: str, why: str
) -> None:
    run = make_run("words", {"zorblax": "token"})
    with pytest.raises(PackError, match=f"the author(?s:.*){why}"):
        pack(run.folder, tmp_path / "words.lexpack", author=author)
