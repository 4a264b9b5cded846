"""Events of a training -> lines and counts on a display; imported only when something is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from batchscan.cli.progress import Display, duration
from batchscan.training.dataset import PatchesRead
from batchscan.training.events import EpochDone, StepsDone, TrainingResumed
from batchscan.workflow.training_events import (
    CardNotPrinted,
    PartMeasured,
    Planned,
    TrainingBegun,
    TrainingEnded,
    WrittenBefore,
)
from batchscan.workflow.training_labels import LabelsJoined

_MANY_PATCHES = 20_000
_TENTHS = 10


def figure(value: float | None) -> str:
    """Three digits, or that there is no such number."""
    return "not defined" if value is None else f"{value:.3f}"


class TrainingProgress:
    """Draws what is told, and remembers what is to be said at the end.

    Parameters
    ----------
    shown
        Counts epochs as jobs, and steps as units.
    """

    def __init__(self, shown: Display) -> None:
        self.measured: list[PartMeasured] = []
        self.not_printed: list[CardNotPrinted] = []
        self._shown = shown
        self._total = self._epochs = self._tenth = 0
        self._begun: TrainingBegun | None = None
        self._left = 0
        self._drawn: Mapping[type, Callable[[Any], None]] = {
            PatchesRead: self._read,
            LabelsJoined: self._join,
            Planned: self._plan,
            TrainingBegun: self._begin,
            TrainingResumed: self._resume,
            StepsDone: lambda _: shown.advance(units=1),
            EpochDone: self._epoch,
            TrainingEnded: self._end,
            PartMeasured: self.measured.append,
            CardNotPrinted: self.not_printed.append,
            WrittenBefore: lambda event: shown.line(
                f"{event.out} was finished before; what was left beside it is removed"
            ),
        }

    def follow(self, event: object) -> None:
        """Take an event in; unknown ones are passed over."""
        draw = self._drawn.get(type(event))
        if draw:
            draw(event)

    def _read(self, event: PatchesRead) -> None:
        tenth = event.done * _TENTHS // event.total
        if event.total >= _MANY_PATCHES and tenth > self._tenth:
            self._tenth = tenth
            self._shown.line(f"decoded {event.done:,} of {event.total:,} patches")

    def _join(self, event: LabelsJoined) -> None:
        left_out = f"; {event.n_left_out} cell{'s' * (event.n_left_out != 1)} left out" if event.rule else ""
        slides = f"{event.n_slides} slide{'s' * (event.n_slides > 1)}"
        self._shown.line(f"labels of {slides}: {event.n_idc} IDC, {event.n_not_idc} not IDC{left_out}")
        if event.rule:
            self._shown.line(f"outlines: {event.rule}")
        self._shown.line(event.outcome)

    def _plan(self, event: Planned) -> None:
        if event.not_validating:
            self._shown.line(
                f"{', '.join(event.not_validating)}: held out, so not used for validation, though the recipe's "
                "validation_patients says so"
            )
        self._total, self._epochs = len(event.trainings) - event.there, event.epochs
        if event.folds:
            there = f"; {event.there} of them are there already" if event.there else ""
            self._shown.line(
                f"cross-validation: {', '.join(event.folds)} are left out, one by one and in twos, with the seeds "
                f"{', '.join(map(str, event.seeds))}: with the package's {len(event.trainings)} trainings of "
                f"{event.epochs} epochs{there}"
            )
        self._shown.expect(jobs=self._total * event.epochs, units=event.steps)

    def _begin(self, event: TrainingBegun) -> None:
        self._begun, self._left = event, self._epochs
        split = event.split
        validating = f", validating on {', '.join(split.validation)}" if split.validation else ""
        self._shown.line(
            f"training {event.number} of {self._total}, seed {event.training.seed}: {event.n_training:,} patches of "
            f"{len(split.training)} patients{validating}; left out: {', '.join(split.test) or 'nobody'}"
        )

    def _resume(self, event: TrainingResumed) -> None:
        if self._begun is None:
            return  # a finished one that is only read again
        self._shown.line(f"goes on after epoch {event.epochs_done} of {event.epochs}")
        self._expect_less(event.epochs_done, event.steps_per_epoch)

    def _epoch(self, event: EpochDone) -> None:
        self._left -= 1
        self._shown.advance(jobs=1)
        if self._begun is None or not (self._begun.watched or self._total == 1):
            return
        one = event.measured
        text = (
            f"epoch {one.epoch} of {event.epochs}: loss {one.training_loss:.3f}, "
            f"accuracy {figure(one.training_accuracy)}"
        )
        if self._begun.watched:
            role = "validation" if self._begun.split.validation else "held out"
            text += (
                f"; {role}: loss {figure(one.watched_loss)}, accuracy {figure(one.watched_accuracy)}, "
                f"AUROC {figure(one.watched_auroc)}"
            )
        self._shown.line(text)

    def _end(self, event: TrainingEnded) -> None:
        if self._begun:
            self._expect_less(self._left, self._begun.steps_per_epoch)
        self._begun = None
        areas = ", ".join(f"{patient} {figure(area)}" for patient, area in event.auroc.items())
        said = f"; AUROC of single patches, left out: {areas}" if areas else ""
        self._shown.line(f"training {event.number} of {self._total} took {duration(event.seconds)}{said}")

    def _expect_less(self, epochs: int, steps_per_epoch: int) -> None:
        """Epochs that were done before, or that a training that ends early doesn't need."""
        self._left -= epochs
        self._shown.expect(jobs=-epochs, units=-epochs * steps_per_epoch)
