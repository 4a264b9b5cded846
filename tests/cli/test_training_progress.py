"""Events of trainings, written down: what is counted is what is announced, and lines say what matters."""

from __future__ import annotations

import pytest

from batchscan.cli.progress import Display
from batchscan.cli.training_progress import TrainingProgress
from batchscan.domain.card import Epoch
from batchscan.training.dataset import PatchesRead, Split
from batchscan.training.events import EpochDone, StepsDone, TrainingResumed
from batchscan.workflow.folds import Training
from batchscan.workflow.training_events import CardNotPrinted, PartMeasured, Planned, TrainingBegun, TrainingEnded

ALONE, BOTH = Training(frozenset("a"), 0), Training(frozenset("ab"), 0)


class Counts(Display):
    def __init__(self) -> None:
        self.jobs = self.units = 0.0
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def expect(self, *, jobs: int = 0, units: float = 0) -> None:
        self.jobs += jobs
        self.units += units

    def advance(self, *, jobs: int = 0, units: float = 0) -> None:
        self.jobs -= jobs
        self.units -= units


def planned(*trainings: Training, there: int = 0) -> Planned:
    steps = 3 * 7 * (len(trainings) - there)
    return Planned(trainings, there, 3, steps, folds=("a", "b"), seeds=(0,), not_validating=())


def begun(number: int, training: Training, watched: tuple[str, ...] = ()) -> TrainingBegun:
    return TrainingBegun(number, training, Split(("c", "d"), (), tuple(sorted(training.left_out))), 1234, 7, watched)


def epoch(number: int) -> EpochDone:
    measured = Epoch(
        epoch=number,
        training_loss=0.5,
        training_accuracy=0.75,
        watched_loss=0.6,
        watched_accuracy=0.7,
        watched_auroc=None,
        seconds=1.0,
    )
    return EpochDone(measured, 3, best=True)


def followed(progress: TrainingProgress, *events: object) -> None:
    for event in events:
        progress.follow(event)


def whole(number: int, training: Training) -> list[object]:
    steps = [[*(StepsDone(one, done, 7) for done in range(1, 8)), epoch(one)] for one in (1, 2, 3)]
    ended = TrainingEnded(number, training, dict.fromkeys(sorted(training.left_out), 0.9), 130.0)
    return [begun(number, training), *(event for part in steps for event in part), ended]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def progress(counts: Counts) -> TrainingProgress:
    return TrainingProgress(counts)


def test_as_many_epochs_and_steps_are_announced_as_are_done(counts: Counts, progress: TrainingProgress) -> None:
    followed(progress, planned(ALONE, BOTH))
    assert (counts.jobs, counts.units) == (6, 42)
    followed(progress, *whole(1, ALONE), *whole(2, BOTH))
    assert (counts.jobs, counts.units) == (0, 0)


def test_epochs_that_were_done_before_are_not_waited_for(counts: Counts, progress: TrainingProgress) -> None:
    followed(progress, planned(ALONE, BOTH, there=1), begun(1, BOTH), TrainingResumed(2, 3, 7))
    assert (counts.jobs, counts.units) == (1, 7)
    assert "goes on after epoch 2 of 3" in counts.lines
    assert "1 of them are there already" in counts.lines[0]
    followed(progress, *(StepsDone(3, done, 7) for done in range(1, 8)), epoch(3), TrainingEnded(1, BOTH, {}, 1.0))
    assert (counts.jobs, counts.units) == (0, 0)


def test_epochs_that_an_early_end_saves_are_not_waited_for(counts: Counts, progress: TrainingProgress) -> None:
    followed(progress, planned(ALONE), begun(1, ALONE), *(StepsDone(1, done, 7) for done in range(1, 8)), epoch(1))
    followed(progress, TrainingEnded(1, ALONE, {"a": 0.9}, 1.0))
    assert (counts.jobs, counts.units) == (0, 0)


def test_a_finished_training_that_is_read_again_is_passed_over(counts: Counts, progress: TrainingProgress) -> None:
    followed(progress, planned(ALONE), *whole(1, ALONE))
    said = len(counts.lines)
    followed(progress, TrainingResumed(3, 3, 7))
    assert (counts.jobs, counts.units, len(counts.lines)) == (0, 0, said)


def test_a_training_says_whom_it_left_out_and_how_well_they_were_ranked(
    counts: Counts, progress: TrainingProgress
) -> None:
    followed(progress, planned(ALONE, BOTH), *whole(1, ALONE), begun(2, BOTH))
    followed(progress, TrainingEnded(2, BOTH, {"a": 0.91, "b": None}, 130.0))
    assert "training 2 of 2, seed 0: 1,234 patches of 2 patients; left out: a, b" in counts.lines
    assert counts.lines[-1] == "training 2 of 2 took 2 min; AUROC of single patches, left out: a 0.910, b not defined"
    assert not any(line.startswith("epoch") for line in counts.lines)


def test_epochs_are_said_where_somebody_is_watched(counts: Counts, progress: TrainingProgress) -> None:
    followed(progress, planned(ALONE, BOTH), begun(1, ALONE, ("a",)), epoch(2))
    assert counts.lines[-1] == (
        "epoch 2 of 3: loss 0.500, accuracy 0.750; held out: loss 0.600, accuracy 0.700, AUROC not defined"
    )


@pytest.mark.parametrize(("total", "lines"), [(19_999, 0), (40_000, 10)])
def test_reading_many_patches_is_told_in_tenths(
    total: int, lines: int, counts: Counts, progress: TrainingProgress
) -> None:
    followed(progress, *(PatchesRead(min(done, total), total) for done in range(512, total + 512, 512)))
    assert len(counts.lines) == lines


def test_what_is_for_the_end_is_remembered(progress: TrainingProgress) -> None:
    part, missing = PartMeasured("test", ("a",), 0.9, 0.8), CardNotPrinted("no Pango")
    followed(progress, part, missing, "something else")
    assert (progress.measured, progress.not_printed) == ([part], [missing])
