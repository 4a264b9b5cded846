"""A folder or zip in the public IDC patch layout becomes an index of labelled patches and whole mounts."""

from __future__ import annotations

import hashlib
import io
import itertools
import logging
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from batchscan.domain.errors import PatchSetError
from batchscan.domain.records import Uint8Array
from batchscan.domain.slide_ids import id_fault
from batchscan.stores.area import WHITE
from batchscan.stores.patchfiles import HEAD_BYTES, NamedFiles, open_files, translated
from batchscan.stores.references import Reference

log = logging.getLogger(__name__)

PATCH_SIDE_PX = 50
PATCH_UM_PER_PX = 8.0
"""No source states it; slide extents, fat cells and published counts all say about 8 (docs/model.md)."""

LAYOUT = "<patient>/<class 0 or 1>/<patient>_idx5_x<X>_y<Y>_class<C>.png"
LONGEST_SIDE_PX = 32_768
NAMED_AT_MOST = 3
_DAMAGED_NAMED = 20

_NAME = re.compile(
    r"(?P<patient>[A-Za-z0-9._-]{1,100})_idx\d+_x(?P<x>\d{1,6})_y(?P<y>\d{1,6})_class(?P<label>[01])\.png"
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = struct.Struct(">8s4x4xIIBB")
_RGB_8_BIT = (8, 2)


@dataclass(frozen=True, slots=True)
class PatchRef:
    """One patch, without its pixels.

    Parameters
    ----------
    patient_id
        Whose slide it is from.
    x_px, y_px
        Upper left corner, level-0 pixels of the whole mount: the public 1-based corner less 1.
    width_px, height_px
        50, less where the slide's edge cut the patch.
    label
        1 is IDC, 0 is not.
    name
        Where it lies in the set, with forward slashes.
    crc32
        Checksum of the PNG file.
    """

    patient_id: str
    x_px: int
    y_px: int
    width_px: int
    height_px: int
    label: int
    name: str
    crc32: int


@dataclass(frozen=True, slots=True)
class PatientPatches:
    """One patient's part of a set, without anything open: it can be sent to another process.

    Parameters
    ----------
    path
        The folder or zip.
    patient_id
        Whose.
    refs
        The patches, row by row.
    """

    path: Path
    patient_id: str
    refs: tuple[PatchRef, ...]

    def opened(self, files: NamedFiles) -> PatchSet:
        """A set of this patient alone, that reads from `files`."""
        return PatchSet(self.path, files, {self.patient_id: self.refs})


class PatchSet:
    """An indexed patch set: labels and places in memory, pixels read when asked for. Closes as a context manager.

    Parameters
    ----------
    path
        The folder or zip.
    by_patient
        Patches of each patient, row by row.
    """

    def __init__(self, path: Path, files: NamedFiles, by_patient: Mapping[str, tuple[PatchRef, ...]]) -> None:
        self.path = path
        self._files = files
        self._by_patient = dict(by_patient)

    @property
    def patients(self) -> tuple[str, ...]:
        """Patient ids, sorted."""
        return tuple(self._by_patient)

    @property
    def refs(self) -> tuple[PatchRef, ...]:
        """All patches: by patient, then row by row."""
        return tuple(itertools.chain.from_iterable(self._by_patient.values()))

    def of(self, patient_id: str) -> tuple[PatchRef, ...]:
        """The patches of one patient, row by row."""
        return self._by_patient[patient_id]

    def part(self, patient_id: str) -> PatientPatches:
        """One patient's part."""
        return PatientPatches(self.path, patient_id, self.of(patient_id))

    def load_pixels(self, ref: PatchRef) -> Uint8Array:
        """Pixels of one patch.

        Returns
        -------
        (height_px, width_px, 3) uint8 RGB.

        Raises
        ------
        PatchSetError
            If the PNG can't be decoded.
        """
        with translated(self.path, ref.name), _opened(self._files.read(ref.name)) as image:
            if image.size != (ref.width_px, ref.height_px):
                # A second header may say other than the first, and a size that nobody has memory for.
                raise ValueError(f"it is {image.width} x {image.height} px, its header says otherwise")
            pixels = np.asarray(image)
        if pixels.shape != (ref.height_px, ref.width_px, 3):
            raise PatchSetError(
                f"{self.path}: {ref.name} decodes to {pixels.shape}, not to the {ref.width_px} x {ref.height_px} RGB "
                "pixels of its header: replace the file"
            )
        return pixels

    def mount(self, patient_id: str) -> PatchMount:
        """A patient's whole mount, put together where it is read."""
        return PatchMount(self, self.of(patient_id))

    def reference(self, patient_id: str) -> Reference:
        """A patient's labels in level-0 pixels; a cut patch has the full side, as its grid cell sticks out."""
        refs = self.of(patient_id)
        x, y, label = (np.array(column) for column in zip(*((r.x_px, r.y_px, r.label) for r in refs), strict=True))
        side = np.full(len(refs), float(PATCH_SIDE_PX))
        return Reference(x.astype(np.float64), y.astype(np.float64), side, label == 1)

    def fingerprint(self, patient_id: str) -> str:
        """`sha256:<hex>` over places, labels and checksums of a patient's patches; the same for folder and zip."""
        digest = hashlib.sha256()
        for ref in self.of(patient_id):
            digest.update(repr((ref.x_px, ref.y_px, ref.width_px, ref.height_px, ref.label, ref.crc32)).encode())
        return f"sha256:{digest.hexdigest()}"

    def close(self) -> None:
        """Let go of the zip."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PatchMount:
    """A whole mount made of patches; level-0 pixel (0, 0) is the public corner (1, 1)."""

    def __init__(self, patch_set: PatchSet, refs: Sequence[PatchRef]) -> None:
        self._patch_set = patch_set
        self._by_cell = {(ref.y_px // PATCH_SIDE_PX, ref.x_px // PATCH_SIDE_PX): ref for ref in refs}
        self.width_px = max(ref.x_px + ref.width_px for ref in refs)
        self.height_px = max(ref.y_px + ref.height_px for ref in refs)
        self.tile_px = 20 * PATCH_SIDE_PX

    def read(self, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(height, width, 3) uint8 RGB of a part of the mount, white where there is no patch.

        Raises
        ------
        PatchSetError
            If a PNG can't be decoded.
        """
        pixels = np.full((height, width, 3), WHITE, dtype=np.uint8)
        rows = range(y // PATCH_SIDE_PX, (y + height - 1) // PATCH_SIDE_PX + 1)
        cols = range(x // PATCH_SIDE_PX, (x + width - 1) // PATCH_SIDE_PX + 1)
        for ref in filter(None, map(self._by_cell.get, itertools.product(rows, cols))):
            patch = self._patch_set.load_pixels(ref)
            top, left = max(y - ref.y_px, 0), max(x - ref.x_px, 0)
            part = patch[top : y + height - ref.y_px, left : x + width - ref.x_px]
            row, col = ref.y_px + top - y, ref.x_px + left - x
            pixels[row : row + part.shape[0], col : col + part.shape[1]] = part
        return pixels


def looks_like_patch_set(path: Path) -> bool:
    """Whether a folder holds, at most one folder further in, a `<patient>/<class>/` with patches; a zip counts."""
    if path.is_file():
        return zipfile.is_zipfile(path)
    return any(
        _NAME.fullmatch(file.name)
        for pattern in ("*/[01]", "*/*/[01]")
        for folder in path.glob(pattern)
        for file in itertools.islice(folder.glob("*.png"), 1)
    )


def read_patch_set(path: Path) -> PatchSet:
    """Index a folder or zip in the public layout; every wrong file is found before any pixel is decoded.

    A second tree with identical copies (as in the public download) counts once.

    Raises
    ------
    PatchSetError
        If nothing is in the layout, a PNG isn't named as it or contradicts its folder, two patches share a
        corner, or a size fits neither the grid nor the slide's edge.
    """
    files = open_files(path, LAYOUT)
    try:
        with translated(path, "the set"):
            refs = _index(path, files)
            by_patient = {p: tuple(group) for p, group in itertools.groupby(refs, key=lambda ref: ref.patient_id)}
            for patient_refs in by_patient.values():
                _check_sizes(path, patient_refs)
    except BaseException:
        files.close()
        raise
    return PatchSet(path, files, by_patient)


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=("PNG",))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error


def _index(path: Path, files: NamedFiles) -> list[PatchRef]:
    by_corner: dict[tuple[str, int, int], PatchRef] = {}
    strangers: list[str] = []
    damaged: list[str] = []
    n_copies = 0
    for name in files.names():
        if not name.lower().endswith(".png") or _is_litter(name):
            continue
        match = _NAME.fullmatch(PurePosixPath(name).name)
        if match is None:
            strangers.append(name)
            continue
        try:
            ref = _ref(path, files, name, match)
        except _DamagedPng as error:
            damaged.append(str(error))
            continue
        first = by_corner.setdefault((ref.patient_id, ref.y_px, ref.x_px), ref)
        if first is not ref:
            n_copies += 1
            _check_copy(path, first, ref)
    _refuse_damaged(path, damaged)
    _check_found(path, by_corner, strangers)
    if n_copies:
        log.info("%s: used once what lies there twice with the same content: %d PNG", path, n_copies)
    return [by_corner[corner] for corner in sorted(by_corner)]


def _is_litter(name: str) -> bool:
    """What operating systems leave behind in zips and folders."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _ref(path: Path, files: NamedFiles, name: str, match: re.Match[str]) -> PatchRef:
    patient, label = match["patient"], int(match["label"])
    fault = id_fault(patient)
    if fault:
        raise PatchSetError(f"{path}: {name} names a patient who can't be called so: {fault}")
    folders = PurePosixPath(name).parts[-3:-1]
    if folders != (patient, match["label"]):
        raise PatchSetError(
            f"{path}: {name} says patient {patient}, class {label}, but lies in {'/'.join(folders) or 'no folder'}: "
            f"expected {LAYOUT}; move or rename the file"
        )
    x, y = int(match["x"]) - 1, int(match["y"]) - 1
    if x < 0 or y < 0 or x % PATCH_SIDE_PX or y % PATCH_SIDE_PX or max(x, y) >= LONGEST_SIDE_PX:
        raise PatchSetError(
            f"{path}: {name} isn't on the grid: expected 1-based corners 1, 51, 101, ... up to {LONGEST_SIDE_PX}"
        )
    try:
        with translated(path, name):
            head, crc32 = files.head(name)
    except PatchSetError as error:
        raise _DamagedPng(str(error).removeprefix(f"{path}: ")) from error
    width, height = _png_size(name, head)
    return PatchRef(patient, x, y, width, height, label, name, crc32)


class _DamagedPng(Exception):
    """What is wrong with one file, in words; many are named together."""


def _png_size(name: str, head: bytes) -> tuple[int, int]:
    if len(head) < HEAD_BYTES or not head.startswith(_PNG_SIGNATURE):
        raise _DamagedPng(f"{name} is not a PNG file or is cut off: replace or remove it")
    _, width, height, *kind = _PNG_HEAD.unpack_from(head)
    if tuple(kind) != _RGB_8_BIT:
        raise _DamagedPng(f"{name} isn't 8-bit RGB (PNG depth, colour type {kind}): convert it")
    if not (0 < width <= PATCH_SIDE_PX and 0 < height <= PATCH_SIDE_PX):
        raise _DamagedPng(
            f"{name} is {width} x {height} px: expected {PATCH_SIDE_PX} x {PATCH_SIDE_PX}, or less at an edge"
        )
    return width, height


def _refuse_damaged(path: Path, damaged: Sequence[str]) -> None:
    if len(damaged) == 1:
        raise PatchSetError(f"{path}: {damaged[0]}")
    if damaged:
        more = f"; and {len(damaged) - _DAMAGED_NAMED} more" if len(damaged) > _DAMAGED_NAMED else ""
        raise PatchSetError(
            f"{path}: {len(damaged)} PNG files can't be used: {'; '.join(damaged[:_DAMAGED_NAMED])}{more}"
        )


def _check_copy(path: Path, first: PatchRef, second: PatchRef) -> None:
    """Identical files in two trees are the public download's doubled tree; anything else is a contradiction."""
    if first.name != second.name and (first.label, first.crc32) == (second.label, second.crc32):
        return
    raise PatchSetError(
        f"{path}: {first.name} and {second.name} have the same corner (x {first.x_px + 1}, y {first.y_px + 1} of "
        f"patient {first.patient_id}) but differ, or one lies there twice: remove one"
    )


def _check_found(path: Path, found: Mapping[tuple[str, int, int], PatchRef], strangers: Sequence[str]) -> None:
    if strangers:
        named = ", ".join(strangers[:NAMED_AT_MOST])
        files = f"{len(strangers)} PNG {'files are' if len(strangers) > 1 else 'file is'}"
        raise PatchSetError(
            f"{path}: {files} not named as in the public layout ({named}"
            f"{', ...' if len(strangers) > NAMED_AT_MOST else ''}): expected {LAYOUT}"
        )
    if not found:
        raise PatchSetError(f"{path} holds no patches: expected {LAYOUT}, possibly below one top folder")


def _check_sizes(path: Path, refs: Sequence[PatchRef]) -> None:
    """A patch may be cut by the slide's right or lower edge only."""
    right = max(ref.x_px + ref.width_px for ref in refs)
    bottom = max(ref.y_px + ref.height_px for ref in refs)
    for ref in refs:
        cut_inside = (ref.width_px < PATCH_SIDE_PX and ref.x_px + ref.width_px != right) or (
            ref.height_px < PATCH_SIDE_PX and ref.y_px + ref.height_px != bottom
        )
        if cut_inside:
            raise PatchSetError(
                f"{path}: {ref.name} is {ref.width_px} x {ref.height_px} px but doesn't lie at the slide's edge "
                f"({right} x {bottom} px): expected {PATCH_SIDE_PX} x {PATCH_SIDE_PX}; replace or remove it"
            )
