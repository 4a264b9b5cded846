"""A slide's result becomes what its report says: every sentence and number of the page, formatted; no layout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import ModelError
from batchscan.domain.records import SlideResult
from batchscan.report import answer, captions
from batchscan.report.cautions import cautions, independence
from batchscan.report.certainty import how_sure, sure_title
from batchscan.report.foci import FocusPicture, FocusRow, close_ups_note, foci_note, focus_pictures, focus_rows
from batchscan.report.gallery_groups import GalleryGroup, gallery_groups
from batchscan.report.language import say
from batchscan.report.layout import Arrangement, picture_layout
from batchscan.report.omitted import not_analysed
from batchscan.report.page_one import PageOne, free_mm
from batchscan.report.provenance import Provenance, provenance
from batchscan.report.quality import QualityContent, marks_alt, marks_caption, quality_content
from batchscan.report.words import Fact


@dataclass(frozen=True, slots=True)
class PictureWords:
    """Title, alternative text and caption of a picture."""

    title: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class SlideContent:
    """Everything that a slide's report says.

    Parameters
    ----------
    first
        Page one.
    arrangement, free_mm
        How its pictures stand, and the height that its words leave to them.
    overview, second, tissue
        The pictures of the whole slide; the second is the heat map, or marks what spoils the slide where that is not
        analysable.
    judged, refused
        How good the slide itself is; whether it has no numbers for that.
    foci, foci_note
        The largest foci, and how many are not listed.
    close_ups, close_ups_note
        Pictures of the largest of them.
    gallery
        Empty where no patch was read.
    """

    slide_id: str
    generated: str
    generated_iso: str
    version: str
    digest_short: str
    research_use: str
    first: PageOne
    arrangement: Arrangement
    free_mm: float
    overview: PictureWords
    second: PictureWords
    tissue: PictureWords
    judged: QualityContent
    refused: bool
    foci: tuple[FocusRow, ...]
    foci_note: str
    close_ups: tuple[FocusPicture, ...]
    close_ups_note: str
    gallery: tuple[GalleryGroup, ...]
    provenance: Provenance

    @property
    def headline(self) -> str:
        """The answer in one line."""
        return self.first.headline

    @property
    def answer(self) -> str:
        """The answer in one or two sentences."""
        return self.first.answer

    @property
    def figures(self) -> tuple[Fact, ...]:
        """Page one's numbers."""
        return self.first.figures


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
    first, judged, slide = _page_one(result, card), quality_content(result), result.slide
    overview, second = _overview(result), _second_picture(result)
    left_mm = free_mm(first, judged, [overview.caption, second.caption])
    return SlideContent(
        slide_id=slide.slide_id,
        generated=generated.strftime(say("date-format")).rstrip(),
        generated_iso=generated.isoformat(timespec="seconds"),
        version=batchscan_version,
        digest_short=_short(result.digest),
        research_use=say("research-use"),
        first=first,
        arrangement=picture_layout(slide.width_px, slide.height_px, left_mm).arrangement,
        free_mm=left_mm,
        overview=overview,
        second=second,
        tissue=_tissue(result),
        judged=judged,
        refused=result.quality.refuses,
        foci=focus_rows(result.extent),
        foci_note=foci_note(result),
        close_ups=focus_pictures(result),
        close_ups_note=close_ups_note(result),
        gallery=gallery_groups(result),
        provenance=provenance(result, card),
    )


def _page_one(result: SlideResult, card: ModelCard) -> PageOne:
    return PageOne(
        title=say("slide-title", slide=result.slide.slide_id),
        identity=answer.identity(result),
        headline=answer.headline(result),
        answer=answer.answer(result),
        independence=independence(result, card),
        caveat=say("caveat"),
        figures=answer.figures(result),
        sure_title=sure_title(result),
        sure=how_sure(result, card),
        omitted=not_analysed(result),
        notices=tuple(cautions(result, card)),
    )


def _overview(result: SlideResult) -> PictureWords:
    return PictureWords(
        say("picture-overview"), captions.overview_alt(result), captions.overview_caption(result.extent)
    )


def _tissue(result: SlideResult) -> PictureWords:
    return PictureWords(say("picture-tissue"), captions.tissue_alt(result), captions.tissue_caption(result))


def _second_picture(result: SlideResult) -> PictureWords:
    """What stands beside the overview."""
    if result.quality.refuses:
        return PictureWords(say("picture-quality"), marks_alt(result), marks_caption(result))
    return PictureWords(say("picture-heatmap"), captions.heatmap_alt(result), captions.heatmap_caption(result))


def _check_card(result: SlideResult, card: ModelCard) -> None:
    if card.weights_sha256 != result.model.sha256:
        raise ModelError(
            f"report of {result.slide.slide_id}: the card of {card.name} {card.version} is for weights "
            f"{card.weights_sha256[:12]}, the result was made with {result.model.sha256[:12]}: "
            "print with the model package that made the result"
        )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
