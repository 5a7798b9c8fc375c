"""A run on a run: what was taught before is kept, asked again, and corrected only when asked to."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lexigraft.compare import compare
from lexigraft.corpus.texts import eight_grams
from lexigraft.earlier import load_earlier, read_earlier, run_around
from lexigraft.errors import Interrupted, LexiconError, RunError, SpellingError
from lexigraft.export import export
from lexigraft.lexicon import Contrast, Lexicon, Marker, Term, find_term, read_lexicon
from lexigraft.plan import plan
from lexigraft.recipe import Limits, Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe
from lexigraft.spelling import Spelling
from lexigraft.teach import teach
from lexigraft.training import load_taught
from lexigraft.verdict import verify
from lexigraft.workspace import Workspace

HOSTS = (
    "byte-tied", "byte-untied", "sentencepiece-tied", "sentencepiece-untied", "unigram-tied",
    "unigram-untied",
)  # fmt: skip
FIRST = Lexicon(
    name="first",
    terms=(
        Term(
            term="zorblax",
            definition=("a machine that makes rain",),
            route="token",
            forms=("zorblaxes",),
            contrast=(Contrast(term="velkin", difference="one makes rain, one carries apples"),),
            tests=("The zorblax stands on the hill and makes a lot of rain for us.",),
        ),
        Term(
            term="velkin",
            definition=("a basket for apples",),
            route="subword",
            examples=("She carries the velkin up the hill.",),
            tests=("There were nine apples in the velkin when she came down.",),
        ),
        Term(
            term="эйдос",
            definition=("the form of a thing before the thing",),
            kind="concept",
            route="marker",
        ),
    ),
)
SECOND = Lexicon(
    name="second",
    marker=Marker(open="{{", close="}}"),
    terms=(
        Term(
            term="brellow",
            definition=("a low sound of a river",),
            route="token",
            tests=("The brellow comes from the river when the town is dark and cold.",),
        ),
        Term(term="quonset", definition=("a round hut",), route="subword"),
        Term(term="дымарь", definition=("a thing that smokes",), kind="concept", route="marker"),
    ),
)
THIRD = Lexicon(
    name="third",
    terms=(
        Term(term="zorblax", definition=("a wooden flute for two",), tests=("They play zorblax.",)),
        Term(term="pellum", definition=("a slow animal",), route="token"),
    ),
)
RECIPE = Recipe(
    texts=TextsRecipe(written=2, held_out=1, replay=8, kept=6),
    training=TrainingRecipe(
        rank=2,
        alpha=4.0,
        epochs=1,
        batch_tokens=256,
        evaluate_every=4,
        checkpoint_seconds=0,
        dtype="float32",
        top_k=8,
    ),
    verify=VerifyRecipe(controls=1),
    limits=Limits(drift_limit=1e-6),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def chain(
    tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path, Path]]:
    """Three runs, each on the one before; the third corrects a term of the first. Read only."""
    torch.set_num_threads(1)
    made: dict[str, tuple[Path, Path, Path]] = {}

    def get(name: str) -> tuple[Path, Path, Path]:
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            one = teach(tiny_folders[name], FIRST, root / "one", recipe=RECIPE).root
            two = teach(one, SECOND, root / "two", recipe=RECIPE).root
            third = {"recipe": RECIPE, "replace": ["zorblax"]}
            three = teach(two / "model", THIRD, root / "three", **third).root
            made[name] = one, two, three
        return made[name]

    return get


Chain = Callable[[str], tuple[Path, Path, Path]]


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text(encoding="utf-8"))


def spelling_of(run: Path) -> Spelling:
    return Spelling.model_validate(read(run, "spelling/spelling.json"))


def texts_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "texts.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("name", HOSTS)
def test_new_tokens_follow_the_earlier_ones_and_nothing_old_moves(chain: Chain, name: str) -> None:
    one, two, _ = chain(name)
    first, second = spelling_of(one), spelling_of(two)
    assert len(first.new_ids) == 8
    assert second.new_ids == tuple(range(first.new_ids[-1] + 1, first.new_ids[-1] + 5))
    assert second.rows_before == first.rows_after
    before, after = (load_file(run / "model" / "model.safetensors") for run in (one, two))
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        if key in before:
            old = [i for i in range(len(before[key])) if i not in second.new_ids]
            assert torch.equal(after[key][old], before[key][old])
    tokenizer = AutoTokenizer.from_pretrained(two / "model")
    for text in ("a zorblax is", "many zorblaxes", "Zorblax", "a brellow is"):
        ids = tokenizer(text).input_ids
        assert set(ids) & {*first.new_ids, *second.new_ids}, text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    found = read(two, "verdict.json")
    assert found["spellings"]["changed_words"] == []
    assert [term["term"] for term in found["terms"]] == [term.term for term in SECOND]


@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_a_new_form_that_holds_an_earlier_one_is_proved_or_refused(
    chain: Chain, tmp_path: Path, name: str
) -> None:
    one, *_ = chain(name)
    wider = Lexicon(
        name="wider",
        terms=(Term(term="zorblax halo", definition=("a ring of rain",), route="token"),),
    )
    run = teach(one, wider, tmp_path / "run", recipe=RECIPE).root
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    whole = tokenizer("we saw zorblax halo again").input_ids
    assert len(set(whole) & set(spelling_of(run).new_ids)) == 1
    assert not set(whole) & set(spelling_of(one).new_ids)
    assert set(tokenizer("we saw zorblax again").input_ids) & set(spelling_of(one).new_ids)


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-tied", "unigram-untied"])
@pytest.mark.parametrize("route", ["token", "subword"])
def test_a_new_token_that_would_cut_an_earlier_term_is_refused(
    tiny_folders: dict[str, Path], tmp_path: Path, name: str, route: Any
) -> None:
    quick = RECIPE.model_copy(update={"texts": TextsRecipe(written=0, replay=4, kept=2)})
    halo = Term(term="dark velkin halo", definition=("a ring",), route=route)
    one = teach(
        tiny_folders[name], Lexicon(name="l", terms=(halo,)), tmp_path / "one", recipe=quick
    ).root
    shorter = Term(term="dark velkin", definition=("an old basket",), route="token")
    given = Lexicon(name="m", terms=(shorter,))
    with pytest.raises(SpellingError, match=r"“dark velkin halo”, taught by .*one(?s:.*)--route"):
        teach(one, given, tmp_path / "two", recipe=quick)
    run = teach(one, given, tmp_path / "two", recipe=quick, route="subword", force=True).root
    assert read(run, "verdict.json")["kept"]["terms"][0]["term"] == "dark velkin halo"


@pytest.mark.parametrize("name", HOSTS)
def test_the_corrected_terms_rows_are_what_moves(chain: Chain, name: str) -> None:
    one, two, three = chain(name)
    first, third = spelling_of(one), spelling_of(three)
    ids = tuple(t.id for t in first.new_tokens if t.form.lower() == "zorblax")
    assert {token.term for token in third.new_tokens} == {"pellum"}
    taught = load_taught(three / "training" / "taught.safetensors")
    assert taught.old_ids == ids
    assert taught.new_ids == (*ids, *third.new_ids)
    assert taught.lora
    before, after = (load_file(run / "model" / "model.safetensors") for run in (two, three))
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        if key in before:
            moved = {i for i, row in enumerate(before[key]) if not torch.equal(after[key][i], row)}
            # An input row moves where its form stands in some text: always after a space.
            usual = next(t.id for t in first.new_tokens if t.content == " zorblax")
            assert usual in moved <= {*ids, *third.new_ids}
    assert read(three, "verdict.json")["old_rows"]["moved"] == len(ids)
    asked = [(term["run"], term["term"]) for term in read(three, "verdict.json")["kept"]["terms"]]
    assert [term for _, term in asked] == ["brellow", "quonset", "дымарь", "velkin", "эйдос"]
    assert {run for run, _ in asked[:3]} == {str(two)}
    assert {run for run, _ in asked[3:]} == {str(one)}


def test_a_corrected_term_may_take_another_route(chain: Chain, tmp_path: Path) -> None:
    one, *_ = chain("byte-tied")
    terms = (
        Term(term="эйдос", definition=("a plain old lamp",), kind="concept"),
        Term(term="velkin", definition=("a slow boat",), route="token"),
    )
    run = teach(
        one, Lexicon(name="l", terms=terms), tmp_path / "run", recipe=RECIPE,
        replace=["эйдос", "velkin"],
    ).root  # fmt: skip
    spelling = spelling_of(run)
    assert {term.term: term.route for term in spelling} == {"эйдос": "marker", "velkin": "token"}
    assert {token.term for token in spelling.new_tokens} == {"velkin"}
    assert load_taught(run / "training" / "taught.safetensors").old_ids == ()
    assert [t["term"] for t in read(run, "verdict.json")["kept"]["terms"]] == ["zorblax"]
    kept = [text["text"] for text in texts_of(run) if text["kind"] == "kept"]
    # The contrast with a corrected term goes with it.
    assert kept
    assert not any("apples" in text for text in kept)


@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_an_adapter_and_a_model_come_out_again_alike(
    chain: Chain, tmp_path: Path, name: str
) -> None:
    *_, three = chain(name)
    export(three, "adapter", tmp_path / "adapter")
    export(three, "merged", tmp_path / "merged")
    files = [place / "model.safetensors" for place in (three / "model", tmp_path / "merged")]
    assert files[0].read_bytes() == files[1].read_bytes()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert model.config.vocab_size == spelling_of(three).rows_after
    shown = compare(three, ["A zorblax is"])[0]
    assert shown.prompt == "A zorblax is"


# --- what is kept ---


def test_kept_texts_are_held_out_in_part_and_mention_no_new_term(chain: Chain) -> None:
    one, two, three = chain("byte-tied")
    kept = [text for text in texts_of(two) if text["kind"] == "kept"]
    counts = {t: sum(x["kept"] == t for x in kept) for t in ("zorblax", "velkin", "эйдос")}
    assert all(3 <= count <= RECIPE.texts.kept for count in counts.values())
    assert all(text["term"] is None for text in kept)
    assert 0 < sum(text["held_out"] for text in kept) < len(kept) / 3
    assert any("~[эйдос]" in text["text"] for text in kept)
    later = [text for text in texts_of(three) if text["kind"] == "kept"]
    assert {text["kept"] for text in later} == {"brellow", "quonset", "дымарь", "velkin", "эйдос"}
    assert not any(find_term(text["text"], THIRD["zorblax"], THIRD.marker) for text in later)
    assert not any(text["kind"] == "kept" for text in texts_of(one))


def test_sentences_of_both_verifications_stay_out_of_every_text(
    chain: Chain, tmp_path: Path
) -> None:
    one, *_ = chain("byte-tied")
    # An example of the new lexicon that says what verifies the old one.
    unseen = FIRST["zorblax"].tests[0]
    quoting = Term(
        term="brellow",
        definition=("a low sound",),
        route="subword",
        examples=(f"{unseen[:-1]} and a brellow.", "We heard a brellow."),
    )
    run = teach(one, Lexicon(name="l", terms=(quoting,)), tmp_path / "run", recipe=RECIPE).root
    evaluation = set().union(*(eight_grams(text) for t in FIRST for text in t.unseen))
    assert evaluation
    assert not any(eight_grams(text["text"]) & evaluation for text in texts_of(run))
    assert any(text["text"] == "We heard a brellow." for text in texts_of(run))


def test_nothing_need_be_kept(chain: Chain, tmp_path: Path) -> None:
    one, *_ = chain("byte-tied")
    recipe = RECIPE.model_copy(
        update={"texts": RECIPE.texts.model_copy(update={"kept": 0, "replay": 0})}
    )
    run = teach(one, SECOND, tmp_path / "run", recipe=recipe).root
    assert not any(text["kind"] == "kept" for text in texts_of(run))
    assert len(read(run, "verdict.json")["kept"]["terms"]) == 3


def test_held_out_kept_texts_are_drift_that_the_run_watches(chain: Chain, tmp_path: Path) -> None:
    one, *_ = chain("byte-tied")
    recipe = RECIPE.model_copy(update={"texts": RECIPE.texts.model_copy(update={"replay": 0})})
    run = teach(one, SECOND, tmp_path / "run", recipe=recipe).root
    log = [json.loads(line) for line in (run / "training" / "log.jsonl").read_text().splitlines()]
    assert any("drift" in line for line in log)


def test_what_was_scored_then_stands_beside_what_is_scored_now(chain: Chain) -> None:
    one, two, _ = chain("byte-tied")
    then = {term["term"]: term["scores"] for term in read(one, "verdict.json")["terms"]}
    kept = read(two, "verdict.json")["kept"]
    assert kept["run"] == str(one)
    had = [term for term in kept["terms"] if term["had_passed"]]
    assert kept["of"] == len(had)
    assert kept["kept"] == sum(term["kept"] for term in had)
    for term in kept["terms"]:
        assert set(term["scores"]) == set(then[term["term"]]) & {"definition", "cloze"}
        for check, score in term["scores"].items():
            assert score["then"] == then[term["term"]][check]["taught"]
            assert score["passed_then"] == then[term["term"]][check]["passed"]
        before = [s for s in term["scores"].values() if s["passed_before"]]
        assert term["had_passed"] == bool(before)
        assert term["kept"] == (bool(before) and all(s["passed_now"] for s in before))


def test_it_can_be_asked_alone_and_a_plain_run_has_none(chain: Chain) -> None:
    one, two, _ = chain("byte-tied")
    before = (two / "verdict.json").read_bytes()
    alone = verify(two, checks=["kept"])
    assert alone.kept is not None
    assert alone.kept.model_dump(mode="json") == read(two, "verdict.json")["kept"]
    assert (two / "verdict.json").read_bytes() == before
    assert verify(two, checks=["cloze"]).kept is None
    assert verify(one, checks=["kept"]).kept is None


# --- what a run remembers ---


def test_the_chain_is_recorded_and_told(chain: Chain, tiny_folders: dict[str, Path]) -> None:
    one, two, three = chain("byte-tied")
    record = read(three, "run.json")
    assert [link["run"] for link in record["continues"]] == [str(two), str(one)]
    assert record["continues"][0]["fingerprint"] == read(two, "run.json")["fingerprint"]
    assert record["continues"][1]["model"] == str(tiny_folders["byte-tied"])
    assert record["replaced"] == ["zorblax"]
    assert read(one, "run.json")["continues"] == []
    assert not (one / "earlier.json").exists()
    assert read_lexicon(three / "lexicon.yaml")["zorblax"].route == "token"
    for file in ("report.html", "README.md"):
        page = (three / file).read_text(encoding="utf-8")
        told = page.partition("had been taught before")[2]
        places = [told.index(name) for name in ("second", "first", "byte-tied")]
        assert places == sorted(places), file
        assert "Kept of the earlier terms" in page or "None of the earlier terms" in page
    assert "Terms of earlier runs" in (three / "report.html").read_text(encoding="utf-8")


def test_a_third_run_needs_no_folder_of_the_first(chain: Chain, tmp_path: Path) -> None:
    _, two, three = chain("byte-tied")
    moved = Path(shutil.copytree(two, tmp_path / "two"))
    found = read_earlier(moved, THIRD, None, replace=["zorblax"])
    assert found is not None
    stored = load_earlier(Workspace.open(three, create=False))
    assert stored is not None
    assert [part.lexicon for part in found.parts] == [part.lexicon for part in stored.parts]
    again = read_earlier(three, SECOND.model_copy(update={"terms": ()}), None)
    assert again is not None
    # The rows of the corrected term are known to those who come after, too.
    correcting = Lexicon(name="x", terms=(FIRST.terms[0].model_copy(update={"contrast": ()}),))
    more = read_earlier(three, correcting, None, replace=["zorblax"])
    assert more is not None
    assert {token.form for token in more.corrected[0].tokens} >= {"zorblax"}


def test_resume_force_and_dry_run(chain: Chain, tmp_path: Path) -> None:
    _, two, three = chain("byte-tied")
    run = Path(shutil.copytree(three, tmp_path / "three"))
    files = {p: p.read_bytes() for p in run.rglob("*.safetensors")}
    model = two / "model"
    teach(model, THIRD, run, recipe=RECIPE, replace=["zorblax"], resume=True)
    assert {p: p.read_bytes() for p in run.rglob("*.safetensors")} == files
    with pytest.raises(LexiconError, match="zorblax"):
        teach(model, THIRD, run, recipe=RECIPE, resume=True)
    fewer = Lexicon(name="third", terms=THIRD.terms[1:])
    with pytest.raises(RunError, match=r"replace: zorblax then, nothing now"):
        teach(model, fewer, run, recipe=RECIPE, resume=True)
    teach(model, fewer, run, recipe=RECIPE, force=True)
    assert read(run, "run.json")["replaced"] == []
    assert "zorblax" in {t["term"] for t in read(run, "verdict.json")["kept"]["terms"]}

    with pytest.raises(RunError, match="that is to be continued"):
        plan(model, THIRD, recipe=RECIPE, replace=["zorblax"], output=two)
    found = plan(model, THIRD, recipe=RECIPE, replace=["zorblax"])
    assert (found.continues, found.kept_terms) == (str(two), 5)
    assert found.kept_texts == 5 * RECIPE.texts.kept
    taught = load_taught(three / "training" / "taught.safetensors")
    assert taught.input_rows is not None
    moved = [taught.input_rows, *taught.lora.values()]
    assert found.trainable == sum(value.numel() for value in moved)


def test_interrupted_it_ends_as_an_unbroken_run(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, two, three = chain("byte-untied")
    module: Any = importlib.import_module("lexigraft.teach")
    output = tmp_path / "three"
    for number, what in enumerate(
        ("prove", "rows_to_move", "texts_to_learn", "save_taught", "verify")
    ):

        def stop(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(module, what, stop)
        options = {"recipe": RECIPE, "replace": ["zorblax"], "resume": number > 0}
        with pytest.raises(Interrupted, match="--resume"):
            teach(two / "model", THIRD, output, **options)
        monkeypatch.undo()
    teach(two / "model", THIRD, output, recipe=RECIPE, replace=["zorblax"], resume=True)
    for name in ("earlier.json", "texts.jsonl", "rows.safetensors", "model/model.safetensors"):
        assert (output / name).read_bytes() == (three / name).read_bytes(), name
    assert read(output, "verdict.json")["kept"] == read(three, "verdict.json")["kept"]


# --- what is refused ---


def test_a_form_that_was_taught_is_no_new_word(chain: Chain, tmp_path: Path) -> None:
    one, two, _ = chain("byte-tied")
    output = tmp_path / "run"
    for form, options in {
        "Zorblax": "--replace zorblax",
        "zorblaxes": "as a form of “zorblax”.*another spelling",
        "brellow": "--replace brellow",
    }.items():
        again = Lexicon(name="again", terms=(Term(term=form, definition=("a thing",)),))
        owner = one if "orblax" in form else two
        with pytest.raises(LexiconError, match=rf"leave it out.*{options}|{options}") as told:
            teach(two, again, output, recipe=RECIPE)
        assert str(owner) in str(told.value)
        assert str(output) in str(told.value)
    assert not output.exists()


@pytest.mark.parametrize(
    ("lexicon", "replace", "why"),
    [
        (SECOND, ["gone"], r"--replace gone: .* no such term; it has velkin, zorblax, эйдос"),
        (SECOND, ["zorblax"], r"--replace zorblax: the lexicon does not define it anew"),
    ],
)
def test_what_cannot_be_replaced(
    chain: Chain, tmp_path: Path, lexicon: Lexicon, replace: list[str], why: str
) -> None:
    one, *_ = chain("byte-tied")
    with pytest.raises(LexiconError, match=why):
        teach(one, lexicon, tmp_path / "run", recipe=RECIPE, replace=replace)
    assert not (tmp_path / "run").exists()


def test_nothing_is_replaced_in_a_model_that_is_no_run(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(LexiconError, match=r"is no run.*Leave --replace out"):
        teach(tiny_folders["byte-tied"], THIRD, tmp_path / "run", replace=["zorblax"])


def test_a_run_cannot_be_continued_into_itself(chain: Chain, tmp_path: Path) -> None:
    one = Path(shutil.copytree(chain("byte-tied")[0], tmp_path / "one"))
    files = {p: p.read_bytes() for p in one.rglob("*") if p.is_file()}
    for model in (one, one / "model"):
        with pytest.raises(RunError, match=r"that is to be continued.*--output"):
            teach(model, SECOND, one, recipe=RECIPE, force=True)
    assert {p: p.read_bytes() for p in one.rglob("*") if p.is_file()} == files


def test_a_run_without_its_lexicon_is_told(chain: Chain, tmp_path: Path) -> None:
    one = Path(shutil.copytree(chain("byte-tied")[0], tmp_path / "one"))
    (one / "lexicon.yaml").unlink()
    with pytest.raises(RunError, match=r"cannot be continued.*copy its model folder"):
        teach(one, SECOND, tmp_path / "two", recipe=RECIPE)
    plain = Path(shutil.copytree(one / "model", tmp_path / "plain"))
    assert run_around(plain) is None
    assert run_around(one / "model") == one
    assert run_around("smollm2-135m") is None
    (one / "lexicon.yaml").write_text("terms: []\n", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be continued"):
        read_earlier(one, SECOND, None)
