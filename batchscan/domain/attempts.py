"""What an attempt at a slide came to, besides the slide's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt at a slide ended.

    Parameters
    ----------
    worker
        Where its last step ran; its address where it died or was ended; empty if none did.
    error_class
        Name of the error's class; None without an error.
    seconds
        Stage (`read`, `tissue`, `infer`, `write`, their `total`) -> seconds spent in it, as far as steps returned;
        `busy` is how long its steps took on the workers: the stages, the step that failed, and the rest, but not those
        that were cut short because another one failed. Of
        a step whose worker died or was ended it is the time from its beginning until that was noticed.
    peak_rss_mb
        Largest resident memory (MiB) of any worker process while it had a step of this attempt; of a worker that died
        or was ended, the largest that was seen, about once a second: it may have had more. None if unknown.
    """

    worker: str = ""
    error_class: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_rss_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the ledger keeps it; times are ISO 8601 in UTC, `ended` and `status` None while it goes on.

    `status` is the slide's (`done`, `failed`, `excluded`), `retried` where another attempt followed, `interrupted` or
    `killed` where its runner was.
    """

    slide_id: str
    started: str
    ended: str | None
    status: str | None
    reason: str
    error_message: str | None
    end: AttemptEnd
