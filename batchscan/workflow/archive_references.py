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
from batchscan.stores.manifest import NAMED_REFERENCE
from batchscan.stores.references import read_reference, write_reference


def carry_references(request: SlideRequest, archive: Path, downsample: float) -> SlideRequest:
    """Bring a slide's references, of every reader, into the archive, in the store's frame.

    Parameters
    ----------
    request
        The slide; its references may lie anywhere.
    archive
        Gets `<slide_id>.reference.csv` or `.geojson`, and `<slide_id>.reference_<reader>.csv` or `.geojson`.
    downsample
        Level-0 pixels of the source along a side of one of the store.

    Raises
    ------
    ReferenceFileError
        If a reference can't be read.
    OutputError
        If one can't be written.
    """
    carried = {
        reader: _carried(request.slide_id, reader, source, archive, downsample)
        for reader, source in request.references.items()
    }
    return replace(request, reference=carried.pop("", None), named_references=carried)


def _carried(slide_id: str, reader: str, source: Path, archive: Path, downsample: float) -> Path:
    suffix = source.suffix.lower()
    target = archive / f"{slide_id}.{f'{NAMED_REFERENCE}{reader}' if reader else 'reference'}{suffix}"
    if source == target:
        return target
    if suffix == ".csv":
        write_reference(target, read_reference(source, slide_id).shrunk(downsample))
    elif downsample == 1:
        shutil.copyfile(source, target)
    else:
        with write_atomically(target) as stream:
            json.dump(_shrunk(_read_json(source), downsample), stream)
    return target


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
