"""What `teach` would do, looked at before anything is written: the dry run."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedModel

from lexigraft.continuing import kept_count
from lexigraft.corpus import BUILT_IN, template_texts
from lexigraft.diagnose import Diagnosis, diagnose_terms
from lexigraft.earlier import Earlier, read_earlier
from lexigraft.host import Host, linear_layers, load_host
from lexigraft.lexicon import Lexicon, Route, check_against_tokenizer, read_lexicon
from lexigraft.likelihood import encode, hidden_states
from lexigraft.progress import Progress, Silent
from lexigraft.recipe import Recipe, with_texts
from lexigraft.retokenize import find_files
from lexigraft.run_settings import moves_of, moving_routes, training_dtype
from lexigraft.run_texts import templates_of, texts_to_write, writer_work
from lexigraft.spelling import Spelling, spell
from lexigraft.training import Moves

__all__ = ["Plan", "plan"]

# Seconds of a stage in units of one plain forward pass over its tokens, measured on the embedded
# base: a training step (forward, backward, head and update), writing a text token by token, and
# judging in float32.
_STEP = 6.0
_WRITING = 9.0
_JUDGING = 5.0
_JUDGED_TOKENS = 6000  # a term, all conditions together
_WRITTEN_TOKENS = 20
_ASKED_AGAIN = 0.4  # two checks of the earlier terms against all of the new ones
_ANSWER = 2.5  # seconds a request to a writer, a few at once; a guess, for servers differ
_ADAM = 4  # masters, two moments and a gradient
_OTHER_BYTES = 64_000_000  # three tokenizers, texts, logs and the report


class Plan(BaseModel):
    """What a run would be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diagnosis: Diagnosis
    texts: int = Field(description="training texts, about")
    steps: int = Field(description="optimiser steps, about")
    seconds: float | None = Field(description="of the whole run on this machine, about")
    bytes_needed: int = Field(description="on the disk, at most")
    trainable: int = Field(description="numbers that move")
    corpus_files: int = Field(0, description="of the user's own texts")
    corpus_bytes: int = 0
    continues: str | None = Field(None, description="the run that is continued, as it was given")
    kept_terms: int = Field(0, description="its terms, and those before it, that are kept")
    kept_texts: int = Field(0, description="texts that hold them, about; counted in `texts`")
    writer: str | None = Field(None, description="host that the definitions would be sent to")
    requests: int = Field(0, description="to the writer, at most: kept answers are not asked again")


def plan(
    model: str | Path,
    lexicon: str | Path | Lexicon,
    *,
    recipe: Recipe | None = None,
    route: Route | None = None,
    writer: str | None = None,
    writer_model: str | None = None,
    templates: str | Path | None = None,
    corpus: str | Path | Sequence[str | Path] = (),
    replace: Sequence[str] = (),
    output: str | Path | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Diagnoses, counts and times a little; writes nothing. Arguments and errors as of `teach`."""
    given = {"writer": writer, "writer_model": writer_model, "templates": templates}
    recipe = with_texts(recipe or Recipe(), **given)
    tables = templates_of(recipe.texts)
    if route is not None:
        recipe = recipe.model_copy(update={"route": route})
    progress = progress or Silent()
    terms = lexicon if isinstance(lexicon, Lexicon) else read_lexicon(lexicon)
    sources = find_files(corpus) if corpus else None
    file = None if isinstance(lexicon, Lexicon) else Path(lexicon)
    earlier = read_earlier(model, terms, output, replace=replace, lexicon_path=file)
    terms = terms if earlier is None else earlier.on_earlier_routes(terms)
    with progress.stage("Loading the model", None):
        host = load_host(model, revision=revision, progress=progress.say)
    check_against_tokenizer(terms, host.tokenizer.all_special_tokens, file)
    with progress.stage("Diagnosing", len(terms)) as advance:
        found = diagnose_terms(
            terms,
            host.tokenizer,
            host.facts,
            host,
            route=None if recipe.route == "auto" else recipe.route,
            adapter_rank=recipe.training.rank,
            adapter_layers=recipe.training.layers,
            on_term=lambda term: advance(1),
        )
    spelling, tokenizer = spell(
        terms,
        found.routes,
        host.tokenizer,
        host.facts.rows,
        model_type=host.facts.model_type,
        multiple=recipe.rows.multiple,
    )
    corrected = () if earlier is None else earlier.moving_tokens(terms, spelling)
    moves = moves_of(recipe, moving_routes(spelling, corrected))
    surfaces = {t.term: t.surface for t in spelling}
    filled = template_texts(terms, surfaces, tables.tables if tables else BUILT_IN)
    sizes = [len(encode(tokenizer, t.text)) for t in filled]
    kept = kept_count(earlier, recipe.texts)
    made = _made(terms, len(sizes), recipe) + kept
    # a foil is as long as the template in which it stands
    foils = recipe.texts.foils
    tokens = round(sum(sizes) * (1 + foils) + (made - len(sizes) * foils) * _WRITTEN_TOKENS)
    with progress.stage("Timing the model", None):
        speed, slow = _speed(host.model, recipe), _speed(host.model, None)
    seconds = (
        tokens * recipe.training.epochs * _STEP / speed
        + texts_to_write(spelling, recipe, earlier) * _WRITTEN_TOKENS * _WRITING / speed
        + (len(terms) + _ASKED_AGAIN * _kept(earlier)) * _JUDGED_TOKENS * _JUDGING / slow
    )
    host_asked, requests = writer_work(terms, recipe.texts)
    seconds += requests * _ANSWER
    moving, training = _moving(host, moves, spelling, recipe, len(corrected)), recipe.training
    read_a_step = training.batch_tokens * training.accumulate
    return Plan(
        diagnosis=found,
        texts=len(sizes) + made + (training.begun_epochs - 1) * recipe.texts.replay,
        steps=max(1, round(tokens * training.epochs / read_a_step)),
        seconds=round(seconds, 1),
        bytes_needed=_disk(host, moving),
        trainable=moving,
        corpus_files=len(sources.files) if sources else 0,
        corpus_bytes=sources.size if sources else 0,
        continues=None if earlier is None else earlier.run,
        kept_terms=_kept(earlier),
        kept_texts=kept,
        writer=host_asked,
        requests=requests,
    )


def _kept(earlier: Earlier | None) -> int:
    return 0 if earlier is None else earlier.terms


def _made(lexicon: Lexicon, templates: int, recipe: Recipe) -> int:
    """Texts besides the templates, about: self-written, swapped, foils and replay."""
    wanted = recipe.texts
    written = len(lexicon) * wanted.written
    examples = sum(len(term.examples) for term in lexicon)
    swapped = written + examples if wanted.swapped and len(lexicon) > 1 else 0
    foils = round((templates + written) * wanted.foils)
    return written + swapped + foils + wanted.replay


@torch.inference_mode()
def _speed(model: PreTrainedModel, recipe: Recipe | None) -> float:
    """Tokens a second of a plain forward pass: as in training, or without a recipe in float32."""
    if recipe is not None:
        model = copy.deepcopy(model).to(training_dtype(recipe.training.dtype))  # type: ignore[arg-type]
    ids = torch.full((16, 32), 1, device=model.device)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        hidden_states(model, ids)
        times.append(time.perf_counter() - began)
    return ids.numel() / min(times)


def _moving(host: Host, moves: Moves, spelling: Spelling, recipe: Recipe, corrected: int) -> int:
    inputs = host.facts.hidden_size or 0
    rows = (len(spelling.new_ids) + corrected) * inputs * (1 if host.facts.tied else 2)
    if moves == "full":
        grown = (spelling.rows_after - spelling.rows_before) * inputs
        return (host.facts.parameters or 0) + grown * (1 if host.facts.tied else 2)
    layers = linear_layers(host.model, recipe.training.layers).values()
    lora = recipe.training.rank * sum(x.in_features + x.out_features for x in layers)
    return (lora if "lora" in moves else 0) + (rows if "rows" in moves else 0)


def _disk(host: Host, moving: int) -> int:
    """Checkpoint of training, what was taught, adapter and merged model, in bytes."""
    size = {"float32": 4, "float64": 4}.get(host.facts.dtype or "", 2)
    weights = (host.facts.parameters or 0) + moving  # the model may grow by what moves
    return moving * 4 * (_ADAM + 1) + weights * size + _OTHER_BYTES
