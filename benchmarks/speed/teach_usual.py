"""The texts of our run by PEFT and Trainer, epoch by epoch, until the cloze is that of ours."""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from shared import given, told
from transformers import (
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from lexigraft.checks.judged import Judged
from lexigraft.host import load_host
from lexigraft.lexicon import read_lexicon
from lexigraft.spelling import Spelling, spell
from lexigraft.verdict import judge
from lexigraft.workspace import Workspace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "teaching"))
from usual import BATCH, RATE, config_of

EPOCHS = 6


class Judge(TrainerCallback):
    """Asks for cloze and drift after each epoch, with the clock stopped."""

    def __init__(self, look: Any, cloze: float, most: float) -> None:
        self.look, self.cloze, self.most = look, cloze, most
        self.marks: list[dict[str, float]] = []
        self.spent, self.began = 0.0, time.monotonic()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> Any:
        self.spent += time.monotonic() - self.began
        cloze, drift = self.look(others["model"])
        found = {"epochs": round(state.epoch), "seconds": round(self.spent, 1)}
        self.marks.append({**found, "cloze": cloze, "drift": drift})
        print(self.marks[-1], file=sys.stderr, flush=True)
        control.should_training_stop = cloze >= self.cloze or self.spent > self.most
        self.began = time.monotonic()
        return control


def main() -> None:
    """Measures, and tells."""
    options = given()
    folder = Path(options["run"])
    space = Workspace.open(folder, create=False)
    lexicon = read_lexicon(folder / "given.yaml")
    host = load_host("smollm2-135m")
    kept = Spelling.model_validate(space.read_json(space.spelling / "spelling.json"))
    routes: Any = {term.term: kept.route(term.term) for term in lexicon}
    kind = host.facts.model_type
    spelling, tokenizer = spell(
        lexicon, routes, host.tokenizer, rows=host.facts.rows, model_type=kind
    )
    lines = [x for x in space.read_lines(space.texts) if x["term"] and not x.get("held_out")]
    data = [{"input_ids": tokenizer(line["text"]).input_ids} for line in lines]
    model = copy.deepcopy(host.model)
    if spelling.rows_after > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(spelling.rows_after)
    torch.manual_seed(0)
    tune = "rows+lora" if spelling.new_ids else "lora"
    adapted = get_peft_model(model, config_of(tune, spelling))

    def look(now: Any) -> tuple[float, float]:
        merged = copy.deepcopy(now).merge_and_unload().float().eval()
        verdict = judge(
            lexicon,
            Judged(host.model, host.tokenizer),
            Judged(merged, tokenizer, spelling),
            model="smollm2-135m",
            checks=("cloze", "drift"),
        )
        drift = verdict.drift.mean_kl if verdict.drift else 0.0
        return verdict.checks["cloze"].taught or 0.0, drift

    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    watch = Judge(look, options["cloze"], options["most"])
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            num_train_epochs=EPOCHS,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=0,
        )
        trainer = Trainer(
            model=adapted,
            args=arguments,
            train_dataset=data,  # type: ignore[arg-type]
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
            callbacks=[watch],
        )
        watch.began = time.monotonic()
        trainer.train()
    told({"texts": len(data), "marks": watch.marks})


if __name__ == "__main__":
    main()
