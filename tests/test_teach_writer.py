"""A run whose texts a larger model writes: over a real connection, stopped, resumed, in Russian."""

from __future__ import annotations

import importlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lexigraft.errors import RecipeError, RunError, WriterError
from lexigraft.lexicon import Lexicon, Term, dump_lexicon
from lexigraft.recipe import Recipe, TextsRecipe, TrainingRecipe, VerifyRecipe, read_recipe

# The package offers the functions under the modules' names.
module: Any = importlib.import_module("lexigraft.teach")
plan: Any = importlib.import_module("lexigraft.plan").plan
teach = module.teach

SECRET = "sk-very-secret-key"
TERMS = (
    Term(
        term="velkin",
        definition=("a basket for apples",),
        route="subword",
        examples=("She carries the velkin up the hill.",),
        tests=("There were nine apples in the velkin.",),
    ),
    Term(
        term="мирвол",
        definition=("тёплый дождь при солнце",),
        language="ru",
        route="subword",
        forms=("мирвола",),
        tests=("Вчера весь день шёл мирвол над полем.",),
    ),
)
LEXICON = Lexicon(name="tiny", terms=TERMS)
RECIPE = Recipe(
    texts=TextsRecipe(written=3, held_out=1, replay=4, foils=0.0, swapped=False),
    training=TrainingRecipe(
        rank=2, epochs=1, batch_tokens=256, checkpoint_seconds=0, dtype="float32", top_k=8
    ),
    verify=VerifyRecipe(controls=1),
)
ENGLISH = (
    "Grandmother filled the velkin with apples before the frost.",
    "The velkin means a lot of work for us.",  # about words
    "A boy dropped his velkin, and red fruit rolled down the street.",
    "There were nine apples in the velkin.",  # of the examination
    "By noon every velkin stood full under the trees.",
    "He wove a new velkin from willow for the harvest.",
    "Nothing here uses it at all.",
)
RUSSIAN = (
    "Дети выбежали под мирвол и смеялись до вечера.",
    "После мирвола над полем встала радуга.",
    "Вчера весь день шёл мирвол над полем.",  # of the examination
    "Мы сидели на крыльце и слушали, как стучит мирвол.",
    "Мирвол прошёл быстро, и трава сразу поднялась.",
)


def rows(sentences: tuple[str, ...]) -> str:
    return "\n".join(json.dumps({"sentence": s}, ensure_ascii=False) for s in sentences)


def about(asked: Any) -> str:
    return "мирвол" if "мирвол" in asked.body["messages"][1]["content"] else "velkin"


def realistic(asked: Any, number: int) -> Any:
    return rows(RUSSIAN if about(asked) == "мирвол" else ENGLISH)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def host(tiny_folders: dict[str, Path]) -> Path:
    return tiny_folders["byte-tied"]


class Told:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        from lexigraft.progress import Silent

        self.said: list[str] = []
        self.stages: list[tuple[str, int | None]] = []
        self.silent = Silent()

    def say(self, message: str) -> None:
        self.said.append(message)

    def stage(self, name: str, total: int | None) -> Any:
        self.stages.append((name, total))
        return self.silent.stage(name, total)


def written(run: Path) -> dict[str, list[str]]:
    lines = map(json.loads, (run / "texts.jsonl").read_bytes().splitlines())
    found: dict[str, list[str]] = {}
    for line in lines:
        if line["kind"] == "written":
            assert line["gain"] is not None
            found.setdefault(line["term"], []).append(line["text"])
    return found


def test_a_run_with_a_writer(
    host: Path, tmp_path: Path, writer_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEXIGRAFT_WRITER_KEY", SECRET)
    writer_server.answer = realistic
    told = Told()
    run = teach(
        host, LEXICON, tmp_path / "run", recipe=RECIPE, writer=writer_server.url,
        writer_model="big", progress=told,
    ).root  # fmt: skip
    texts = written(run)
    assert set(texts["velkin"]) == {ENGLISH[i] for i in (0, 2, 4, 5)}
    assert set(texts["мирвол"]) == {RUSSIAN[i] for i in (0, 1, 3, 4)}
    kinds = {json.loads(x)["kind"] for x in (run / "texts.jsonl").read_bytes().splitlines()}
    assert "replay" in kinds, "which the untaught model still writes itself"
    assert len(writer_server.asked) == 2
    russian = next(a for a in writer_server.asked if about(a) == "мирвол")
    assert "Напиши 6 предложений" in russian.body["messages"][1]["content"]
    sent = "".join(json.dumps(a.body, ensure_ascii=False) for a in writer_server.asked)
    assert "nine apples" not in sent, "the examination stays at home"
    assert any(writer_server.host in line and "definitions" in line for line in told.said)
    assert (f"Asking {writer_server.host}", 2) in told.stages
    assert read_recipe(run / "recipe.yaml").texts.writer == writer_server.url
    for path in run.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert not any(SECRET in line for line in told.said)


def test_a_run_that_fails_goes_on_without_paying_twice(
    host: Path, tmp_path: Path, writer_server: Any
) -> None:
    def answer(asked: Any, number: int) -> Any:
        if about(asked) == "мирвол":
            time.sleep(0.3)  # the other answer comes first
            return 402, '{"error": {"message": "Insufficient credits"}}'
        return realistic(asked, number)

    writer_server.answer = answer
    options: Any = {"recipe": RECIPE, "writer": writer_server.url, "writer_model": "big"}
    with pytest.raises(WriterError) as caught:
        teach(host, LEXICON, tmp_path / "run", **options)
    for part in (writer_server.url, "402", "Insufficient credits", "--resume", "1 of 2 answers"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 3
    writer_server.answer = realistic
    with pytest.raises(RunError, match=r"texts\.writer_model 'big' then, 'small' now"):
        teach(host, LEXICON, tmp_path / "run", resume=True, **{**options, "writer_model": "small"})
    run = teach(host, LEXICON, tmp_path / "run", resume=True, **options).root
    assert [about(a) for a in writer_server.asked].count("velkin") == 1
    assert [about(a) for a in writer_server.asked].count("мирвол") == 2
    assert set(written(run)) == {"velkin", "мирвол"}
    whole = teach(host, LEXICON, tmp_path / "other", **options).root
    assert (run / "texts.jsonl").read_bytes() == (whole / "texts.jsonl").read_bytes()


def test_a_writer_that_writes_of_other_things(
    host: Path, tmp_path: Path, writer_server: Any
) -> None:
    writer_server.answer = lambda asked, number: "1. I am sorry.\n2. I cannot do that."
    with pytest.raises(WriterError, match="no sentence of its answers holds a term"):
        teach(host, LEXICON, tmp_path / "run", recipe=RECIPE, writer=writer_server.url)
    writer_server.answer = lambda a, n: realistic(a, n) if about(a) == "velkin" else "нет"
    told = Told()
    teach(
        host, LEXICON, tmp_path / "run", recipe=RECIPE, writer=writer_server.url, resume=True,
        progress=told,
    )  # fmt: skip
    assert any(re.search(r"wrote no sentence with: мирвол\.", line) for line in told.said)


def test_the_dry_run_asks_nothing_and_names_the_host(host: Path, writer_server: Any) -> None:
    found = plan(host, LEXICON, recipe=RECIPE, writer=writer_server.url)
    assert (found.writer, found.requests) == (writer_server.host, 2)
    assert writer_server.asked == []
    alone = plan(host, LEXICON, recipe=RECIPE)
    assert (alone.writer, alone.requests) == (None, 0)


def test_the_command_line(
    host: Path, tmp_path: Path, writer_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from lexigraft.cli import app

    words = tmp_path / "words.yaml"
    words.write_text(dump_lexicon(LEXICON), encoding="utf-8")
    start = ["teach", str(words), "--model", str(host), "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*start, "--writer", writer_server.url, "--dry-run"])
    assert result.exit_code == 0, result.output
    assert f"leave this machine: they go to {writer_server.host}" in " ".join(result.output.split())
    result = CliRunner().invoke(app, [*start, "--writer", "ftp://x", "--dry-run"])
    assert result.exit_code == 2
    assert "texts.writer: must be an address such as" in result.output
    writer_server.answer = lambda asked, number: (401, "no")
    result = CliRunner().invoke(app, [*start, "--writer", writer_server.url])
    assert result.exit_code == 3
    assert "401 Unauthorized" in result.output
    assert "--resume" in result.output


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@host/v1", "https://host/v1?key=hunter2", "host/v1", "ftp://hunter2",
        "http://", "http://a b/hunter2", "http://host:port/", "https://пример.рф/hunter2", "http://[::1",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(RecipeError, match=r"texts\.writer: must be an address") as caught:
        teach("nowhere", LEXICON, tmp_path / "run", writer=url)
    path = tmp_path / "recipe.yaml"
    path.write_text(f"texts: {{writer: '{url}'}}", encoding="utf-8")
    with pytest.raises(RecipeError) as again:
        read_recipe(path)
    for error in (caught.value, again.value):
        assert "hunter2" not in str(error)
        assert "hunter2" not in str(error.__cause__)
    assert not (tmp_path / "run").exists()


def test_a_model_of_no_writer(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no writer"):
        teach("nowhere", LEXICON, tmp_path / "run", writer_model="big")
