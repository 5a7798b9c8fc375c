"""The report's view model: what the templates lay out, every number already written as text."""

from __future__ import annotations

from dataclasses import dataclass, field

from lexigraft.report.chart import Chart
from lexigraft.report.strings import ReportLanguage

__all__ = [
    "Bar",
    "Bars",
    "Change",
    "CheckRow",
    "CheckView",
    "Chip",
    "Chosen",
    "Code",
    "Exchange",
    "Figure",
    "GlossaryEntry",
    "HarmView",
    "MapCell",
    "MapRow",
    "Note",
    "Page",
    "Pair",
    "PairTable",
    "QuestionView",
    "Said",
    "Spelled",
    "Status",
    "SummaryRow",
    "TermMap",
    "TermView",
    "TrainingView",
]

# A tone is one of "good", "bad", "plain": the CSS class that colours a value. Every toned value
# also says in words or by its sign what the colour says.


@dataclass(frozen=True)
class Figure:
    """One of the big numbers under the headline; `of` is what it is a part of: "of 10"."""

    value: str
    label: str
    note: str
    tone: str = "plain"
    of: str = ""


@dataclass(frozen=True)
class Note:
    """A remark with its tone."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Status:
    """What became of a term: sign, word, tone."""

    sign: str
    label: str
    tone: str


@dataclass(frozen=True)
class Said:
    """A model's words; `faint` where they are our remark that there are none."""

    text: str
    faint: bool = False


@dataclass(frozen=True)
class Change:
    """A score before and now; `now` is None for a model that was not taught."""

    before: str
    now: str | None
    passed: bool | None = None


@dataclass(frozen=True)
class Bar:
    """One condition's score: `width` in percent of the full bar, None where it was not run."""

    condition: str
    label: str
    value: str
    width: float


@dataclass(frozen=True)
class Bars:
    """The conditions of one check side by side, with the line that guessing would reach."""

    bars: tuple[Bar, ...]
    chance: float | None
    note: str
    description: str


@dataclass(frozen=True)
class Chip:
    """One token as a chip: its text with spaces made visible, its id."""

    text: str
    id: str | None
    new: bool = False


@dataclass(frozen=True)
class Spelled:
    """How one form is cut before and now; `written` where only the text of now is known."""

    form: str
    before: tuple[Chip, ...]
    after: tuple[Chip, ...]
    written: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One prompt and what was said to it, by condition: (condition, label, words)."""

    prompt: str
    said: tuple[tuple[str, str, Said], ...]


@dataclass(frozen=True)
class Chosen:
    """What one condition chose for a question."""

    condition: str
    label: str
    text: str
    right: bool
    rank: str


@dataclass(frozen=True)
class QuestionView:
    """One question and what each condition chose."""

    question: str
    right: str
    chosen: tuple[Chosen, ...]


@dataclass(frozen=True)
class CheckView:
    """One check on one term."""

    title: str
    bars: Bars
    passed: bool | None
    unmeasurable: bool
    percentile: str | None
    asked: str
    questions: tuple[QuestionView, ...]


@dataclass(frozen=True)
class CheckRow:
    """One check over all terms."""

    title: str
    what: str
    bars: Bars
    gap: str
    rank: str
    questions: str
    unmeasurable: bool
    baselines: str = ""


@dataclass(frozen=True)
class MapCell:
    """One term under one check in the map."""

    sign: str
    label: str
    style: str


@dataclass(frozen=True)
class MapRow:
    """One term in the map."""

    term: str
    anchor: str | None
    cells: tuple[MapCell, ...]


@dataclass(frozen=True)
class TermMap:
    """Terms by checks."""

    columns: tuple[str, ...]
    rows: tuple[MapRow, ...]
    caption: str


@dataclass(frozen=True)
class SummaryRow:
    """One term in the summary table."""

    term: str
    anchor: str | None
    route: str
    route_label: str
    before: Said
    now: Said | None
    definition: Change
    cloze: Change
    status: Status
    harmed: Note


@dataclass(frozen=True)
class TermView:
    """One term in detail."""

    anchor: str
    term: str
    language: str | None
    surface: str
    route: str
    route_label: str
    route_what: str
    status: Status
    definition: Change
    cloze: Change
    definitions: tuple[str, ...]
    forms: tuple[str, ...]
    spelled: tuple[Spelled, ...]
    same_pieces: bool
    saved: str | None
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    checks: tuple[CheckView, ...]


@dataclass(frozen=True)
class Pair:
    """A name and its value, with an optional remark."""

    name: str
    value: str
    note: Note | None = None


@dataclass(frozen=True)
class PairTable:
    """A small table of two columns."""

    title: str
    head: tuple[str, str]
    rows: tuple[Pair, ...]


@dataclass(frozen=True)
class HarmView:
    """What teaching cost."""

    intro: str
    drift: tuple[Pair, ...] = ()
    worst: PairTable | None = None
    leakage: tuple[Pair, ...] = ()
    leakage_by_term: PairTable | None = None
    selectivity: CheckRow | None = None
    kept: tuple[Pair, ...] = ()
    spelling: tuple[str, ...] = ()
    changed_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingView:
    """The charts of training and one sentence on it."""

    summary: str | None
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Code:
    """Lines to copy. `language` is the name of the language they are in."""

    title: str
    code: str
    language: str = "python"
    note: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class GlossaryEntry:
    """A word of the field and what it means."""

    word: str
    meaning: str


@dataclass(frozen=True)
class Page:
    """The whole report."""

    language: ReportLanguage
    title: str
    headline: str
    leads: tuple[Note, ...]
    facts: tuple[Pair, ...]
    figures: tuple[Figure, ...]
    taught: bool
    verified: bool
    summary: tuple[SummaryRow, ...]
    hidden_terms: str | None
    checks: tuple[CheckRow, ...]
    beside: tuple[PairTable, ...]
    term_map: TermMap | None
    terms: tuple[TermView, ...]
    harm: HarmView
    training: TrainingView
    codes: tuple[Code, ...]
    surfaces: tuple[tuple[str, str], ...]
    settings: tuple[PairTable, ...]
    truths: tuple[str, ...]
    remarks: tuple[str, ...]
    glossary: tuple[GlossaryEntry, ...] = field(default=())
