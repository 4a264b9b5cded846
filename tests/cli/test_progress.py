"""Progress where there is no terminal: lines with a rate and the time left, by a clock that is set."""

from __future__ import annotations

from typing import Any

import pytest

from batchscan.cli import progress
from batchscan.cli.progress import Display, display


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    return found


def passed(clock: Clock, shown: Display, seconds: float, **done: Any) -> None:
    clock.now += seconds
    shown.advance(**done)


def test_the_time_left_is_known_within_the_first_epoch(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with display("epochs", "steps") as shown:
        shown.expect(jobs=2, units=200)
        # Five minutes of decoding, then two steps a second.
        passed(clock, shown, 300.0, units=1)
        capsys.readouterr()
        for _ in range(40):
            passed(clock, shown, 0.5, units=1)
    # Said after 10 s and after 20 s: 21 and 41 steps are done, and 179 and 159 are left.
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 epochs, 2 steps/s, about 1 min left",
        "0 of 2 epochs, 2 steps/s, about 1 min left",
    ]


def test_the_first_unit_alone_gives_no_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with display("epochs", "steps") as shown:
        shown.expect(jobs=2, units=200)
        passed(clock, shown, 300.0, units=1)
    assert capsys.readouterr().err == "0 of 2 epochs\n"


def test_epochs_that_fall_away_shorten_it(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with display("epochs", "steps") as shown:
        shown.expect(jobs=10, units=1000)
        passed(clock, shown, 1.0, units=1)
        shown.expect(jobs=-9, units=-900)
        passed(clock, shown, 10.0, units=10)
    # One a second, 89 left.
    assert capsys.readouterr().err == "0 of 1 epochs, 1 steps/s, about 1 min left\n"


def test_slides_are_waited_for_as_slides_while_their_patches_are_not_all_known(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with display("slides", "patches") as shown:
        shown.expect(jobs=4)
        shown.expect(units=100)
        passed(clock, shown, 60.0, units=50)
        passed(clock, shown, 60.0, jobs=1, units=50)
    # 120 s a slide; by the only slide's patches nothing would be left.
    assert capsys.readouterr().err.splitlines()[-1] == "1 of 4 slides, 1 patches/s, about 6 min left"
