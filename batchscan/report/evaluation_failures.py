"""An evaluation becomes its section on where the model fails: worst slides, galleries with places, doubtful labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchscan.domain.evaluated import Evaluation, Failure
from batchscan.report import numbers
from batchscan.report.blocks import Block, Gallery, Picture, Section, Words
from batchscan.report.evaluation_words import printed

_PICTURES_A_GROUP = 24


def failures(evaluation: Evaluation) -> Section:
    """Where to look first."""
    return Section("Where the model fails", tuple(_failures(evaluation)))


def _failures(evaluation: Evaluation) -> Iterator[Block]:
    found = evaluation.failures
    if found.worst_slides:
        yield Words(f"Worst slides, by {printed(found.worst_by)}: {', '.join(found.worst_slides)}.")
    if not found.n_discordant:
        yield Words("No patch was called otherwise than it is labelled.")
        return
    discordant = numbers.count(found.n_discordant, "patch", "patches")
    yield Words(
        f"{discordant} called otherwise than labelled, all listed in patches.csv beside this page and, for QuPath, as "
        "outlines. Below are the surest of each slide, at most 4 of a kind while other slides have some, picked for "
        "being wrong: they show what kinds of error there are, not how often these happen, nor how sure they are."
    )
    if found.suspect_rule:
        labels = numbers.count(found.n_suspect, "label")
        yield Words(
            f"{labels} suspected of being wrong ({found.suspect_rule.rstrip('.')}; Northcutt 2021, "
            "doi:10.1613/jair.1.12125): worth a second look by a pathologist, no proof. All are in suspects.csv beside "
            "this page. The model alone says so: where it fails on a whole slide, it doubts that slide\u2019s labels."
        )
    kinds = (
        ("false positive", "Called IDC, labelled not IDC (false positives)"),
        ("false negative", "Not called IDC, labelled IDC (false negatives)"),
    )
    for kind, title in kinds:
        shown = [one for one in found.patches if one.kind == kind]
        if shown:
            yield _gallery(title, shown)


def _gallery(title: str, found: Sequence[Failure]) -> Gallery:
    shown, hidden = found[:_PICTURES_A_GROUP], len(found[_PICTURES_A_GROUP:])
    note = "Places: upper left corner in level-0 pixels of the slide, and row and column of its grid."
    if hidden:
        note += f" {hidden:,} more in evaluation.json."
    return Gallery(title, tuple(_picture(one) for one in shown), note)


def _picture(one: Failure) -> Picture:
    p = numbers.probability(one.p_idc)
    place = f"x {one.x_px:.0f}, y {one.y_px:.0f}"
    labelled = "not IDC" if one.kind == "false positive" else "IDC"
    lines = [f"slide {one.slide_id}", place, f"row {one.row}, column {one.col}"]
    if one.suspect:
        lines.append("label suspected")
    return Picture(
        one.picture,
        f"p {p}",
        tuple(lines),
        f"Patch of slide {one.slide_id}, patient {one.patient_id}, at {place} px, labelled {labelled}, p(IDC) {p}"
        f"{', its label suspected of being wrong' if one.suspect else ''}.",
    )
