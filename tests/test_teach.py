"""The whole pipeline on tiny hosts: what a run leaves behind, and that nothing can break it."""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.checks.results import Verdict
from lexigraft.compare import compare
from lexigraft.errors import Interrupted, LexiconError, ModelError, RecipeError, RunError
from lexigraft.lexicon import Lexicon, Marker, Route, Term, read_lexicon
from lexigraft.recipe import Limits, Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe, read_recipe
from lexigraft.run_settings import moves_of, moving_routes
from lexigraft.spelling import NewToken, SpelledTerm, Spelling
from lexigraft.training import load_taught
from lexigraft.workspace import Workspace

# The package offers the function under the module's name.
module: Any = importlib.import_module("lexigraft.teach")
teach = module.teach

STAGES = (
    "diagnosis", "spelling", "rows", "texts", "training", "model", "adapter", "verdict", "report",
)  # fmt: skip
TERMS = (
    Term(
        term="zorblax",
        definition=("a machine that makes rain",),
        route="token",
        tests=("The zorblax stands on the hill and makes rain.",),
    ),
    Term(
        term="velkin",
        definition=("a basket for apples",),
        route="subword",
        examples=("She carries the velkin up the hill.",),
        tests=("There were nine apples in the velkin.",),
    ),
    Term(
        term="эйдос",
        definition=("the form of a thing before the thing",),
        kind="concept",
        route="marker",
    ),
)
LEXICON = Lexicon(name="tiny", terms=TERMS)
RUSSIAN = Lexicon(
    name="малый",
    language="ru",
    terms=(
        Term(term="эйдос", definition=("идея вещи",), language="ru", route="marker"),
        Term(
            term="зорблакс",
            definition=("машина, которая делает дождь",),
            language="ru",
            route="token",
            forms=("зорблакса",),
            tests=("На холме стоит зорблакс.",),
        ),
    ),
)
TRAINING = TrainingRecipe(
    rank=2,
    alpha=4.0,
    epochs=1,
    batch_tokens=256,
    evaluate_every=4,
    checkpoint_seconds=0,
    dtype="float32",
    top_k=8,
)
RECIPE = Recipe(
    texts=TextsRecipe(written=2, held_out=1, replay=8),
    training=TRAINING,
    verify=VerifyRecipe(controls=1),
    limits=Limits(drift_limit=1e-6),
)
HOSTS = ("byte-tied", "byte-untied", "sentencepiece-tied", "sentencepiece-untied")
PROMPTS = ("A zorblax is", "The velkin and", "Its ~[эйдос]", "Гавань")
PLAIN = """
import json, sys
sys.modules["lexigraft"] = None
from transformers import AutoModelForCausalLM, AutoTokenizer
found = {}
for folder in json.loads(sys.argv[1]):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    for prompt in json.loads(sys.argv[2]):
        inputs = tokenizer(prompt, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        new = output[0, inputs["input_ids"].shape[1] :]
        text = tokenizer.decode(new, skip_special_tokens=True)
        found.setdefault(folder, []).append(text)
try:
    import lexigraft
except ImportError:
    print(json.dumps(found))
"""
# Stops for good after some steps, so that it can be killed there.
TO_BE_KILLED = """
import importlib, sys, time
import torch
torch.set_num_threads(1)
from lexigraft.lexicon import read_lexicon
from lexigraft.recipe import read_recipe
module = importlib.import_module("lexigraft.teach")
log = module.FolderKeeper.log
def slow(self, line):
    log(self, line)
    if line["step"] == 3:
        print("killable", flush=True)
        time.sleep(600)
module.FolderKeeper.log = slow
host, lexicon, recipe, output = sys.argv[1:]
module.teach(host, read_lexicon(lexicon), output, recipe=read_recipe(recipe))
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def finished(
    tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """`finished("byte-tied")`: an unbroken run with RECIPE, made once. Read only."""
    torch.set_num_threads(1)
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            output = tmp_path_factory.mktemp(name) / "run"
            made[name] = teach(tiny_folders[name], LEXICON, output, recipe=RECIPE).root
        return made[name]

    return get


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text(encoding="utf-8"))


def verdict(run: Path) -> dict[str, Any]:
    """The verdict but for the time that it took."""
    return {k: v for k, v in read(run, "verdict.json").items() if not k.startswith("seconds")}


def logged(run: Path) -> dict[int, dict[str, Any]]:
    """The last line of every step, but for the times."""
    lines = map(json.loads, (run / "training" / "log.jsonl").read_bytes().splitlines())
    return {x["step"]: {k: v for k, v in x.items() if k != "seconds"} for x in lines}


def require_same(run: Path, other: Path) -> None:
    """Two runs that came to the same end, bit for bit, times apart."""
    for name in ("training/taught.safetensors", "texts.jsonl", "model/model.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    if (other / "rows.safetensors").exists():
        assert (run / "rows.safetensors").read_bytes() == (other / "rows.safetensors").read_bytes()
    assert verdict(run) == verdict(other)
    assert logged(run) == logged(other)
    assert list(read(run, "run.json")["stages"]) == list(read(other, "run.json")["stages"])


# --- what a run leaves behind ---


@pytest.mark.parametrize("name", HOSTS)
def test_the_files_of_a_run_agree(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], name: str
) -> None:
    run = finished(name)
    record = read(run, "run.json")
    assert tuple(record["stages"]) == STAGES
    assert read_recipe(run / "recipe.yaml") == RECIPE
    assert read_lexicon(run / "lexicon.yaml").digest() == record["lexicon_digest"]
    spelling = Spelling.model_validate(read(run, "spelling/spelling.json"))
    assert {t.term: t.route for t in spelling} == {t.term: t.route for t in TERMS}
    taught = load_taught(run / "training" / "taught.safetensors")
    assert taught.new_ids == spelling.new_ids
    assert taught.lora
    assert read(run, "model/config.json")["vocab_size"] == spelling.rows_after
    found = verdict(run)
    assert found["lexicon_digest"] == record["lexicon_digest"]
    assert [term["term"] for term in found["terms"]] == [term.term for term in TERMS]
    assert found["drift"]["mean_kl"] > 0
    page = (run / "report.html").read_text(encoding="utf-8")
    card = (run / "README.md").read_text(encoding="utf-8")
    assert all(term.term in page and term.term in card for term in TERMS)
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    texts = [json.loads(line) for line in (run / "texts.jsonl").read_bytes().splitlines()]
    assert {text["term"] for text in texts} == {None, *(term.term for term in TERMS)}
    assert sorted(logged(run)) == list(range(1, max(logged(run)) + 1))
    left = [p.name for p in run.rglob("*") if "partial" in p.name or "aside" in p.name]
    assert left == []
    assert not (run / "training" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("name", HOSTS)
def test_rows_of_old_tokens_are_bit_identical(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], name: str
) -> None:
    base = load_file(tiny_folders[name] / "model.safetensors")
    model = load_file(finished(name) / "model" / "model.safetensors")
    taught = load_taught(finished(name) / "training" / "taught.safetensors")
    assert model.keys() == base.keys()
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        if key in base:
            old = [i for i in range(len(base[key])) if i not in taught.new_ids]
            assert torch.equal(model[key][old], base[key][old])
            rows = taught.output_rows if key.startswith("lm") else taught.input_rows
            assert rows is not None
            assert torch.equal(model[key][list(taught.new_ids)], rows)
    assert torch.equal(model["model.norm.weight"], base["model.norm.weight"])


def test_plain_transformers_says_what_compare_shows(finished: Callable[[str], Path]) -> None:
    folders = {str(finished(name) / "model"): finished(name) for name in HOSTS}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, json.dumps(list(folders)), json.dumps(PROMPTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    plain = json.loads(done.stdout)
    changed = []
    for folder, run in folders.items():
        shown = compare(run, PROMPTS)
        assert [one.after for one in shown] == plain[folder]
        changed += [one.after != one.before for one in shown]
    assert any(changed)


def test_the_same_seed_gives_the_same_run_and_another_another(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    run = teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=RECIPE).root
    require_same(run, finished("byte-tied"))
    other = teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "o", recipe=RECIPE, seed=1).root
    assert (other / "texts.jsonl").read_bytes() != (run / "texts.jsonl").read_bytes()
    assert verdict(other) != verdict(run)


def test_a_lexicon_in_russian(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = teach(tiny_folders["sentencepiece-tied"], RUSSIAN, tmp_path / "run", recipe=RECIPE).root
    assert verdict(run)["language"] == "ru"
    assert 'lang="ru"' in (run / "report.html").read_text(encoding="utf-8")
    texts = [json.loads(line)["text"] for line in (run / "texts.jsonl").read_bytes().splitlines()]
    assert any("~[эйдос] — это идея вещи." in text for text in texts)
    assert any("Что такое зорблакс?" in text for text in texts)
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    taught = load_taught(run / "training" / "taught.safetensors")
    assert set(tokenizer("Нет зорблакса.").input_ids) & set(taught.new_ids)


def test_a_lexicon_file_and_a_route_for_all(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("terms:\n  - term: brellow\n    definition: a low sound\n", encoding="utf-8")
    quick = RECIPE.model_copy(update={"texts": TextsRecipe(written=0, replay=0)})
    run = teach(
        tiny_folders["byte-tied"], path, tmp_path / "run", recipe=quick, route="marker"
    ).root
    assert read(run, "run.json")["lexicon"] == "words"
    # One term has no standard error: nothing infinite gets into the file.
    assert "Infinity" not in (run / "verdict.json").read_text(encoding="utf-8")
    assert read_recipe(run / "recipe.yaml").route == "marker"
    assert verdict(run)["terms"][0]["surface"] == "~[brellow]"
    assert not (run / "rows.safetensors").exists()
    assert load_taught(run / "training" / "taught.safetensors").input_rows is None


# --- broken off and gone on with ---


class Watching:
    """A progress that counts, and can raise when a stage is entered."""

    def __init__(self) -> None:
        self.told: dict[str, list[int | None]] = {}

    def say(self, message: str) -> None:
        """Nothing is said."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        self.told[name] = [total, 0]

        def advance(count: int) -> None:
            self.told[name][1] += count  # type: ignore[operator]

        yield advance


def interrupt_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, turn: int = 1) -> None:
    """Ctrl-C at the `turn`-th call of `owner.name`."""
    inner, calls = getattr(owner, name), 0

    def once(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == turn:
            raise KeyboardInterrupt
        return inner(*arguments, **more)

    monkeypatch.setattr(owner, name, once)


# In the order of the pipeline. Before the first nothing is written but an empty run.
BREAKS = (
    ("load_host", 1), ("diagnose_terms", 1), ("spell", 1), ("prove", 1), ("rows_to_move", 1),
    ("save_rows", 1), ("texts_to_learn", 1), ("train_on_texts", 1), ("FolderKeeper.save", 1),
    ("FolderKeeper.log", 2), ("FolderKeeper.save", 2), ("FolderKeeper.log", 3), ("save_taught", 1),
    ("merged_model", 1), ("write_merged", 1), ("write_adapter", 1), ("verify", 1),
    ("write_report", 1), ("write_model_card", 1),
)  # fmt: skip


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-untied"])
def test_interrupted_at_every_stage_in_turn_it_ends_as_an_unbroken_run(
    finished: Callable[[str], Path],
    tiny_folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    host, output = tiny_folders[name], tmp_path / "run"
    for number, (what, turn) in enumerate(BREAKS):
        owner = module.FolderKeeper if "." in what else module
        interrupt_once(monkeypatch, owner, what.rpartition(".")[2], turn)
        with pytest.raises(Interrupted, match="--resume"):
            teach(host, LEXICON, output, recipe=RECIPE, resume=number > 0)
        monkeypatch.undo()
        assert not [p for p in output.rglob("*") if "partial" in p.name], what
    teach(host, LEXICON, output, recipe=RECIPE, resume=True)
    require_same(output, finished(name))


def test_killed_in_the_middle_of_training_it_ends_as_an_unbroken_run(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    unbroken, output = finished("byte-tied"), tmp_path / "run"
    files = unbroken / "lexicon.yaml", unbroken / "recipe.yaml"
    with subprocess.Popen(
        [sys.executable, "-c", TO_BE_KILLED, tiny_folders["byte-tied"], *files, output],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "killable\n"
        child.send_signal(signal.SIGKILL)
    child.stdout.close()
    assert len(logged(output)) == 3
    assert (output / "training" / "checkpoint.safetensors").is_file()
    lexicon = read_lexicon(unbroken / "lexicon.yaml")
    teach(tiny_folders["byte-tied"], lexicon, output, recipe=RECIPE, resume=True)
    assert verdict(output) == verdict(unbroken)
    taught = "training/taught.safetensors"
    assert (output / taught).read_bytes() == (unbroken / taught).read_bytes()
    assert logged(output) == logged(unbroken)


@pytest.mark.parametrize("place", ["save_file", "save_taught", "write_merged", "write_adapter"])
def test_a_full_disk_is_told_and_the_run_goes_on(
    finished: Callable[[str], Path],
    tiny_folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    host, output = tiny_folders["byte-tied"], tmp_path / "run"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner = (
        importlib.import_module("lexigraft.training.keeping") if place == "save_file" else module
    )
    monkeypatch.setattr(owner, place, full)
    with pytest.raises(RunError, match=r"is full(?s:.*)--resume"):
        teach(host, LEXICON, output, recipe=RECIPE)
    monkeypatch.undo()
    assert not [p for p in output.rglob("*") if "partial" in p.name]
    teach(host, LEXICON, output, recipe=RECIPE, resume=True)
    require_same(output, finished("byte-tied"))


def test_a_finished_run_is_not_run_again(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished("byte-tied"), tmp_path / "run"))
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*.safetensors")}
    seconds = read(run, "verdict.json")["seconds"]
    teach(tiny_folders["byte-tied"], LEXICON, run, recipe=RECIPE, resume=True)
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*.safetensors")} == before
    assert read(run, "verdict.json")["seconds"] == seconds


# --- what is refused ---


def test_a_folder_that_holds_a_run_is_kept(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished("byte-tied"), tmp_path / "run"))
    files = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    host = tiny_folders["byte-tied"]
    with pytest.raises(RunError, match="holds a run already"):
        teach(host, LEXICON, run, recipe=RECIPE)
    fewer = LEXICON.model_copy(update={"terms": TERMS[:2]})
    hotter = RECIPE.model_copy(
        update={"training": TRAINING.model_copy(update={"learning_rate": 0.1})}
    )
    for why, given in {
        "removed эйдос": (host, fewer, RECIPE, 0),
        "seed: 0 then, 1 now": (host, LEXICON, RECIPE, 1),
        "training.learning_rate": (host, LEXICON, hotter, 0),
        "model": (tiny_folders["byte-untied"], LEXICON, RECIPE, 0),
    }.items():
        model, lexicon, recipe, seed = given
        with pytest.raises(RunError, match=why):
            teach(model, lexicon, run, recipe=recipe, seed=seed, resume=True)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == files


def test_with_force_a_run_is_thrown_away(
    finished: Callable[[str], Path], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished("byte-untied"), tmp_path / "run"))
    teach(tiny_folders["byte-tied"], LEXICON, run, recipe=RECIPE, force=True)
    require_same(run, finished("byte-tied"))


def test_a_foreign_folder_is_kept(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    for more in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(RunError, match=r"thesis\.docx"):
            teach(tiny_folders["byte-tied"], LEXICON, tmp_path, recipe=RECIPE, **more)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_what_cannot_be_read_leaves_no_folder(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="gone"):
        teach(tmp_path / "gone", LEXICON, tmp_path / "run", recipe=RECIPE)
    (tmp_path / "bad.yaml").write_text("terms: []\n", encoding="utf-8")
    with pytest.raises(LexiconError):
        teach(tiny_folders["byte-tied"], tmp_path / "bad.yaml", tmp_path / "run", recipe=RECIPE)
    assert not (tmp_path / "run").exists()


def test_a_run_at_work_is_not_disturbed(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    with (
        Workspace.open(tmp_path / "run", create=True),
        pytest.raises(RunError, match="Another lexigraft"),
    ):
        teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=RECIPE)


def test_rows_alone_for_a_subword_term_are_refused_before_anything_is_written(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"tune": "rows"})
    with pytest.raises(RecipeError, match=r"marker, subword.*rows\+lora"):
        teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=recipe)
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert not names & {"diagnosis.json", "texts.jsonl", "training", "model"}


# --- what moves ---


@pytest.mark.parametrize(
    ("tune", "name"),
    [
        ("rows", "byte-untied"),
        ("lora", "byte-tied"),
        ("rows+lora", "unigram-tied"),
        ("full", "byte-tied"),
        ("full", "sentencepiece-untied"),
    ],
)
def test_each_way_to_tune(
    tiny_folders: dict[str, Path], tmp_path: Path, tune: Any, name: str
) -> None:
    recipe = RECIPE.model_copy(update={"tune": tune})
    lexicon = LEXICON
    if tune == "rows":
        lexicon = LEXICON.model_copy(update={"terms": TERMS[:1]})
    run = teach(tiny_folders[name], lexicon, tmp_path / "run", recipe=recipe).root
    taught = load_taught(run / "training" / "taught.safetensors")
    first = load_file(run / "rows.safetensors")
    assert taught.input_rows is not None
    assert bool(taught.lora) == ("lora" in tune)
    moved = Verdict.model_validate_json((run / "verdict.json").read_text()).old_rows
    assert moved is not None
    assert moved.rows > 0
    assert bool(moved.moved) == (tune == "full")
    assert bool(moved.most) == (tune == "full")
    assert bool(taught.weights) == (tune == "full")
    assert torch.equal(taught.input_rows, first["input"]) == (tune == "lora")
    assert (run / "adapter").exists() == (tune != "full")
    assert tuple(read(run, "run.json")["stages"]) == STAGES
    model = AutoModelForCausalLM.from_pretrained(run / "model")
    rows = model.get_parameter("model.embed_tokens.weight")[list(taught.new_ids)]
    assert torch.equal(rows, taught.input_rows)


def test_rows_in_multiples_of_a_number(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    rows = RECIPE.rows.model_copy(update={"multiple": 64})
    recipe = RECIPE.model_copy(update={"rows": rows, "tune": "rows"})
    lexicon = LEXICON.model_copy(update={"terms": TERMS[:1]})
    run = teach(tiny_folders["byte-tied"], lexicon, tmp_path / "run", recipe=recipe).root
    assert read(run, "run.json")["stages"].keys() >= {"model", "adapter", "verdict"}
    assert (
        len(load_file(run / "model" / "model.safetensors")["model.embed_tokens.weight"]) % 64 == 0
    )
    highest = max(load_taught(run / "training" / "taught.safetensors").new_ids)
    card = (run / "README.md").read_text(encoding="utf-8")
    assert f"resize_token_embeddings({highest + 1}, " in card


def test_what_moves_by_default() -> None:
    assert moves_of(Recipe(), {"token"}) == "rows+lora"
    assert moves_of(Recipe(), {"subword", "marker"}) == "lora"
    assert moves_of(Recipe(), {"token", "marker"}) == "rows+lora"
    assert moves_of(Recipe(tune="full"), {"token"}) == "full"


def test_a_term_that_is_one_token_already_moves_no_row() -> None:
    """There would be nothing to train, and no step could be taken."""

    def spelled(term: str, route: Route) -> SpelledTerm:
        return SpelledTerm(term=term, route=route, surface=term, forms=(term,))

    token = NewToken(
        id=9, content="b", token="b", form="b", term="b", pieces=(1, 2), mechanism="added"
    )
    spelling = Spelling(
        marker=Marker(),
        terms=(spelled("a", "token"), spelled("b", "token"), spelled("c", "marker")),
        new_tokens=(token,),
        rows_before=9,
        rows_after=10,
    )
    assert moving_routes(spelling) == {"subword", "token", "marker"}
    alone = spelling.model_copy(update={"terms": spelling.terms[:1], "new_tokens": ()})
    assert moves_of(Recipe(), moving_routes(alone)) == "lora"
    with pytest.raises(RecipeError):
        moves_of(Recipe(tune="rows"), moving_routes(alone))


def test_a_word_that_the_tokenizer_has_whole_is_taught(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_folders["unigram-tied"])
    whole = [
        piece
        for piece in tokenizer.get_vocab()
        if len(piece) == 2 and piece[0] == "▁" and piece[1] in "0123456789—–«“"
        and len(tokenizer(piece[1], add_special_tokens=False).input_ids) == 1
    ]  # fmt: skip
    assert whole
    term = Term(term=whole[0][1], definition=("a sign for rain",), kind="symbol", route="token")
    lexicon = Lexicon(name="one", terms=(term,))
    run = teach(tiny_folders["unigram-tied"], lexicon, tmp_path / "run", recipe=RECIPE).root
    taught = load_taught(run / "training" / "taught.safetensors")
    assert taught.lora
    assert taught.new_ids == ()


def test_bars_end_where_they_said(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    watching = Watching()
    began = time.monotonic()
    teach(tiny_folders["byte-tied"], LEXICON, tmp_path / "run", recipe=RECIPE, progress=watching)
    known = {name: told for name, told in watching.told.items() if told[0] is not None}
    assert {"Diagnosing", "Writing texts", "Asking the teacher", "Teaching", "verifying"} <= set(
        known
    )
    assert all(told[0] == told[1] for told in known.values()), known
    spent = sum(s["seconds"] for s in read(tmp_path / "run", "run.json")["stages"].values())
    assert 0 < spent <= time.monotonic() - began
