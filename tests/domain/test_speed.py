"""What a bench found, and its shares of ceilings, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench_records import RECORD, SCAN

from batchscan.domain.records import EngineInfo
from batchscan.domain.speed import Pace, Unknown, ratio


def test_a_share_is_the_rate_over_the_ceilings() -> None:
    # 4,000 patches in 5 s are 800 a second, of 1,000.
    assert ratio(Pace(4000, 5.0), 1000.0) == pytest.approx(0.8)
    # 40 of 50 million pixels a second.
    assert ratio(Pace(1e9, 25.0), Pace(2e8, 4.0)) == pytest.approx(0.8)
    assert ratio(None, 1000.0) is None
    assert ratio(Pace(1, 1), None) is None


def test_a_run_is_held_against_its_own_engine() -> None:
    assert RECORD.ceiling(SCAN) == 1000.0
    assert RECORD.ceiling(replace(SCAN, engine=EngineInfo("keras", "f32"))) == 500.0
    assert RECORD.ceiling(replace(SCAN, engine=EngineInfo("keras", "bf16"))) is None
    assert RECORD.ceiling(Unknown("why")) is None


def test_the_document_has_rates_shares_and_reasons() -> None:
    said = RECORD.as_json()
    assert said["runs"]["scan"]["steady"] == {"n": 4000, "seconds": 5.0, "per_s": 800.0}
    assert said["runs"]["scan"]["whole"]["per_s"] == 500.0
    assert said["runs"]["scan"]["ratio_to_ceiling"] == pytest.approx(0.8)
    assert said["runs"]["from_file"] == {"why": "a slide failed"}
    assert said["engines"][1] == {"name": "keras", "precision": "bf16", "patches_per_s": None, "why": "no GPU"}
    assert said["ingest"]["mpx_per_s"] == pytest.approx(40.0)
    assert said["ingest"]["ratio_to_openslide"] == pytest.approx(0.8)
    assert said["read_mb_per_s"] == 2000.0
    assert said["slide"]["n_patches"] == 1000
    assert said["start_up"] == {"help_s": 0.2, "status_s": 0.4, "cluster_s": 2.5}
    assert said["machine"]["flags"] == {"avx2": True, "amx_tile": False}


def test_a_run_whose_engine_was_not_measured_has_no_share() -> None:
    said = replace(RECORD, together=replace(RECORD.together, engines=())).as_json()["runs"]["scan"]
    assert said["ceiling_patches_per_s"] is said["ratio_to_ceiling"] is None
    assert said["steady"]["per_s"] == 800.0
    assert said["why"] == "its engine wasn't measured"


def test_what_is_null_has_a_reason() -> None:
    assert set(RECORD.as_json()["reasons"]) == {"commit"}
    place = replace(RECORD.place, commit="abc", machine=replace(RECORD.place.machine, flags=None))
    assert set(replace(RECORD, place=place, peak_mib={"scan": None}).as_json()["reasons"]) == {
        "machine.flags",
        "peak_mib",
    }


def test_a_run_that_failed_leaves_a_bench_that_is_not_whole() -> None:
    assert not RECORD.is_whole
    assert replace(RECORD, runs={"scan": SCAN}).is_whole
