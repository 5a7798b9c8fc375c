"""A pack as a table, and what installing or uninstalling came to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from lexigraft.console.text import bullet, output, show_next, shown
from lexigraft.console.words import say
from lexigraft.disk import size_text

if TYPE_CHECKING:
    from lexigraft.lexicon import Language
    from lexigraft.pack.installing import Installed
    from lexigraft.pack.removing import Removed
    from lexigraft.pack.retention import Retention
    from lexigraft.pack.summary import PackSummary
    from lexigraft.pack.values import Pack

__all__ = ["show_installed", "show_pack", "show_removed"]


def show_pack(pack: Pack, path: Path) -> None:
    """What the pack in the file at `path` holds. It may come from a stranger: all text is tamed."""
    from lexigraft.pack.summary import summary

    found = summary(pack)
    out, language = output(), found.language
    out.print(shown(f"{found.name}  {size_text(found.size)}", "bold"))
    for key, value in _facts(found):
        out.print(Text(f"{say(f'pack.{key}', language)}  ", "dim").append(shown(value)))
    out.print()
    out.print(_terms(found, language))
    known = say("pack.knows", language, knows=found.knows, of=len(found.terms))
    out.print(shown(known, "green" if found.knows else ""))
    if found.drift is not None and found.leakage is not None:
        harm = say(
            "pack.harm", language, drift=f"{found.drift:.3g}", leakage=f"{found.leakage:.3g}"
        )
        out.print(shown(harm))
    for note in found.notes[:5]:
        out.print(bullet(note))
    where = ("--model", found.base.name, "--output", f"{path.stem}-model")
    show_next(out, language, [("install", str(path), *where)])


def _facts(found: PackSummary) -> list[tuple[str, str]]:
    base, language = found.base, found.language
    unsaid = say("pack.unsaid", language)
    shape = f"{base.architecture}, {base.hidden_size} × {base.rows}, {base.dtype}"
    facts = [
        ("lexicon", found.lexicon),
        ("base", f"{base.name} ({shape})"),
        ("licence", found.licence or unsaid),
        ("author", found.author or unsaid),
        ("made", f"{found.created}, lexigraft {found.lexigraft}"),
    ]
    if found.rows is not None:
        rows = found.rows
        facts.append(("rows", f"{rows.count} × {rows.width}, {rows.dtype}"))
    if found.lora is not None:
        lora = found.lora
        facts.append(("lora", f"{lora.rank}, {size_text(found.lora_bytes)}"))
    return [*facts, ("sha256", found.sha256)]


def _terms(found: PackSummary, language: Language) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(say("term", language), max_width=24, overflow="fold")
    table.add_column(say("pack.route", language), no_wrap=True)
    table.add_column(say("pack.definition", language), ratio=1, overflow="fold")
    table.add_column(say("pack.passed", language), no_wrap=True, justify="right")
    for term in found.terms:
        route = f"{term.route} ({term.tokens})" if term.tokens else term.route
        table.add_row(
            shown(term.surface, "bold", 60),
            shown(route),
            shown("; ".join(term.definition), "", 160),
            shown(f"{term.passed}/{term.measured}", "green" if term.known else ""),
        )
    return table


def show_installed(done: Installed) -> None:
    """The new model's folder, and what is left of what each pack knew."""
    from lexigraft.pack.composing import language_of

    out, language = output(), language_of(done.packs)
    for one in done.packs:
        if one.left_out:
            terms = ", ".join(one.left_out)
            line = say("pack.left_out", language, pack=one.pack.name, terms=terms)
            out.print(shown(line, "", 1000))
    if done.retention is not None:
        out.print(_retention(done.retention, language))
    if done.folder is None:
        count = sum(len(one.lexicon) for one in done.packs)
        line = say("pack.fits", language, terms=count, tokens=done.new_tokens)
        out.print(shown(line, "", 1000))
        return
    out.print(shown(str(done.folder), "", 4000), soft_wrap=True)


def _retention(found: Retention, language: Language) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(say("pack.pack", language), overflow="fold", min_width=16)
    for name in ("terms", "knew", "now", "kept", "drift", "leaks"):
        table.add_column(say(f"pack.{name}", language), justify="right")
    for pack in found.packs:
        table.add_row(
            shown(pack.pack),
            str(pack.terms),
            str(pack.knew),
            shown(str(pack.knows), "red" if pack.lost else "green"),
            f"{pack.still_passed}/{pack.passed}",
            _changed(pack.drift_then, pack.drift),
            _changed(pack.leakage_then, pack.leakage),
        )
    return table


def _changed(then: float | None, now: float | None) -> str:
    return " → ".join("–" if value is None else f"{value:.3g}" for value in (then, now))


def show_removed(done: Removed) -> None:
    """The new model's folder. What could not be taken out was said as it happened."""
    out, language = output(), done.language
    left = ", ".join(one.pack.name for one in done.packs)
    line = say("pack.left", language, packs=left) if left else say("pack.bare", language)
    out.print(shown(line, "", 1000))
    out.print(shown(str(done.folder), "", 4000), soft_wrap=True)
