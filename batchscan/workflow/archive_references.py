"""Reference labels in a source's level-0 pixels become those of its store, inside the archive."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from batchscan.domain.errors import ReferenceFileError
from batchscan.domain.records import SlideRequest
from batchscan.stores.atomic import write_atomically
from batchscan.stores.references import Reference, read_reference, write_reference


def carry_reference(request: SlideRequest, archive: Path, downsample: float) -> SlideRequest:
    """Bring a slide's reference into the archive, in the store's frame.

    Parameters
    ----------
    request
        The slide; its reference may lie anywhere.
    archive
        Gets `<slide_id>.reference.csv` or `.geojson`.
    downsample
        Level-0 pixels of the source along a side of one of the store.

    Raises
    ------
    ReferenceFileError
        If the reference can't be read.
    OutputError
        If it can't be written.
    """
    source = request.reference
    if source is None:
        return request
    target = archive / f"{request.slide_id}.reference{source.suffix.lower()}"
    if source == target:
        return request
    if source.suffix.lower() == ".csv":
        found = read_reference(source, request.slide_id)
        x_px, y_px, side_px = (column / downsample for column in (found.x_px, found.y_px, found.side_px))
        write_reference(target, Reference(x_px, y_px, side_px, found.label))
    elif downsample == 1:
        shutil.copyfile(source, target)
    else:
        with write_atomically(target) as stream:
            json.dump(_shrunk(_read_json(source), downsample), stream)
    return replace(request, reference=target)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ReferenceFileError(f"{path}: can't be read as GeoJSON ({error}): export the annotations again") from error


def _shrunk(node: Any, downsample: float) -> Any:
    """The document with all `coordinates` divided."""
    if isinstance(node, Mapping):
        return {
            name: _divided(value, downsample) if name == "coordinates" else _shrunk(value, downsample)
            for name, value in node.items()
        }
    return [_shrunk(value, downsample) for value in node] if isinstance(node, list) else node


def _divided(coordinates: Any, downsample: float) -> Any:
    if isinstance(coordinates, list):
        return [_divided(value, downsample) for value in coordinates]
    return coordinates / downsample if isinstance(coordinates, int | float) else coordinates
