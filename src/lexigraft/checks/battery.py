"""All checks on one pair of models, each under its conditions, each timed.

The conditions are floor (the untaught model), taught, and ceiling (the untaught model with the
definition in its prompt); without a taught model, floor and ceiling. What a term knows by it all is
for `lexigraft.verdict` to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from lexigraft.checks.alignment import alignment
from lexigraft.checks.answers import answer_prompts, answers
from lexigraft.checks.baselines import baselines
from lexigraft.checks.chat import CHATTED, Unchatted
from lexigraft.checks.chat import summary_of as chat_summary
from lexigraft.checks.cloze import cloze, cloze_pairs
from lexigraft.checks.definition import definition
from lexigraft.checks.drift import choose_texts, drift, hard_negatives, read_texts
from lexigraft.checks.judged import Judged
from lexigraft.checks.leakage import emissions, leakage, related_log_probabilities
from lexigraft.checks.near_terms import near_terms
from lexigraft.checks.override import obedience, override
from lexigraft.checks.portions import PARTS
from lexigraft.checks.properties import properties
from lexigraft.checks.ranking import Ranking, score_terms, summarise
from lexigraft.checks.results import (
    Alignment,
    Answer,
    Chat,
    CheckSummary,
    Condition,
    Drift,
    Leakage,
    Override,
    Score,
    Use,
)
from lexigraft.checks.selectivity import selectivity, summary_of
from lexigraft.checks.term_from_definition import term_from_definition
from lexigraft.checks.use import Written, copied_share, distinct_pairs, emitted_share, use, write
from lexigraft.lexicon import Lexicon
from lexigraft.progress import Advance

__all__ = ["RANKING", "Battery", "Harm", "units"]

RANKING: dict[str, Callable[..., list[Ranking]]] = {
    "definition": definition,
    "term_from_definition": term_from_definition,
    "cloze": cloze,
    "cloze_pairs": cloze_pairs,
    "near_terms": near_terms,
    "properties": properties,
}
# How long each part takes, roughly, against the others: for the progress bar alone.
_WEIGHTS = {
    "definition": 8,
    "term_from_definition": 2,
    "cloze": 6,
    "cloze_pairs": 1,
    "near_terms": 1,
    "properties": 2,
    "use": 2,
    "override": 1,
    "drift": 2,
    "leakage": 1,
    "selectivity": 2,
    "answers": 3,
}


def units(checks: Sequence[str], has_taught: bool) -> int:
    """Units of progress that a battery tells in all; a model that is read twice counts twice."""
    models = 1 + has_taught
    # Writing and reading under every condition, and one prompt to each model.
    times = {"use": 2 * (1 + models) + models, "override": models, "answers": 1 + models}
    times |= dict.fromkeys(RANKING, 1 + models)
    times |= {"leakage": 4 * has_taught, "selectivity": 2 * has_taught}
    # Drift and leakage look at one reading of the neutral texts; drift adds the hard negatives.
    read = 2 * bool({"drift", "leakage"} & set(checks)) + 2 * ("drift" in checks)
    asked = {*checks, "definition"} if "alignment" in checks else set(checks)
    total = sum(_WEIGHTS[c] * times[c] for c in asked if c in times)
    return PARTS * (total + _WEIGHTS["drift"] * read * has_taught)


@dataclass(frozen=True)
class Harm:
    """What teaching cost; `unread` where that was asked for and no neutral text could be used."""

    drift: Drift | None = None
    leakage: Leakage | None = None
    unread: bool = False


@dataclass
class Battery:
    """One judgement: what all its checks share, and what they found."""

    lexicon: Lexicon
    floor: Judged
    taught: Judged | None
    surfaces: Mapping[str, str]
    untaught: Mapping[str, Sequence[str]]
    peers: Mapping[str, Sequence[str]]
    checks: Sequence[str]
    advance: Advance
    seed: int = 0
    training_texts: Sequence[str] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    summaries: dict[str, CheckSummary] = field(default_factory=dict)
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    """By check and term."""

    @property
    def judged(self) -> Condition:
        """The condition that the verdict is about."""
        return "floor" if self.taught is None else "taught"

    @contextmanager
    def _timed(self, check: str) -> Iterator[Callable[[int], None]]:
        """Times a check; gives what it tells its progress to, in parts of itself."""
        start = time.perf_counter()
        yield lambda count: self.advance(count * _WEIGHTS[check])
        self.seconds[check] = self.seconds.get(check, 0.0) + time.perf_counter() - start

    def rank(self) -> Alignment | None:
        """Runs every ranking check that was chosen but `use`; and reads the matrix of the first."""
        aligned = None
        for name, check in RANKING.items():
            wanted = name in self.checks
            if not wanted and not (name == "definition" and "alignment" in self.checks):
                continue
            options = {"peers": self.peers} if check is term_from_definition else {}
            with self._timed(name) as part:
                found = self._conditions(partial(check, **options), part)
            if name == "definition" and "alignment" in self.checks:
                with self._timed("alignment"):
                    aligned = alignment(found)
            if wanted:
                self._keep(name, found)
                self._chat(name)
        return aligned

    def _chat(self, name: str) -> None:
        """Asks once more through the chat template, if there is one; it adds to what was kept.

        Its time counts as the check's; it is too short for a progress of its own.
        """
        chats = bool(self.floor.tokenizer.chat_template)
        if not chats or name not in CHATTED or name not in self.summaries:
            return
        found: Chat | None
        with self._timed(name):
            try:
                check = partial(CHATTED[name], peers=self.peers)
                found = chat_summary(name, self._conditions(check, None, untaught=False))
            except Unchatted as error:
                found = Chat(measurable=False, reason=error.reason, detail=error.detail)
        self.summaries[name] = self.summaries[name].model_copy(update={"chat": found})

    def _conditions(
        self,
        check: Callable[..., list[Ranking]],
        part: Callable[[int], None] | None,
        *,
        untaught: bool = True,
    ) -> dict[Condition, list[Ranking]]:
        about: tuple[object, ...] = self.lexicon, self.surfaces
        about = (*about, self.untaught) if untaught else about
        found: dict[Condition, list[Ranking]] = {"floor": check(self.floor, *about, advance=part)}
        if self.taught is not None:
            found["taught"] = check(self.taught, *about, advance=part)
        found["ceiling"] = check(self.floor, *about, with_definition=True, advance=part)
        return found

    def _keep(self, name: str, found: Mapping[Condition, Sequence[Ranking]]) -> None:
        summary = summarise(name, found)
        if summary is None:
            return
        meanings = {t.term: t.definition[0] for t in self.lexicon}
        options = {"definition": meanings, "cloze": self.surfaces}.get(name)
        if options is not None:
            rules = baselines(found["floor"], options, meanings)
            summary = summary.model_copy(update={"baselines": rules})
        self.summaries[name] = summary
        self.scores[name] = score_terms(name, found, self.judged)

    def use(self) -> Use | None:
        """Lets the models write, and the untaught one read it."""
        if "use" not in self.checks:
            return None
        both = [one for one in (self.floor, self.taught) if one is not None]
        with self._timed("use") as part:
            found: dict[Condition, list[Ranking]] = {
                condition: use(self.floor, self.lexicon, written, seed=self.seed, advance=part)
                for condition, written in self._written(part).items()
            }
            emitted = [emitted_share(one, self.lexicon, self.surfaces, part) for one in both]
        self._keep("use", found)
        return self._used(found, emitted)

    def _written(
        self, part: Callable[[int], None]
    ) -> dict[Condition, dict[str, tuple[Written, ...]]]:
        pen = partial(write, lexicon=self.lexicon, surfaces=self.surfaces, seed=self.seed)
        out: dict[Condition, dict[str, tuple[Written, ...]]] = {
            "floor": pen(self.floor, untaught=self.untaught, advance=part)
        }
        if self.taught is not None:
            out["taught"] = pen(self.taught, untaught=self.untaught, advance=part)
        out["ceiling"] = pen(self.floor, with_definition=True, advance=part)
        return out

    def _used(self, found: Mapping[Condition, Sequence[Ranking]], emitted: Sequence[float]) -> Use:
        reference = self.training_texts
        if reference is None:
            reference = [s for t in self.lexicon for s in (*t.definition, *t.examples)]
        now = [r.question for r in found[self.judged]]
        before = [] if self.taught is None else [r.question for r in found["floor"]]
        return Use(
            sentences=len(now),
            copied=copied_share(now, reference),
            copied_before=copied_share(before, reference),
            distinct_pairs=distinct_pairs(now),
            distinct_pairs_before=distinct_pairs(before),
            emitted=emitted[-1],
            emitted_before=None if self.taught is None else emitted[0],
            reference="lexicon" if self.training_texts is None else "training texts",
        )

    def override(self) -> Override | None:
        """Whether a definition in the prompt counts, before and after."""
        if "override" not in self.checks:
            return None
        about = self.lexicon, self.surfaces, self.untaught
        with self._timed("override") as part:
            before = obedience(self.floor, *about, advance=part)
            after = None if self.taught is None else obedience(self.taught, *about, advance=part)
        if self.taught is None:
            return None if before is None else override(self.lexicon, None, before)
        return None if after is None else override(self.lexicon, before, after)

    def harm(self) -> Harm:
        """Drift and leakage, from one reading of the neutral texts."""
        base, taught, lexicon = self.floor, self.taught, self.lexicon
        if taught is None or not {"drift", "leakage"} & set(self.checks):
            return Harm()
        both = base, taught
        drifted = leaked = None
        with self._timed("drift") as part:
            texts = choose_texts(both, lexicon)
            if not texts:
                return Harm(unread=True)
            before, after = (read_texts(one, texts, part) for one in both)
            if "drift" in self.checks:
                hard = hard_negatives(both, lexicon, self.surfaces)
                readings = read_texts(base, hard, part), read_texts(taught, hard, part)
                drifted = drift(base, taught, before, after, readings)
        if "leakage" in self.checks:
            with self._timed("leakage") as part:
                about = lexicon, self.surfaces, part
                emitted = emissions(base, before, *about), emissions(taught, after, *about)
                old, new = (related_log_probabilities(one, *about) for one in both)
                leaked = leakage(*emitted, related=(old, new))
        return Harm(drifted, leaked)

    def select(self) -> CheckSummary | None:
        """Whether bare words kept their meaning; None without a marker term or a taught model."""
        if self.taught is None or "selectivity" not in self.checks:
            return None
        with self._timed("selectivity") as part:
            scores = selectivity(
                self.floor, self.taught, self.lexicon, self.surfaces, self.untaught, advance=part
            )
        return summary_of(scores)

    def answers(self) -> dict[str, tuple[Answer, ...]]:
        """Before, after and ceiling side by side; without a taught model, after is before."""
        if "answers" not in self.checks:
            return {}
        about = self.lexicon, self.surfaces
        with self._timed("answers") as part:
            both = (False, True)
            before, ceiling = answers(self.floor, *about, with_definition=both, advance=part)
            after = before
            if self.taught is not None:
                [after] = answers(self.taught, *about, advance=part)
        return {
            term: tuple(
                Answer(prompt=p, before=b, after=a, ceiling=c)
                for p, b, a, c in zip(asked, before[term], after[term], ceiling[term], strict=True)
            )
            for term, asked in answer_prompts(*about).items()
        }
