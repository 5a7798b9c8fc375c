"""What a run's texts are made of besides its model: a larger writer, and what must not be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from lexigraft.checks import prompts
from lexigraft.checks.neutral import neutral_texts
from lexigraft.corpus import (
    Request,
    TemplateFile,
    Text,
    Writer,
    ask_all,
    read_templates,
    request_count,
    sentences_in,
    writer_at,
    writer_requests,
)
from lexigraft.errors import WriterError
from lexigraft.lexicon import Lexicon
from lexigraft.progress import Progress
from lexigraft.recipe import Recipe, TextsRecipe, with_texts
from lexigraft.workspace import Workspace

__all__ = [
    "as_kept",
    "ask_writer",
    "evaluation_texts",
    "identified",
    "templates_of",
    "writer_of",
    "writer_work",
]

_SHOWN = 5  # terms named in one line


def evaluation_texts(lexicon: Lexicon) -> list[str]:
    """What no training text may share eight words with."""
    languages = {lexicon.language, *(t.language for t in lexicon)}
    neutral = [text for language in sorted(languages) for text in neutral_texts(language)]
    return [*(sentence for term in lexicon for sentence in term.unseen), *neutral]


def battery_prompts() -> list[str]:
    """Every prompt of the examination, with its slots: no template may resemble one."""
    tables = (
        prompts.ANSWER_PROMPTS,
        prompts.DEFINITION_PROMPTS,
        prompts.NEUTRAL_FRAMES,
        prompts.RELATED_PROMPTS,
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


def teacher_passes(texts: Sequence[Text]) -> int:
    """The teacher reads every text plain, and those about a term once more with its definition."""
    return len(texts) + sum(text.term is not None for text in texts)


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
