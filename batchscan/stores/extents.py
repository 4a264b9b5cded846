"""A slide's extent <-> its part of result.json, with the outlines of its foci in regions.geojson."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from batchscan.domain.records import Extent, Focus


def extent_json(extent: Extent) -> dict[str, Any]:
    """What result.json says of an extent; outlines are in regions.geojson."""
    data = asdict(extent)
    for focus in data["foci"]:
        del focus["rings_px"]
    return data


def read_extent(data: dict[str, Any], regions: dict[str, Any]) -> Extent:
    """The extent that result.json says, with the outlines that regions.geojson has, a feature a focus.

    Raises
    ------
    ValueError, KeyError, TypeError
        If they aren't what this version writes, or don't belong together.
    """
    foci = tuple(
        Focus(
            **{
                **focus,
                "bbox_px": tuple(focus["bbox_px"]),
                "centroid_px": tuple(focus["centroid_px"]),
                "rings_px": outline,
            }
        )
        for focus, outline in zip(data["foci"], _rings(regions), strict=True)
    )
    return Extent(**{**data, "foci": foci})


def _rings(regions: dict[str, Any]) -> list[Any]:
    """GeoJSON geometry of each feature -> polygons of rings of points."""
    outlines = []
    for feature in regions["features"]:
        geometry = feature["geometry"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        outlines.append(
            tuple(tuple(tuple((float(x), float(y)) for x, y in ring) for ring in polygon) for polygon in polygons)
        )
    return outlines
