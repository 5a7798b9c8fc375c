"""Every target on every family: what plain libraries, in another process, make of the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.errors import ExportError
from lexigraft.export import export, fresh, merged_model
from lexigraft.progress import Silent

TARGETS = ("merged", "adapter", "served")
# Llama, Qwen3 tied and untied, Gemma; rows to spare, rows that grow, and both.
HOSTS = (
    "byte-tied",
    "byte-untied",
    "sentencepiece-tied",
    "sentencepiece-untied",
    "gemma",
    "gemma3",
)
TEXT = "A zorblax and Zorblax, 𝕽, velkin and ~[энтелехия]."


def loaded(case: Any, folder: Path, target: str) -> tuple[Any, Any]:
    """Model and tokenizer of what was written, by plain libraries and from files alone."""
    if target == "merged":
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(folder)
    if target == "served":
        base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder / "base")
        return PeftModel.from_pretrained(base, str(folder / "adapter")).eval(), tokenizer
    base = AutoModelForCausalLM.from_pretrained(case.folder, dtype=torch.float32)
    rows = max(case.taught.new_ids, default=-1) + 1
    if rows > case.spelling.rows_before:
        base.resize_token_embeddings(rows, mean_resizing=False)
    return PeftModel.from_pretrained(base, str(folder)).eval(), AutoTokenizer.from_pretrained(
        folder
    )


@pytest.mark.parametrize("name", HOSTS)
def test_every_target_does_what_the_run_does(
    make_case: Any, make_run: Any, tmp_path: Path, name: str
) -> None:
    case = make_case(name)
    run = make_run(case)
    model = merged_model(case.host, case.taught, case.spelling.rows_after)
    ids = case.tokenizer(TEXT, return_tensors="pt").input_ids
    for target in TARGETS:
        place = export(run, target, tmp_path / target)
        found, tokenizer = loaded(case, place, target)
        assert tokenizer(TEXT).input_ids == ids[0].tolist()
        with torch.inference_mode():
            torch.testing.assert_close(found(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)


def test_a_process_without_lexigraft_loads_all_three(
    make_case: Any, make_run: Any, tmp_path: Path, new_process: None
) -> None:
    """The real check. Its process says what it loaded, and has no lexigraft to import."""
    run = make_run(make_case("byte-untied"))
    heard = Heard()
    export(run, "served", tmp_path / "served", heard)
    assert heard.steps >= 7
    assert (tmp_path / "served" / "base" / "model.safetensors").is_file()


class Heard(Silent):
    """Counts the units of work that are told."""

    def __init__(self) -> None:
        self.steps = 0

    def stage(self, name: str, total: int | None) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def told() -> Any:
            def advance(count: int) -> None:
                self.steps += count

            yield advance

        return told()


def spoilt(pattern: str, change: Callable[[torch.Tensor], torch.Tensor], part: str) -> Any:
    """Changes a tensor whose name holds `part` in the files that match `pattern`."""

    def edit(folder: Path) -> None:
        done = 0
        for path in folder.rglob(pattern):
            tensors = load_file(path)
            for name in [name for name in tensors if part in name]:
                tensors[name] = change(tensors[name]).contiguous()
                done += 1
            save_file(tensors, path, metadata={"format": "pt"})
        assert done

    return edit


def cut_short(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-40])


def edited(name: str, **changes: Any) -> Any:
    def edit(folder: Path) -> None:
        path = next(folder.rglob(name))
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def hidden_tokens(folder: Path) -> None:
    path = next(folder.rglob("tokenizer.json"))
    value = json.loads(path.read_text())
    entry = value["added_tokens"][0]
    for name, index in value["model"]["vocab"].items():
        if "zorblax" in name:
            value["added_tokens"].append({**entry, "id": index, "content": name, "special": True})
    path.write_text(json.dumps(value))


def lost_template(folder: Path) -> None:
    next(folder.rglob("chat_template.jinja")).unlink()


def turned(value: torch.Tensor) -> torch.Tensor:
    return value.flip(0)


def nudged(value: torch.Tensor) -> torch.Tensor:
    return value + 1e-6 * value.sign()


MODEL, ADAPTER = "model.safetensors", "adapter_model.safetensors"
SPOILT: dict[str, tuple[str, Any, str]] = {
    "one weight a little": ("merged", spoilt(MODEL, nudged, "norm.weight"), "other weights"),
    "a file cut short": ("merged", cut_short, "could not be loaded"),
    "untied by the config": ("merged", edited("config.json", tie_word_embeddings=False), "ties"),
    "another type named": ("merged", edited("config.json", dtype="bfloat16"), "type bfloat16"),
    "another type stored": ("merged", spoilt(MODEL, torch.Tensor.bfloat16, "q_proj"), "BF16"),
    "no generation config": ("merged", edited("generation_config.json", eos_token_id=5), "generat"),
    "no chat template": ("merged", lost_template, "another chat template"),
    "hidden tokens": ("merged", hidden_tokens, "hidden|became the ids"),
    "the length": ("merged", edited("tokenizer_config.json", model_max_length=7), "max length"),
    "a LoRA a little": ("adapter", spoilt(ADAPTER, nudged, "lora_A"), "other tensors"),
    "rows turned round": ("adapter", spoilt(ADAPTER, turned, "tokens_delta"), "other tensors"),
    "another scale": ("adapter", edited("adapter_config.json", lora_alpha=5), "logits"),
    "another rank": ("served", edited("adapter_config.json", r=4), "could not be loaded"),
    "rows of the base": ("served", spoilt(MODEL, nudged, "embed_tokens"), "other weights"),
    "a layer without LoRA": ("served", spoilt(ADAPTER, torch.zeros_like, "layers.1"), "tensors"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_corrupted_file_is_caught_and_nothing_kept(
    make_case: Any, make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    target, spoil, words = SPOILT[what]
    check = fresh._events

    def spoilt_before(job: Path) -> Any:
        said = json.loads(job.read_text(encoding="utf-8"))
        spoil(Path(said["adapter"] or said["model"]).parent)
        return check(job)

    monkeypatch.setattr(fresh, "_events", spoilt_before)
    place = tmp_path / "deep" / "there"
    with pytest.raises(ExportError, match=words):
        export(make_run(make_case()), target, place)
    assert not place.exists()
    assert list(place.parent.iterdir()) == []


def test_a_crash_of_the_other_process_is_told(
    make_case: Any,
    make_run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_process: None,
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\nsys.stdout.write('{}\\n')\nraise RuntimeError('no memory left')\n"
    )
    monkeypatch.setattr(fresh.plain, "__file__", str(broken))
    with pytest.raises(ExportError, match="no memory left"):
        export(make_run(make_case()), "merged")


def test_a_silent_end_of_the_other_process_is_no_success(
    make_case: Any, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "_events", lambda job: iter([{"step": 1}]))
    with pytest.raises(ExportError, match="did not finish"):
        export(make_run(make_case()), "merged")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_16_bits_and_several_files(
    make_case: Any, make_run: Any, more_folders: dict[str, Path], tmp_path: Path, dtype: torch.dtype
) -> None:
    """Type and shards of the base are kept, and what is stored does what the run does."""
    model = AutoModelForCausalLM.from_pretrained(more_folders["byte-untied"], dtype=dtype)
    base = tmp_path / "base"
    model.generation_config.update(temperature=0.6, do_sample=True)
    model.save_pretrained(base, max_shard_size=20_000)
    AutoTokenizer.from_pretrained(more_folders["byte-untied"]).save_pretrained(base)
    shards = sorted(path.name for path in base.glob("*.safetensors"))
    assert len(shards) > 2
    case = make_case(folder=base)
    run = make_run(case)
    for target in TARGETS:
        place = export(run, target)
        weights = place / "base" if target == "served" else place
        if target != "adapter":
            assert sorted(path.name for path in weights.glob("*.safetensors")) == shards
            again = AutoModelForCausalLM.from_pretrained(weights)
            assert (again.dtype, again.generation_config.temperature) == (dtype, 0.6)
    stored = load_file(run / "adapter" / "adapter_model.safetensors")
    assert {value.dtype for value in stored.values()} == {dtype}
    for name, value in case.taught.lora.items():
        assert torch.equal(stored[name], value.to(dtype))


def test_an_adapter_that_16_bits_would_change_stays_in_32(
    make_case: Any, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lexigraft.export import shipping

    monkeypatch.setattr(shipping, "ROUNDING", 1e-5)
    run = make_run(make_case())
    with pytest.raises(ExportError, match=r"bfloat16(?s:.*)--dtype float32"):
        export(run, "adapter", dtype="bfloat16")
    monkeypatch.setattr(shipping, "stored_dtype", lambda name: torch.bfloat16)
    stored = load_file(export(run, "adapter") / "adapter_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}
    for name, value in make_case().taught.lora.items():
        assert torch.equal(stored[name], value)


def test_rows_in_multiples(make_case: Any, make_run: Any, tmp_path: Path) -> None:
    """Padding rows stand for no token: the checkpoint has them, the adapter needs none."""
    case = make_case("byte-tied", multiple=64)
    assert case.spelling.padding > 0
    run = make_run(case)
    for target in TARGETS:
        place = export(run, target)
        model, _ = loaded(case, place, target)
        rows = len(model.get_input_embeddings().weight)
        padding = 0 if target == "adapter" else case.spelling.padding
        assert rows == max(case.taught.new_ids) + 1 + padding


def test_the_card_of_an_adapter_loads_it(
    make_case: Any, make_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of README.md, run as they are in the folder that they name."""
    for name in ("byte-tied", "byte-untied"):
        case = make_case(name)
        monkeypatch.chdir(case.folder.parent)
        where = tmp_path / name
        where.mkdir()
        run = make_run(case, model=case.folder.name, root=where / "run")
        place = export(run, "adapter", where / "adapter")
        card = (place / "README.md").read_text(encoding="utf-8")
        grows = case.spelling.rows_after > case.spelling.rows_before
        assert ("resize_token_embeddings" in card) == grows
        assert str(tmp_path) not in card
        monkeypatch.chdir(place)
        known: dict[str, Any] = {}
        exec(card.split("```python\n")[1].split("```")[0], known)
        model = merged_model(case.host, case.taught, case.spelling.rows_after)
        ids = known["tokenizer"](TEXT, return_tensors="pt").input_ids
        with torch.inference_mode():
            torch.testing.assert_close(
                known["model"].eval()(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4
            )


def test_the_card_of_a_hub_s_base_names_it() -> None:
    from lexigraft.base_reference import reference_to
    from lexigraft.export.card import adapter_card
    from lexigraft.training.values import Taught

    taught = Taught(lora={"x": torch.ones(1)}, rank=8, target_modules=("q_proj", "`x`\n# y"))
    base = reference_to("somebody/base", "abc")
    card = adapter_card(base, taught, rows_before=4, rows=4, folder=Path())
    assert "base_model: somebody/base" in card
    assert "from_pretrained('somebody/base', revision='abc')" in card
    assert "\n# y" not in card


@pytest.mark.parametrize(("what", "nearest"), [("full", "merged"), ("rows", "merged")])
def test_what_cannot_be_served_is_refused_before_the_base_is_loaded(
    make_case: Any, make_run: Any, tmp_path: Path, what: str, nearest: str
) -> None:
    run = make_run(make_case("byte-tied", what), model=str(tmp_path / "gone"))
    with pytest.raises(ExportError, match=f"--to {nearest}"):
        export(run, "served", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_an_unknown_architecture_is_refused_for_servers(
    make_case: Any, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lexigraft.export import vllm_rules

    monkeypatch.delitem(vllm_rules.LAYERS, "LlamaForCausalLM")
    run = make_run(make_case())
    with pytest.raises(ExportError, match=r"no rule here(?s:.*)--to merged"):
        export(run, "served")
    assert not (run / "served").exists()


def test_served_has_a_card_with_the_command_and_no_rows_in_the_adapter(
    make_case: Any, make_run: Any, tmp_path: Path
) -> None:
    place = export(make_run(make_case("byte-tied")), "served", tmp_path / "s")
    card = (place / "README.md").read_text(encoding="utf-8")
    assert (
        "vllm serve ./base --enable-lora --max-lora-rank 8 --lora-modules taught=./adapter" in card
    )
    assert "zorblax" not in card
    assert sorted(item.name for item in (place / "adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    names = load_file(place / "adapter" / "adapter_model.safetensors")
    assert all(".lora_A." in name or ".lora_B." in name for name in names)


def test_served_without_new_tokens_is_the_base_as_it_was(make_case: Any, make_run: Any) -> None:
    case = make_case("byte-untied", "lora")
    place = export(make_run(case), "served")
    before, after = (
        load_file(folder / "model.safetensors") for folder in (case.folder, place / "base")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
