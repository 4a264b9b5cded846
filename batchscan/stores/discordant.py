"""Patches called otherwise than labelled -> a GeoJSON file a slide, to look at in QuPath and label anew.

Each patch is an annotation over its cell. Its class is the label as it stands, so that a file that goes back as a
reference without having been looked at changes nothing; what the model says is in its name and measurements. The file
labels the cells that it outlines and no others: read as a reference, it is one of partial outlines.
"""

from __future__ import annotations

import json
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import PatchGrid
from batchscan.domain.joined import JoinedSlide
from batchscan.stores.atomic import write_atomically
from batchscan.stores.regions import CLASSIFICATION, COLOUR_RGB

NOT_IDC = "not IDC"
# Sky blue of the Okabe-Ito palette, beside the vermilion of IDC.
_NOT_IDC_RGB = (86, 180, 233)
_NOISE = 1e-4


def write_discordant(folder: Path, slide: JoinedSlide, grid: PatchGrid) -> Path | None:
    """Write a slide's discordant patches as `<slide_id>.geojson` into `folder`, the surest mistakes first.

    Parameters
    ----------
    folder
        That is there.
    slide
        Unreadable patches are left out; labelled IDC that was not scanned counts as called not IDC.
    grid
        The slide's.

    Returns
    -------
    The file, or None when no patch is discordant: then none is written.

    Raises
    ------
    OutputError
        If the slide's id can't be the name of a file, or the file can't be written.
    """
    name = f"{slide.slide_id}.geojson"
    if Path(name).name != name or "\\" in name or "\0" in name:
        raise OutputError(f"slide {slide.slide_id!r} can't give a file its name: give it an id of letters and digits")
    features = discordant_geojson(slide, grid)
    if not features["features"]:
        return None
    path = folder / name
    text = json.dumps(features, allow_nan=False, separators=(",", ":"))
    with write_atomically(path) as stream:
        stream.write(text + "\n")
    return path


def discordant_geojson(slide: JoinedSlide, grid: PatchGrid) -> dict[str, Any]:
    """A FeatureCollection with an annotation a discordant patch, coordinates in level-0 pixels.

    Ids depend on slide and place alone: importing the same twice is seen to be twice the same.
    """
    return {"type": "FeatureCollection", "features": [_feature(slide, int(i), grid) for i in _discordant(slide, grid)]}


def _discordant(slide: JoinedSlide, grid: PatchGrid) -> NDArray[np.intp]:
    wrong = np.flatnonzero(slide.readable & (slide.positive != slide.label))
    # With overlap the last patches' cells may lie wholly off the slide.
    boxes = (grid.cell_box(int(slide.row[i]), int(slide.col[i])) for i in wrong)
    wrong = wrong[np.fromiter((box.width > 0 and box.height > 0 for box in boxes), dtype=np.bool_, count=len(wrong))]
    how_wrong = np.abs(slide.p_idc[wrong].astype(np.float64) - slide.label[wrong])
    return wrong[np.argsort(-how_wrong, kind="stable")]


def _feature(slide: JoinedSlide, i: int, grid: PatchGrid) -> dict[str, Any]:
    row, col, label = int(slide.row[i]), int(slide.col[i]), bool(slide.label[i])
    box = grid.cell_box(row, col)
    left, top, right, bottom = box.x, box.y, box.right, box.bottom
    # Counter-clockwise in the frame of RFC 7946, as outlines of foci are.
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"batchscan discordant\n{slide.slide_id}\n{row}\n{col}")),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "annotation",
            "name": _name(slide, i),
            "classification": {
                "name": CLASSIFICATION if label else NOT_IDC,
                "color": list(COLOUR_RGB if label else _NOT_IDC_RGB),
            },
            "measurements": {"p(IDC)": float(slide.p_idc[i]), "Threshold": slide.threshold},
            "metadata": {"slide_id": slide.slide_id, "row": str(row), "col": str(col)},
        },
    }


def _name(slide: JoinedSlide, i: int) -> str:
    kind = "FN" if slide.label[i] else "FP"
    if not slide.scanned[i]:
        return f"{kind}: not scanned, no tissue found"
    called = CLASSIFICATION if slide.positive[i] else NOT_IDC
    # Rounded down but for float32's noise: a p just below the threshold isn't printed as if it reached it.
    p_idc = math.floor(1000 * float(slide.p_idc[i]) + _NOISE) / 1000
    return f"{kind}: called {called}, p {p_idc:.3f}"
