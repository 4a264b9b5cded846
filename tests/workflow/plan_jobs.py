"""Slide files and stores of every kind, and the tasks that a plan or a run of them has."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
from slide_files import Rgb, write_aperio

from batchscan.domain.job import Job, validated_job
from batchscan.domain.records import EngineInfo, SlideRequest
from batchscan.stores.packages import open_package
from batchscan.stores.patchsets import read_patch_set
from batchscan.workflow.run import scan_settings, slide_work
from batchscan.workflow.slide_steps import SlideWork

DEMO = Path(__file__).parents[2] / "batchscan" / "demo" / "8863.zip"
MODEL = "published-cnn"


def tissue(side: int = 800) -> Rgb:
    """A piece of the demo slide, 8 um/px."""
    with read_patch_set(DEMO) as patches:
        return patches.mount("8863").read(800, 800, side, side)


def make_slides(folder: Path) -> Path:
    """Files that a plan has something to say of, each named after it; but for `good`."""
    folder.mkdir(exist_ok=True)
    pixels = np.repeat(np.repeat(tissue(400), 2, axis=0), 2, axis=1)
    write_aperio(folder / "good.svs", [pixels], "|MPP = 4.0")
    (folder / "twin.svs").write_bytes((folder / "good.svs").read_bytes())
    write_aperio(folder / "blank.svs", [np.full_like(pixels, 245)], "|MPP = 4.0")
    write_aperio(folder / "grey.svs", [np.repeat(pixels[..., :1], 3, axis=2)], "|MPP = 4.0")
    write_aperio(folder / "coarse.svs", [pixels], "|MPP = 10.0")
    write_aperio(folder / "no_spacing.svs", [pixels], "|AppMag = 20")
    write_aperio(folder / "tag_of_72_dpi.svs", [pixels], "|MPP = 352.8")
    (folder / "text.svs").write_text("this is no slide\n")
    # A tile or two in the midst of the only level: the file opens as if it were whole.
    damaged = bytearray((folder / "good.svs").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 50_000] = bytes(50_000)
    (folder / "damaged.svs").write_bytes(damaged)
    return folder


WORDS = {
    "blank": ("done", "no_tissue"),
    "coarse": ("excluded", "too_coarse"),
    "damaged": ("failed", "unreadable"),
    "grey": ("excluded", "not_rgb"),
    "no_spacing": ("excluded", "no_spacing"),
    "tag_of_72_dpi": ("excluded", "implausible_spacing"),
    "text": ("excluded", "unopenable"),
    "twin": ("done", "duplicate"),
}
"""What a plan of `make_slides` says of each: the status that it would end with, and why it is named."""


def job_of(source: Path, run: Path, **model: object) -> Job:
    sections = {"slides": {"sources": [source]}, "run": {"out": run}, "model": {"package": MODEL, **model}}
    return validated_job(sections, "a test")


def work_of(path: Path, run: Path, slide_id: str = "s", **model: object) -> SlideWork:
    job, package = job_of(path, run, **model), open_package(MODEL)
    request = SlideRequest(slide_id, slide_id, path)
    moment = dt.datetime(2025, 11, 23, tzinfo=dt.UTC)
    return slide_work(
        request, job, package, scan_settings(job, package), EngineInfo("openvino", "f32"), moment, fresh=False
    )


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All that is in a folder: name -> time of change and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
