"""What a report or a result was compared with -> whether it agrees, line by line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from batchscan.domain.plain_text import plain

_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


class Verdict(StrEnum):
    """What comparing came to; a thing that isn't there to compare with is not checked."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: of what, how it ended, and what was found, in one line that a terminal can show."""

    what: str
    verdict: Verdict
    words: str

    @classmethod
    def of(cls, what: str, words: str, *, agrees: bool) -> Finding:
        """One that was made; `words` say what was found, whichever it is."""
        return cls(what, Verdict.AGREES if agrees else Verdict.DIFFERS, plain(words))

    @classmethod
    def left_out(cls, what: str, words: str) -> Finding:
        """One that couldn't be made."""
        return cls(what, Verdict.NOT_CHECKED, plain(words))


@dataclass(frozen=True, slots=True)
class Verified:
    """All comparisons of one report or result; `subject` names it."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def differing(self) -> tuple[Finding, ...]:
        """Those that make it one not to be trusted."""
        return tuple(finding for finding in self.findings if finding.verdict is Verdict.DIFFERS)

    def count(self, verdict: Verdict) -> int:
        """How many ended so."""
        return sum(finding.verdict is verdict for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """For `verify --json`."""
        found = [{"what": one.what, "verdict": one.verdict.value, "words": one.words} for one in self.findings]
        return {"subject": self.subject, "agrees": not self.differing, "findings": found}


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON's kinds are the same; floats up to what another processor may round otherwise."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return _is_close(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _is_close(one: Any, other: Any) -> bool:
    if not (isinstance(one, int | float) and isinstance(other, int | float)):
        return False
    try:
        return math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    except OverflowError:
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
