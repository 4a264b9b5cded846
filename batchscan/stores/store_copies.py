"""A slide store of any writer -> a store of the same chunks, byte for byte, whose documents say what is whitelisted.

What else a store holds (labels, OME-XML, attributes, notes) may tell whose slide it is, and stays where it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from batchscan import __version__
from batchscan.domain.errors import OutputError, UnopenableSlide, UnreadableSlide
from batchscan.stores.damage import DAMAGED_PX
from batchscan.stores.ngff import ImageDocument, parse_image, whitelisted_image
from batchscan.stores.pyramids import OWN_ATTRIBUTES, SlideStore
from batchscan.stores.trees import Tree
from batchscan.stores.zarr_documents import read_array_document, read_document, read_group_attributes

COPIED_FROM = "copied_from"
"""In our attributes: fingerprint of the store that this is a copy of."""
COPIED_AT_ONCE_BYTES = 8 << 20

_CHUNK = re.compile(r"(c[/.])?\d+([/.]\d+)*")
_V2_ARRAY = (
    "zarr_format", "shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters", "dimension_separator",
)  # fmt: skip
_V3_ARRAY = (
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
)
_RECORD = ("um_per_px_source", "fingerprint")
_SOURCE = (
    "kind", "format", "objective_power", "um_per_px_x", "um_per_px_y", "level_sizes_px", "level0_um_per_px",
    "downsample", "fingerprint", "patches",
)  # fmt: skip
_WORD = re.compile(r"[a-z0-9:-]{1,80}")


def copy_store(source: SlideStore, slide_id: str, folder: Path, on_step: Callable[[], None]) -> None:
    """Copy a store's levels into a folder that is there, and read the copy back.

    Parameters
    ----------
    source
        The store; on a disk.
    slide_id
        What the copy calls itself.
    folder
        Gets levels 0, 1, ... and the documents.
    on_step
        Called when some megabytes or a file are copied; may raise to end it.

    Raises
    ------
    UnopenableSlide, UnreadableSlide
        If the store can't be read, or has something but files and folders in it.
    OutputError
        If the copy reads back other than it was written.
    """
    # Once more, as what lay there when the slide was opened may have been replaced since.
    tree = source.tree
    tree.check_plain()
    attributes = read_group_attributes(tree)
    if attributes is None or not isinstance(tree.root, Path):
        raise UnopenableSlide(f"{source.path}: no zarr group is there any more: copy it again")
    for index, level in enumerate(source.levels):
        target = folder / str(index)
        target.mkdir()
        _copy_chunks(tree.root / level.path, target, on_step)
        _write_array_document(tree, level.path, target)
    image = parse_image(source.path, attributes)
    _write_group(folder, source, image, slide_id)


def is_copy_of(copy: SlideStore, fingerprint: str) -> bool:
    """Whether a store is the one of that fingerprint, or was copied from it."""
    return fingerprint in (copy.record.get(COPIED_FROM), copy.fingerprint)


def _write_group(folder: Path, source: SlideStore, image: ImageDocument, slide_id: str) -> None:
    used = {level.path for level in source.levels}
    n_channels = read_array_document(source.tree, source.levels[0].path).shape[image.axes.index("c")]
    said = whitelisted_image(slide_id, image, [each for each in image.datasets if each.path in used], n_channels)
    record: dict[str, Any] = {
        "writer": __version__,
        "slide_id": slide_id,
        **_known(source.record, _RECORD),
        COPIED_FROM: source.fingerprint,
    }
    if source.damage:
        record[DAMAGED_PX] = source.damage.document()
    origin = source.record.get("source")
    if isinstance(origin, Mapping):
        record["source"] = _known(origin, _SOURCE)
    if source.tree.is_file("zarr.json"):
        attributes = {"ome": {"version": "0.5", **said}, OWN_ATTRIBUTES: record}
        _write(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    else:
        _write(folder / ".zgroup", {"zarr_format": 2})
        for each in said["multiscales"]:
            each["version"] = "0.4"
        _write(folder / ".zattrs", {**said, OWN_ATTRIBUTES: record})


def _known(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Of what a store says of its origin, what batchscan itself writes: short words and numbers."""
    return {name: found[name] for name in names if name in found and _is_plain_value(found[name])}


def _is_plain_value(value: Any) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if isinstance(value, list):
        return all(map(_is_plain_value, value))
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _write_array_document(tree: Tree, array: str, target: Path) -> None:
    if tree.is_file(f"{array}/zarr.json"):
        document = read_document(tree, f"{array}/zarr.json")
        known = {name: document[name] for name in _V3_ARRAY if name in document}
        _write(target / "zarr.json", {**known, "attributes": {}})
    else:
        document = read_document(tree, f"{array}/.zarray")
        _write(target / ".zarray", {name: document[name] for name in _V2_ARRAY if name in document})


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")


def _copy_chunks(source: Path, target: Path, on_step: Callable[[], None]) -> None:
    for root, _, files in os.walk(source):
        here = Path(root).relative_to(source)
        for name in files:
            if _CHUNK.fullmatch((here / name).as_posix()):
                on_step()
                (target / here).mkdir(parents=True, exist_ok=True)
                _copy_file(Path(root) / name, target / here / name, on_step)


def _copy_file(source: Path, target: Path, on_step: Callable[[], None]) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as stream:
        for part in _parts(source):
            digest.update(part)
            stream.write(part)
            on_step()
    with target.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").digest() != digest.digest():
            raise OutputError(f"{target}: reads back other than it was written: check disk and memory")


def _parts(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from iter(lambda: stream.read(COPIED_AT_ONCE_BYTES), b"")
    except OSError as error:
        raise UnreadableSlide(f"{path}: can't be read ({error.strerror}): check its permissions and disk") from error
