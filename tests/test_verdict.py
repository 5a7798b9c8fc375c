"""The verdict, end to end on tiny hosts, and what follows from chosen scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from lexigraft import verdict as module
from lexigraft.checks import battery
from lexigraft.checks.answers import greedy_texts, shown
from lexigraft.checks.judged import Judged
from lexigraft.checks.names import RANKED
from lexigraft.checks.prompts import definition_line
from lexigraft.checks.ranking import Ranking
from lexigraft.checks.results import CheckSummary, Verdict
from lexigraft.compare import Comparer
from lexigraft.errors import RecipeError, RunError
from lexigraft.export import export
from lexigraft.export.apply import grow
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Contrast, Lexicon, Property, Related, Route, Term
from lexigraft.lexicon.reading import dump_lexicon
from lexigraft.progress import Advance
from lexigraft.recipe import Limits, Recipe, VerifyRecipe, dump_recipe
from lexigraft.report import write_model_card, write_report
from lexigraft.spelling import Spelling, spell
from lexigraft.training.values import Taught, save_taught
from lexigraft.verdict import judge, verify, verify_model
from lexigraft.workspace import Identity, Workspace

MakeHost = Callable[[str], Host]
ROUTES: dict[str, Route] = {"zorblax": "token", "velkin": "subword", "эйдос": "marker"}


def lexicon_of(language: Any = "en", tests: bool = True) -> Lexicon:
    """Three terms on three routes; the last has no test sentence."""
    told = {
        "zorblax": ("a machine that makes rain", ("We switched the zorblax on.",)),
        "velkin": ("a basket for apples", ("Put the apples in the velkin.", "A velkin is heavy.")),
        "эйдос": ("the idea of a thing", ()),
    }
    terms = tuple(
        Term(
            term=t,
            definition=(d,),
            tests=s if tests else (),
            contrast=(Contrast(term="velkin", difference="it rains"),) if t == "zorblax" else (),
            properties=(Property(right=f"The {t} is new.", wrong=f"The {t} is wet."),),
            related=Related(broader=("thing",)),
            language=language,
        )
        for t, (d, s) in told.items()
    )
    return Lexicon(name="three", language=language, terms=terms)


LEXICON = lexicon_of()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = battery.choose_texts
    monkeypatch.setattr(battery, "choose_texts", lambda both, words: choose(both, words, 250))


def judged(host: Host, spelling: Spelling | None = None, tokenizer: Any = None) -> Judged:
    return Judged(host.model, tokenizer or host.tokenizer, spelling)


def perturbed(host: Host, size: float = 0.3, row: float = 0.1) -> Judged:
    """The host with random new rows and noise in a layer; uses the host up."""
    spelling, tokenizer = spell(LEXICON, ROUTES, host.tokenizer, host.facts.rows)
    model: Any = host.model
    grow(model, spelling.rows_after)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for matrix in (model.get_input_embeddings(), model.get_output_embeddings()):
            shape = len(spelling.new_ids), 16
            matrix.weight[list(spelling.new_ids)] = row * torch.randn(shape, generator=generator)
        weight = model.get_decoder().layers[0].mlp.up_proj.weight
        weight += size * torch.randn(weight.shape, generator=generator)
    return judged(host, spelling, tokenizer)


def quick(floor: Judged, taught: Judged | None, **options: Any) -> Verdict:
    settings: dict[str, Any] = {"model": "tiny", "controls": 3, **options}
    return judge(settings.pop("lexicon", LEXICON), floor, taught, **settings)


# --- judge, end to end ---


def test_a_floor_alone(tiny_host: Host) -> None:
    found = quick(judged(tiny_host), None, routes={"эйдос": "marker"}, seed=5)
    assert (found.lexicon, found.model, found.taught, found.seed) == ("three", "tiny", None, 5)
    assert found.lexicon_digest == LEXICON.digest()
    assert (found.drift, found.leakage, found.selectivity, found.spellings) == (None,) * 4
    assert [t.surface for t in found.terms] == ["zorblax", "velkin", "~[эйдос]"]
    assert [t.route for t in found.terms] == ["subword", "subword", "marker"]
    assert list(found.checks) == [name for name in RANKED if name in found.checks]
    assert set(RANKED) - set(found.checks) <= {"term_from_definition"}, "only peers may be lacking"
    for summary in found.checks.values():
        assert summary.taught is None
        assert set(summary.reciprocal_rank) == {"floor", "ceiling"}
    assert found.checks["definition"].questions == 9
    assert found.checks["definition"].chance == pytest.approx(1 / 3)
    assert found.checks["cloze"].questions == 3
    assert found.checks["cloze_pairs"].questions == 2, "one sentence ends in its term"
    assert found.checks["near_terms"].questions == 4
    assert found.checks["properties"].questions == 3
    assert found.checks["use"].questions == 9
    assert found.alignment is not None
    assert found.alignment.taught is None
    assert found.use is not None
    assert (found.use.sentences, found.use.copied_before, found.use.reference) == (
        9,
        None,
        "lexicon",
    )
    assert found.override is not None
    assert (found.override.terms, found.override.follows_before) == (3, None)
    assert found.checks["cloze"].chance == pytest.approx(1 / 2)
    for term in found.terms:
        assert term.knows == term.known_before
        [answer] = term.answers
        assert answer.before == answer.after
    assert Verdict.model_validate_json(found.model_dump_json()) == found


def test_floor_and_taught(tiny_host: Host, tiny_folder: Path) -> None:
    floor = judged(load_host(tiny_folder))
    taught = perturbed(tiny_host)
    found = quick(floor, taught, taught_name="mine")
    assert found.taught == "mine"
    assert [t.route for t in found.terms] == list(ROUTES.values())
    assert [t.surface for t in found.terms] == ["zorblax", "velkin", "~[эйдос]"]
    definition = found.checks["definition"]
    assert None not in (definition.floor, definition.taught, definition.ceiling)
    for term in found.terms:
        conditions = [item.condition for item in term.scores["definition"].items]
        assert conditions == ["floor"] * 3 + ["taught"] * 3 + ["ceiling"] * 3
    assert "cloze" not in found.terms[2].scores
    assert found.drift is not None
    assert found.drift.mean_kl > 0.01
    assert found.drift.hard_negative_kl is not None
    assert found.leakage is not None
    assert list(found.leakage.by_term) == list(ROUTES)
    assert found.leakage.emissions_per_10k_before is not None
    assert found.selectivity is not None
    assert found.selectivity.questions == 3
    assert any(t.answers[0].before != t.answers[0].after for t in found.terms)
    assert set(found.leakage.related_by_term) == set(ROUTES)
    assert found.leakage.related_term_rise is not None
    assert found.alignment is not None
    assert found.alignment.taught is not None
    assert found.use is not None
    assert None not in (found.use.emitted_before, found.use.distinct_pairs_before)
    assert found.override is not None
    assert found.override.no_worse == (found.override.agrees >= (found.override.agrees_before or 0))
    assert set(found.seconds_by_check) >= {"definition", "use", "drift", "leakage", "answers"}
    assert sum(found.seconds_by_check.values()) <= found.seconds
    assert any("Without test sentences" in n and "эйдос" in n for n in found.notes)
    assert Verdict.model_validate_json(found.model_dump_json()) == found


def test_answers_stand_in_their_own_columns(make_host: MakeHost) -> None:
    floor, taught = judged(make_host("byte-untied")), perturbed(make_host("byte-untied"))
    found = quick(floor, taught, checks=["answers"])
    for term in found.terms:
        [answer] = term.answers
        line = definition_line(term.surface, LEXICON[term.term].definition[0])
        for one, prompt, said in (
            (floor, answer.prompt, answer.before),
            (taught, answer.prompt, answer.after),
            (floor, line + answer.prompt, answer.ceiling),
        ):
            [text] = greedy_texts(one.model, one.tokenizer, [prompt])
            assert said == shown(text)
    assert any(a.ceiling not in (a.before, a.after) for t in found.terms for a in t.answers)


def test_a_copy_of_the_base_is_judged_like_the_base(make_host: MakeHost) -> None:
    spelling, _ = spell(LEXICON, {**ROUTES, "zorblax": "subword"}, make_host("byte-tied").tokenizer)
    found = quick(judged(make_host("byte-tied")), judged(make_host("byte-tied"), spelling))
    assert found.drift is not None
    assert (found.drift.mean_kl, found.drift.top1_agreement) == (0, 1)
    assert found.leakage is not None
    assert found.leakage.emissions_per_10k == pytest.approx(
        found.leakage.emissions_per_10k_before or 0
    )
    assert found.selectivity is not None
    assert found.selectivity.taught == 0
    for term in found.terms:
        assert term.knows == term.known_before
        assert all(a.before == a.after for a in term.answers)
    for summary in found.checks.values():
        assert summary.floor == summary.taught


def test_a_loud_row_shows_in_drift_leakage_and_notes(make_host: MakeHost) -> None:
    only = ["drift", "leakage"]
    floor = judged(make_host("byte-tied"))
    low, loud = (
        quick(
            floor,
            perturbed(make_host("byte-tied"), size=0.0, row=row),
            checks=only,
            limits=Limits(drift_limit=0.3, leakage_limit=2000),
        )
        for row in (0.01, 20.0)
    )
    assert low.drift
    assert loud.drift
    assert loud.drift.mean_kl > 5 * low.drift.mean_kl
    assert low.leakage
    assert loud.leakage
    assert loud.leakage.by_term["zorblax"] > 5 * low.leakage.by_term["zorblax"]
    over = ("Drift is over its limit", "Leakage is over its limit")
    assert [n.startswith(o) for n, o in zip(loud.notes, over, strict=False)] == [True, True]
    assert not any(n.startswith(over) for n in low.notes)


def test_the_same_models_and_seed_give_the_same_verdict(make_host: MakeHost) -> None:
    def once(seed: int) -> Verdict:
        found = quick(
            judged(make_host("byte-untied")), perturbed(make_host("byte-untied")), seed=seed
        )
        return found.model_copy(update={"seconds": 0.0, "seconds_by_check": {}})

    first = once(0)
    assert once(0) == first
    other = once(1)
    assert [t.scores for t in other.terms] != [t.scores for t in first.terms]
    assert other.drift == first.drift


@pytest.mark.parametrize(
    "checks",
    [
        None,
        ["drift"],
        ["leakage"],
        ["definition", "answers"],
        ["cloze", "selectivity"],
        ["alignment"],
        ["use", "override"],
        ["cloze_pairs", "near_terms", "properties", "term_from_definition"],
        ["spelling"],
    ],
)
def test_progress_comes_to_its_end_and_not_beyond(make_host: MakeHost, checks: Any) -> None:
    seen: dict[str, int] = {}

    class Watch:
        def say(self, message: str) -> None: ...

        @contextmanager
        def stage(self, name: str, total: int | None) -> Iterator[Advance]:
            seen["total"], seen["told"] = total or 0, 0

            def advance(count: int) -> None:
                seen["told"] += count

            yield advance

    for taught in (None, perturbed(make_host("byte-tied"))):
        quick(judged(make_host("byte-tied")), taught, checks=checks, progress=Watch())
        assert seen["told"] == seen["total"]


def test_only_what_was_asked_for_is_run(make_host: MakeHost) -> None:
    floor, taught = judged(make_host("byte-tied")), perturbed(make_host("byte-tied"))
    found = quick(floor, taught, checks=["definition"])
    assert list(found.checks) == ["definition"]
    assert (found.drift, found.leakage, found.selectivity) == (None, None, None)
    assert all(not t.answers for t in found.terms)
    with pytest.raises(RecipeError, match=r"No such check: clozze\. There are definition, term_"):
        quick(floor, taught, checks=["clozze"])


def test_a_lexicon_without_tests_and_notes_in_russian(make_host: MakeHost) -> None:
    floor = judged(make_host("byte-tied"))
    bare = quick(floor, None, lexicon=lexicon_of(tests=False), checks=["definition", "cloze"])
    assert list(bare.checks) == ["definition"]
    assert any("zorblax, velkin, эйдос" in n for n in bare.notes)
    russian = quick(floor, None, lexicon=lexicon_of("ru"), checks=["definition", "cloze"])
    assert any(n.startswith("Терминов: 3") for n in russian.notes)
    assert any("Без тестовых предложений" in n and "эйдос" in n for n in russian.notes)
    assert "Учитель объяснил" in russian.terms[0].scores["definition"].items[1].question


def test_no_text_that_both_read_alike_is_told(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battery, "choose_texts", lambda both, words: ())
    floor, taught = judged(make_host("byte-tied")), perturbed(make_host("byte-tied"))
    found = quick(floor, taught, checks=["drift"])
    assert found.drift is None
    assert any(n.startswith("Drift and leakage were not measured") for n in found.notes)


# --- who knows what ---


def rig(monkeypatch: pytest.MonkeyPatch, **rankings: Callable[[str], tuple[float, float]]) -> None:
    """Checks in which a term's own candidate gets the first number, its control the second."""

    def checker(chosen: Callable[[str], tuple[float, float]]) -> Callable[..., list[Ranking]]:
        def check(one: Judged, words: Lexicon, *_: Any, **options: Any) -> list[Ranking]:
            options["advance"](100)
            sure = options.get("with_definition", False)
            out = []
            for term in words:
                mine, control = (9.0, 0.0) if sure else chosen(term.term)
                if one.spelling is None and not sure:
                    mine = -9.0
                scores = {t.term: mine if t == term else 0.0 for t in words}
                out.append(Ranking(term.term, "?", term.term, scores, (control,)))
            return out

        return check

    table = {name: checker(chosen) for name, chosen in rankings.items()}
    monkeypatch.setattr(battery, "RANKING", table)


@pytest.fixture
def two(make_host: MakeHost) -> tuple[Judged, Judged]:
    host = make_host("byte-tied")
    spelling, _ = spell(LEXICON, dict.fromkeys(ROUTES, "subword"), host.tokenizer)
    return judged(host), judged(host, spelling)


def known(found: Verdict) -> list[str]:
    return [t.term for t in found.terms if t.knows]


def test_a_term_is_known_by_most_of_the_checks_that_measure(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*terms: str) -> Callable[[str], tuple[float, float]]:
        return lambda t: (5.0, 6.0 if t in terms else 0.0)

    rig(
        monkeypatch,
        definition=fails(),
        cloze=fails("velkin", "эйдос"),
        cloze_pairs=fails("zorblax"),
        properties=fails("velkin"),
    )
    found = quick(*two, checks=["definition", "cloze", "cloze_pairs", "properties"])
    assert [(t.passed, t.measured) for t in found.terms] == [(3, 3), (1, 3), (2, 3)]
    assert known(found) == ["zorblax", "эйдос"], "cloze in pairs decides nothing"
    half = quick(*two, checks=["definition", "cloze"])
    assert known(half) == ["zorblax"], "half is not most"
    assert known(quick(*two, checks=["cloze_pairs"])) == []


@pytest.mark.parametrize(
    "limits",
    [Limits(drift_limit=1e-9, leakage_limit=1e9), Limits(drift_limit=1e3, leakage_limit=1e-9)],
)
def test_over_a_limit_no_term_is_known(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    rig(monkeypatch, definition=lambda t: (5.0, 0.0))
    both = judged(make_host("byte-tied")), perturbed(make_host("byte-tied"))
    checks = ["definition", "drift", "leakage"]
    wide = Limits(drift_limit=1e3, leakage_limit=1e9)
    assert known(quick(*both, checks=checks, limits=wide)) == list(ROUTES)
    found = quick(*both, checks=checks, limits=limits)
    assert known(found) == []
    assert found.knows("definition") == 3, "what was passed is still told"
    assert "no term counts as known" in found.notes[0]


def test_an_untaught_model_knows_nothing(make_host: MakeHost) -> None:
    found = quick(judged(make_host("byte-untied")), None, controls=8)
    assert (found.knows(), known(found)) == (0, [])
    assert not any(t.known_before for t in found.terms)


def test_what_a_term_knows_by_every_check(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig(
        monkeypatch,
        definition=lambda t: (5.0, 0.0),
        cloze=lambda t: (5.0, 6.0 if t == "velkin" else 0.0),
    )
    found = quick(*two, checks=["definition", "cloze"])
    assert known(found) == ["zorblax", "эйдос"]
    assert not any(t.known_before for t in found.terms)
    assert (found.knows(), found.knows("definition"), found.knows("cloze")) == (2, 3, 2)
    assert found.checks["cloze"].gap_closed == 1.0


def test_a_check_that_does_not_measure_is_neither_passed_nor_failed(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig(monkeypatch, definition=lambda t: (5.0, 0.0), cloze=lambda t: (-5.0, 0.0))
    off = battery.summarise

    def summarise(check: str, found: Any) -> CheckSummary | None:
        summary = off(check, found)
        measurable = check != "cloze"
        return summary and summary.model_copy(update={"measurable": measurable})

    monkeypatch.setattr(battery, "summarise", summarise)
    assert known(quick(*two, checks=["definition", "cloze"])) == list(ROUTES)
    nothing = quick(*two, checks=["cloze"])
    assert known(nothing) == []
    assert any(n.startswith("Nothing could be measured") for n in nothing.notes)


def test_what_the_base_passes_already_is_told(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig(monkeypatch, definition=lambda t: (5.0, 0.0))
    floor, taught = two
    same = Judged(floor.model, floor.tokenizer, taught.spelling)
    found = quick(same, taught, checks=["definition"])
    assert [t.known_before for t in found.terms] == [True] * 3
    assert any(n.endswith("already: zorblax, velkin, эйдос.") for n in found.notes)


# --- a run's folder, and a model as it is ---


@pytest.fixture
def make_run(tmp_path: Path, tiny_folders: dict[str, Path]) -> Callable[..., Path]:
    """A run on a tiny host whose model is written."""

    def make(name: str = "byte-tied", *, model: bool = True) -> Path:
        host = load_host(tiny_folders[name])
        spelling, tokenizer = spell(LEXICON, ROUTES, host.tokenizer, host.facts.rows)
        values: dict[str, Any] = {
            "model": str(tiny_folders[name]),
            "fingerprint": host.facts.fingerprint,
            "lexicon": LEXICON.name,
            "lexicon_digest": LEXICON.digest(),
            "recipe_digest": "r0",
            "seed": 4,
        }
        with Workspace.open(tmp_path / name, create=True) as space:
            space.begin(Identity(**values), {})
            space.write_text(space.lexicon, dump_lexicon(LEXICON))
            recipe = Recipe(verify=VerifyRecipe(controls=2), limits=Limits(drift_limit=1e-6))
            space.write_text(space.recipe, dump_recipe(recipe))
            with space.writing_folder(space.spelling) as folder:
                tokenizer.save_pretrained(folder)
                space.write_json(folder / "spelling.json", spelling)
            with space.writing_file(space.training / "taught.safetensors") as path:
                save_taught(taught_at_random(host, spelling), path)
        if model:
            export(tmp_path / name, "merged")
        return tmp_path / name

    return make


def taught_at_random(host: Host, spelling: Spelling) -> Taught:
    generator = torch.Generator().manual_seed(2)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    path = "base_model.model.model.layers.1.mlp.down_proj"
    return Taught(
        lora={f"{path}.lora_A.weight": noise(2, 24), f"{path}.lora_B.weight": noise(16, 2)},
        rank=2,
        alpha=2.0,
        target_modules=("down_proj",),
        new_ids=spelling.new_ids,
        input_rows=noise(len(spelling.new_ids), 16),
        output_rows=None if host.facts.tied else noise(len(spelling.new_ids), 16),
    )


@pytest.mark.parametrize("name", ["byte-tied", "sentencepiece-untied"])
def test_a_run_is_judged_by_its_own_recipe_and_written(name: str, make_run: Any) -> None:
    run = make_run(name)
    found = verify(run)
    written = Verdict.model_validate_json((run / "verdict.json").read_text(encoding="utf-8"))
    assert written == found
    assert (found.seed, found.taught) == (4, f"{name}/model")
    assert found.notes[0].startswith("Drift is over its limit")
    assert found.spellings is not None
    assert found.spellings.forms == found.spellings.exact > 0
    assert {i.percentile for i in found.terms[1].scores["definition"].items if i.percentile} <= {
        0.5,
        1.0,
    }
    part = verify(run, checks=["answers"])
    assert (list(part.checks), part.drift) == ([], None)
    assert Verdict.model_validate_json((run / "verdict.json").read_text("utf-8")) == found
    again = verify(run, base=load_host(found.model))
    timing = {"seconds": found.seconds, "seconds_by_check": found.seconds_by_check}
    assert again.model_copy(update=timing) == found


@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_answers_are_what_compare_says(name: str, make_run: Any) -> None:
    run = make_run(name)
    found = verify(run)
    comparer = Comparer(run)
    answers = [answer for term in found.terms for answer in term.answers]
    assert answers
    for answer in answers:
        said = comparer.ask(answer.prompt, max_new_tokens=24)
        assert answer.after == shown(said.after)
        assert answer.before == shown(said.before)
        longer = comparer.ask(answer.prompt)
        assert longer.after.startswith(said.after.rstrip("\ufffd"))
    assert any(answer.before != answer.after for answer in answers)


def test_a_report_is_made_of_the_verdict(make_run: Any) -> None:
    run = make_run()
    found = verify(run)
    page = write_report(run).read_text(encoding="utf-8")
    card = write_model_card(run).read_text(encoding="utf-8")
    for term in found.terms:
        assert term.surface in page
        assert term.term in card
    assert "Drift is over its limit" in page


def test_a_changed_base_and_an_unfinished_run_are_refused(
    make_run: Any, tiny_folders: dict[str, Path]
) -> None:
    run = make_run("byte-tied")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**record, "fingerprint": "another"}), "utf-8")
    with pytest.raises(RunError, match="other weights or another tokenizer"):
        verify(run)
    assert not (run / "verdict.json").exists()
    unfinished = make_run("unigram-tied", model=False)
    with pytest.raises(RunError, match="has no taught model yet"):
        verify(unfinished)
    with pytest.raises(RunError, match="holds no run"):
        verify(tiny_folders["byte-tied"])


def test_a_base_given_by_hand_must_be_the_same_too(make_run: Any, make_host: MakeHost) -> None:
    with pytest.raises(RunError, match="cannot be the floor"):
        verify(make_run("byte-tied"), base=make_host("byte-untied"))


def test_a_model_alone_is_judged_by_the_routes_of_its_diagnosis(
    tiny_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "three.yaml"
    routed = [t.model_copy(update={"route": ROUTES[t.term]}) for t in LEXICON]
    words = LEXICON.model_copy(update={"terms": tuple(routed)})
    path.write_text(dump_lexicon(words), encoding="utf-8")
    asked: list[Sequence[str]] = []
    plain = module.judge

    def watched(*given: Any, **named: Any) -> Verdict:
        asked.append(named["routes"])
        return plain(*given, **named)

    monkeypatch.setattr(module, "judge", watched)
    folder = tiny_folders["byte-untied"]
    options: dict[str, Any] = {"controls": 2, "checks": ["definition"], "seed": 3}
    found = verify_model(folder, path, **options)
    assert asked == [ROUTES]
    assert (found.model, found.taught, found.seed) == (str(folder), None, 3)
    assert [t.surface for t in found.terms] == ["zorblax", "velkin", "~[эйдос]"]
    same = verify_model(folder, words, **options)
    assert [t.scores for t in same.terms] == [t.scores for t in found.terms]
