"""QuPath exports <-> reviews: outlines with their classes become opinions, opinions become outlines to train on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import mapping

from batchscan.domain.errors import ReferenceFileError, ReviewError
from batchscan.domain.reviews import DRAWN, ON_FOCI, Opinion, Review, Verdict, standing_reviews
from batchscan.stores.annotations import KINDS, kind_of, shrunk
from batchscan.stores.atomic import write_atomically
from batchscan.stores.regions import (
    CLASSIFICATION,
    PIXELS,
    STORE,
    Geometry,
    Region,
    frame_of_file,
    polygon_of,
    polygons_of,
    read_regions,
)
from batchscan.stores.review_forms import checked_comment
from batchscan.stores.slide_foci import KnownFocus, SlideFoci, outline_text

DESCRIPTION = "ANNOTATION_DESCRIPTION"
"""What QuPath calls an annotation's description among its metadata."""
NOT_IDC, LEFT_OUT = "not IDC", "Ignore*"
_IDC, _OTHER, _ = KINDS
_OF_KIND = {_IDC: Verdict.AGREE, _OTHER: Verdict.DISAGREE}
# A focus counts as reshaped when more of it than this has changed; QuPath may round corners.
_RESHAPED = 0.01
# Share of a drawn region that lies outside of all foci where it was missed.
_MISSED = 0.5
# An outline may stick out over the slide's edge by so much of its side.
_BEYOND = 0.02
_NAMED, _LONGEST = 5, 100


@dataclass(frozen=True)
class ExportRules:
    """How an export is read.

    Parameters
    ----------
    all_looked_at
        Whether a focus that was left as it was is agreed with; if not, it says nothing.
    pixels
        "store" or "file": whose pixels coordinates are in, where the file doesn't say; empty for nobody knows.
    """

    all_looked_at: bool = False
    pixels: str = ""


@dataclass
class Export:
    """What an export says.

    Parameters
    ----------
    opinions
        On foci, and on what was drawn.
    wrong
        What can't be taken, each with its feature.
    n_untouched
        Foci that are as they were, and say nothing.
    n_other
        Drawn regions of classes that say nothing of foci.
    """

    opinions: list[Opinion] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    n_untouched: int = 0
    n_other: int = 0


def slide_of_export(path: Path, regions: Iterable[Region], slide_ids: Collection[str], asked: str) -> str:
    """Whose an export is: as its foci's metadata say, as was `asked` for, or as the file is called.

    Raises
    ------
    ReviewError
        If it is of several slides or another one, or nothing says of which.
    """
    said = sorted({region.metadata["slide_id"][:_LONGEST] for region in regions if "slide_id" in region.metadata})
    if len(said) > 1:
        raise ReviewError(
            f"{path.name}: has foci of {len(said)} slides ({', '.join(said[:_NAMED])}): export each alone"
        )
    if said and asked not in ("", *said):
        raise ReviewError(f"{path.name}: is of slide {said[0]!r}, not of {asked!r}, as --slide says")
    found = said[0] if said else asked or path.stem
    if found not in slide_ids:
        what = "is of slide" if said or asked else "doesn't say whose it is, and there is no slide"
        raise ReviewError(f"{path.name}: {what} {found!r}, which has no result in this run: give --slide")
    return found


def read_export_regions(path: Path) -> tuple[Region, ...]:
    """The outlines of an export, in its own pixels; raises ReviewError where `read_regions` refuses."""
    try:
        return read_regions(path)
    except ReferenceFileError as error:
        raise ReviewError(str(error)) from error


def read_export(
    path: Path, regions: Iterable[Region], slide: SlideFoci, drawn_before: Collection[str], rules: ExportRules
) -> Export:
    """What the outlines of an export say of a slide's foci.

    An outline with a focus's id is that focus: a class of IDC agrees where the outline was reshaped, a class of other
    tissue disagrees, `Ignore*` is unsure, and `agree`, `disagree` and `unsure` are what they say. Any other outline of
    a class of IDC was missed; or is IDC redrawn, where most of it was called. A description is the comment.

    Parameters
    ----------
    path
        Named in errors.
    regions
        From `read_export_regions`.
    slide
        Whose they are.
    drawn_before
        Ids of regions that were drawn on it and kept before.
    rules
        What isn't in the file.

    Raises
    ------
    ReviewError
        If nothing says whose pixels coordinates are in.
    """
    regions = tuple(regions)
    downsample = _downsample(path, regions, slide, rules.pixels)
    known = {focus.id: focus for focus in slide.foci}
    called = shapely.union_all([_outline(focus) for focus in slide.foci])
    found = Export()
    for number, region in enumerate(regions, start=1):
        place = f"feature {number}"
        try:
            _check_on_slide(placed := shrunk(region, downsample), slide)
            if region.id.lower() in known:
                _add_focus(found, place, placed, known[region.id.lower()], slide.slide_id, rules)
            else:
                _add_drawn(found, place, placed, slide, called, drawn_before)
        except ReviewError as error:
            found.wrong.append(f"{place}: {error}")
    return found


def write_corrections(path: Path, history: Iterable[Review]) -> Mapping[str, float]:
    """Write what was said of one slide as outlines to train on, in classes that `train --corrections` takes.

    IDC is what a reviewer agreed with or drew; not IDC what one disagreed with, without what the same one drew there.
    Left out is what anybody was unsure of, and where reviewers differ. Outlines overlap nowhere.

    Returns
    -------
    Class -> its area in square level-0 pixels of the store; empty, and no file, where nothing is said.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    shapes = {name: outline for name, outline in _judged(standing_reviews(history)).items() if outline.area > 0}
    if shapes:
        features = [_feature(*named) for named in sorted(shapes.items())]
        with write_atomically(path) as stream:
            stream.write(outline_text({"type": "FeatureCollection", "features": features}) + "\n")
    return {name: float(outline.area) for name, outline in shapes.items()}


def _downsample(path: Path, regions: Iterable[Region], slide: SlideFoci, pixels: str) -> float:
    """Pixels of the export along a side of one of the store's."""
    frames = {STORE.name: 1.0, frame_of_file(slide.downsample).name: slide.downsample}
    # Ours from before this was said are in the store's; QuPath 0.4 keeps no metadata at all.
    said = {region.metadata.get(PIXELS, STORE.name) for region in regions if "scan_digest" in region.metadata}
    if len(said) > 1:
        raise ReviewError(f"{path.name}: has foci in pixels of the slide store and in others: import one file, not two")
    if said & set(frames):
        return frames[said.pop()]
    if pixels or slide.downsample == 1.0:
        return slide.downsample if pixels == "file" else 1.0
    raise ReviewError(
        f"{path.name}: doesn't say whose pixels its coordinates are in: {slide.downsample:g} of the slide's file lie "
        "along one of its store; say --pixels file if the file was open in QuPath, --pixels store if the store was"
    )


def _check_on_slide(region: Region, slide: SlideFoci) -> None:
    left, top, right, bottom = region.polygon.bounds
    margin_x, margin_y = _BEYOND * slide.width_px, _BEYOND * slide.height_px
    if left < -margin_x or top < -margin_y or right > slide.width_px + margin_x or bottom > slide.height_px + margin_y:
        raise ReviewError(
            f"reaches from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f}), beyond the store's {slide.width_px} "
            f"x {slide.height_px} px: it is of another slide, or in other pixels (--pixels)"
        )


def _add_focus(found: Export, place: str, region: Region, known: KnownFocus, slide_id: str, rules: ExportRules) -> None:
    comment = checked_comment(region.metadata.get(DESCRIPTION, ""))
    own = _outline(known)
    reshaped = own.symmetric_difference(region.polygon).area > _RESHAPED * own.area
    verdict = _verdict(region)
    if region.classification.strip() == CLASSIFICATION and not reshaped and not rules.all_looked_at:
        if comment:
            raise ReviewError(
                f"IDC focus {known.number} has a description but is as it was: give it the class agree, or another "
                "than IDC; or say --all-looked-at"
            )
        found.n_untouched += 1
        return
    outline = outline_text(mapping(region.polygon)) if reshaped else ""
    found.opinions.append(Opinion(place, slide_id, known.id, verdict, comment, outline=outline))


def _verdict(region: Region) -> Verdict:
    name = region.classification.strip()
    if name.lower() in list(ON_FOCI):
        return Verdict(name.lower())
    kind = kind_of(name)
    if kind is None:
        raise ReviewError(
            f"its class {name[:60]!r} says neither that it is IDC nor that it isn't: give it agree, disagree, unsure, "
            "or a class of docs/training.md"
        )
    return _OF_KIND.get(kind, Verdict.UNSURE)


def _add_drawn(
    found: Export, place: str, region: Region, slide: SlideFoci, called: Any, drawn_before: Collection[str]
) -> None:
    if "scan_digest" in region.metadata:
        raise ReviewError(
            f"{region.name[:_LONGEST] or 'it'} is a focus of an earlier result: import qupath.geojson of the present "
            f"one ({slide.digest[:19]}) and review that"
        )
    comment = checked_comment(region.metadata.get(DESCRIPTION, ""))
    outline = outline_text(mapping(region.polygon))
    region_id = _id_of(region, slide.slide_id, outline)
    verdict = _verdict(region)
    if verdict is Verdict.AGREE:
        outside = region.polygon.difference(called).area
        verdict = Verdict.MISSED if outside > _MISSED * region.polygon.area else Verdict.REDRAWN
    elif region_id not in drawn_before:
        found.n_other += 1
        return
    found.opinions.append(Opinion(place, slide.slide_id, region_id, verdict, comment, outline=outline))


def _id_of(region: Region, slide_id: str, outline: str) -> str:
    """The UUID that QuPath gave it; of what another program wrote, one that is the same the next time."""
    try:
        return str(uuid.UUID(region.id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"batchscan\n{slide_id}\n{region.id or outline}"))


def _outline(known: KnownFocus) -> Geometry:
    return polygon_of(json.loads(known.outline))


def _judged(said: Iterable[Review]) -> dict[str, Geometry]:
    """Class -> what it covers; none overlaps another."""
    by_reviewer: dict[str, dict[Verdict, list[Geometry]]] = {}
    doubted: list[Geometry] = []
    for review in said:
        outline = polygon_of(json.loads(review.outline))
        # A drawn region that somebody disputes was never called: that says nothing of the tissue.
        if review.verdict is Verdict.UNSURE or (review.verdict is Verdict.DISAGREE and review.number is None):
            doubted.append(outline)
        else:
            by_reviewer.setdefault(review.reviewer, {}).setdefault(review.verdict, []).append(outline)
    idc, other = [], []
    for of in by_reviewer.values():
        drawn = shapely.union_all([outline for kind in DRAWN for outline in of.get(kind, [])])
        idc += [drawn, *of.get(Verdict.AGREE, [])]
        other.append(shapely.union_all(of.get(Verdict.DISAGREE, [])).difference(drawn))
    is_idc, is_other = shapely.union_all(idc), shapely.union_all(other)
    left_out = shapely.union_all([*doubted, is_idc.intersection(is_other)])
    shapes = {CLASSIFICATION: is_idc.difference(left_out), NOT_IDC: is_other.difference(left_out), LEFT_OUT: left_out}
    return {name: polygons_of(outline) for name, outline in shapes.items()}


def _feature(name: str, outline: Geometry) -> dict[str, Any]:
    properties = {"objectType": "annotation", "classification": {"name": name}}
    return {"type": "Feature", "geometry": mapping(outline), "properties": properties}
