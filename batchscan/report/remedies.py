"""A reason code of the ledger -> what the operator can do about it, in one sentence."""

from __future__ import annotations

from batchscan.report.language import language, say

_PREFIX = "remedy-"
_UNKNOWN = "unknown"


def remedy(reason: str) -> str:
    """What to do about slides with this reason code: 130 letters at most, for they stand in a table of one page."""
    return say(f"{_PREFIX}{reason.replace('_', '-') if reason in reasons() else _UNKNOWN}")


def reasons() -> frozenset[str]:
    """The codes that have a remedy of their own."""
    names = (name.removeprefix(_PREFIX) for name in language().variables if name.startswith(_PREFIX))
    return frozenset(name.replace("-", "_") for name in names) - {_UNKNOWN}
