"""First values of new rows: the loss per byte of sentences whose words became tokens.

    python benchmarks/first_values/run.py

A hundred words that the model knows in pieces become one token each. The loss per byte on held-out
sentences with them is measured with the original tokenisation, with the rows as each method makes
them, and after a small budget of training: for `distilled` its own objective, for every other
method the plain next-token loss on the same texts, with the same optimiser, rate, order and number
of steps. Writes results.json and results.svg here, and the table into README.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from plot import svg, table
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks.neutral import neutral_texts
from lexigraft.host import Host, load_host
from lexigraft.lexicon import Lexicon, Term
from lexigraft.likelihood import (
    Pair,
    document_start,
    encode,
    hidden_states,
    output_rows,
    sum_log_probabilities,
)
from lexigraft.recipe import RowsRecipe
from lexigraft.rows import NewRows, distilled_rows, first_rows
from lexigraft.rows.distilled import fitted_rows
from lexigraft.rows.readings import Reading
from lexigraft.run_settings import training_dtype
from lexigraft.spelling import Spelling, spell

HERE = Path(__file__).resolve().parent
METHODS = ("transformers", "random", "mean", "pieces", "similar", "definition", "distilled")
FAITHFUL, SHIFTED = "distilled, share 0", "next token, shift shared"
TRIALS = (*METHODS, FAITHFUL, SHIFTED)
"""What is run: every method, and two that tell what in `distilled` does what."""
NEUTRAL = 20
Losses = dict[str, float]


@dataclass
class Bench:
    """One model with the words as new tokens, and everything that is measured on it."""

    host: Host
    words: list[dict[str, Any]]
    epochs: float
    learning_rate: float
    spelling: Spelling = field(init=False)
    tokenizer: PreTrainedTokenizerBase = field(init=False)

    def __post_init__(self) -> None:
        """Spells the words and loads what is measured with and trained with."""
        meanings = yaml.safe_load((HERE / "definitions.yaml").read_text(encoding="utf-8"))
        self.lexicon = Lexicon(
            name="first values",
            terms=tuple(
                Term(term=w["word"], language=w["language"], definition=(meanings[w["word"]],))
                for w in self.words
            ),
        )
        routes = {term.term: "token" for term in self.lexicon}
        host = self.host
        self.spelling, self.tokenizer = spell(
            self.lexicon,
            routes,  # type: ignore[arg-type]
            host.tokenizer,
            rows=host.facts.rows,
        )
        self.fast = copy.deepcopy(host.model).to(training_dtype("auto"))  # type: ignore[arg-type]
        self.grown = copy.deepcopy(host.model)
        self.grown.resize_token_embeddings(self.spelling.rows_after, mean_resizing=False)
        self.texts = [text for w in self.words for text in w["train"] if self._has_new(text)]

    def _has_new(self, text: str) -> bool:
        return bool(set(self.spelling.new_ids) & set(encode(self.tokenizer, text)))

    def held_out(self, language: str) -> list[str]:
        """The held-out sentences of one language."""
        return [s for w in self.words if w["language"] == language for s in w["held_out"]]

    # --- measured ---

    def losses(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Losses:
        """Nats per UTF-8 byte after the document start, by language and over all bytes."""
        start = document_start(tokenizer)
        nats, size = {}, {}
        for language in ("en", "ru"):
            texts = self.held_out(language)
            pairs = [Pair(start, encode(tokenizer, text)) for text in texts]
            nats[language] = -sum(sum_log_probabilities(model, pairs))
            size[language] = sum(len(text.encode()) for text in texts)
        found = {language: nats[language] / size[language] for language in nats}
        return {**found, "all": sum(nats.values()) / sum(size.values())}

    @torch.inference_mode()
    def leak(self, rows: NewRows) -> float:
        """Expected new tokens in 10,000 tokens of neutral text."""
        head = output_rows(self.host.model)
        new = rows.input if rows.output is None else rows.output
        said, count = 0.0, 0
        for language in ("en", "ru"):
            for text in neutral_texts(language)[:NEUTRAL]:  # type: ignore[arg-type]
                ids = document_start(self.host.tokenizer) + encode(self.host.tokenizer, text)
                states = hidden_states(self.host.model, torch.tensor([ids]))[0]
                odds = torch.logsumexp(states @ new.t(), -1) - torch.logsumexp(
                    states @ head.t(), -1
                )
                said += float(odds.sigmoid().sum())
                count += len(ids)
        return 1e4 * said / count

    def measured(self, rows: NewRows) -> Losses:
        """Losses with `rows` in place, and their leak."""
        with torch.no_grad():
            self.grown.get_input_embeddings().weight[list(rows.ids)] = rows.input  # type: ignore[union-attr, operator, index]
            if rows.output is not None:
                output_rows(self.grown)[list(rows.ids)] = rows.output
        return {**self.losses(self.grown, self.tokenizer), "leak": self.leak(rows)}

    # --- made ---

    def first(self, method: str, seed: int) -> NewRows:
        """Rows at step 0. Those that only tell what in `distilled` does what start as it does."""
        if method == "transformers":
            return self._resized(seed)
        inputs: torch.Tensor = self.host.model.get_input_embeddings().weight.detach()  # type: ignore[union-attr, operator, assignment]
        outputs = None if self.host.facts.tied else output_rows(self.host.model).detach()
        initial: Any = {FAITHFUL: "distilled", SHIFTED: "distilled"}.get(method, method)
        return first_rows(
            initial, self.spelling, self.lexicon, self.host.tokenizer, inputs, outputs, seed=seed
        )

    def _resized(self, seed: int) -> NewRows:
        """What `resize_token_embeddings` gives by default."""
        torch.manual_seed(seed)
        model = copy.deepcopy(self.host.model)
        model.resize_token_embeddings(self.spelling.rows_after)
        ids = list(self.spelling.new_ids)
        inputs: Any = model.get_input_embeddings()
        outputs = None if self.host.facts.tied else output_rows(model)[ids].detach().float()
        return NewRows(tuple(ids), inputs.weight[ids].detach().float(), outputs)

    def trained(self, method: str, start: NewRows, seed: int) -> NewRows:
        """Rows after the budget."""
        budget: dict[str, Any] = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "seed": seed,
        }
        if method in ("distilled", FAITHFUL):
            share = 0.0 if method == FAITHFUL else RowsRecipe().distilled_text_share
            return distilled_rows(
                self.fast,
                self.host.tokenizer,
                self.tokenizer,
                self.spelling,
                start,
                self.texts,
                text_share=share,
                **budget,
            )
        readings = [self._plain(text) for text in self.texts]
        free = (0.0, float("inf"))
        return fitted_rows(
            self.fast,
            self.spelling,
            start,
            readings,
            batch_tokens=512,
            norms=free,
            together=method == SHIFTED,
            **budget,
        )

    def _plain(self, text: str) -> Reading:
        """The next-token loss: the text's own token is the whole target."""
        ids = torch.tensor(document_start(self.tokenizer) + encode(self.tokenizer, text))
        own = ids[1:].clone()
        for place, number in enumerate(self.spelling.new_ids):
            own[own == number] = len(output_rows(self.fast)) + place
        is_new = own >= len(output_rows(self.fast))
        return Reading(ids, own[:, None], torch.ones(len(own), 1), is_new)


_BENCH: list[Bench] = []


def _load(options: argparse.Namespace) -> None:
    """One bench in each process."""
    torch.set_num_threads(1)
    lines = (HERE / "words.jsonl").read_text(encoding="utf-8").splitlines()
    words = [json.loads(line) for line in lines if line.strip()][:: options.every]
    host = load_host(options.model)
    _BENCH.append(Bench(host, words, options.epochs, options.learning_rate))


def about(options: argparse.Namespace) -> dict[str, Any]:
    """What the numbers are of, and the original tokenisation's."""
    bench = _BENCH[0]
    return {
        "model": options.model,
        "words": len(bench.words),
        "texts": len(bench.texts),
        "new_rows": len(bench.spelling.new_ids),
        "tokens_an_epoch": sum(len(encode(bench.tokenizer, text)) for text in bench.texts),
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "torch": torch.__version__,
        "original": bench.losses(bench.host.model, bench.host.tokenizer),
    }


def trial(method: str, seed: int) -> tuple[Losses, Losses, float]:
    """Losses at step 0 and after the budget, and the seconds that the training took."""
    bench = _BENCH[0]
    rows = bench.first(method, seed)
    start = bench.measured(rows)
    began = time.monotonic()
    after = bench.trained(method, rows, seed)
    seconds = time.monotonic() - began
    return start, bench.measured(after), seconds


def main() -> None:
    """Reads the arguments, runs, writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    settings = RowsRecipe()
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="only every n-th word, for a trial")
    parser.add_argument("--epochs", type=float, default=settings.distilled_epochs)
    parser.add_argument("--learning-rate", type=float, default=settings.distilled_learning_rate)
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread")
    parser.add_argument("--methods", nargs="+", default=list(TRIALS), choices=TRIALS)
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn, _load, (options,)) as pool:
        first = pool.submit(about, options)
        wanted = [(method, seed) for seed in range(options.seeds) for method in options.methods]
        asked = [(method, pool.submit(trial, method, seed)) for method, seed in wanted]
        known = first.result()
        print("original", known["original"], flush=True)
        known["methods"] = {m: {"start": [], "after": [], "seconds": []} for m in options.methods}
        for method, future in asked:
            found = known["methods"][method]
            for name, value in zip(found, future.result(), strict=True):
                found[name].append(value)
            print(method, found["start"][-1], found["after"][-1], flush=True)
            options.output.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    if options.output == HERE / "results.json":
        show(options.output)


def show(path: Path) -> None:
    """Draws the results and writes their table into the README."""
    results = json.loads(path.read_text(encoding="utf-8"))
    means = {
        name: {
            stage: {key: statistics.fmean(x[key] for x in found[stage]) for key in found[stage][0]}
            for stage in ("start", "after")
        }
        for name, found in results["methods"].items()
    }
    (HERE / "results.svg").write_text(svg(results["original"], means), encoding="utf-8")
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    body = table(results["original"], results["methods"])
    readme.write_text(f"{before}<!-- table -->\n{body}<!-- end -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
