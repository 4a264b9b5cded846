"""What happens to slides on the workers, in the order it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.records import SlideOutcome

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SlideStarted:
    """A worker has begun an attempt at a slide; its name is empty where it ended before it was heard of."""

    slide_id: str
    worker: str = ""


@dataclass(frozen=True, slots=True)
class SlideSurveyed:
    """It is known how many patches a slide has."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class BlockScanned:
    """So many more patches of a slide have a probability."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class SlideFinished(Generic[R]):
    """A slide's finish task has returned."""

    slide_id: str
    end: AttemptEnd
    result: R


@dataclass(frozen=True, slots=True)
class SlideRetried:
    """An attempt has ended as `outcome` says, and another follows in `delay_s`; only so many accidents are borne."""

    outcome: SlideOutcome
    end: AttemptEnd
    accident: bool
    delay_s: float

    @property
    def slide_id(self) -> str:
        """Whose attempt it was."""
        return self.outcome.slide_id


@dataclass(frozen=True, slots=True)
class SlideStopped:
    """A slide's task has raised, or its worker has died so often that it is given up; the others go on."""

    outcome: SlideOutcome
    end: AttemptEnd
    accident: bool = False

    @property
    def slide_id(self) -> str:
        """Whose task it was."""
        return self.outcome.slide_id


@dataclass(frozen=True, slots=True)
class Waited:
    """Another second has gone by, whatever else happened."""

    @property
    def slide_id(self) -> str:
        """No slide's."""
        return ""


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """So many threads of workers there are now; none: the run waits for new ones."""

    n_threads: int

    @property
    def slide_id(self) -> str:
        """No slide's."""
        return ""


SlideEvent = SlideStarted | SlideSurveyed | BlockScanned | SlideFinished[Any] | SlideRetried | SlideStopped
Event = SlideEvent | WorkersChanged | Waited
