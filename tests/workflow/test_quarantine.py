"""Accidents of slides, counted over runs: who is given up, and what brings a slide back."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscan.domain.records import SlideRequest, SlideStatus
from batchscan.stores.ledger import Ledger
from batchscan.workflow.quarantine import QUARANTINED, Quarantine

MODEL = "ab" * 32


@pytest.fixture
def request_(tmp_path: Path) -> SlideRequest:
    slide = tmp_path / "S.svs"
    slide.write_bytes(b"a slide that kills")
    return SlideRequest("S", "P", slide)


def quarantine(ledger: Ledger, request: SlideRequest, model: str = MODEL) -> Quarantine:
    return Quarantine(ledger, [request], model, attempts=2)


def test_a_slide_is_given_up_after_so_many_accidents_in_this_run_and_later_ones(
    tmp_path: Path, request_: SlideRequest
) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        first = quarantine(ledger, request_)
        assert (first.accidents("S"), first.outcome("S")) == (0, None)
        first.strike("S")
        assert first.outcome("S") is None
        # Another runner goes on counting.
        second = quarantine(ledger, request_)
        assert second.accidents("S") == 1
        second.strike("S")
        outcome = quarantine(ledger, request_).outcome("S")
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (SlideStatus.FAILED, QUARANTINED)
    assert "after 2 accidents" in outcome.sentence
    assert "--retry" in outcome.sentence
    assert str(request_.path) not in outcome.sentence


@pytest.mark.parametrize("change", ["file", "model", "forgiven", "another slide's end"])
def test_what_brings_a_slide_back(tmp_path: Path, request_: SlideRequest, change: str) -> None:
    with Ledger.hold(tmp_path / "l") as ledger:
        for _ in range(2):
            quarantine(ledger, request_).strike("S")
        model = MODEL
        if change == "file":
            request_.local_path.write_bytes(b"a slide that was copied again")
        elif change == "model":
            model = "cd" * 32
        else:
            quarantine(ledger, request_).forgive(["S"] if change == "forgiven" else ["T"])
        found = quarantine(ledger, request_, model)
        assert (found.outcome("S") is None) == (change != "another slide's end")


def test_a_slide_that_is_gone_can_be_struck_too(tmp_path: Path) -> None:
    gone = SlideRequest("S", "P", tmp_path / "gone.svs")
    with Ledger.hold(tmp_path / "l") as ledger:
        quarantine(ledger, gone).strike("S")
        assert quarantine(ledger, gone).accidents("S") == 1
