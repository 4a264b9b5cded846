"""The words that several pages share: a fact as label, value and note; the line that stands on every page."""

from __future__ import annotations

from dataclasses import dataclass

RESEARCH_USE = "Research use only \u2013 not for diagnosis"


@dataclass(frozen=True, slots=True)
class Fact:
    """A label, its value, and what qualifies the value (may be empty)."""

    label: str
    value: str
    note: str = ""
