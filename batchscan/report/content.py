"""A slide's result becomes what its report says: every sentence and number of the page, formatted; no layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import ModelError
from batchscan.domain.records import Extent, SlideResult
from batchscan.report import numbers
from batchscan.report.gallery import choose_gallery
from batchscan.report.layout import Arrangement, picture_layout
from batchscan.report.provenance import Provenance, provenance
from batchscan.report.words import RESEARCH_USE, Fact

CAVEAT = "Slide-level, research use; cannot separate DCIS from IDC; not the specimen\u2019s tumour size."
N_FOCI_LISTED = 10


@dataclass(frozen=True, slots=True)
class FocusRow:
    """One line of the foci table; positions are level-0 pixels."""

    number: str
    area: str
    greatest: str
    perpendicular: str
    mean_p: str
    n_patches: str
    bbox: str
    centroid: str
    touches_edge: str


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One patch of the gallery: which, where, what the model said of it, and its alternative text."""

    place: tuple[int, int]
    p_idc: str
    verdict: str
    position: str
    alt: str


@dataclass(frozen=True, slots=True)
class GalleryGroup:
    """Patches shown for one reason."""

    title: str
    pictures: tuple[GalleryPicture, ...]


@dataclass(frozen=True, slots=True)
class SlideContent:
    """Everything that a slide's report says.

    Parameters
    ----------
    headline, answer
        Page one in one line, and in one or two sentences.
    figures
        The numbers of page one.
    notices
        What a reader must know before trusting them; may be empty.
    quality
        Facts about what was analysed.
    overview_alt, heatmap_alt
        The two pictures in words.
    foci, foci_note
        The largest foci, and how many are not listed.
    """

    slide_id: str
    identity: str
    generated: str
    generated_iso: str
    version: str
    digest_short: str
    research_use: str
    caveat: str
    headline: str
    answer: str
    figures: tuple[Fact, ...]
    notices: tuple[str, ...]
    quality: tuple[Fact, ...]
    arrangement: Arrangement
    overview_alt: str
    overview_caption: str
    heatmap_alt: str
    heatmap_caption: str
    foci: tuple[FocusRow, ...]
    foci_note: str
    gallery: tuple[GalleryGroup, ...]
    provenance: Provenance


def slide_content(result: SlideResult, card: ModelCard, generated: datetime, batchscan_version: str) -> SlideContent:
    """What the report of one done slide says.

    Parameters
    ----------
    result
        The slide's result with its patch table.
    card
        The card of the very model that made it.
    generated
        When the page is printed; its time zone, if any, is printed with it.
    batchscan_version
        The program's version.

    Raises
    ------
    ModelError
        If the card belongs to other weights: its performance would be claimed for a model it was not measured on.
    """
    if card.weights_sha256 != result.model.sha256:
        raise ModelError(
            f"report of {result.slide.slide_id}: the card of {card.name} {card.version} is for weights "
            f"{card.weights_sha256[:12]}, the result was made with {result.model.sha256[:12]}: "
            "print with the model package that made the result"
        )
    slide, extent = result.slide, result.extent
    return SlideContent(
        slide_id=slide.slide_id,
        identity=_identity(result),
        generated=generated.strftime("%Y-%m-%d %H:%M %Z").rstrip(),
        generated_iso=generated.isoformat(timespec="seconds"),
        version=batchscan_version,
        digest_short=_short(result.digest),
        research_use=RESEARCH_USE,
        caveat=CAVEAT,
        headline=_headline(extent),
        answer=_answer(result),
        figures=_figures(result),
        notices=tuple(_notices(result)),
        quality=tuple(_quality(result)),
        arrangement=picture_layout(slide.width_px, slide.height_px).arrangement,
        overview_alt=_overview_alt(result),
        overview_caption=_overview_caption(extent),
        heatmap_alt=_heatmap_alt(result),
        heatmap_caption="p(IDC) of each patch; darker is more probable. Grey line: edge of the tissue.",
        foci=_foci(extent),
        foci_note=_foci_note(extent),
        gallery=_gallery(result),
        provenance=provenance(result, card),
    )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _identity(result: SlideResult) -> str:
    slide = result.slide
    spacing = f"{numbers.spacing(slide.spacing.um_per_px)} (source: {slide.spacing.source})"
    return f"Patient {slide.patient_id}, {_size(result)}, {spacing}. Model {result.model.name} {result.model.version}."


def _headline(extent: Extent) -> str:
    if extent.idc_mm2 is None:
        return "Not analysed: the extent of IDC is not defined"
    if not extent.n_foci:
        return "No IDC-positive tissue found by this model"
    return "IDC-positive tissue found by this model"


def _answer(result: SlideResult) -> str:
    extent, limit = result.extent, numbers.threshold(result.settings.threshold)
    if extent.idc_mm2 is None:
        return f"{_sentence(extent.undefined.get('idc_mm2', 'the extent is not defined'))}."
    if not extent.n_foci:
        highest = numbers.probability(float(result.table.p_idc[result.table.readable].max()))
        read = numbers.count(result.counts.tissue - result.counts.unreadable, "patch", "patches")
        return f"None of the {read} read reaches p(IDC) {limit}; the highest is {highest}."
    foci, share = numbers.count(extent.n_foci, "focus", "foci"), numbers.percent(extent.idc_fraction)
    return (
        f"{numbers.area(extent.idc_mm2)} in {foci}, {share} of the tissue that was read. "
        f"The largest focus measures {numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm)}."
    )


def _figures(result: SlideResult) -> tuple[Fact, ...]:
    extent, counts = result.extent, result.counts
    read_mm2 = extent.tissue_mm2 - extent.unreadable_mm2
    return (
        _extent_fact(extent, "idc_mm2", "IDC-positive area", numbers.area(extent.idc_mm2)),
        _extent_fact(
            extent,
            "idc_fraction",
            "Share of tissue",
            numbers.percent(extent.idc_fraction),
            f"of {numbers.area(read_mm2)} read",
        ),
        _extent_fact(
            extent,
            "largest_focus_mm",
            "Largest focus",
            numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm),
            "greatest \u00d7 perpendicular",
        ),
        _extent_fact(extent, "n_foci", "Foci", numbers.count(extent.n_foci), "connected positive areas"),
        _extent_fact(
            extent,
            "field_extent_mm",
            "Field extent",
            numbers.length(extent.field_extent_mm),
            "across all foci together",
        ),
        Fact("Tissue area", numbers.area(extent.tissue_mm2), numbers.count(counts.tissue, "patch", "patches")),
        Fact("Borderline", numbers.count(counts.borderline, "patch", "patches"), _borderline_note(result)),
        Fact("Unreadable", numbers.count(counts.unreadable, "patch", "patches"), numbers.area(extent.unreadable_mm2)),
    )


def _extent_fact(extent: Extent, name: str, label: str, value: str, note: str = "") -> Fact:
    if getattr(extent, name) is None:
        return Fact(label, numbers.NOT_DEFINED, extent.undefined.get(name, ""))
    return Fact(label, value, note)


def _borderline_note(result: SlideResult) -> str:
    return f"within {numbers.threshold(result.settings.tolerance)} of the threshold"


def _notices(result: SlideResult) -> Iterator[str]:
    extent, counts = result.extent, result.counts
    at_edge = sum(focus.touches_edge for focus in extent.foci)
    if at_edge:
        verb, whose = ("touches", "its") if at_edge == 1 else ("touch", "their")
        yield (
            f"{numbers.count(at_edge, 'focus', 'foci')} {verb} the edge of the slide: "
            f"what lies beyond was not seen, and {whose} true dimensions may be larger."
        )
    if counts.unreadable:
        yield (
            f"{numbers.count(counts.unreadable, 'patch', 'patches')} ({numbers.area(extent.unreadable_mm2)}) "
            "could not be read; this tissue is not part of the share and may hold more."
        )
    if counts.borderline:
        verb = "lies" if counts.borderline == 1 else "lie"
        yield (
            f"{numbers.count(counts.borderline, 'patch', 'patches')} {verb} so close to the threshold "
            "that another engine or precision could decide otherwise."
        )


def _quality(result: SlideResult) -> Iterator[Fact]:
    counts = result.counts
    yield Fact("Patches with tissue", f"{counts.tissue:,} of {counts.grid:,} on the grid")
    yield Fact("Positive patches", f"{counts.positive:,}")
    for name, value in result.qc.items():
        yield Fact(*numbers.fact(name, value))


def _overview_caption(extent: Extent) -> str:
    if not extent.n_foci:
        return "No focus to outline."
    if extent.n_foci > N_FOCI_LISTED:
        return f"All {extent.n_foci:,} foci outlined; the {N_FOCI_LISTED} of largest area are numbered."
    return "Foci outlined, numbered by area."


def _overview_alt(result: SlideResult) -> str:
    return f"Overview of slide {result.slide.slide_id}, {_size(result)}. {_overview_caption(result.extent)}"


def _heatmap_alt(result: SlideResult) -> str:
    counts = result.counts
    return (
        f"Heat map of the same view: p(IDC) of {numbers.count(counts.tissue - counts.unreadable, 'patch', 'patches')}, "
        f"{counts.positive:,} at or above the threshold of {numbers.threshold(result.settings.threshold)}."
    )


def _size(result: SlideResult) -> str:
    spacing = result.slide.spacing
    width, height = spacing.mm(result.slide.width_px), spacing.mm(result.slide.height_px)
    return f"{numbers.length(width)} wide, {numbers.length(height)} high"


def _foci(extent: Extent) -> tuple[FocusRow, ...]:
    return tuple(
        FocusRow(
            number=str(number),
            area=numbers.area(focus.area_mm2),
            greatest=numbers.length(focus.greatest_mm),
            perpendicular=numbers.length(focus.perpendicular_mm),
            mean_p=numbers.probability(focus.mean_p),
            n_patches=numbers.count(focus.n_patches),
            bbox=", ".join(str(value) for value in focus.bbox_px),
            centroid=", ".join(f"{value:.0f}" for value in focus.centroid_px),
            touches_edge="yes" if focus.touches_edge else "no",
        )
        for number, focus in enumerate(extent.foci[:N_FOCI_LISTED], start=1)
    )


def _foci_note(extent: Extent) -> str:
    if extent.n_foci is None:
        return f"Foci are not defined: {extent.undefined.get('n_foci', 'the slide was not analysed')}."
    if extent.n_foci == 0:
        return "There is no focus: no patch reaches the threshold."
    positions = "Positions are level-0 pixels, counted from the slide\u2019s upper left corner."
    if extent.n_foci > N_FOCI_LISTED:
        rest = sum(focus.area_mm2 for focus in extent.foci[N_FOCI_LISTED:])
        return (
            f"The {N_FOCI_LISTED} of largest area out of {extent.n_foci:,}; the others hold {numbers.area(rest)} "
            f"together and are listed in result.json and regions.geojson. {positions}"
        )
    return f"Largest area first. {positions}"


def _gallery(result: SlideResult) -> tuple[GalleryGroup, ...]:
    table, limit = result.table, result.settings.threshold
    chosen = choose_gallery(table, limit)
    at = {place: i for i, place in enumerate(zip(table.row.tolist(), table.col.tolist(), strict=True))}
    titles = {
        "highest": "Highest p(IDC)",
        "uncertain": f"Most uncertain: nearest the threshold of {numbers.threshold(limit)}",
    }
    groups = []
    for why, title in titles.items():
        pictures = tuple(_gallery_picture(result, at[patch.row, patch.col]) for patch in chosen if patch.why == why)
        if pictures:
            groups.append(GalleryGroup(title, pictures))
    return tuple(groups)


def _gallery_picture(result: SlideResult, i: int) -> GalleryPicture:
    table = result.table
    p = float(table.p_idc[i])
    verdict = "positive" if p >= result.settings.threshold else "negative"
    position = f"x {table.x_px[i]:.0f}, y {table.y_px[i]:.0f}"
    return GalleryPicture(
        place=(int(table.row[i]), int(table.col[i])),
        p_idc=numbers.probability(p),
        verdict=verdict,
        position=position,
        alt=f"Patch at {position} px, p(IDC) {numbers.probability(p)}, {verdict}.",
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
