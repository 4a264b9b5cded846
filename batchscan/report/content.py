"""A slide's result becomes what its report says: every sentence and number of the page, formatted; no layout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import ModelError
from batchscan.domain.geometry import SpacingSource
from batchscan.domain.records import Extent, SlideResult
from batchscan.report import captions, numbers
from batchscan.report.cautions import accuracy, cautions, independence, n_uncertain, uncertain_band
from batchscan.report.foci import FocusRow, cell_diagonal, cell_mm, foci_note, focus_rows, largest_focus
from batchscan.report.gallery import choose_gallery
from batchscan.report.layout import Arrangement, picture_layout
from batchscan.report.provenance import Provenance, is_technical, provenance
from batchscan.report.quality import QualityContent, marks_alt, marks_caption, quality_content, refusal, refused_figures
from batchscan.report.scores import has_neighbours
from batchscan.report.words import RESEARCH_USE, Fact, spacing

CAVEAT = "Slide-level, research use; cannot separate DCIS from IDC; not the specimen\u2019s tumour size."
# Page one beside its pictures: title, identity, answer, accuracy, two cautions, four rows of facts, one box.
_LINES_FREE, _LINE_LETTERS, _LINE_MM = 12, 105, 4.2
_LONG_WORD = 60


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One patch of the gallery: which, where, what the model said of it, and its alternative text.

    `p_raw` is empty where neighbours have no part in p_idc.
    """

    place: tuple[int, int]
    p_idc: str
    p_raw: str
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
    independence
        That the model has seen this patient; empty if it hasn't.
    accuracy
        How good the model was on patients that it had not seen.
    figures
        The numbers of page one.
    notices
        What a reader must know before trusting them; may be empty.
    quality
        Facts about what was analysed.
    arrangement, less_mm
        How the pictures stand, and how much of their height the words of page one need.
    overview_alt, heatmap_alt
        The two pictures in words.
    heatmap_title
        Of the second picture, which marks what spoils the slide where that is not analysable.
    judged, refused
        How good the slide itself is; whether it has no numbers for that.
    foci, foci_note
        The largest foci, and how many are not listed.
    gallery
        Empty where no patch was read.
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
    independence: str
    accuracy: str
    figures: tuple[Fact, ...]
    notices: tuple[str, ...]
    quality: tuple[Fact, ...]
    arrangement: Arrangement
    less_mm: float
    overview_alt: str
    overview_caption: str
    heatmap_title: str
    heatmap_alt: str
    heatmap_caption: str
    judged: QualityContent
    refused: bool
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
    _check_card(result, card)
    return _content(result, card, generated, batchscan_version)


def _content(result: SlideResult, card: ModelCard, generated: datetime, batchscan_version: str) -> SlideContent:
    slide, notices, quality = result.slide, tuple(cautions(result, card)), tuple(_quality(result))
    identity, answer, seen, accurate = _identity(result), _answer(result), independence(result, card), accuracy(card)
    judged, second = quality_content(result), _second_picture(result)
    words = (slide.slide_id, identity, answer, accurate, judged.line, *notices)
    less_mm = _less_mm(words, len(quality), boxed=bool(seen))
    return SlideContent(
        slide_id=slide.slide_id,
        identity=identity,
        generated=generated.strftime("%Y-%m-%d %H:%M %Z").rstrip(),
        generated_iso=generated.isoformat(timespec="seconds"),
        version=batchscan_version,
        digest_short=_short(result.digest),
        research_use=RESEARCH_USE,
        caveat=CAVEAT,
        headline=_headline(result),
        answer=answer,
        independence=seen,
        accuracy=accurate,
        figures=_figures(result),
        notices=notices,
        quality=quality,
        arrangement=picture_layout(slide.width_px, slide.height_px, less_mm).arrangement,
        less_mm=less_mm,
        overview_alt=captions.overview_alt(result),
        overview_caption=captions.overview_caption(result.extent),
        heatmap_title=second[0],
        heatmap_alt=second[1],
        heatmap_caption=second[2],
        judged=judged,
        refused=result.quality.refuses,
        foci=focus_rows(result.extent),
        foci_note=foci_note(result),
        gallery=_gallery(result),
        provenance=provenance(result, card),
    )


def _second_picture(result: SlideResult) -> tuple[str, str, str]:
    """Title, alternative text and caption of what stands beside the overview."""
    if result.quality.refuses:
        return "Quality", marks_alt(result), marks_caption(result)
    return "Heat map", captions.heatmap_alt(result), captions.heatmap_caption(result)


def _check_card(result: SlideResult, card: ModelCard) -> None:
    if card.weights_sha256 != result.model.sha256:
        raise ModelError(
            f"report of {result.slide.slide_id}: the card of {card.name} {card.version} is for weights "
            f"{card.weights_sha256[:12]}, the result was made with {result.model.sha256[:12]}: "
            "print with the model package that made the result"
        )


def _less_mm(words: Sequence[str], n_facts: int, *, boxed: bool) -> float:
    """Height that page one's words take beyond what its layout leaves them."""
    lines = sum(math.ceil(len(text) / _LINE_LETTERS) for text in words) + math.ceil(n_facts / 2) + 2 * boxed
    # A long id has no place to break at: in title and identity it begins a line of its own.
    lines += 2 * (max(len(text) for text in "\n".join(words).split()) > _LONG_WORD)
    return max(0, lines - _LINES_FREE) * _LINE_MM


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _identity(result: SlideResult) -> str:
    slide, model = result.slide, result.model
    # Page one says the rest of such a spacing in a caution.
    who = "not stated by the slide" if slide.spacing.source is SpacingSource.OPTION else ""
    return (
        f"Patient {slide.patient_id}, {captions.size(result)}. Spacing {spacing(slide, who)}. "
        f"Model {model.name} {model.version}."
    )


def _headline(result: SlideResult) -> str:
    extent = result.extent
    if not result.counts.tissue:
        return "No tissue was found: extent not defined"
    if result.quality.refuses:
        return refusal(result.quality)[0]
    if extent.idc_mm2 is None:
        return "Not analysed: the extent of IDC is not defined"
    if not extent.n_foci:
        return "No IDC-positive tissue found by this model"
    return "IDC-positive tissue found by this model"


def _answer(result: SlideResult) -> str:
    extent, limit = result.extent, numbers.threshold(result.settings.threshold)
    if not result.counts.tissue:
        return "No patch was scored: IDC is neither shown nor excluded."
    if result.quality.refuses:
        return refusal(result.quality)[1]
    if extent.idc_mm2 is None:
        return f"{_sentence(extent.undefined.get('idc_mm2', 'the extent is not defined'))}."
    if not extent.n_foci:
        greatest = float(result.table.p_idc[result.table.readable].max())
        highest = numbers.probability_beside(greatest, result.settings.threshold, positive=False)
        read = numbers.count(result.counts.tissue - result.counts.unreadable, "patch", "patches")
        return f"None of the {read} read reaches p(IDC) {limit}; the highest is {highest}."
    foci, share = numbers.count(extent.n_foci, "focus", "foci"), numbers.percent(extent.idc_fraction)
    return (
        f"{numbers.area(extent.idc_mm2)} in {foci}, {share} of the tissue that was read. "
        f"The largest focus {_largest(result)}."
    )


def _largest(result: SlideResult) -> str:
    """Its dimensions; of a single patch, what they are measured along."""
    extent, patch = result.extent, result.settings.patch
    if _is_one_patch(extent):
        return f"is one patch, {numbers.length(cell_mm(patch))} wide and {cell_diagonal(patch)} across its corners"
    return f"measures {numbers.dimensions(extent.largest_focus_mm, extent.perpendicular_mm)}"


def _is_one_patch(extent: Extent) -> bool:
    focus = largest_focus(extent)
    return focus is not None and focus.n_patches == 1


def _figures(result: SlideResult) -> tuple[Fact, ...]:
    if result.quality.refuses:
        return refused_figures(result.quality)
    extent, counts = result.extent, result.counts
    read_mm2 = (extent.tissue_mm2 or 0.0) - (extent.unreadable_mm2 or 0.0)
    low, high = map(numbers.score, uncertain_band(result.settings.threshold))
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
            "one patch: its diagonals" if _is_one_patch(extent) else "greatest \u00d7 perpendicular",
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
        Fact(
            "Uncertain patches",
            numbers.count(n_uncertain(result), "patch", "patches"),
            f"with p from {low} to {high}",
        ),
        Fact("Unreadable", numbers.count(counts.unreadable, "patch", "patches"), numbers.area(extent.unreadable_mm2)),
    )


def _extent_fact(extent: Extent, name: str, label: str, value: str, note: str = "") -> Fact:
    if getattr(extent, name) is None:
        return Fact(label, numbers.NOT_DEFINED, extent.undefined.get(name, ""))
    return Fact(label, value, note)


def _quality(result: SlideResult) -> Iterator[Fact]:
    counts = result.counts
    yield Fact("Patches with tissue", f"{counts.tissue:,} of {counts.grid:,} on the grid")
    if counts.positive is not None:
        yield Fact("Positive patches", f"{counts.positive:,}")
    for name, value in result.qc.items():
        if not is_technical(name):
            yield Fact(*numbers.fact(name, value))


def _gallery(result: SlideResult) -> tuple[GalleryGroup, ...]:
    if result.quality.refuses:
        return ()
    table, limit = result.table, result.settings.threshold
    chosen = choose_gallery(table, limit)
    at = {place: i for i, place in enumerate(zip(table.row.tolist(), table.col.tolist(), strict=True))}
    p_idc = f"p(IDC){captions.with_neighbours(result)}"
    highest = f"Highest {p_idc}"
    if all(patch.why == "highest" for patch in chosen):
        highest = f"All patches that were read ({len(chosen)}), highest {p_idc} first"
    nearest = f"nearest the threshold of {numbers.threshold(limit)}"
    if has_neighbours(result.settings):
        nearest = f"{p_idc} {nearest}"
    titles = {
        "highest": f"{highest}; each {numbers.micrometres(result.settings.patch.side_um)} wide",
        "uncertain": f"Most uncertain: {nearest}",
    }
    groups = []
    for why, title in titles.items():
        pictures = tuple(_gallery_picture(result, at[patch.row, patch.col]) for patch in chosen if patch.why == why)
        if pictures:
            groups.append(GalleryGroup(title, pictures))
    return tuple(groups)


def _gallery_picture(result: SlideResult, i: int) -> GalleryPicture:
    table = result.table
    limit = result.settings.threshold
    positive = bool(table.positive(limit)[i])
    verdict = "positive" if positive else "negative"
    p = numbers.probability_beside(float(table.p_idc[i]), limit, positive=positive)
    p_raw = numbers.probability(float(table.p_raw[i])) if has_neighbours(result.settings) else ""
    position = f"x {table.x_px[i]:.0f}, y {table.y_px[i]:.0f}"
    return GalleryPicture(
        place=(int(table.row[i]), int(table.col[i])),
        p_idc=p,
        p_raw=p_raw,
        verdict=verdict,
        position=position,
        alt=f"Patch at {position} px, p(IDC) {p}, {f'p_raw {p_raw}, ' if p_raw else ''}{verdict}.",
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
