"""Renders the page as one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lexigraft.report.files import read_run, write_text_file
from lexigraft.report.page import Page
from lexigraft.report.strings import Words
from lexigraft.report.view import build_page

__all__ = ["environment", "readable", "render_page", "write_report"]

# Control characters would make the file invalid, lone surrogates cannot be written as UTF-8 at
# all: both are shown by the signs that Unicode has for them.
_SIGNS = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_SIGNS[0x7F] = "\u2421"
_SIGNS.update(dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], "\ufffd"))


def readable(text: str) -> str:
    """`text` with every character that no file may hold replaced by a visible sign."""
    return text.translate(_SIGNS)


@cache
def environment() -> Environment:
    """The templates, escaping everything that is not marked as safe."""
    return Environment(
        loader=PackageLoader("lexigraft.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(page: Page) -> str:
    """The page as HTML, its styles and its script inside."""
    templates = environment()
    style = _source("style.css")
    script = _source("script.js")
    # The script's hash is the only script that the policy allows: what a lexicon might smuggle
    # past the escaping would still not run.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = templates.get_template("report.html.j2").render(
        page=page,
        t=Words(page.language),
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )
    return readable(html)


def _source(name: str) -> str:
    loader = environment().loader
    if loader is None:
        raise LookupError(name)
    return loader.get_source(environment(), name)[0]


def write_report(run: str | Path) -> Path:
    """Writes RUN/report.html from the files of the run alone and returns its path.

    Files that are missing are left out with a sentence. Raises RunError where `run` is no run,
    its verdict is damaged, or the file cannot be written.
    """
    files = read_run(run)
    html = render_page(build_page(files, Words(files.language)))
    return write_text_file(files.folder / "report.html", html)
