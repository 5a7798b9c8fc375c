"""Check 11, marker selectivity: the marked form has the new meaning, the bare word keeps its old.

The *rise* of a form is how much likelier teaching made the term's definition after it, less the
same for untaught words written the same way: ℓ_taught(d | prompt) - ℓ_base(d | prompt). A term is
selective when its marked form rises, and its bare word at most half as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

from lexigraft.checks.judged import Judged
from lexigraft.checks.prompts import DEFINITION_PROMPTS
from lexigraft.checks.results import CheckSummary, Item, Score
from lexigraft.lexicon import Language, Lexicon, Term
from lexigraft.likelihood import Pair, pair

__all__ = ["CHECK", "selectivity", "summary_of"]

CHECK = "selectivity"
MOST_BARE = 0.5


def selectivity(
    base: Judged,
    taught: Judged,
    lexicon: Lexicon,
    surfaces: Mapping[str, str],
    untaught: Mapping[str, Sequence[str]],
    *,
    language: Language | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Score]:
    """A Score for each term that is written in a marker; empty if there is none.

    `untaught` gives each term's control words in the same marker.
    """
    language = language or lexicon.language
    marked = [t for t in lexicon if surfaces[t.term] == lexicon.marker.wrap(t.term)]
    prompts = DEFINITION_PROMPTS[language]
    asked: dict[tuple[str, str, str], tuple[Pair, Pair]] = {}
    for term in marked:
        text = f" {term.definition[0].rstrip('.')}."
        for form in _forms(term, lexicon, untaught[term.term]):
            for prompt in prompts:
                asking = prompt.format(term=form)
                before = pair(base.tokenizer, asking, text)
                asked[term.term, form, prompt] = before, pair(taught.tokenizer, asking, text)
    old = base.log_probabilities([a for a, _ in asked.values()], advance)
    new = taught.log_probabilities([b for _, b in asked.values()], advance)
    rises = dict(zip(asked, (b - a for a, b in zip(old, new, strict=True)), strict=True))

    def rise(term: Term, prompt: str, *, in_marker: bool) -> float:
        forms = _forms(term, lexicon, untaught[term.term])
        mine, *others = [f for f in forms if _wrapped(f, lexicon) == in_marker]
        usual = [rises[term.term, other, prompt] for other in others]
        return rises[term.term, mine, prompt] - (fmean(usual) if usual else 0.0)

    out = {}
    for term in marked:
        pairs = [(rise(term, p, in_marker=True), rise(term, p, in_marker=False)) for p in prompts]
        items = tuple(
            _item(surfaces[term.term], term.term, prompt, *values)
            for prompt, values in zip(prompts, pairs, strict=True)
        )
        out[term.term] = Score(
            check=CHECK,
            taught=fmean(item.rank == 1 for item in items),
            passed=_is_selective(fmean(m for m, _ in pairs), fmean(b for _, b in pairs)),
            items=items,
        )
    return out


def _wrapped(form: str, lexicon: Lexicon) -> bool:
    return form.startswith(lexicon.marker.open) and form.endswith(lexicon.marker.close)


def _forms(term: Term, lexicon: Lexicon, untaught: Sequence[str]) -> list[str]:
    """The marked term, the bare term, then each control word both ways."""
    marker = lexicon.marker
    bare = [w[len(marker.open) : -len(marker.close)] for w in untaught if _wrapped(w, lexicon)]
    return [form for word in (term.term, *bare) for form in (marker.wrap(word), word)]


def _is_selective(marked: float, bare: float) -> bool:
    return marked > 0 and bare <= MOST_BARE * marked


def _item(surface: str, bare: str, prompt: str, marked_rise: float, bare_rise: float) -> Item:
    good = _is_selective(marked_rise, bare_rise)
    return Item(
        condition="taught",
        question=prompt.format(term=surface),
        chosen=surface if good else bare,
        right=surface,
        rank=1 if good else 2,
        margin=marked_rise - bare_rise,
    )


def summary_of(scores: Mapping[str, Score]) -> CheckSummary | None:
    """Selectivity over all marker terms; None if there is none."""
    if not scores:
        return None
    means = [score.taught or 0.0 for score in scores.values()]
    error = stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
    return CheckSummary(
        check=CHECK,
        chance=0.5,
        taught=fmean(means),
        standard_error=error,
        questions=sum(len(score.items) for score in scores.values()),
    )
