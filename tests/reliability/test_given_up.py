"""A quarantined slide as the operator meets it."""

from __future__ import annotations

from pathlib import Path

from conftest import Undisturbed
from night import NO_PAPER, Night, status

from batchscan.domain.records import SlideRequest
from batchscan.stores.ledger import Ledger
from batchscan.stores.packages import open_package
from batchscan.workflow.quarantine import Quarantine


def test_it_is_left_out_by_name_and_retry_brings_it_back(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run, store = tmp_path / "run", undisturbed.archive / "N0.ome.zarr"
    run.mkdir()
    with Ledger.hold(run / "ledger.sqlite") as ledger:
        known = Quarantine(ledger, [SlideRequest("N0", "N0", store)], open_package("published-cnn").info.sha256, 3)
        for _ in range(3):
            known.strike("N0")
    words = ("scan", store, undisturbed.archive / "N1.ome.zarr", "--out", run, "--no-report", "--workers", 1)
    code, text = Night(*words, environment=NO_PAPER).ends()
    assert code == 3, text
    assert "N0: failed (quarantined): is not tried any more after 3 accidents" in text
    assert "2 asked, 1 done, 1 failed, 0 excluded" in text
    code, text = Night(*words, "--retry", environment=NO_PAPER).ends()
    assert code == 0, text
    assert "2 asked, 2 done, 0 failed, 0 excluded; for 1 nothing had to be done again" in text
    assert status(run)["troubles"] == []
