"""The words that several pages share: a fact as label, value and note; who says the spacing; the line on every page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from batchscan.domain.geometry import SpacingSource
from batchscan.domain.records import SlideInfo
from batchscan.report import numbers
from batchscan.report.language import ENGLISH, language, say, spoken

_BEFORE_UNIT = re.compile("(?<=[0-9]) (?=(?:mm|\u00b5m|%|\u00d7))|(?<=\u00d7) (?=[0-9])|(?<=[\u00b1\u2265]) ")
_WHO_SAYS = {
    SpacingSource.VENDOR: "spacing-vendor",
    SpacingSource.OME_ZARR: "spacing-ome-zarr",
    SpacingSource.MANIFEST: "spacing-manifest",
    SpacingSource.OPTION: "spacing-option",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A label, its value, what qualifies the value (may be empty), and which of both isn't in the page's language."""

    label: str
    value: str
    note: str = ""
    foreign: Literal["", "value", "note"] = ""


def in_english(label: str, value: str, note: str = "") -> Fact:
    """A fact of which there are English words alone: its note's, or if it has none its value's."""
    if spoken().tag == ENGLISH:
        return Fact(label, value, note)
    return Fact(label, value, note, "note" if note else "value")


def unbroken(words: str) -> str:
    """The words with no place to break a line between a number and its unit, or within `15.5 x 12.1`."""
    return _BEFORE_UNIT.sub("\u00a0", words)


def plain(words: str) -> str:
    """Words from elsewhere without characters that can't be seen or that turn the direction of their neighbours."""
    return words if words.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in words)


def who_says(slide: SlideInfo) -> str:
    """Where the spacing comes from, for people."""
    return say(_WHO_SAYS[slide.spacing.source])


def is_reduced(slide: SlideInfo) -> bool:
    """Whether the store's pixels are not the original file's own."""
    return not math.isclose(slide.source_downsample, 1.0, rel_tol=1e-6)


def spacing(slide: SlideInfo, who: str = "") -> str:
    """The spacing and who says it (`who` in other words); of a slide that is stored reduced, the file's own too."""
    who = who or who_says(slide)
    stored = slide.spacing.um_per_px
    if not is_reduced(slide):
        return say("spacing-of", spacing=numbers.spacing(stored), who=who)
    of_file = numbers.spacing(stored / slide.source_downsample)
    return say("spacing-of-reduced", spacing=of_file, who=who, stored=numbers.spacing(stored))


def reason(words: str) -> str:
    """Why a number is not defined, as a result says it in English -> in the page's language.

    What an older result says in other words stays as it is.
    """
    name = _reasons().get(words)
    return say(name) if name else words


@cache
def _reasons() -> Mapping[str, str]:
    english = language()
    return {english.say(name): name for name in english.variables if name.startswith("undefined-")}


def measured(name: str, value: object) -> Fact:
    """A named fact of quality control; one that the language has no name for is called as in English."""
    label, words = numbers.fact(name, value)
    message = f"qc-{name.replace('_', '-')}"
    return Fact(say(message) if message in spoken().variables else label, words)
