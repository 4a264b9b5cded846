"""Slides that crash, hang or swell whatever reads them: each costs itself, and says so."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from ingest_runs import ended, names, reasons, slide

from batchscan.domain.errors import SlideDefect, UnreadableSlide
from batchscan.workflow.ingest import IngestEvent, IngestOptions, IngestPlanned, IngestProgress, ingest
from batchscan.workflow.ingest_processes import SlideReaders
from batchscan.workflow.ingest_sources import Recognised, find_sources
from batchscan.workflow.killable import Killables

NAMES = ("crash", "fine", "flaky", "hang", "swell", "unrecognisable")
STALL_S = 5.0


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[IngestEvent]]:
    folder = tmp_path_factory.mktemp("spoilt")
    for name in NAMES:
        slide(folder / "in" / f"{name}.svs", side=2200)
    with Killables("spoilt_reader", 2 << 30) as processes:
        events = list(ingest([folder / "in"], folder / "archive", IngestOptions(2, stall_s=STALL_S), processes))
    return folder, events


def test_each_costs_itself_alone(spoilt: tuple[Path, list[IngestEvent]]) -> None:
    assert reasons(spoilt[1]) == {
        "crash": ("failed", "worker_died"),
        "fine": ("done", ""),
        "flaky": ("done", ""),
        "hang": ("failed", "hung"),
        "swell": ("failed", "out_of_memory"),
        "unrecognisable": ("done", ""),
    }
    planned = spoilt[1][0]
    assert isinstance(planned, IngestPlanned)
    assert planned.n_to_do == len(NAMES)


def test_sentences_say_what_and_what_to_do(spoilt: tuple[Path, list[IngestEvent]]) -> None:
    folder, events = spoilt
    found = {name: event.outcome.sentence for name, event in ended(events).items()}
    assert found["crash"].startswith("crash: the process that read it died (signal SIGSEGV), twice")
    assert found["hang"].startswith("hang: reading it got no further for 5 s, twice")
    assert "--stall" in found["hang"]
    assert found["swell"].startswith("swell: reading it takes more than the 2.0 GiB")
    assert not [text for text in found.values() if str(folder) in text or "\n" in text]
    with (folder / "archive/ingest.csv").open(newline="") as stream:
        assert {row["slide_id"]: row["sentence"] for row in csv.DictReader(stream)} == found


def test_a_slide_is_tried_twice_in_different_processes_and_no_more(spoilt: tuple[Path, list[IngestEvent]]) -> None:
    for name in ("crash", "hang"):
        pids = (spoilt[0] / f"in/{name}.pids").read_text().split()
        assert len(set(pids)) == 2


def test_nothing_half_written_is_left(spoilt: tuple[Path, list[IngestEvent]]) -> None:
    assert names(spoilt[0] / "archive") == [
        "fine.ome.zarr",
        "flaky.ome.zarr",
        "ingest.csv",
        "manifest.csv",
        "unrecognisable.ome.zarr",
    ]


def test_pixels_that_are_read_again_are_not_counted_twice(spoilt: tuple[Path, list[IngestEvent]]) -> None:
    read = dict.fromkeys(NAMES, 0)
    for event in spoilt[1]:
        if isinstance(event, IngestProgress):
            read[event.slide_id] += event.n_px
    assert read["fine"] == read["flaky"] == 1100 * 1150
    assert read["crash"] == read["hang"] == 0


class Here:
    """Calls what a process would, in this one."""

    memory_bytes = 1 << 30

    def run(self, function: Any, *arguments: Any, stall_s: float, on_progress: Any = None) -> Any:
        del stall_s
        return function(*arguments, on_progress)


def readers_that_raise(error: Exception, archive: Path, monkeypatch: pytest.MonkeyPatch) -> SlideReaders:
    def fail(_: Path) -> str:
        raise error

    monkeypatch.setattr("batchscan.workflow.ingest_steps.file_fingerprint", fail)
    return SlideReaders(Here(), archive, 300.0)  # type: ignore[arg-type]


def test_a_disk_error_while_opening_costs_one_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = find_sources([slide(tmp_path / "a.svs", side=60)], (), None, lambda _: Recognised(is_slide=True))
    readers = readers_that_raise(OSError(13, "Permission denied"), tmp_path, monkeypatch)
    with pytest.raises(UnreadableSlide, match=r"a\.svs: can't be read \(Permission denied\)"):
        readers.plan(source, 1.0)


def test_what_nobody_thought_of_costs_one_slide_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = find_sources([slide(tmp_path / "a.svs", side=60)], (), None, lambda _: Recognised(is_slide=True))
    readers = readers_that_raise(ZeroDivisionError("of Jane Doe"), tmp_path, monkeypatch)
    with pytest.raises(SlideDefect, match="ZeroDivisionError while it was read") as caught:
        readers.plan(source, 1.0)
    assert "Jane" not in str(caught.value)
