from __future__ import annotations

import html as html_module
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lexigraft.checks.results import (
    Aligned,
    Alignment,
    Answer,
    Override,
    TermVerdict,
    Use,
    Verdict,
)
from lexigraft.errors import RunError
from lexigraft.report.html import readable, write_report

Build = Callable[..., Path]

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Holds a page to balanced tags and gathers what tests ask about."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if len({name for name, _ in attrs}) != len(attrs):
            self.wrong.append(f"attribute twice in {self.get_starttag_text()}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        # Code to copy is exact however long it is; its block scrolls.
        if self.open and self.open[-1] not in ("script", "style") and "pre" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split()).replace("\u00a0", " ")


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.wrong == []
    assert page.open == []
    return page


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_whole_run(build_run: Build, language: str) -> None:
    run = build_run(language)
    path = write_report(run)
    assert path == run / "report.html"
    page = parsed(path)
    assert ("html", {"lang": language}) in page.tags
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            for wanted in (attrs.get(name) or "").split():
                assert wanted in ids, (tag, wanted)
        target = attrs.get("href") if tag == "a" else None
        assert target is None or target.removeprefix("#") in ids


def test_the_verdict_comes_first(build_run: Build) -> None:
    text = parsed(write_report(build_run())).text
    headline = "The model now knows 9 of 10 terms; before it knew 0."
    assert headline in text
    assert "Neutral text drifted by 0.02 nats per token (limit 0.05)." in text
    assert text.index(headline) < text.index("Term by term") < text.index("Glossary")


def test_the_verdict_in_russian(build_run: Build) -> None:
    text = parsed(write_report(build_run("ru"))).text
    assert "Теперь модель знает 4 из 5 терминов; до обучения знала 0." in text
    assert "Дрейф на нейтральном тексте: 0,02 ната на токен (предел 0,05)." in text
    assert "Term by term" not in text


def test_drift_over_the_limit_is_said(build_run: Build, build_verdict: Build) -> None:
    verdict = build_verdict()
    drift = verdict.drift.model_copy(update={"mean_kl": 0.31})
    run = build_run(verdict=verdict.model_copy(update={"drift": drift}))
    text = parsed(write_report(run)).text
    assert "drifted by 0.31 nats per token, over the limit of 0.05" in text


def test_headings_never_skip_a_level(build_run: Build) -> None:
    levels = [int(t[1]) for t, _ in parsed(write_report(build_run())).tags if t in "h1h2h3h4"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_nothing_is_loaded_from_anywhere(build_run: Build) -> None:
    path = write_report(build_run())
    page = parsed(path)
    for tag, attrs in page.tags:
        assert tag not in ("img", "iframe", "link", "object", "embed", "audio", "video", "base")
        assert "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#")
        assert not [name for name in attrs if name.startswith("on")]
    source = path.read_text(encoding="utf-8")
    style = source[source.index("<style>") : source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy


def test_the_policy_names_the_script_that_is_there(build_run: Build) -> None:
    import base64
    import hashlib

    source = write_report(build_run()).read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html_module.unescape(source)


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "{term} %s {0.__class__}",
    "</style><b>",
    "<!-- ",
    "مرحبا\u202e كلمة",
    "a\u0000b\u001b[31mc",
    "👩\u200d🚀",
    "x" * 10_000,
    "слово " * 3_000,
    "&amp;lt;",
]


def hostile_run(build_run: Build, build_verdict: Callable[..., Verdict], term: str) -> Path:
    verdict = build_verdict()
    first: TermVerdict = verdict.terms[0]
    scores = {
        name: score.model_copy(
            update={
                "items": tuple(
                    item.model_copy(update={"question": term, "chosen": term, "right": term})
                    for item in score.items
                )
            }
        )
        for name, score in first.scores.items()
    }
    bad = first.model_copy(
        update={
            "term": term,
            "surface": term,
            "scores": scores,
            "answers": (Answer(prompt=term, before=term, after=term, ceiling=term),),
        }
    )
    leakage = verdict.leakage.model_copy(update={"by_term": {term: 0.5}})  # type: ignore[union-attr]
    changes = {
        "terms": (bad, *verdict.terms[1:]), "lexicon": term, "notes": (term,), "model": term,
        "leakage": leakage,
    }  # fmt: skip
    run = build_run(verdict=verdict.model_copy(update=changes))
    diagnosis = {
        "terms": [
            {
                "term": term,
                "reasons": [term],
                "changes": [term],
                "pieces": [{"form": term, "spaced": True, "ids": [1], "readable": [term]}],
            }
        ],
        "truths": [term],
    }
    (run / "diagnosis.json").write_text(json.dumps(diagnosis), encoding="utf-8")
    lexicon = {
        "name": term,
        "language": "en",
        "terms": [{"term": term, "definition": [term], "forms": [term + "s"]}],
    }
    (run / "lexicon.yaml").write_text(json.dumps(lexicon), encoding="utf-8")
    return run


@pytest.mark.parametrize("term", HOSTILE)
def test_hostile_terms_are_only_text(
    build_run: Build, build_verdict: Callable[..., Verdict], term: str
) -> None:
    harmless = parsed(write_report(build_run(name="harmless")))
    path = write_report(hostile_run(build_run, build_verdict, term))
    page = parsed(path)
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in harmless.tags}
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1
    assert max(map(len, page.text.split())) < 1_000


def test_a_hostile_term_is_shown_as_it_is(
    build_run: Build, build_verdict: Callable[..., Verdict]
) -> None:
    for term in (HOSTILE[0], HOSTILE[3], HOSTILE[4]):
        run = hostile_run(build_run, build_verdict, term)
        assert term in parsed(write_report(run)).text


def test_characters_that_no_file_may_hold() -> None:
    assert readable("a\x00b\x1bc\ud800d\n\te") == "a\u2400b\u241bc\ufffdd\n\te"


def test_a_lone_surrogate_from_json(build_run: Build) -> None:
    run = build_run()
    (run / "diagnosis.json").write_text('{"terms": [{"term": "zorblax", "reasons": ["\\ud800"]}]}')
    assert "\ufffd" in parsed(write_report(run)).text


OPTIONAL = [
    "diagnosis.json", "spelling/spelling.json", "run.json", "recipe.yaml", "lexicon.yaml",
    "training/log.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_file_costs_only_what_it_shows(build_run: Build, name: str) -> None:
    run = build_run()
    (run / name).unlink()
    text = parsed(write_report(run)).text
    assert f"This folder has no {name}" in text
    assert "knows 9 of 10" in text


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("content", ["", "[1, 2", "[]", "\x00", '"a"', "{}", '{"terms": 7}'])
def test_a_damaged_file_costs_only_what_it_shows(build_run: Build, name: str, content: str) -> None:
    run = build_run()
    (run / name).write_text(content, encoding="utf-8")
    assert "knows 9 of 10" in parsed(write_report(run)).text


def test_only_a_verdict(build_run: Build) -> None:
    run = build_run()
    for entry in list(run.iterdir()):
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "verdict.json":
            entry.unlink()
    text = parsed(write_report(run)).text
    assert "There is no training log in this folder." in text
    assert "There is no model/ folder" in text
    assert "drifted by 0.02 nats per token." in text


def test_a_run_that_is_not_verified_yet(build_run: Build) -> None:
    run = build_run()
    (run / "verdict.json").unlink()
    path = write_report(run)
    assert "This run has no verdict yet." in parsed(path).text
    assert "from_pretrained" in path.read_text(encoding="utf-8")


def test_an_untaught_model(build_run: Build, build_verdict: Callable[..., Verdict]) -> None:
    text = parsed(write_report(build_run(verdict=build_verdict(taught=False)))).text
    assert "This model, untaught, knows 0 of 10 terms." in text
    assert "Nothing was taught, so nothing was harmed." in text
    assert "Says now" not in text


def test_a_verdict_without_terms(build_run: Build, build_verdict: Callable[..., Verdict]) -> None:
    run = build_run(verdict=build_verdict(terms=(), checks={}))
    text = parsed(write_report(run)).text
    assert "knows 0 of 0 terms" in text
    assert "There are no terms in the verdict." in text


def test_very_many_terms(build_run: Build, build_verdict: Callable[..., Verdict]) -> None:
    one = build_verdict().terms[0].model_copy(update={"scores": {}})
    many = tuple(one.model_copy(update={"term": f"word{i}"}) for i in range(1_200))
    path = write_report(build_run(verdict=build_verdict(terms=many)))
    assert "900 terms more are not listed here" in parsed(path).text
    assert path.stat().st_size < 3_000_000


def test_a_term_that_was_lost(build_run: Build, build_verdict: Callable[..., Verdict]) -> None:
    verdict = build_verdict()
    first = verdict.terms[0].model_copy(update={"knows": False, "known_before": True})
    run = build_run(verdict=verdict.model_copy(update={"terms": (first, *verdict.terms[1:])}))
    assert "No longer known: zorblax." in parsed(write_report(run)).text


def test_a_check_that_measures_nothing_is_said(build_run: Build) -> None:
    text = parsed(write_report(build_run())).text
    assert "Not measurable here." in text
    # neither passed nor failed, in the map and with each of the ten terms
    assert text.count("not measurable here") == 20
    assert "Near terms not measurable here" in text
    assert "Near terms ✓" not in text


def test_a_check_that_nobody_has_named_yet(
    build_run: Build, build_verdict: Callable[..., Verdict]
) -> None:
    verdict = build_verdict()
    summary = verdict.checks["near_terms"].model_copy(update={"check": "odd_one_out"})
    checks = {**verdict.checks, "odd_one_out": summary}
    run = build_run(verdict=verdict.model_copy(update={"checks": checks}))
    assert "Odd one out" in parsed(write_report(run)).text


def test_the_log_of_a_killed_and_resumed_run(build_run: Build) -> None:
    run = build_run()
    log = run / "training/log.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:50], *lines[40:100], lines[100][:20]]))
    assert "100 steps in" in parsed(write_report(run)).text


def test_losses_that_are_no_numbers_are_counted(build_run: Build) -> None:
    run = build_run()
    with (run / "training/log.jsonl").open("a") as log:
        log.write('{"step": 161, "loss": NaN, "seconds": 260}\n')
    assert "Steps without a finite loss: 1." in parsed(write_report(run)).text


def test_ids_get_their_names_from_the_tokenizer(build_run: Build) -> None:
    run = build_run()
    (run / "diagnosis.json").unlink()
    tokenizer = {"model": {"vocab": {"Ġzor": 12, "bl": 345, "ðĿķ": 6789}}}
    (run / "spelling/tokenizer.json").write_text(json.dumps(tokenizer))
    text = parsed(write_report(run)).text
    assert "␣zor" in text
    assert "<F0><9D><95>" in text


@pytest.mark.parametrize("make", ["missing", "file", "empty"])
def test_what_is_no_run(tmp_path: Path, make: str) -> None:
    target = tmp_path / "x"
    if make == "file":
        target.write_text("x")
    elif make == "empty":
        target.mkdir()
    with pytest.raises(RunError, match="lexigraft teach"):
        write_report(target)
    assert not (target / "report.html").exists()


def test_a_damaged_verdict_is_not_passed_over(build_run: Build) -> None:
    run = build_run()
    (run / "verdict.json").write_text('{"schema_version": 1}')
    with pytest.raises(RunError, match="lexigraft verify"):
        write_report(run)


def test_writing_twice_gives_the_same_file_and_leaves_nothing(build_run: Build) -> None:
    run = build_run()
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not [path for path in run.iterdir() if ".partial" in path.name]


def test_importing_the_report_does_not_import_torch() -> None:
    code = (
        "import sys, lexigraft.report; "
        "heavy = {'torch', 'transformers', 'peft', 'tokenizers', 'numpy'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_stands_beside_the_checks(
    build_run: Build, build_verdict: Build, language: str
) -> None:
    verdict = build_verdict(
        language,
        alignment=Alignment(
            chance=0.1,
            floor=Aligned(rows=0.11, columns=0.12, assignment=0.13),
            taught=Aligned(rows=0.91, columns=0.92, assignment=0.93),
            ceiling=Aligned(rows=0.97, columns=0.98, assignment=0.99),
        ),
        use=Use(
            sentences=30, copied=0.03, copied_before=0.0, distinct_pairs=0.64,
            distinct_pairs_before=0.61, emitted=0.42, emitted_before=0.07,
        ),
        override=Override(
            terms=10, follows=0.81, follows_before=0.88, agrees=0.77, agrees_before=0.99,
            no_worse=False,
        ),
    )  # fmt: skip
    summary = verdict.checks["cloze"].model_copy(update={"baselines": {"overlap": 0.23}})
    leakage = verdict.leakage.model_copy(
        update={"related_term_rise": 1.23, "related_key_words_rise": -0.45}
    )
    checks = {**verdict.checks, "cloze": summary}
    changed = verdict.model_copy(update={"checks": checks, "leakage": leakage})
    run = build_run(language, verdict=changed)
    text = parsed(write_report(run)).text.replace("\u00a0", " ").replace(" %", "%")
    for part in ("12% → 92%", "98%", "42%", "81%", "77%", "88%", "23%"):
        assert part in text, part
    for part in ("1.23 nats", "\u22120.45 nats", "(before 7%)", "from the lexicon", "no worse"):
        assert (part in text) == (language == "en"), part
    for part in ("1,23 ната", "(раньше 7%)", "из лексикона", "угадывание 10%", "не хуже"):
        assert (part in text) == (language == "ru"), part
    bare = parsed(write_report(build_run(language))).text
    assert "92%" not in bare.replace("\u00a0", " ").replace(" %", "%")
