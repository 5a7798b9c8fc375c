"""The whole run: every count against a naive recount, breaks, workers, refusals, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lexigraft.errors import CorpusError, LexiconError, ModelError, RunError, SpellingError
from lexigraft.lexicon import find, read_lexicon
from lexigraft.retokenize import Summary, plan
from lexigraft.spelling import Proof

Retokenize = Callable[..., Summary]
Rows = Callable[[Path], list[dict[str, Any]]]
Contents = Callable[[Path], dict[str, bytes]]
PARTS = (
    "We saw a zorblax there! ", "Zorblaxes (two) sing.", "“zorblax?”", "Вот эйдос; ", "«эйдоса»",
    "A stillpoint.", "zorblaxen", "zorblax", " ", '"', "эйдос", "🙂", "\n", "'",
)  # fmt: skip


def tokenizers(model: Path, ids: Path) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model), AutoTokenizer.from_pretrained(ids / "tokenizer")


def encode(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


@pytest.mark.parametrize("host", ["byte-tied", "byte-untied", "sentencepiece-tied"])
def test_every_count_is_that_of_a_naive_recount(
    host: str, run: Retokenize, corpus: Path, tiny_folders: dict[str, Path], tmp_path: Path,
    lexicon: Path, small_batches: None, texts: list[str], rows: Rows,
) -> None:  # fmt: skip
    summary = run(corpus, model=tiny_folders[host], passages=3)
    ids = tmp_path / "ids"
    old, new = tokenizers(tiny_folders[host], ids)
    found = rows(ids)
    assert [row["ids"] for row in found] == [encode(new, text) for text in texts]
    assert [row["document"] for row in found] == list(range(120))
    assert [Path(row["source"]).name for row in found] == ["a.txt"] * 60 + ["b.jsonl"] * 60
    assert summary.documents == 120
    assert summary.bytes == sum(len(text.encode()) for text in texts)
    assert summary.tokens_before == sum(len(encode(old, text)) for text in texts)
    assert summary.tokens_after == sum(len(row["ids"]) for row in found)
    assert summary.bytes_per_token_before == round(summary.bytes / summary.tokens_before, 4)
    counts = Counter(number for row in found for number in row["ids"])
    assert {t.id: t.count for t in summary.new_tokens} == {
        t.id: counts[t.id] for t in summary.new_tokens
    }
    terms = {term.term: term for term in summary.terms}
    assert (
        sum(t.tokens_saved for t in summary.terms) == summary.tokens_before - summary.tokens_after
    )
    words = read_lexicon(lexicon)
    naive = Counter(o.term for text in texts for o in find(text, words))
    assert {t: terms[t].occurrences for t in terms} == {t: naive[t] for t in terms}
    assert naive["zorblax"] > 20
    assert summary.never == ("quibblet",)
    assert (summary.changed_words, summary.passages) == ((), 12)


def test_the_shards_have_the_columns_promised(
    run: Retokenize, corpus: Path, tmp_path: Path
) -> None:
    run(corpus, eos=True)
    (shard,) = (tmp_path / "ids").glob("part-*.parquet")
    schema = parquet.read_schema(shard)
    assert schema.names == ["source", "document", "ids"]
    assert arrow.types.is_dictionary(schema.field("source").type)
    assert schema.field("document").type == arrow.int64()
    assert schema.field("ids").type == arrow.list_(arrow.int32())


def test_eos_ends_each_document_and_is_not_counted(
    run: Retokenize, corpus: Path, tmp_path: Path, tiny_folders: dict[str, Path], rows: Rows
) -> None:
    plain = run(corpus)
    with_eos = run(corpus, tmp_path / "eos", eos=True)
    assert with_eos == plain
    _, new = tokenizers(tiny_folders["byte-tied"], tmp_path / "ids")
    pairs = zip(rows(tmp_path / "ids"), rows(tmp_path / "eos"), strict=True)
    assert all(b["ids"] == [*a["ids"], new.eos_token_id] for a, b in pairs)


def test_passages_are_the_first_in_the_order_of_the_corpus(
    run: Retokenize, corpus: Path, tmp_path: Path, lexicon: Path, texts: list[str],
    small_batches: None,
) -> None:  # fmt: skip
    summary = run(corpus, passages=4)
    lines = (tmp_path / "ids" / "passages.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert summary.passages == len(found) == 16
    assert set(found[0]) == {"term", "form", "text", "source", "document"}
    words = read_lexicon(lexicon)
    for term in ("zorblax", "эйдос", "stillpoint", "вглядь"):
        mine = [passage for passage in found if passage["term"] == term]
        assert len({passage["text"] for passage in mine}) == len(mine) == 4
        having = [n for n, t in enumerate(texts) if any(o.term == term for o in find(t, words))]
        assert [p["document"] for p in mine] == sorted(p["document"] for p in mine)
        assert mine[0]["document"] == having[0]
        assert mine[-1]["document"] <= having[8]
        for passage in mine:
            assert passage["form"] in words[term].surfaces
            assert any(o.term == term for o in find(passage["text"], words))
    assert not (tmp_path / "ids" / ".passages").exists()


def test_two_workers_write_what_one_writes(
    run: Retokenize, corpus: Path, tmp_path: Path, contents: Contents, small_batches: None
) -> None:
    one = run(corpus, tmp_path / "one", passages=2, workers=1)
    two = run(corpus, tmp_path / "two", passages=2, workers=2)
    assert one == two
    assert one.shards > 4
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


SMALL = """
import time, lexigraft.retokenize.batches as b
b.CHARACTERS = 1000
from lexigraft.retokenize.folder import Folder
finish = Folder.finish
Folder.finish = lambda self, record: (finish(self, record), time.sleep(0.1))
from lexigraft.cli import main
main()
"""


def started(corpus: Path, lexicon: Path, model: Path, output: Path, *more: str) -> Any:
    command = ["retokenize", corpus, "--lexicon", lexicon, "--model", model, "--output", output]
    arguments = [*map(str, command), "--passages", "3", "--workers", "2", *more]
    return subprocess.Popen(
        [sys.executable, "-c", SMALL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for_batches(process: Any, output: Path, count: int) -> None:
    log = output / "batches.jsonl"
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    how: int, run: Retokenize, corpus: Path, lexicon: Path, tmp_path: Path,
    tiny_folders: dict[str, Path], contents: Contents, small_batches: None,
) -> None:  # fmt: skip
    model, broken = tiny_folders["byte-tied"], tmp_path / "broken"
    whole = run(corpus, tmp_path / "whole", passages=3)
    process = started(corpus, lexicon, model, broken)
    wait_for_batches(process, broken, 2)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
    _, told = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert b"Run the same command again with --resume to go on." in told
        assert b"Traceback" not in told
    assert not psutil.wait_procs(children, timeout=20)[1], "workers are left over"
    assert not (broken / "summary.json").exists()
    done = (broken / "batches.jsonl").read_bytes().count(b"\n")
    assert 2 <= done < whole.shards
    with (broken / "batches.jsonl").open("ab") as log:
        log.write(b'{"batch": 3, "docum')  # what a cut write leaves
    before = {p.name: p.stat().st_mtime_ns for p in broken.glob("part-*")}
    with pytest.raises(RunError, match="Go on with it by --resume"):
        run(corpus, broken, passages=3)
    assert run(corpus, broken, passages=3, resume=True) == whole
    assert contents(broken) == contents(tmp_path / "whole")
    kept = [name for name, t in before.items() if (broken / name).stat().st_mtime_ns == t]
    assert len(kept) >= done


def test_a_finished_run_is_not_done_again(run: Retokenize, corpus: Path, tmp_path: Path) -> None:
    first = run(corpus)
    shard = tmp_path / "ids" / "part-00000.parquet"
    shard.write_bytes(b"mine")
    assert run(corpus, resume=True) == first
    assert shard.read_bytes() == b"mine"
    assert run(corpus, force=True) == first
    assert shard.read_bytes() != b"mine"


def test_another_run_is_not_resumed(
    run: Retokenize, corpus: Path, tmp_path: Path, lexicon: Path, tiny_folders: dict[str, Path]
) -> None:
    run(corpus)
    with (corpus / "b.jsonl").open("a") as file:
        file.write('{"text": "more"}\n')
    (corpus / "c.txt").write_text("new")
    lexicon.write_text(lexicon.read_text() + "  - {term: more, definition: x}\n")
    with pytest.raises(RunError) as caught:
        run(corpus, resume=True, eos=True, split="line", model=tiny_folders["byte-untied"])
    told = str(caught.value)
    for part in (
        "(another tokenizer)", "lexicon: 'words' then, 'words' now, or changed",
        "eos: False then, True now", "split: 'paragraph' then, 'line' now",
        f"corpus: added {corpus / 'c.txt'}", f"corpus: changed {corpus / 'b.jsonl'}",
    ):  # fmt: skip
        assert part in told


def test_a_foreign_folder_is_never_touched(run: Retokenize, corpus: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("x")
    for options in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(RunError, match=r"did not write \(mine\.txt\)"):
            run(corpus, foreign, **options)
    assert [path.name for path in foreign.iterdir()] == ["mine.txt"]
    with pytest.raises(RunError, match="is a file"):
        run(corpus, foreign / "mine.txt")


def test_the_folder_is_locked(run: Retokenize, corpus: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    run(corpus)
    with FileLock(tmp_path / "ids" / ".lock"), pytest.raises(RunError, match="is working in"):
        run(corpus, resume=True)


def test_an_output_inside_the_corpus_is_not_read(run: Retokenize, corpus: Path) -> None:
    first = run(corpus, corpus / "ids")
    assert first.documents == 120
    assert run(corpus, corpus / "ids", force=True) == first


def test_bad_lines_stop_the_run_or_are_counted(run: Retokenize, corpus: Path) -> None:
    with (corpus / "b.jsonl").open("ab") as file:
        file.write(b"{]\n")
    (corpus / "a.txt").write_bytes((corpus / "a.txt").read_bytes() + b"\n\xff\xfe end\n")
    (corpus / "notes.md").write_text("not read")
    with pytest.raises(CorpusError, match=r"a\.txt:\d+: not UTF-8"):
        run(corpus, force=True)
    summary = run(corpus, force=True, skip_bad=True)
    assert (summary.skipped_lines, summary.replaced_characters) == (1, 2)
    assert [Path(name).name for name in summary.skipped_files] == ["notes.md"]


def test_an_empty_corpus_is_an_error(run: Retokenize, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n\n")
    with pytest.raises(CorpusError, match="holds no text"):
        run(tmp_path / "empty.txt")


def test_a_missing_library_is_told_before_anything_is_written(
    run: Retokenize, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CorpusError, match=r"pip install 'lexigraft\[corpus\]'"):
        run(corpus)
    assert not (tmp_path / "ids").exists()


def test_the_lexicon_and_the_model_are_checked(
    run: Retokenize, corpus: Path, tmp_path: Path
) -> None:
    special = tmp_path / "special.yaml"
    special.write_text("terms: [{term: '<|im_end|>', definition: x}]")
    with pytest.raises(LexiconError):
        run(corpus, lexicon=special)
    with pytest.raises(ModelError, match="no model at"):
        run(corpus, model=tmp_path / "nothing")


def test_a_lexicon_without_token_terms_only_counts(
    run: Retokenize, corpus: Path, tmp_path: Path
) -> None:
    words = tmp_path / "marked.yaml"
    words.write_text("terms: [{term: zorblax, definition: x, route: marker}]")
    summary = run(corpus, lexicon=words)
    assert summary.tokens_before == summary.tokens_after
    assert (summary.new_tokens, summary.never) == ((), ())
    assert summary.terms[0].occurrences > 5


def test_other_words_that_change_end_in_an_error_unless_allowed(
    run: Retokenize, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer that breaks the invariant, let through by a proof that does not look."""
    import lexigraft.retokenize.preparing as preparing

    real = preparing.spell

    def broken(*given: Any, **named: Any) -> Any:
        spelling, new = real(*given, **named)
        new.add_tokens(["apples"])
        return spelling, new

    monkeypatch.setattr(preparing, "spell", broken)
    monkeypatch.setattr(preparing, "prove", lambda *given, **named: _proof())
    with pytest.raises(SpellingError, match=r"(?s)other tokens now: .*apples.*--allow-changes"):
        run(corpus)
    kept = Summary.model_validate_json((tmp_path / "ids" / "summary.json").read_text("utf-8"))
    assert any("apples" in word for word in kept.changed_words)
    assert run(corpus, resume=True, allow_changes=True) == kept


def _proof(**found: Any) -> Proof:
    return Proof(forms=1, exact=1, single=1, texts=1, **found)


def test_a_failed_proof_stops_before_anything_is_written(
    run: Retokenize, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lexigraft.retokenize.preparing as preparing

    monkeypatch.setattr(preparing, "prove", lambda *given, **named: _proof(reloads=False))
    with pytest.raises(SpellingError, match=r"not exact .*\n  the tokenizer reads back"):
        run(corpus)
    assert not (tmp_path / "ids").exists()


def test_a_plan_writes_nothing(
    corpus: Path, lexicon: Path, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    found = plan([corpus], lexicon, tiny_folders["byte-tied"], tmp_path / "ids", workers=2)
    assert not (tmp_path / "ids").exists()
    assert [Path(file.name).name for file in found.files] == ["a.txt", "b.jsonl"]
    assert found.bytes == sum(file.stat().st_size for file in corpus.iterdir())
    assert found.terms["stillpoint"] == "marker"
    assert {"zorblax", "Эйдос"} <= set(found.forms)
    assert not {"stillpoint", "вглядь"} & set(found.forms)
    assert found.new_tokens == 2 * len(found.forms)
    assert found.workers == 2
    assert found.seconds >= 0


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    texts=some.lists(
        some.lists(some.sampled_from(PARTS)).map("".join).filter(lambda text: bool(text.strip())),
        min_size=1,
        max_size=12,
    )
)
def test_any_corpus_is_counted_exactly(
    texts: list[str], run: Retokenize, tmp_path: Path, tiny_folders: dict[str, Path], rows: Rows
) -> None:
    path = tmp_path / "any.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    summary = run(path, force=True)
    old, new = tokenizers(tiny_folders["byte-tied"], tmp_path / "ids")
    assert [row["ids"] for row in rows(tmp_path / "ids")] == [encode(new, text) for text in texts]
    assert summary.tokens_before == sum(len(encode(old, text)) for text in texts)
    saved = sum(term.tokens_saved for term in summary.terms)
    assert saved == summary.tokens_before - summary.tokens_after


PEAK = """
import resource, sys
from lexigraft.retokenize import retokenize
retokenize(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], workers=1, passages=5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_is_flat(
    tmp_path: Path, lexicon: Path, texts: list[str], tiny_folders: dict[str, Path]
) -> None:
    """Four times the corpus: about the same peak, in MB. One file is a single line."""
    block = "\n\n".join(texts) + "\n\n"
    peaks = []
    for size in (8, 32):
        folder = tmp_path / f"corpus-{size}"
        folder.mkdir()
        (folder / "a.txt").write_text(block * (size * 500_000 // len(block.encode())), "utf-8")
        (folder / "b.txt").write_text("one long line " * (size * 500_000 // 14))
        arguments = (folder, lexicon, tiny_folders["byte-tied"], tmp_path / f"ids-{size}")
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *map(str, arguments)],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 60, peaks
