"""OME-Zarr metadata (0.4, 0.5) becomes axes, levels and spacing; levels become OME-Zarr 0.5 metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batchscan.domain.errors import MissingSpacing, UnopenableSlide, UnsuitableColour
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.places import Place
from batchscan.stores.spacings import SPACING_REMEDY, square_spacing
from batchscan.stores.zarr_documents import Json

VERSIONS = ("0.4", "0.5")
UM_BY_UNIT = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
    "inch": 25_400.0,
}
_RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Axis(_Document):
    name: str
    unit: str | None = None


class _Transformation(_Document):
    type: str
    scale: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()


class _Dataset(_Document):
    path: Annotated[str, Field(min_length=1)]
    transformations: Annotated[tuple[_Transformation, ...], Field(alias="coordinateTransformations")]


class _Multiscale(_Document):
    axes: tuple[_Axis, ...]
    datasets: Annotated[tuple[_Dataset, ...], Field(min_length=1)]
    transformations: Annotated[tuple[_Transformation, ...], Field(alias="coordinateTransformations")] = ()


@dataclass(frozen=True, slots=True)
class ScaledDataset:
    """One level: where its array lies in the store, and its scale along y and x in the axes' unit."""

    path: str
    scale_y: float
    scale_x: float


@dataclass(frozen=True, slots=True)
class ImageDocument:
    """What an OME-Zarr image says of itself.

    Parameters
    ----------
    axes
        One letter each, in storage order.
    unit_y, unit_x
        The spatial axes' unit, None where none is given.
    datasets
        Finest first.
    """

    axes: tuple[str, ...]
    unit_y: str | None
    unit_x: str | None
    datasets: tuple[ScaledDataset, ...]

    def spacing(self, store: Place) -> Spacing:
        """Level-0 spacing, from the physical scale.

        Raises
        ------
        MissingSpacing
            If there is no unit, or one that isn't a length.
        ImplausibleSpacing
            If it can't be one, or pixels aren't square.
        """
        um_y, um_x = (
            _um(store, scale, unit)
            for scale, unit in (
                (self.datasets[0].scale_y, self.unit_y),
                (self.datasets[0].scale_x, self.unit_x),
            )
        )
        return square_spacing(store, um_x, um_y, SpacingSource.OME_ZARR)


def parse_image(store: Place, attributes: Json) -> ImageDocument:
    """Understand the attributes of an OME-Zarr image.

    Parameters
    ----------
    store
        Named in errors.
    attributes
        Those of the group.

    Raises
    ------
    UnopenableSlide
        If they aren't OME-Zarr 0.4 or 0.5 of a plane, or a dataset's path leads out of the store.
    UnsuitableColour
        If there is no channel axis.
    """
    ome = attributes.get("ome", attributes)
    images = ome.get("multiscales") if isinstance(ome, dict) else None
    if not isinstance(images, list) or not images or not isinstance(images[0], dict):
        raise UnopenableSlide(
            f"{store}: no OME-Zarr image in its metadata; expected `multiscales`: give the image's folder"
        )
    version = str(ome.get("version", images[0].get("version")))
    if version not in VERSIONS:
        raise UnopenableSlide(
            f"{store}: is OME-Zarr {version}, expected {' or '.join(VERSIONS)}: convert it with a current writer"
        )
    try:
        image = _Multiscale.model_validate(images[0])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnopenableSlide(f"{store}: multiscales.{place}: {first['msg']}; write its metadata again") from error
    return _checked(store, image)


def _checked(store: Place, image: _Multiscale) -> ImageDocument:
    names = tuple(axis.name.lower() for axis in image.axes)
    if len(set(names)) != len(names) or not {"x", "y"} <= set(names) <= set("tczyx"):
        raise UnopenableSlide(f"{store}: axes are {', '.join(names)}; expected c, y, x (with t or z of one plane)")
    if "c" not in names:
        raise UnsuitableColour(
            f"{store}: axes are {', '.join(names)}: a greyscale image; expected RGB: export it in colour"
        )
    datasets = tuple(_scaled(store, dataset, image, names) for dataset in image.datasets)
    units = {name: axis.unit for name, axis in zip(names, image.axes, strict=True)}
    return ImageDocument(names, units["y"], units["x"], datasets)


def _scaled(store: Place, dataset: _Dataset, image: _Multiscale, names: Sequence[str]) -> ScaledDataset:
    own, common = (_scale(store, each, names) for each in (dataset.transformations, image.transformations))
    if own is None:
        raise UnopenableSlide(f"{store}: dataset {dataset.path} has no scale; write its metadata again")
    y, x = (own[names.index(axis)] * (common[names.index(axis)] if common else 1.0) for axis in "yx")
    return ScaledDataset(_inside(store, dataset.path), y, x)


def _scale(store: Place, transformations: Sequence[_Transformation], names: Sequence[str]) -> tuple[float, ...] | None:
    scales = [each.scale for each in transformations if each.type == "scale"]
    if not scales:
        return None
    if len(scales) != 1 or len(scales[0]) != len(names):
        raise UnopenableSlide(
            f"{store}: expected one scale with a number for each of {', '.join(names)}, found {scales}"
        )
    return scales[0]


def _inside(store: Place, path: str) -> str:
    """Only a plain relative path stays; links are followed before they are believed."""
    parts = PurePosixPath(path).parts
    is_plain = path.isprintable() and not {"\\", ":"} & set(path) and not path.startswith("/") and ".." not in parts
    # Only a folder can have links.
    is_inside = not isinstance(store, Path) or (store / path).resolve().is_relative_to(store.resolve())
    if not is_plain or not is_inside:
        raise UnopenableSlide(f"{store}: dataset path {path!r} leads out of the store: refused; don't trust this file")
    return path


def _um(store: Place, scale: float, unit: str | None) -> float:
    if unit is None:
        raise MissingSpacing(
            f"{store}: its scale {scale:g} has no unit, so nothing says how large a pixel is: {SPACING_REMEDY}"
        )
    if unit.lower() not in UM_BY_UNIT:
        raise MissingSpacing(
            f"{store}: its scale is in {unit!r}, expected a length such as micrometer: {SPACING_REMEDY}"
        )
    return scale * UM_BY_UNIT[unit.lower()]


def whitelisted_image(
    name: str, image: ImageDocument, datasets: Sequence[ScaledDataset], n_channels: int
) -> dict[str, Any]:
    """What has to be said of an image for its pixels to be found, measured and shown; levels are 0, 1, ..."""
    kinds = {"c": "channel", "t": "time"}
    units = {"y": image.unit_y, "x": image.unit_x}
    axes = [{"name": axis, "type": kinds.get(axis, "space")} for axis in image.axes]
    for axis in axes:
        unit = units.get(axis["name"])
        # Others than known lengths are no use, and may be any text.
        if unit is not None and unit.lower() in UM_BY_UNIT:
            axis["unit"] = unit
    scales = ([{"y": each.scale_y, "x": each.scale_x}.get(axis, 1.0) for axis in image.axes] for each in datasets)
    levels = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for level, scale in enumerate(scales)
    ]
    said: dict[str, Any] = {"multiscales": [{"name": name, "axes": axes, "datasets": levels}]}
    return {**said, "omero": _colours()} if n_channels == len(_RGB) else said


def image_attributes(name: str, um_per_px: Sequence[float]) -> dict[str, Any]:
    """OME-Zarr 0.5 attributes (`ome`) of an RGB image with axes c, y, x and levels 0, 1, ... of the given spacings."""
    axes: list[dict[str, str]] = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [1.0, um, um]}]}
        for level, um in enumerate(um_per_px)
    ]
    multiscale = {"name": name, "axes": axes, "datasets": datasets, "type": "area average"}
    return {"version": "0.5", "multiscales": [multiscale], "omero": _colours()}


def _colours() -> dict[str, Any]:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [{"label": label, "color": colour, "active": True, "window": window} for label, colour in _RGB]
    return {"channels": channels, "rdefs": {"model": "color"}}
