"""Small sources of every kind, and an ingest of them -> what became of each."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from slide_files import tissue_like, write_aperio

from batchscan.workflow.ingest import IngestEvent, IngestOptions, SlideIngested, ingest
from batchscan.workflow.ingest_processes import ingest_processes
from batchscan.workflow.killable import Killables


@functools.cache
def _processes() -> Killables:
    """Kept from test to test: each takes half a second to start. They end when the tests do."""
    return ingest_processes(n_threads=2, n_processes=3)


def run(archive: Path, *sources: Path, **options: object) -> list[IngestEvent]:
    how = IngestOptions(**{"workers": 2, **options})  # type: ignore[arg-type]
    try:
        return list(ingest(sources, archive, how, _processes()))
    except BaseException:
        # An ingest that ends early ends its processes too.
        _processes.cache_clear()
        raise


def ended(events: list[IngestEvent]) -> dict[str, SlideIngested]:
    return {event.outcome.slide_id: event for event in events if isinstance(event, SlideIngested)}


def reasons(events: list[IngestEvent]) -> dict[str, tuple[str, str]]:
    return {name: (str(event.outcome.status), event.outcome.reason) for name, event in ended(events).items()}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def slide(path: Path, seed: int = 0, description: str = "|AppMag = 20|MPP = 0.5", side: int = 700) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aperio(path, [tissue_like(side, side + 100, seed)], description)
    return path


def patch(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (50, 50), colour).save(stream, "PNG")
    return stream.getvalue()


def patches(path: Path, colours: Mapping[str, tuple[int, int, int]]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for patient, colour in colours.items():
            for x, label in ((1, 0), (101, 1)):
                packed.writestr(f"{patient}/{label}/{patient}_idx5_x{x}_y51_class{label}.png", patch(colour))
    return path
