"""A bench's record with numbers that are easy to divide."""

from __future__ import annotations

from batchscan.domain.records import EngineInfo
from batchscan.domain.speed import (
    BenchRecord,
    BenchSlide,
    EngineSpeed,
    IngestSpeed,
    Machine,
    Pace,
    PdfSpeed,
    Place,
    RunSpeed,
    StartUp,
    Unknown,
    WorkerSpeeds,
)

SCAN = RunSpeed(
    4, EngineInfo("openvino", "f32"), Pace(4000, 5.0), Pace(4000, 8.0), Pace(3000, 3.4), None, 0.4, 0.1, 0.25
)
RECORD = BenchRecord(
    place=Place(
        date="2026-01-02T03:04:05+00:00",
        machine=Machine("a CPU", 2, 1 << 34, "a system", {"avx2": True, "amx_tile": False}),
        versions={"batchscan": "0.1"},
        commit=None,
        load=0.2,
    ),
    model="published-cnn 1",
    slide=BenchSlide(16.0, 0.5, 0, 32000, 32000, 300_000_000),
    together=WorkerSpeeds(
        workers=2,
        cluster_s=2.5,
        n_patches=1000,
        read_bytes_per_s=2e9,
        cut_patches_per_s=9000.0,
        engines=(
            EngineSpeed("keras", "f32", 500.0),
            EngineSpeed("keras", "bf16", None, "no GPU"),
            EngineSpeed("openvino", "f32", 1000.0),
        ),
        chosen=EngineInfo("openvino", "f32"),
    ),
    runs={"scan": SCAN, "from_file": Unknown("a slide failed")},
    ingest=IngestSpeed(0, Pace(1e9, 25.0), Pace(2e8, 4.0)),
    pdf=PdfSpeed(2.0, 0.75),
    start=StartUp(0.2, 0.4),
    peak_mib={"scan": 900.0},
    seconds=100.0,
)
