"""What retokenizing found, and what it would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import bullet, labelled, output, shown, visible

if TYPE_CHECKING:
    from lexigraft.retokenize import RetokenizePlan, Summary

__all__ = ["show_retokenize_plan", "show_retokenized"]

_MOST_TERMS = 40
_MOST_NAMES = 12


def show_retokenized(found: Summary, folder: Path) -> None:
    """The counts of a corpus, its terms by what they save, and where the shards are."""
    out = output()
    saved = found.tokens_before - found.tokens_after
    share = saved / found.tokens_before if found.tokens_before else 0.0
    size = f"{_size(found.bytes)} of text"
    out.print(shown(f"{found.documents:,} documents · {size} · {found.files:,} files", "bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in range(3):
        table.add_column(justify="right")
    table.add_row("", Text("before", "dim"), Text("after", "dim"), Text("saved", "dim"))
    table.add_row("tokens", f"{found.tokens_before:,}", f"{found.tokens_after:,}",
                  f"{saved:,} ({share:.2%})")  # fmt: skip
    table.add_row("bytes per token", f"{found.bytes_per_token_before:.3f}",
                  f"{found.bytes_per_token_after:.3f}")  # fmt: skip
    out.print(table)
    out.print()
    _show_terms(out, found)
    _show_notes(out, found)
    labelled(out, "Shards", str(folder))


def _show_terms(out: Console, found: Summary) -> None:
    ordered = sorted(found.terms, key=lambda t: (-t.tokens_saved, -t.occurrences))
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    heads = ("term", "route", "occurrences", "tokens saved", "its tokens")
    table.add_row(*(Text(head, "dim") for head in heads))
    tokens: dict[str, list[str]] = {}
    for token in found.new_tokens:
        if token.count:
            tokens.setdefault(token.term, []).append(f"“{token.content}” {token.count:,}")
    for term in ordered[:_MOST_TERMS]:
        if term.occurrences or term.tokens_saved:
            table.add_row(
                shown(term.term, "bold", 40),
                Text(term.route, "cyan"),
                f"{term.occurrences:,}",
                f"{term.tokens_saved:,}",
                shown(", ".join(tokens.get(term.term, ())), most=300),
            )
    out.print(table)
    if len(ordered) > _MOST_TERMS:
        out.print(shown(f"… and {len(ordered) - _MOST_TERMS} more terms (--json has all)", "dim"))


def _show_notes(out: Console, found: Summary) -> None:
    notes = []
    if found.never:
        notes.append(f"Never in this corpus: {_names(found.never)}.")
    if found.changed_words:
        notes.append(f"Other words with other tokens: {_names(found.changed_words)}.")
    if found.skipped_lines:
        notes.append(f"{found.skipped_lines:,} bad lines were left out.")
    if found.replaced_characters:
        notes.append(f"{found.replaced_characters:,} bad bytes were replaced.")
    if found.skipped_files:
        notes.append(f"Files of an unknown kind, not read: {_names(found.skipped_files)}.")
    if found.passages:
        notes.append(f"{found.passages:,} passages with the terms are in passages.jsonl.")
    for note in notes:
        out.print(bullet(note))


def show_retokenize_plan(plan: RetokenizePlan) -> None:
    """The files, the forms that become tokens, and the time."""
    out = output()
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for file in plan.files[:_MOST_TERMS]:
        table.add_row(shown(file.name, most=300), _size(file.size))
    out.print(table)
    if len(plan.files) > _MOST_TERMS:
        out.print(shown(f"… and {len(plan.files) - _MOST_TERMS} more files", "dim"))
    out.print(shown(f"{len(plan.files):,} files · {_size(plan.bytes)}", "bold"))
    if plan.skipped_files:
        out.print(bullet(f"Of an unknown kind, not read: {_names(plan.skipped_files)}."))
    out.print(bullet(f"{plan.new_tokens:,} new tokens for {len(plan.forms):,} forms: "
                     f"{_names(plan.forms)}."))  # fmt: skip
    others = [f"{term} ({route})" for term, route in plan.terms.items() if route != "token"]
    if others:
        out.print(bullet(f"No tokens for {_names(others)}."))
    time = _duration(plan.seconds)
    out.print(bullet(f"About {time} with {plan.workers} workers, from the first batch."))
    out.print(shown("Nothing was written.", "dim"))


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(visible(name, 60) for name in names[:_MOST_NAMES]) + more


def _size(count: int) -> str:
    from lexigraft.diagnose.sentences import byte_count

    return byte_count(count, "en")


def _duration(seconds: float) -> str:
    from lexigraft.report.strings import Words

    return Words("en").duration(seconds)
