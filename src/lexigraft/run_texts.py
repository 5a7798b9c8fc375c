"""The texts of a run, as its recipe asks for them: how many, by whom, from which templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lexigraft.checks import prompts
from lexigraft.continuing import evaluation_texts, kept_texts_to_write, known_before
from lexigraft.corpus import (
    BUILT_IN,
    Request,
    TemplateFile,
    Text,
    Writer,
    ask_all,
    build_texts,
    candidate_count,
    kept_texts,
    read_templates,
    replay_count,
    request_count,
    sentences_in,
    writer_at,
    writer_requests,
)
from lexigraft.earlier import Earlier
from lexigraft.errors import WriterError
from lexigraft.lexicon import Lexicon
from lexigraft.processes import current
from lexigraft.progress import Progress
from lexigraft.recipe import Recipe, TextsRecipe, with_texts
from lexigraft.spelling import Spelling
from lexigraft.workspace import Workspace

__all__ = [
    "as_kept",
    "ask_writer",
    "identified",
    "templates_of",
    "texts_to_learn",
    "texts_to_write",
    "writer_of",
    "writer_work",
]

_SHOWN = 5  # terms named in one line


def battery_prompts() -> list[str]:
    """Every prompt of the examination, with its slots: no template may resemble one."""
    tables = (
        prompts.ANSWER_PROMPTS,
        prompts.DEFINITION_CHATS,
        prompts.DEFINITION_PROMPTS,
        prompts.NEUTRAL_FRAMES,
        prompts.RELATED_PROMPTS,
        prompts.TERM_CHATS,
        prompts.TERM_PROMPTS,
        prompts.USE_STARTS,
    )
    return [frame for table in tables for frames in table.values() for frame in frames]


def templates_of(texts: TextsRecipe) -> TemplateFile | None:
    """The recipe's templates; None where it names none. Raises RecipeError with every problem."""
    return None if texts.templates is None else read_templates(texts.templates, battery_prompts())


def identified(recipe: Recipe, templates: TemplateFile | None) -> Recipe:
    """`recipe` as it makes a run that run: templates are what is in the file, wherever it lies."""
    return recipe if templates is None else with_texts(recipe, templates=templates.digest)


def as_kept(recipe: Recipe, templates: TemplateFile | None, space: Workspace) -> Recipe:
    """`recipe` as the run's folder keeps it: the templates' copy lies beside it, and is written."""
    if templates is None:
        return recipe
    space.write_text(space.templates, templates.text)
    return with_texts(recipe, templates=space.templates.name)


def texts_to_write(spelling: Spelling, recipe: Recipe, earlier: Earlier | None = None) -> int:
    """How many texts the model is asked for; about half of those on its terms are taken."""
    wanted = recipe.texts
    marked = sum(term.route == "marker" for term in spelling)
    own = 0 if wanted.writer else wanted.written
    about = candidate_count(len(spelling), own, wanted.held_out)
    free = replay_count(wanted.replay, recipe.training.begun_epochs, marked)
    return about + free + kept_texts_to_write(earlier, wanted)


def texts_to_learn(
    tokenizer: PreTrainedTokenizerBase,
    lexicon: Lexicon,
    spelling: Spelling,
    earlier: Earlier | None,
    recipe: Recipe,
    templates: TemplateFile | None,
    space: Workspace,
    *,
    copied: Callable[[], PreTrainedModel],
    passages: Mapping[str, Sequence[str]],
    title: str,
    seed: int,
    progress: Progress,
) -> list[Text]:
    """Every text of the run: its own, and those that hold the terms of `earlier` runs.

    Args:
        tokenizer: the untaught one.
        space: keeps the answers of the recipe's writer, if it names one.
        copied: gives a copy of the untaught model to write with.
        passages: the user's own texts by term.
        title: of the stage that `progress` is told.

    Raises:
        WriterError: of `ask_writer`.
    """
    wanted, tables = recipe.texts, templates.tables if templates else BUILT_IN
    answers = current().lead(lambda: ask_writer(space, lexicon, wanted, progress))
    with progress.stage(title, texts_to_write(spelling, recipe, earlier)) as advance:
        model = copied()
        kept = kept_texts(
            model,
            tokenizer,
            known_before(earlier),
            each=wanted.kept,
            at_most=wanted.kept_in_all,
            tables=tables,
            seed=seed,
            advance=advance,
        )
        return build_texts(
            model,
            tokenizer,
            lexicon,
            spelling,
            evaluation_texts(lexicon, earlier),
            written=wanted.written,
            held_out=wanted.held_out,
            swapped=wanted.swapped,
            foils=wanted.foils,
            replay=wanted.replay,
            passages=passages,
            answers=answers,
            tables=tables,
            kept=kept,
            epochs=recipe.training.begun_epochs,
            seed=seed,
            advance=advance,
        )


def writer_of(texts: TextsRecipe) -> Writer | None:
    """The writer that the recipe names, with the key from the environment; None without one."""
    return writer_at(texts.writer, texts.writer_model) if texts.writer and texts.written else None


def writer_work(lexicon: Lexicon, texts: TextsRecipe) -> tuple[str | None, int]:
    """The host that is asked and how often; (None, 0) where the model writes for itself."""
    writer = writer_of(texts)
    if writer is None:
        return None, 0
    return writer.host, request_count(len(lexicon), texts.written, texts.held_out)


def ask_writer(
    space: Workspace, lexicon: Lexicon, texts: TextsRecipe, progress: Progress
) -> dict[str, list[str]] | None:
    """Sentences by term from the recipe's writer; None where the model writes for itself.

    Every answer is kept in the run's folder as it comes, and none that is there is asked for again.

    Raises:
        WriterError: the writer refuses, cannot be reached, or wrote no sentence with any term.
    """
    writer = writer_of(texts)
    if writer is None:
        return None
    requests = writer_requests(lexicon, texts.written, texts.held_out)
    progress.say(
        f"Sentences are asked of {writer.host}: the definitions, contrasts and examples of "
        f"{len(lexicon)} terms are sent there."
    )
    lines = space.read_lines(space.answers)
    kept = {
        cast(str, x["request"]): x["sentences"]
        for x in lines
        if {"request", "sentences"} <= x.keys()
    }
    found: dict[str, list[str]] = {term.term: [] for term in lexicon}

    def read(request: Request, answer: str) -> list[str]:
        return sentences_in(answer, lexicon[request.term], lexicon)

    def keep(key: str, sentences: list[str]) -> None:
        space.append_line(space.answers, {"request": key, "sentences": sentences})

    with progress.stage(f"Asking {writer.host}", len(requests)) as advance:
        answers = ask_all(writer, requests, kept, read, keep, advance)
    for request, sentences in zip(requests, answers, strict=True):
        found[request.term] += sentences
    empty = [name for name, sentences in found.items() if not sentences]
    if len(empty) == len(found):
        raise WriterError(
            f"{writer.url} answers, but no sentence of its answers holds a term. Name another "
            "model with --writer-model, or leave the writer out."
        )
    if empty:
        named = ", ".join(empty[:_SHOWN]) + (", …" if len(empty) > _SHOWN else "")
        progress.say(f"{writer.host} wrote no sentence with: {named}.")
    return found
