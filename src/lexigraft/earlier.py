"""The run that a run continues: its terms, which must not suffer, and those that are corrected.

`teach --model RUN` teaches a model that was taught before. What was taught there, and in the runs
that RUN itself continued, is read once, when the new run begins, and kept in its folder: so the
terms can be verified, and a third run can go on, without the older folders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexigraft.errors import LexiconError, LexigraftError, Problem, RunError
from lexigraft.lexicon import Lexicon, Term, read_lexicon
from lexigraft.lexicon.validation import same
from lexigraft.recipe import read_recipe
from lexigraft.run_record import Link
from lexigraft.spelling.values import NewToken, Spelling
from lexigraft.workspace import Workspace

__all__ = [
    "KEPT_CHECKS",
    "Corrected",
    "Earlier",
    "Part",
    "Then",
    "load_earlier",
    "read_earlier",
    "run_around",
]

KEPT_CHECKS = ("definition", "cloze")
"""What the earlier terms are asked again."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Then(_Value):
    """What a term scored in one check when it was taught."""

    score: float | None = None
    passed: bool = False


class Part(_Value):
    """What one earlier run taught: the terms that are kept, and those corrected since."""

    run: str = Field(description="the run's folder, as it was given")
    lexicon: Lexicon
    spelling: Spelling
    seed: int = Field(description="of that run: its verification is asked again alike")
    controls: int
    scores: dict[str, dict[str, Then]] = Field(
        default_factory=dict, description="by term and check, from that run's own verdict"
    )
    corrected: tuple[str, ...] = Field((), description="terms that a later run defined anew")

    @property
    def surfaces(self) -> dict[str, str]:
        """How each of the terms is written to the model."""
        return {term.term: self.spelling.surface(term.term) for term in self.lexicon}

    @property
    def kept(self) -> Lexicon:
        """The lexicon without the corrected terms, and without what others say of them."""
        gone = set(self.corrected)
        left = tuple(
            term.model_copy(
                update={"contrast": tuple(c for c in term.contrast if c.term not in gone)}
            )
            for term in self.lexicon
            if term.term not in gone
        )
        return self.lexicon.model_copy(update={"terms": left})


class Corrected(_Value):
    """A term of an earlier run that gets another definition: it is taught anew, not kept."""

    term: str
    run: str
    route: str = Field(description="the earlier one, which the new run takes too")
    tokens: tuple[NewToken, ...] = Field((), description="whose rows are there already")


class Earlier(_Value):
    """Everything that a run must know of what its model was taught before."""

    run: str = Field(description="the folder of the run that is continued, as it was given")
    chain: tuple[Link, ...] = Field(description="that run, then what it continued, and so on")
    parts: tuple[Part, ...] = Field((), description="what is kept, the latest run's terms first")
    corrected: tuple[Corrected, ...] = ()

    @property
    def terms(self) -> int:
        """How many terms are kept."""
        return sum(len(part.kept) for part in self.parts)

    @property
    def sentences(self) -> list[str]:
        """Every sentence by which kept terms are verified; none may be trained on."""
        return [text for part in self.parts for term in part.kept for text in term.unseen]

    def on_earlier_routes(self, lexicon: Lexicon) -> Lexicon:
        """`lexicon` with each corrected term on the route that it had, where it names none."""
        routes = {correction.term: correction.route for correction in self.corrected}
        terms = tuple(
            term.model_copy(update={"route": routes[term.term]})
            if term.route is None and term.term in routes
            else term
            for term in lexicon
        )
        return lexicon.model_copy(update={"terms": terms})

    def moving_tokens(self, lexicon: Lexicon, spelling: Spelling) -> tuple[NewToken, ...]:
        """Tokens of corrected terms on the token route, by id: there the old row is what moves."""
        found = [
            token
            for correction in self.corrected
            if spelling.route(correction.term) == "token"
            for token in correction.tokens
            if same(token.form) in set(map(same, lexicon[correction.term].surfaces))
        ]
        return tuple(sorted(found, key=lambda token: token.id))


def run_around(model: str | Path) -> Path | None:
    """The folder of the run whose merged model `model` is: the run itself, or its `model`."""
    place = Path(model).expanduser()
    for folder in (place, place.parent if place.resolve().name == "model" else place):
        if (folder / "run.json").is_file():
            return folder
    return None


def read_earlier(
    model: str | Path,
    lexicon: Lexicon,
    output: str | Path | None,
    *,
    replace: Sequence[str] = (),
    lexicon_path: Path | None = None,
) -> Earlier | None:
    """What `model` was taught before; None where it is no run's model.

    Args:
        model: as `teach` takes it.
        lexicon: what is to be taught now.
        output: the new run's folder; None where there is to be none.
        replace: terms of the earlier run that `lexicon` defines anew.
        lexicon_path: named in errors.

    Raises:
        LexiconError: a term or form of `lexicon` that was taught before and is not to be replaced;
            a name in `replace` that one of the two lacks: all of them.
        RunError: files of the earlier run are missing or damaged, or it stands in `output`.
    """
    root = run_around(model)
    file = lexicon.name if lexicon_path is None else str(lexicon_path)
    if root is None:
        if replace:
            problem = (
                f"--replace {replace[0]}: {model} is no run, so nothing was taught there before"
            )
            raise LexiconError([Problem(file, None, f"{problem}. Leave --replace out.")])
        return None
    place = None if output is None else Path(output).expanduser()
    if place is not None and root.resolve() == place.resolve():
        raise RunError(
            f"{root} is the run that is to be continued, so it cannot be the new one's folder too. "
            "Name another folder by --output."
        )
    parts = _parts(root)
    wanted, problems = _wanted(replace, lexicon, parts, root)
    problems += _clashes(lexicon, parts, wanted, place)
    if problems:
        raise LexiconError([Problem(file, None, problem) for problem in problems])
    left = (_correcting(part, set(wanted.values())) for part in parts)
    return Earlier(
        run=str(root),
        chain=_chain(root),
        parts=tuple(part for part in left if len(part.kept)),
        corrected=tuple(_corrected(new, old, parts) for new, old in wanted.items()),
    )


def load_earlier(space: Workspace) -> Earlier | None:
    """What the run in `space` continues, from its folder; None where it continues none.

    Raises RunError for a damaged file.
    """
    if not space.earlier.is_file():
        return None
    try:
        return Earlier.model_validate(space.read_json(space.earlier))
    except ValidationError as error:
        raise RunError(f"{space.earlier} is damaged. Start the run again elsewhere.") from error


def _parts(root: Path) -> tuple[Part, ...]:
    """What the run at `root` taught, then what it kept of the runs before it."""
    space = Workspace.open(root, create=False)
    try:
        lexicon = read_lexicon(space.lexicon)
        spelling = Spelling.model_validate(space.read_json(space.spelling / "spelling.json"))
        controls = read_recipe(space.recipe).verify.controls
    except (LexigraftError, ValidationError) as error:
        raise RunError(
            f"{root} cannot be continued, for its terms are not to be had: "
            f"{str(error).splitlines()[0]} Bring its files back, or copy its model folder "
            "elsewhere and teach that: then nothing of what it knows is kept on purpose."
        ) from error
    before = load_earlier(space)
    if before is not None:
        # Rows of corrected terms are older than that run's spelling.
        tokens = before.moving_tokens(lexicon, spelling)
        spelling = spelling.model_copy(update={"new_tokens": (*tokens, *spelling.new_tokens)})
    own = Part(
        run=str(root),
        lexicon=lexicon,
        spelling=spelling,
        seed=space.record.seed,
        controls=controls,
        scores=_scores(space),
    )
    return (own, *(before.parts if before is not None else ()))


def _scores(space: Workspace) -> dict[str, dict[str, Then]]:
    """From the run's own verdict, as far as there is one. Read as plain data: it may be older."""
    if not space.verdict.is_file():
        return {}
    value: Any = space.read_json(space.verdict)
    out: dict[str, dict[str, Then]] = {}
    for term in value.get("terms", ()):
        scores: Mapping[str, Any] = term.get("scores", {})
        out[term["term"]] = {
            check: Then(score=scores[check].get("taught"), passed=bool(scores[check].get("passed")))
            for check in KEPT_CHECKS
            if check in scores
        }
    return out


def _chain(root: Path) -> tuple[Link, ...]:
    record = Workspace.open(root, create=False).record
    link = Link(
        run=str(root),
        lexicon=record.lexicon,
        lexicon_digest=record.lexicon_digest,
        terms=len(record.terms),
        model=record.model,
        fingerprint=record.fingerprint,
    )
    return (link, *record.continues)


def _known(parts: Sequence[Part]) -> Iterator[tuple[Part, Term]]:
    return ((part, term) for part in parts for term in part.kept)


def _wanted(
    replace: Sequence[str], lexicon: Lexicon, parts: Sequence[Part], root: Path
) -> tuple[dict[str, str], list[str]]:
    """New term -> earlier term for everything in `replace`; and what is wrong with the rest."""
    taught = {same(term.term): term.term for _, term in _known(parts)}
    given = {same(term.term): term.term for term in lexicon}
    wanted, problems = {}, []
    for name in dict.fromkeys(replace):
        key = same(name)
        if key not in taught:
            listed = ", ".join(sorted(taught.values())[:10])
            problems.append(f"--replace {name}: {root} was taught no such term; it has {listed}")
        elif key not in given:
            problems.append(f"--replace {name}: the lexicon does not define it anew; add it there")
        else:
            wanted[given[key]] = taught[key]
    return wanted, problems


def _clashes(
    lexicon: Lexicon, parts: Sequence[Part], wanted: Mapping[str, str], output: Path | None
) -> list[str]:
    """One line for each new term that has a form of an earlier one."""
    owners: dict[str, tuple[Part, Term]] = {}
    for part, term in _known(parts):
        for form in term.surfaces:
            owners.setdefault(same(form), (part, term))
    problems = []
    for term in lexicon:
        for form in term.surfaces:
            if same(form) not in owners:
                continue
            part, old = owners[same(form)]
            if wanted.get(term.term) == old.term:
                continue
            what = "" if same(form) == same(old.term) else f", as a form of “{old.term}”,"
            correct = (
                f"or correct its definition by --replace {old.term}"
                if same(old.term) == same(term.term)
                else "or choose another spelling"
            )
            problems.append(
                f"“{form}” was taught{what} by {part.run} already, and {output or 'this run'} "
                f"would teach it again: leave it out, {correct}"
            )
            break
    return problems


def _corrected(new: str, old: str, parts: Sequence[Part]) -> Corrected:
    part = next(part for part, term in _known(parts) if term.term == old)
    tokens = tuple(t.model_copy(update={"term": new}) for t in part.spelling.tokens_of(old))
    return Corrected(term=new, run=part.run, route=part.spelling.route(old), tokens=tokens)


def _correcting(part: Part, terms: Collection[str]) -> Part:
    """The part with those of `terms` that it has marked as corrected.

    They stay candidates when the others are asked again, as they were the first time.
    """
    now = [term.term for term in part.kept if term.term in terms]
    return part.model_copy(update={"corrected": (*part.corrected, *now)})
