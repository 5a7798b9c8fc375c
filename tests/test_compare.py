"""Before and after, told exactly as plain transformers tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.checks.results import Answer, TermVerdict, Verdict
from lexigraft.compare import Comparer, Comparison, compare
from lexigraft.errors import LexigraftError, MarkerError, ModelError, RunError
from lexigraft.export import export
from lexigraft.host import load_host
from lexigraft.lexicon import Lexicon, Route, Term
from lexigraft.lexicon.reading import dump_lexicon
from lexigraft.spelling import spell
from lexigraft.training.values import Taught, save_taught
from lexigraft.workspace import Identity, Workspace

ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}
PROMPTS = ("A zorblax is", "The velkin and", "Its ~[энтелехия]", "Гавань")
# The lines of the report, in a process in which no code of ours can be found.
PLAIN = """
import json, sys
sys.modules["lexigraft"] = None
from transformers import AutoModelForCausalLM, AutoTokenizer
found = []
for folder in sys.argv[1].split(","):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    for prompt in json.loads(sys.argv[2]):
        inputs = tokenizer(prompt, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        new = output[0, inputs["input_ids"].shape[1] :]
        found.append(tokenizer.decode(new, skip_special_tokens=True))
try:
    import lexigraft
except ImportError:
    print(json.dumps(found))
"""


def taught_by(host: Any, new_ids: tuple[int, ...], seed: int) -> Taught:
    generator = torch.Generator().manual_seed(seed)

    def rows() -> torch.Tensor:
        return torch.randn(len(new_ids), 16, generator=generator)

    path = "base_model.model.model.layers.1.mlp.down_proj"
    return Taught(
        lora={
            f"{path}.lora_A.weight": torch.randn(2, 24, generator=generator),
            f"{path}.lora_B.weight": torch.randn(16, 2, generator=generator),
        },
        rank=2,
        alpha=2.0,
        target_modules=("down_proj",),
        new_ids=new_ids,
        input_rows=rows(),
        output_rows=None if host.facts.tied else rows(),
    )


@pytest.fixture
def make_run(tmp_path: Path, tiny_folders: dict[str, Path]) -> Callable[..., Path]:
    """A finished run on a tiny host, its merged model written."""

    def make(name: str = "byte-tied", *, base: Path | None = None, model: bool = True) -> Path:
        host = load_host(base or tiny_folders[name])
        terms = tuple(Term(term=term, definition=("a thing",)) for term in ROUTES)
        lexicon = Lexicon(name="test", terms=terms)
        spelling, tokenizer = spell(lexicon, ROUTES, host.tokenizer, host.facts.rows)
        identity = Identity(
            model=str(base or tiny_folders[name]),
            fingerprint=host.facts.fingerprint,
            lexicon=lexicon.name,
            lexicon_digest=lexicon.digest(),
            recipe_digest="r0",
            seed=0,
        )
        with Workspace.open(tmp_path / name, create=True) as space:
            space.begin(identity, {})
            space.write_text(space.lexicon, dump_lexicon(lexicon))
            with space.writing_folder(space.spelling) as folder:
                tokenizer.save_pretrained(folder)
                space.write_json(folder / "spelling.json", spelling)
            with space.writing_file(space.training / "taught.safetensors") as path:
                save_taught(taught_by(host, spelling.new_ids, len(name)), path)
        if model:
            export(tmp_path / name, "merged")
        return tmp_path / name

    return make


def test_a_process_without_lexigraft_says_the_same(make_run: Any, tiny_folders: Any) -> None:
    names = ("byte-tied", "byte-untied", "sentencepiece-untied", "unigram-tied")
    runs = [make_run(name) for name in names]
    found = [compare(run, PROMPTS) for run in runs]
    folders = [*(run / "model" for run in runs), *(tiny_folders[name] for name in names)]
    result = subprocess.run(
        [sys.executable, "-c", PLAIN, ",".join(map(str, folders)), json.dumps(PROMPTS)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    plain = json.loads(result.stdout)
    told = [comparison for comparisons in found for comparison in comparisons]
    assert [c.prompt for c in told] == list(PROMPTS) * len(names)
    assert [*(c.after for c in told), *(c.before for c in told)] == plain
    assert sum(c.before != c.after for c in told) > len(told) / 2
    assert all(plain[: len(PROMPTS)])


def test_a_comparer_answers_prompt_after_prompt(make_run: Any) -> None:
    run = make_run()
    comparer = Comparer(run)
    heard: list[tuple[str, str]] = []
    first = comparer.ask("A zorblax is", hear=lambda side, text: heard.append((side, text)))
    assert compare(run, ["A zorblax is"]) == [first]
    for side, whole in (("before", first.before), ("after", first.after)):
        assert "".join(text for s, text in heard if s == side) == whole
    short = comparer.ask("A zorblax is", max_new_tokens=3)
    assert first.after.startswith(short.after)
    assert len(short.after) < len(first.after)
    with pytest.raises(MarkerError):
        comparer.ask("~[zorblax")


def test_a_model_stored_in_16_bits_is_asked_in_16_bits(
    make_run: Any, tiny_folders: Any, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    model = AutoModelForCausalLM.from_pretrained(tiny_folders["byte-tied"]).bfloat16()
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(tiny_folders["byte-tied"]).save_pretrained(base)
    comparer = Comparer(make_run(base=base))
    assert {side[0].dtype for side in (comparer._before, comparer._after)} == {torch.bfloat16}


def test_sampling_settings_do_not_make_it_random(make_run: Any, recwarn: Any) -> None:
    run = make_run()
    path = run / "model" / "generation_config.json"
    settings = {"do_sample": True, "temperature": 5.0, "top_k": 400}
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    first, second = (compare(run, ["A zorblax is"]) for _ in range(2))
    assert first == second
    assert not [w for w in recwarn if "temperature" in str(w.message)]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Its ~[энтелехия is", "not closed"),
        ("Its ~[энтелехии] is", "names no term"),
        ("A ~[zorblx] is", "did you mean"),
    ],
)
def test_a_faulty_marker_is_reported_before_anything_is_loaded(
    make_run: Any, prompt: str, words: str
) -> None:
    run = make_run(model=False)
    with pytest.raises(MarkerError, match=rf"(?s)In the prompt.*{words}"):
        compare(run, ["A zorblax is", prompt])


def test_an_empty_prompt_is_told(make_run: Any) -> None:
    with pytest.raises(LexigraftError, match="is empty"):
        compare(make_run(), [""])


def verdict(*prompts: tuple[str, ...]) -> Verdict:
    terms = tuple(
        TermVerdict(
            term=term,
            surface=term,
            route="token",
            knows=True,
            known_before=False,
            scores={},
            answers=tuple(Answer(prompt=p, before="", after="") for p in asked),
        )
        for term, asked in zip(ROUTES, prompts, strict=True)
    )
    return Verdict(
        lexicon="test",
        lexicon_digest="0",
        language="en",
        model="base",
        seed=0,
        seconds=1,
        terms=terms,
        checks={},
    )


def test_without_prompts_those_of_the_verdict(make_run: Any) -> None:
    run = make_run()
    found = verdict(("A zorblax is", "One"), ("One",), ())
    (run / "verdict.json").write_text(found.model_dump_json())
    assert [c.prompt for c in compare(run, max_new_tokens=1)] == ["A zorblax is", "One"]


def test_without_prompts_and_answers_one_about_each_term(make_run: Any) -> None:
    run = make_run()
    for answers in (False, True):
        if answers:
            (run / "verdict.json").write_text(verdict((), (), ()).model_dump_json())
        prompts = [c.prompt for c in compare(run, max_new_tokens=1)]
        assert len(prompts) == 3
        assert all(
            s in p for s, p in zip(("zorblax", "velkin", "~[энтелехия]"), prompts, strict=True)
        )


def test_a_damaged_verdict_is_told(make_run: Any) -> None:
    run = make_run(model=False)
    (run / "verdict.json").write_text("{}")
    with pytest.raises(RunError, match="Verdict is damaged"):
        compare(run)


def test_a_run_without_its_model_is_told(make_run: Any) -> None:
    run = make_run(model=False)
    with pytest.raises(RunError, match="no merged model yet"):
        compare(run, ["A zorblax is"])


def test_a_damaged_model_is_told(make_run: Any) -> None:
    run = make_run()
    (run / "model" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="export"):
        compare(run, ["A zorblax is"])


def test_another_base_is_told(make_run: Any) -> None:
    run = make_run()
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "fingerprint": "0" * 64}))
    with pytest.raises(RunError, match="another base"):
        compare(run, ["A zorblax is"])


def test_a_comparison_is_a_plain_value() -> None:
    value = Comparison(prompt="a", before="b", after="c")
    assert Comparison.model_validate_json(value.model_dump_json()) == value
    with pytest.raises(ValueError):
        value.after = "d"  # type: ignore[misc]
