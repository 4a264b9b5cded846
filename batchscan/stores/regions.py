"""Foci <-> regions.geojson in the form that QuPath 0.4 and later imports and exports.

The form was checked against QuPath's own reader and writer (qupath.lib.io.QuPathTypeAdapters): `id` is a UUID,
`classification` holds `name` and a `color` triple, `measurements` is an object of finite numbers (QuPath can't read
back a NaN, qupath/qupath#1293), `metadata` is an object of text (read since 0.5).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.errors import ShapelyError
from shapely.geometry import shape

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.records import Focus, ModelInfo, ScanSettings
from batchscan.stores.atomic import write_staged

CLASSIFICATION = "IDC"
# Vermilion of the Okabe-Ito palette: told from haematoxylin and eosin, also by the colour-blind.
COLOUR_RGB = (213, 94, 0)
LARGEST_BYTES = 64 << 20
PIXELS = "pixels"
"""Name of the metadata that say whose pixels coordinates are in."""
_DECIMALS_PX = 3

Geometry = Polygon | MultiPolygon


@dataclass(frozen=True, slots=True)
class PixelFrame:
    """Whose level-0 pixels coordinates are in.

    Parameters
    ----------
    name
        As the metadata of each region say it.
    downsample
        How many of them lie along a side of one of the store's.
    """

    name: str
    downsample: float = 1.0


STORE = PixelFrame("level 0 of the slide store")


def frame_of_file(downsample: float) -> PixelFrame:
    """The pixels of the file that a store was made from, which other programs show."""
    return PixelFrame("level 0 of the slide's file", downsample)


@dataclass(frozen=True)
class Region:
    """One annotated region of a slide.

    Parameters
    ----------
    name
        What it is called; empty when it has no name.
    classification
        Its class ("IDC"), a derived class as "A: B"; empty when it has none.
    polygon
        A valid, non-empty shapely Polygon or MultiPolygon, level-0 pixels.
    measurements
        Its numbers by name; another tool's may be NaN.
    id
        What tells it from others; empty when it has none.
    metadata
        Its facts by name.
    """

    name: str
    classification: str
    polygon: Geometry
    measurements: Mapping[str, float]
    id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def focus_ids(
    slide_id: str, n_foci: int, model: ModelInfo, settings: ScanSettings, scan_digest: str
) -> tuple[str, ...]:
    """The UUID of each of a result's foci, in their order.

    All that decides the foci decides their ids, so that importing the same twice is seen to be twice the same, and
    foci found in another way are others. What `scan_digest` stands for: domain/digest.py.
    """
    decided_by = _decided_by(slide_id, model, settings, scan_digest).values()
    names = ("\n".join(("batchscan", *decided_by, _name(number))) for number in range(1, n_foci + 1))
    return tuple(str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in names)


def foci_geojson(
    slide_id: str,
    foci: Sequence[Focus],
    model: ModelInfo,
    settings: ScanSettings,
    scan_digest: str,
    frame: PixelFrame = STORE,
) -> dict[str, Any]:
    """A GeoJSON FeatureCollection with one annotation a focus, in the order given, coordinates in pixels of `frame`.

    All that decides the foci, and whose pixels these are, is in their metadata; their ids are `focus_ids` in any frame.
    """
    metadata = {**_decided_by(slide_id, model, settings, scan_digest), PIXELS: frame.name}
    ids = focus_ids(slide_id, len(foci), model, settings, scan_digest)
    features = [
        _feature(number, focus, known, metadata, frame.downsample)
        for number, (focus, known) in enumerate(zip(foci, ids, strict=True), start=1)
    ]
    return {"type": "FeatureCollection", "features": features}


def write_regions(
    path: Path,
    slide_id: str,
    foci: Sequence[Focus],
    model: ModelInfo,
    settings: ScanSettings,
    scan_digest: str,
    frame: PixelFrame = STORE,
) -> None:
    """Write the foci as GeoJSON.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    found = foci_geojson(slide_id, foci, model, settings, scan_digest, frame)
    text = json.dumps(found, allow_nan=False, separators=(",", ":"))
    with write_staged(path) as stream:
        stream.write(text + "\n")


def read_regions(path: Path) -> tuple[Region, ...]:
    """Read the regions of a GeoJSON file: ours, QuPath's (a collection, a list or one Feature), or another tool's.

    An outline that crosses itself, as freehand ones do, is taken as the area that it encloses.

    Raises
    ------
    ReferenceFileError
        If the file isn't GeoJSON or has more than 64 MiB, or a feature isn't a polygon with finite coordinates; the
        first ten are named.
    """
    regions, wrong = [], []
    for number, feature in enumerate(_features(path), start=1):
        try:
            regions.append(_region(feature))
        except ReferenceFileError as error:
            wrong.append(f"feature {number} {error}")
    if wrong:
        more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""  # noqa: PLR2004 - said in the docstring
        raise ReferenceFileError(
            f"{path}: {len(wrong)} of its regions can't be used: "
            + "; ".join(wrong[:10])
            + more
            + "; mend or delete them"
        )
    return tuple(regions)


def _decided_by(slide_id: str, model: ModelInfo, settings: ScanSettings, scan_digest: str) -> dict[str, str]:
    aggregation = settings.aggregation
    return {
        "slide_id": slide_id,
        "model": f"{model.name} {model.version}",
        "model_sha256": model.sha256,
        "threshold": f"{settings.threshold}",
        "stride": f"{settings.patch.stride}",
        "orientations": f"{settings.orientations}",
        "neighbours": f"{aggregation.sigma}",
        "temperature": f"{aggregation.temperature}",
        "intercept": f"{aggregation.intercept}",
        "scan_digest": scan_digest,
    }


def _name(number: int) -> str:
    return f"IDC focus {number}"


def _feature(number: int, focus: Focus, known: str, metadata: Mapping[str, str], downsample: float) -> dict[str, Any]:
    rings = [
        [[[_scaled(x, downsample), _scaled(y, downsample)] for x, y in ring] for ring in polygon]
        for polygon in focus.rings_px
    ]
    single = len(rings) == 1
    return {
        "type": "Feature",
        "id": known,
        "geometry": {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": rings[0] if single else rings,
        },
        "properties": {
            "objectType": "annotation",
            "name": _name(number),
            "classification": {"name": CLASSIFICATION, "color": list(COLOUR_RGB)},
            "measurements": {
                "Tissue area mm^2": focus.area_mm2,
                "Greatest diameter mm": focus.greatest_mm,
                "Perpendicular diameter mm": focus.perpendicular_mm,
                "Mean p(IDC)": focus.mean_p,
                "Patches": focus.n_patches,
                "Touches slide edge": int(focus.touches_edge),
            },
            "metadata": dict(metadata),
        },
    }


def _scaled(coordinate_px: float, downsample: float) -> float:
    """In pixels of another frame; the store's own stay as they are."""
    return coordinate_px if downsample == 1.0 else round(coordinate_px * downsample, _DECIMALS_PX)


def _features(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ReferenceFileError(
                f"{path}: has more than {LARGEST_BYTES >> 20} MiB: export annotations only, not detections or cells"
            )
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReferenceFileError(
            f"{path}: can't be read as GeoJSON ({error}): export the annotations again, as GeoJSON"
        ) from error
    if isinstance(found, dict) and found.get("type") == "FeatureCollection":
        found = found.get("features")
    elif isinstance(found, dict) and found.get("type") == "Feature":
        found = [found]
    if not isinstance(found, list):
        raise ReferenceFileError(f"{path}: holds no GeoJSON features: export the annotations as a FeatureCollection")
    return found


def _region(feature: Any) -> Region:
    if not isinstance(feature, dict):
        raise ReferenceFileError("isn't a GeoJSON object")
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        raise ReferenceFileError("has properties that aren't a GeoJSON object")
    return Region(
        name=str(properties.get("name") or ""),
        classification=_classification(properties.get("classification")),
        polygon=polygon_of(feature.get("geometry")),
        measurements=_measurements(properties.get("measurements")),
        id=feature["id"] if isinstance(feature.get("id"), str) else "",
        metadata=_metadata(properties.get("metadata")),
    )


def polygon_of(geometry: Any) -> Geometry:
    """What a GeoJSON geometry encloses, mended where it crosses itself.

    Raises
    ------
    ReferenceFileError
        If it isn't a Polygon or MultiPolygon with finite coordinates and an area.
    """
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        kind = geometry.get("type") if isinstance(geometry, dict) else geometry
        raise ReferenceFileError(f"is {kind or 'without a geometry'}, not a Polygon or MultiPolygon")
    try:
        with np.errstate(invalid="ignore"):  # what isn't finite is refused below
            polygon = shape(geometry)
    except (ShapelyError, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ReferenceFileError(f"has coordinates that make no polygon ({error})") from error
    if polygon.is_empty or not np.isfinite(shapely.get_coordinates(polygon)).all():
        raise ReferenceFileError("is empty or has coordinates that aren't finite")
    if not polygon.is_valid:
        polygon = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    valid = polygons_of(polygon)
    if not valid.area > 0:
        raise ReferenceFileError("encloses no area")
    return valid


def polygons_of(geometry: Any) -> Geometry:
    """What of a shapely geometry has an area; repairing and clipping may leave lines and points besides."""
    if isinstance(geometry, Geometry):
        return geometry
    flat = shapely.get_parts(shapely.get_parts(geometry))
    return MultiPolygon([part for part in flat if isinstance(part, Polygon)])


def _classification(found: Any) -> str:
    """QuPath 0.4+ writes `name`, or `names` for a derived class; older ones and other tools may write plain text."""
    if isinstance(found, dict):
        names = found.get("names")
        return ": ".join(map(str, names)) if isinstance(names, list) else str(found.get("name") or "")
    return found if isinstance(found, str) else ""


def _metadata(found: Any) -> dict[str, str]:
    """Written since QuPath 0.5; `ANNOTATION_DESCRIPTION` is what it calls an annotation's description."""
    texts = found if isinstance(found, dict) else {}
    return {str(name): text for name, text in texts.items() if isinstance(text, str)}


def _measurements(found: Any) -> dict[str, float]:
    """QuPath 0.4+ writes an object; before, it was a list of {name, value}."""
    if isinstance(found, list):
        found = {item.get("name"): item.get("value") for item in found if isinstance(item, dict)}
    if not isinstance(found, dict):
        return {}
    try:
        return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
    except OverflowError as error:
        raise ReferenceFileError(f"has a measurement that is too large ({error})") from error
