"""What the model was before, where the run continues another: its chain, and what is kept of it."""

from __future__ import annotations

from pathlib import PurePath

from lexigraft.checks.results import Kept, KeptScore, KeptTerm
from lexigraft.report.files import RunFiles, mapping, number, sequence, text
from lexigraft.report.page import Figure, Note, Pair
from lexigraft.report.scores import check_title, cut
from lexigraft.report.strings import Words

__all__ = ["chain_sentence", "kept_figure", "kept_lead", "kept_pairs"]

MOST_KEPT = 60


def chain_sentence(files: RunFiles, words: Words) -> str | None:
    """What was taught before, the latest run first, down to the first base; None for a new model.

    Of folders only the last part is said: a card may leave this machine.
    """
    links = [mapping(link) for link in sequence(files.run.get("continues"))]
    if not links:
        return None
    runs = [
        words(
            "before.run",
            run=cut(_last(text(link, "run")), words, 60),
            lexicon=cut(text(link, "lexicon") or "?", words, 60),
            terms=words.count("term", int(number(link, "terms") or 0)),
        )
        for link in links
    ]
    base = cut(_last(text(links[-1], "model")), words, 80)
    return words("before.chain", runs="; ".join(runs), base=base)


def _last(given: str | None) -> str:
    path = (given or "?").replace("\\", "/")
    # A hub id has an owner, which belongs to the name; a folder's parents are nobody's business.
    return path if path.count("/") == 1 and path[0] not in "./~" else PurePath(path).name or path


def kept_lead(found: Kept, words: Words) -> Note:
    """How many earlier terms are kept, and which are not."""
    kept, of = words.integer(found.kept), words.integer(found.of)
    if not found.of:
        return Note(words("kept.nothing"))
    if not found.lost:
        return Note(words("kept.all", kept=kept, of=of), "good")
    names = ", ".join(cut(term, words, 40) for term in found.lost[:10])
    return Note(words("kept.some", kept=kept, of=of, terms=names), "bad")


def kept_figure(found: Kept, words: Words) -> Figure:
    """The same as a big number."""
    tone = "plain" if not found.of else ("bad" if found.lost else "good")
    of = words("figure.of", total=words.integer(found.of))
    return Figure(words.integer(found.kept), words("kept.figure"), "", tone, of)


def kept_pairs(found: Kept, words: Words) -> tuple[Pair, ...]:
    """Each earlier term's checks: when it was taught, before this run, and now; lost ones first."""
    ranked = sorted(found.terms, key=lambda term: not (term.had_passed and not term.kept))
    return tuple(_pair(term, words) for term in ranked[:MOST_KEPT])


def _pair(term: KeptTerm, words: Words) -> Pair:
    values = [
        f"{check_title(check, words)} {_values(score, words)}"
        for check, score in term.scores.items()
    ]
    if not term.had_passed:
        note = Note(words("kept.none_before"))
    elif term.kept:
        note = Note(words("kept.yes"), "good")
    else:
        note = Note(words("kept.no"), "bad")
    return Pair(cut(term.surface, words, 80), "; ".join(values), note)


def _values(score: KeptScore, words: Words) -> str:
    shares = [words.percent(value) for value in (score.then, score.before, score.now)]
    return " → ".join(shares)
