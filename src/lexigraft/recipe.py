"""Every setting of a run, once: its default, its unit and what it does. No torch.

A recipe is written as YAML with the same nesting; a file names only what it changes:

    training:
      rank: 16
    limits:
      drift_limit: 0.05
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lexigraft.errors import RecipeError

__all__ = [
    "AnyRoute",
    "Limits",
    "Objective",
    "Recipe",
    "RowsRecipe",
    "TextsRecipe",
    "TrainingRecipe",
    "Tune",
    "VerifyRecipe",
    "dump_recipe",
    "read_recipe",
    "with_texts",
]

AnyRoute = Literal["auto", "subword", "token", "marker"]
Initial = Literal["like", "pieces", "mean", "random", "similar", "definition", "distilled"]
Objective = Literal["distillation", "on-policy", "next-token"]
Tune = Literal["auto", "rows", "lora", "rows+lora", "full"]


class _Settings(BaseModel):
    # A wrong setting may hold what no traceback shall show, such as an address with a password.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TextsRecipe(_Settings):
    """What the model reads."""

    written: int = Field(
        16, ge=0, le=1000, description="texts a term that the untaught model writes itself"
    )
    held_out: int = Field(
        2, ge=0, le=100, description="further self-written texts a term, kept for validation"
    )
    passages: int = Field(
        16, ge=0, le=10_000, description="passages a term taken from the corpus, where one is given"
    )
    swapped: bool = Field(
        True, description="read each sentence once more with another term in it, as a contrast"
    )
    foils: float = Field(
        0.3, ge=0, le=1, description="share of the texts read once more with an untaught word"
    )
    replay: int = Field(
        96,
        ge=0,
        le=100_000,
        description="texts an epoch that the untaught model writes freely, to keep it; each is "
        "read once",
    )
    kept: int = Field(
        8,
        ge=0,
        le=1000,
        description="texts about each term of the run that is continued, if one is",
    )
    kept_in_all: int = Field(
        400, ge=0, le=100_000, description="the most of these; many terms have fewer each"
    )
    templates: str | None = Field(
        None,
        description="YAML file with templates of your own in the place of built-in ones; relative "
        "to the recipe's file",
    )
    writer: str | None = Field(
        None,
        description="address of an OpenAI-compatible server (`http://localhost:8080/v1`) that "
        "writes the texts about the terms; definitions, contrasts and examples are sent there",
    )
    writer_model: str | None = Field(None, description="name of the writer's model there")

    @field_validator("writer")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname)
            whole = whole and (parts.port is None or parts.port > 0)
        except ValueError:
            whole = False
        if not whole or any(c <= " " or c > "~" for c in url):
            raise ValueError("must be an address such as http://localhost:8080/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError(
                "must be an address alone, without user, password or query, for it is kept in the "
                "run; the key goes into the environment variable LEXIGRAFT_WRITER_KEY"
            )
        return url

    @model_validator(mode="after")
    def _model_of_a_writer(self) -> TextsRecipe:
        if self.writer_model is not None and self.writer is None:
            raise ValueError("writer_model names a model of the writer, and there is no writer")
        return self


class RowsRecipe(_Settings):
    """First values of new embedding rows (token route)."""

    initial: Initial = Field(
        "like",
        description="like: from the lexicon's `like` words, else as pieces; pieces: from the old "
        "tokens of the form; mean: of all rows; random: with the moments of all rows; similar: "
        "from `like` words, else from the words nearest to the definition; definition: from its "
        "tokens; distilled: trained to act as the pieces did, for words the model understands",
    )
    distilled_texts: int = Field(
        8, ge=1, le=1000, description="distilled: texts a new token, the lexicon's own included"
    )
    distilled_epochs: float = Field(2.0, gt=0, description="distilled: passes over these texts")
    distilled_learning_rate: float = Field(6e-3, gt=0, lt=1, description="distilled: of Adam")
    distilled_text_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="distilled: share of the text's own tokens in the target; 0 says a word just "
        "as often as its pieces were; 1 is plain next-token loss",
    )
    multiple: int = Field(
        1, ge=1, le=4096, description="a matrix that must grow gets a multiple of this many rows"
    )


class TrainingRecipe(_Settings):
    """How what may move is moved."""

    rank: int = Field(4, ge=1, le=1024, description="rank of the LoRA")
    alpha: float = Field(32.0, gt=0, description="the LoRA's scale is alpha / rank")
    layers: float = Field(
        1.0, gt=0, le=1, description="share of the layers that have a LoRA, from the first on"
    )
    objective: Objective = Field(
        "distillation",
        description="distillation: the same model with the definition in its prompt is the "
        "teacher; on-policy: so it is, and from the second epoch on it judges what the student "
        "itself writes; next-token: plain loss on the texts, replay aside",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="of LoRA, AdamW; by default 2e-3 up to a width of 576, less above it",
    )
    rows_learning_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="of new rows, AdamW; by default 0.0369 of the size of the model's own rows",
    )
    full_learning_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="of all weights, AdamW; by default 3e-5 up to a width of 576, less above it",
    )
    epochs: float = Field(6.0, gt=0, description="passes over all training texts")
    batch_tokens: int = Field(512, ge=16, description="tokens in one batch, padding included")
    accumulate: int = Field(
        1, ge=1, le=10_000, description="batches whose gradients make one step of the optimiser"
    )
    warm_up: float = Field(0.06, ge=0, le=1, description="share of the steps with a rising rate")
    replay_weight: float = Field(1.5, ge=0, description="weight of a replay token against others")
    leakage_weight: float = Field(
        30.0,
        ge=1,
        description="weight of what new tokens get where the model shall stay as it was, against "
        "all else that changes there; 1: the plain KL",
    )
    drift_budget: float = Field(
        0.1,
        gt=0,
        description="what teaching may cost, nats a token: a LoRA is scaled down to it at the end, "
        "at most to a half; a tight one costs most in what the model says of its terms",
    )
    text_weight: float = Field(
        0.25, ge=0, le=1, description="share of the text's own next token in the teacher's target"
    )
    term_weight: float = Field(
        1.0, gt=0, description="weight of a term's own tokens against the others of its texts"
    )
    lexicon_weight: float = Field(
        2.0, gt=0, description="weight of definitions and examples against self-written texts"
    )
    teacher_examples: int = Field(
        3, ge=0, description="the lexicon's examples that the teacher reads besides the definition"
    )
    evidence: float = Field(
        4.0,
        description="nats by which what stands before a term must speak for it, that the model "
        "learns to say it there; of its own sentences a tenth do",
    )
    top_k: int = Field(64, ge=1, description="teacher's likeliest next tokens kept a position")
    checkpoint_seconds: float = Field(30.0, ge=0, description="between two checkpoints")
    patience: int = Field(
        4, ge=0, description="validations without a lower loss after which training stops; 0: never"
    )
    evaluate_every: int = Field(25, ge=1, description="steps between two validations")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="of the frozen weights while training; auto: bfloat16 where it is fast"
    )

    @property
    def begun_epochs(self) -> int:
        """How many epochs are read from, the last one perhaps in part."""
        return math.ceil(self.epochs)


class Limits(_Settings):
    """What teaching may cost."""

    drift_limit: float = Field(
        0.15,
        gt=0,
        description="mean KL to the untaught model, nats a token; beyond it no term is known",
    )
    leakage_limit: float = Field(
        10.0, gt=0, description="expected emissions of taught terms per 10,000 neutral tokens"
    )


class VerifyRecipe(_Settings):
    """How thoroughly it is verified."""

    controls: int = Field(8, ge=1, le=100, description="untaught words beside each term")


class Recipe(_Settings):
    """All settings of a run."""

    route: AnyRoute = Field(
        "auto", description="of every term, over what the lexicon says; auto: lexicon or diagnosis"
    )
    tune: Tune = Field(
        "auto",
        description="what moves; auto: a LoRA, and new rows beside it where there are new tokens",
    )
    texts: TextsRecipe = Field(TextsRecipe(), description="what the model reads")
    rows: RowsRecipe = Field(RowsRecipe(), description="first values of new rows")
    training: TrainingRecipe = Field(TrainingRecipe(), description="how it is trained")
    limits: Limits = Field(Limits(), description="what teaching may cost")
    verify: VerifyRecipe = Field(VerifyRecipe(), description="how it is verified")

    def digest(self) -> str:
        """SHA-256 of every setting."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def read_recipe(path: str | Path) -> Recipe:
    """The recipe in the YAML file at `path`, over the defaults.

    Raises:
        RecipeError: the file cannot be read or has unknown or impossible settings: all of them.
    """
    path = Path(path)
    try:
        value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: no such file.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        raise RecipeError(f"{path} cannot be read as YAML: {first}") from error
    if value is not None and not isinstance(value, dict):
        raise RecipeError(
            f"{path} must hold settings (`training:` …), not a {type(value).__name__}."
        )
    try:
        recipe = Recipe.model_validate(value or {})
    except ValidationError as error:
        raise RecipeError("\n".join([f"{path}:", *_lines(error)])) from error
    if recipe.texts.templates is None:
        return recipe
    # Beside the recipe, wherever it is read from; an absolute path stays as it is.
    return with_texts(recipe, templates=str(path.parent / recipe.texts.templates))


def with_texts(recipe: Recipe, **given: str | Path | None) -> Recipe:
    """`recipe` with those of `texts`' settings that are given. Raises RecipeError."""
    changes = {name: str(value) for name, value in given.items() if value is not None}
    if not changes:
        return recipe
    try:
        texts = TextsRecipe.model_validate({**recipe.texts.model_dump(), **changes})
    except ValidationError as error:
        raise RecipeError("\n".join(["Settings of the texts:", *_lines(error, "texts")])) from error
    return recipe.model_copy(update={"texts": texts})


def _lines(error: ValidationError, *within: str) -> list[str]:
    items = error.errors(include_url=False)
    return [f"  {_line({**item, 'loc': (*within, *item['loc'])})}" for item in items]


def _line(item: Any) -> str:
    place = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        known = ", ".join(_known(item["loc"][:-1]))
        return f"{place}: unknown; there are {known}"
    if item["type"] == "value_error":  # in our own words, which repeat no address
        return f"{place}: {item['ctx']['error']}"
    return f"{place}: {item['msg'][:1].lower()}{item['msg'][1:]} (given: {item['input']!r})"


def _known(place: tuple[Any, ...]) -> list[str]:
    model: Any = Recipe
    for name in place:
        model = model.model_fields[name].annotation
    return list(model.model_fields)


def dump_recipe(recipe: Recipe) -> str:
    """Every setting as YAML that `read_recipe` reads back."""
    return str(yaml.safe_dump(recipe.model_dump(), sort_keys=False))
