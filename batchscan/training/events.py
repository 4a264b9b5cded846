"""What a training tells while it goes on; who started it draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchscan.domain.card import Epoch


@dataclass(frozen=True, slots=True)
class TrainingResumed:
    """So many epochs were done before, and needn't be again."""

    epochs_done: int
    epochs: int
    steps_per_epoch: int


@dataclass(frozen=True, slots=True)
class StepsDone:
    """So many steps of an epoch are done; epochs count from 1."""

    epoch: int
    done: int
    steps: int


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One pass over the training patches and what it came to; `best` when its weights are the ones to keep so far."""

    measured: Epoch
    epochs: int
    best: bool


TrainingEvent = TrainingResumed | StepsDone | EpochDone
Report = Callable[[TrainingEvent], None]
