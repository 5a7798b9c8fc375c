"""Neutral texts: ordinary prose on which a taught model should be what it was.

They are for measuring only. No stage may train on them, nor on a rewrite of them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["neutral_texts"]


@cache
def neutral_texts(language: str) -> tuple[str, ...]:
    """The paragraphs of one language, "en" or "ru", of 25 to 60 words each, in a fixed order.

    Raises:
        ValueError: there are no texts in this language.
    """
    file = files(__name__) / f"{language}.txt"
    if not file.is_file():
        raise ValueError(f"no neutral texts in '{language}'; there are 'en' and 'ru'")
    paragraphs = file.read_text(encoding="utf-8").split("\n\n")
    return tuple(paragraph.strip() for paragraph in paragraphs if paragraph.strip())
