"""Every word of the report, in the lexicon's language, with its numbers and plurals.

One dict of sentences and one of plural forms for each language; a test holds the two languages
to the same keys and the same placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lexigraft.report.strings import english, russian

__all__ = ["PLURALS", "STRINGS", "ReportLanguage", "Words", "plural_index"]

ReportLanguage = Literal["en", "ru"]

STRINGS: Mapping[ReportLanguage, Mapping[str, str]] = {
    "en": english.STRINGS,
    "ru": russian.STRINGS,
}
PLURALS: Mapping[ReportLanguage, Mapping[str, tuple[str, ...]]] = {
    "en": english.PLURALS,
    "ru": russian.PLURALS,
}

NO_BREAK = "\u00a0"
NARROW = "\u202f"
MINUS = "\u2212"
DASH = "\u2013"


def plural_index(count: int, language: ReportLanguage) -> int:
    """Which plural form goes with `count`: 0 or 1 in English; 0, 1 or 2 in Russian (CLDR)."""
    count = abs(count)
    if language == "en":
        return 0 if count == 1 else 1
    if count % 10 == 1 and count % 100 != 11:
        return 0
    if 2 <= count % 10 <= 4 and not 12 <= count % 100 <= 14:
        return 1
    return 2


@dataclass(frozen=True)
class Words:
    """The sentences and the number formats of one language."""

    language: ReportLanguage

    def __call__(self, key: str, **values: object) -> str:
        """The sentence under `key` with its placeholders filled. An unknown key is a KeyError."""
        return STRINGS[self.language][key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there is a sentence under `key`."""
        return key in STRINGS[self.language]

    def plural(self, noun: str, count: int) -> str:
        """The form of `noun` that stands after the number `count`, without the number."""
        return PLURALS[self.language][noun][plural_index(count, self.language)]

    def count(self, noun: str, count: int) -> str:
        """`count` and its noun: "5 terms", "5 терминов"."""
        return f"{self.integer(count)}{NO_BREAK}{self.plural(noun, count)}"

    def integer(self, value: int) -> str:
        """A whole number with its thousands grouped from 10,000 on."""
        sign = MINUS if value < 0 else ""
        digits = f"{abs(value):,}" if abs(value) >= 10_000 else str(abs(value))
        return sign + (digits if self.language == "en" else digits.replace(",", NARROW))

    def number(self, value: float | None, decimals: int = 2) -> str:
        """A decimal; what rounds to nothing without being nothing is shown as `<0.01`."""
        if value is None:
            return DASH
        smallest = 10.0**-decimals
        if 0 < abs(value) < smallest / 2:
            return ("<" if value > 0 else f">{MINUS}") + self._local(f"{smallest:.{decimals}f}")
        text = self._local(f"{abs(value):,.{decimals}f}")
        return (MINUS if value < 0 and float(f"{value:.{decimals}f}") != 0 else "") + text

    def percent(self, share: float | None) -> str:
        """A share between 0 and 1 as a percentage."""
        if share is None:
            return DASH
        gap = "" if self.language == "en" else NO_BREAK
        return f"{round(share * 100)}{gap}%"

    def scientific(self, value: float) -> str:
        """A small setting as people write it: 0.0002, or 2e-07 when that is too long."""
        return self._local(f"{value:.6g}")

    def duration(self, seconds: float) -> str:
        """Seconds as a length of time, in its two largest units."""
        whole = round(seconds)
        if whole < 60:
            return self("unit.seconds", n=self.number(seconds, 1 if seconds < 10 else 0))
        if whole < 3600:
            minutes = self("unit.minutes", n=whole // 60)
            return f"{minutes} {self('unit.seconds', n=whole % 60)}"
        hours = self("unit.hours", n=whole // 3600)
        return f"{hours} {self('unit.minutes', n=whole % 3600 // 60)}"

    def _local(self, text: str) -> str:
        if self.language == "en":
            return text
        return text.replace(",", NARROW).replace(".", ",")
