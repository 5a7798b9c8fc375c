"""The model card: RUN/README.md, for people and for the hubs that read its front matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lexigraft.checks.results import Verdict
from lexigraft.report.before import chain_sentence, kept_lead
from lexigraft.report.files import (
    RunFiles,
    mapping,
    read_run,
    text,
    texts,
    write_text_file,
)
from lexigraft.report.harm import flat, harm_view
from lexigraft.report.html import readable
from lexigraft.report.loading import adapter_lines, base_of, example_prompt, model_lines
from lexigraft.report.page import Change
from lexigraft.report.scores import cut
from lexigraft.report.strings import NO_BREAK, Words
from lexigraft.report.terms import described, summary_rows
from lexigraft.report.view import headline

__all__ = ["model_card", "write_model_card"]

# What Markdown or HTML could take for markup; a term is never more than its letters.
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~$:])")


def write_model_card(run: str | Path) -> Path:
    """Writes RUN/README.md from the files of the run alone and returns its path.

    Raises RunError where `run` is no run, its verdict is damaged, or the file cannot be written.
    """
    files = read_run(run)
    return write_text_file(files.folder / "README.md", model_card(files))


def model_card(files: RunFiles) -> str:
    """The card's text: YAML front matter, then Markdown in the lexicon's language."""
    words = Words(files.language)
    parts = [_front_matter(files), *_sections(files, words)]
    # People search a card's source: there a no-break space would hide what they look for.
    card = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    return readable(card.replace(NO_BREAK, " "))


def _front_matter(files: RunFiles) -> str:
    base = base_of(files)
    entries = described(files).values()
    languages = [files.language, *(text(entry, "language") for entry in entries)]
    routes = [term.route for term in files.verdict.terms] if files.verdict else []
    matter: dict[str, Any] = {
        "language": sorted({name for name in languages if name in ("en", "ru")}),
        "license": _licence(files) or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["lexigraft", "vocabulary", *sorted(f"route:{route}" for route in set(routes))],
    }
    # Hubs follow this name; a folder on some machine would be a dead link.
    if base.kind == "hub":
        matter["base_model"] = base.given
    elif base.given:
        matter["base_model_name"] = base.public
    body = yaml.safe_dump(matter, allow_unicode=True, sort_keys=False, default_flow_style=False)
    return f"---\n{body}---"


def _licence(files: RunFiles) -> str | None:
    """The licence that the merged model's config names, if it names one."""
    path = files.folder / "model" / "config.json"
    try:
        config = mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return text(config, "license", "licence")


def plain(value: str, words: Words, most: int = 200) -> str:
    """`value` as one line of Markdown that shows exactly these letters, cut where it is long."""
    line = cut(" ".join(value.split()), words, most)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", line)


def _sections(files: RunFiles, words: Words) -> Iterator[str]:
    base = base_of(files)
    name = plain(base.public, words) or "?"
    verdict = files.verdict
    count = len(verdict.terms) if verdict else len(described(files))
    yield "# " + words("card.title", model=name, terms=words.count("term", count))
    shown = words("card.local_base", name=name) if base.kind in ("folder", "gguf") else name
    yield words("card.intro", base=shown)
    if (chain := chain_sentence(files, words)) is not None:
        yield plain(chain, words, 1000)
    yield _result(files, words)
    yield f"## {words('card.taught')}"
    yield _taught(files, words)
    yield f"## {words('card.harmed')}"
    yield "\n".join(f"- {line}" for line in _harmed(files, words))
    yield f"## {words('card.load')}"
    yield from _loading(files, words)
    yield f"## {words('card.limits')}"
    yield words("card.limits_text")
    licence = _licence(files)
    yield (
        words("card.licence_known", licence=plain(licence, words))
        if licence
        else words("card.licence")
    )
    yield f"## {words('card.made')}"
    yield "\n".join(f"- {line}" for line in _made(files, words))


def _result(files: RunFiles, words: Words) -> str:
    if files.verdict is None:
        return words("card.no_verdict")
    return f"**{headline(files.verdict, words)}**"


def _taught(files: RunFiles, words: Words) -> str:
    verdict = files.verdict
    if verdict is None:
        terms = (plain(term, words) for term in described(files))
        return "\n".join(f"- {term}" for term in terms) or words("summary.none")
    return _table(files, verdict, words)


def _table(files: RunFiles, verdict: Verdict, words: Words) -> str:
    keys = ("term", "route", "definition", "cloze", "status")
    head = [words(f"summary.{key}") for key in keys]
    head.insert(1, words("term.definition"))
    # The check of the same name needs another heading than the definition itself.
    head[3] = f"{words('check.definition')}, {words('check.definition_score')}"
    lines = [head, ["---"] * len(head)]
    known = described(files)
    for row, term in zip(summary_rows(verdict, words), verdict.terms, strict=False):
        definition = next(iter(texts(known.get(term.term, {}).get("definition"))), "")
        cells = (term.surface, definition, row.route_label)
        status = f"{row.status.sign} {row.status.label}"
        scores = [_change(row.definition), _change(row.cloze), status]
        lines.append([*(plain(cell, words, 160) for cell in cells), *scores])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _change(change: Change) -> str:
    return change.before if change.now is None else f"{change.before} → {change.now}"


def _harmed(files: RunFiles, words: Words) -> Iterator[str]:
    verdict = files.verdict
    if verdict is None or (verdict.drift is None and verdict.leakage is None):
        yield words("card.nothing")
        return
    if verdict.drift is not None:
        yield words(
            "card.drift",
            mean=words.number(verdict.drift.mean_kl),
            p99=words.number(verdict.drift.p99_kl),
            top1=words.percent(verdict.drift.top1_agreement),
        )
    if verdict.kept is not None:
        yield plain(kept_lead(verdict.kept, words).text, words, 600)
    if verdict.leakage is not None:
        yield words("card.leakage", value=words.number(verdict.leakage.emissions_per_10k))
    spelling = harm_view(files, words).spelling
    if spelling:
        yield spelling[0]


def _loading(files: RunFiles, words: Words) -> Iterator[str]:
    yield words("card.load_where")
    yield f"### {words('load.model')}"
    if files.has_model:
        yield f"```python\n{model_lines('model', example_prompt(files))}```"
    else:
        yield words("load.model_none")
    yield f"### {words('load.adapter')}"
    if files.has_adapter:
        yield words("load.adapter_base")
        yield f"```python\n{adapter_lines(files, 'adapter', 'model')}```"
    else:
        yield words("load.adapter_none")


def _made(files: RunFiles, words: Words) -> Iterator[str]:
    seed = text(files.run, "seed") or (str(files.verdict.seed) if files.verdict else None)
    if seed is not None:
        yield words("card.seed", seed=plain(seed, words))
    for key in ("revision", "lexicon_digest", "recipe_digest"):
        found = text(files.run, key)
        if found is not None:
            yield f"{words(f'settings.{key}')}: `{re.sub(r'[^0-9A-Za-z._/-]', '', found)}`"
    versions = mapping(files.run.get("versions"))
    if versions:
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield words("card.versions", versions=plain(listed, words, 600))
    settings = ", ".join(f"{name} = {value}" for name, value in flat(files.recipe))
    if settings:
        yield f"{words('settings.recipe')}: {plain(settings, words, 2000)}"
