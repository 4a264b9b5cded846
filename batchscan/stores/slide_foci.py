"""A committed result -> its foci under their ids, without its patches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchscan.domain.errors import DamagedResult
from batchscan.domain.records import Focus
from batchscan.stores.extents import read_extent
from batchscan.stores.results import REGIONS, RESULT, check_schema


@dataclass(frozen=True)
class KnownFocus:
    """A focus of a stored result: its id, its number in the report, its numbers, its GeoJSON geometry as text."""

    id: str
    number: int
    focus: Focus
    outline: str


@dataclass(frozen=True)
class SlideFoci:
    """The foci of one slide's committed result; sizes and coordinates in level-0 pixels of its store.

    Parameters
    ----------
    slide_id, patient_id, fingerprint, width_px, height_px
        The slide.
    downsample
        How many pixels of the slide's file lie along a side of one of its store.
    digest
        That of the result.
    foci
        In the report's order.
    """

    slide_id: str
    patient_id: str
    fingerprint: str
    width_px: int
    height_px: int
    downsample: float
    digest: str
    foci: tuple[KnownFocus, ...]


def read_slide_foci(folder: Path) -> SlideFoci:
    """Read what reviews need of a committed result.

    Raises
    ------
    DamagedResult
        If it is missing, damaged or of another schema.
    """
    try:
        data = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        check_schema(folder, data)
        regions = json.loads((folder / REGIONS).read_text(encoding="utf-8"))
        slide = data["slide"]
        foci = read_extent(data["extent"], regions).foci
        return SlideFoci(
            **{name: slide[name] for name in ("slide_id", "patient_id", "fingerprint", "width_px", "height_px")},
            downsample=float(slide["source_downsample"]),
            digest=data["digest"],
            foci=tuple(
                KnownFocus(feature["id"], number, focus, outline_text(feature["geometry"]))
                for number, (focus, feature) in enumerate(zip(foci, regions["features"], strict=True), start=1)
            ),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedResult(
            f"{folder}: the stored result can't be read ({type(error).__name__}: {error}); scan the slide again"
        ) from error


def outline_text(geometry: Any) -> str:
    """A GeoJSON geometry as the ledger keeps it."""
    return json.dumps(geometry, allow_nan=False, separators=(",", ":"))
