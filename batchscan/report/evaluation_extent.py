"""An evaluation becomes its sections on extents and on single slides: agreement, plots, a row a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from batchscan.domain.evaluated import Evaluation, Extents, SlideRow
from batchscan.domain.levels import Agreement, Within
from batchscan.report import measured, numbers
from batchscan.report.blocks import Block, Bullets, Cell, Chart, Charts, Section, Table, Words
from batchscan.report.evaluation_words import QUANTITIES, UNITS, pairs

_ONE_DECIMAL = 1


def extents(evaluation: Evaluation) -> Section:
    """How far area, largest focus and field extent agree with the reference."""
    return Section("Extent of IDC, found and labelled", tuple(_extents(evaluation.extent)))


def slides(evaluation: Evaluation) -> Section:
    """A row a slide, with links to the slides' own reports."""
    rows = evaluation.extent.per_slide
    if not rows:
        return Section("Slide for slide", (Words("No slide was analysed."),))
    several = len(evaluation.models) > 1
    return Section("Slide for slide", (_patches(rows, several=several), _areas(rows)))


def signed(value: float | None) -> str:
    """A difference of areas or lengths, one decimal."""
    return numbers.difference(value, decimals=_ONE_DECIMAL)


def _extents(extent: Extents) -> Iterator[Block]:
    if not extent.n:
        yield Words(f"Not measured: {(extent.why or 'no slide has a reference for its extent').rstrip('.')}.")
        return
    yield Words(
        f"Over {numbers.count(extent.n, 'slide')} whose labels cover them, the reference measured from the cells "
        "labelled "
        "IDC in the same way as the model\u2019s extent from the cells that it calls. Differences are found \u2212 "
        "reference."
    )
    if extent.why:
        yield Words(f"{extent.why.rstrip('.')}.")
    yield _agreement(extent)
    yield from (
        Charts(tuple(_plots(one, extent.per_slide))) for one in extent.quantities if pairs(one, extent.per_slide)
    )
    within = [(one, limit) for one in extent.quantities for limit in one.within]
    if within:
        yield _within(within)
    yield _overlap(extent)
    missing = measured.reasons(
        (f"{QUANTITIES[one.quantity]}, {label}", found)
        for one in extent.quantities
        for label, found in (
            ("bias", one.bias),
            ("lower limit", one.loa_low),
            ("upper limit", one.loa_high),
            ("ICC(A,1)", one.icc),
            ("CCC", one.ccc),
        )
    )
    missing += measured.reasons((("Dice", extent.dice), ("Hausdorff distance", extent.hausdorff95_mm)))
    if missing:
        yield Bullets(missing)


def _agreement(extent: Extents) -> Table:
    rows = tuple(
        (
            Cell(QUANTITIES[one.quantity], f"{UNITS[one.unit]}, {numbers.count(one.n, 'slide')}"),
            measured.cell(one.bias, signed),
            measured.cell(one.loa_low, signed),
            measured.cell(one.loa_high, signed),
            measured.cell(one.icc),
            measured.cell(one.ccc),
        )
        for one in extent.quantities
    )
    return Table(
        "Agreement",
        ("", "Bias", "Lower limit", "Upper limit", "ICC(A,1)", "Lin\u2019s CCC"),
        rows,
        note="Bias: mean difference. Limits: between them lie about 95 % of the slides\u2019 differences (Bland and "
        "Altman "
        "1999, doi:10.1177/096228029900800204), if these are spread evenly. ICC(A,1) and CCC: 1 is perfect; both rise "
        "when the slides differ much among themselves. Below each number: 95 % interval.",
    )


def _plots(agreement: Agreement, rows: Sequence[SlideRow]) -> Iterator[Chart]:
    what, unit = QUANTITIES[agreement.quantity], UNITS[agreement.unit]
    n = numbers.count(len(pairs(agreement, rows)), "slide")
    yield Chart(
        f"scatter_{agreement.quantity}",
        f"{what}: found against reference",
        f"{n}, a mark each. On the dotted line both agree; above it too much is found.",
        f"{what} found against reference, {unit}, {n}; ICC(A,1) {measured.in_words(agreement.icc, numbers.figure)}.",
    )
    bias = measured.in_words(agreement.bias, signed)
    yield Chart(
        f"difference_{agreement.quantity}",
        f"{what}: difference against mean",
        f"Bias {bias} {unit}; limits of agreement {signed(agreement.loa_low.value)} and "
        f"{signed(agreement.loa_high.value)} {unit}. Shaded: their 95 % intervals.",
        f"Bland\u2013Altman plot of {what.lower()}, {unit}, {n}: bias {bias}.",
    )


def _within(found: Sequence[tuple[Agreement, Within]]) -> Table:
    rows = tuple(
        (
            Cell(QUANTITIES[agreement.quantity]),
            Cell(
                f"within {numbers.percent(one.limit)} of the reference"
                if one.kind == "relative"
                else f"within {one.limit:g} {UNITS[agreement.unit]}"
            ),
            measured.cell(one.share, numbers.percent, with_n=True),
        )
        for agreement, one in found
    )
    return Table(
        "How many slides are near", ("Quantity", "How near", "Share of slides"), rows, n_text=2, widths=(36.0, 60.0)
    )


def _overlap(extent: Extents) -> Table:
    return Table(
        "Do they lie on one another?",
        ("", "Mean over slides", "95 % interval", "Slides"),
        (
            (
                Cell("Dice", "2 |found and labelled| \u00f7 (|found| + |labelled|), areas; 1 is perfect"),
                Cell(measured.written(extent.dice)),
                measured.interval_cell(extent.dice),
                Cell(numbers.count(extent.dice.n)),
            ),
            (
                Cell("Hausdorff distance, 95th percentile", "of the distances between the outlines; 0 mm is perfect"),
                Cell(numbers.length(extent.hausdorff95_mm.value)),
                measured.interval_cell(extent.hausdorff95_mm, numbers.length),
                Cell(numbers.count(extent.hausdorff95_mm.n)),
            ),
        ),
        widths=(90.0,),
    )


def _patches(rows: Sequence[SlideRow], *, several: bool) -> Table:
    columns = ("Slide", "Patient", "Label", "Patches", "IDC", "TP", "FN", "FP", "TN", "Sens.", "Spec.", "AUROC", "F1")
    return Table(
        "Patches",
        columns,
        tuple(_patch_row(row, several=several) for row in rows),
        n_text=3,
        note="Label: of the whole slide. TP, FN, FP, TN at the slide\u2019s threshold. \u201c\u2013\u201d: not "
        "defined.",
        widths=(33.0, 19.0, 13.0, 14.0, 12.0, 11.0, 11.0, 11.0, 12.0),
    )


def _patch_row(row: SlideRow, *, several: bool) -> tuple[Cell, ...]:
    label = {True: "IDC", False: "not IDC", None: "\u2013"}[row.slide_label]
    found = row.confusion
    notes = [row.model if several else "", *_losses(row)]
    return (
        Cell(row.slide_id, ", ".join(filter(None, notes)), quote(row.report) if row.report else ""),
        Cell(row.patient_id),
        Cell(label),
        *(Cell(numbers.count(n)) for n in (row.n_labelled, row.n_positive)),
        *(Cell(numbers.count(n)) for n in (found.tp, found.fn, found.fp, found.tn)),
        *(
            Cell(_short(numbers.figure(row.figures.get(name))))
            for name in ("sensitivity", "specificity", "auroc", "f1")
        ),
    )


def _losses(row: SlideRow) -> Iterator[str]:
    if row.n_not_scanned:
        yield f"{row.n_not_scanned:,} not scanned"
    if row.n_unreadable:
        yield f"{row.n_unreadable:,} unreadable"


def _areas(rows: Sequence[SlideRow]) -> Table:
    return Table(
        "Extents",
        (
            "Slide",
            "Patient",
            "Area, found",
            "labelled",
            "difference",
            "Largest, found",
            "labelled",
            "Field, found",
            "labelled",
            "Dice",
            "95 % distance",
        ),
        tuple(_area_row(row) for row in rows),
        n_text=2,
        note="Areas in mm\u00b2; largest focus, field extent and the distance between the outlines in mm. "
        "\u201c\u2013\u201d: not defined, mostly because the labels don\u2019t cover the slide.",
        widths=(33.0, 19.0),
    )


def _area_row(row: SlideRow) -> tuple[Cell, ...]:
    both = row.found_mm2 is not None and row.reference_mm2 is not None
    difference = signed((row.found_mm2 or 0) - (row.reference_mm2 or 0)) if both else numbers.not_defined()
    words = (
        numbers.area(row.found_mm2).removesuffix(" mm\u00b2"),
        numbers.area(row.reference_mm2).removesuffix(" mm\u00b2"),
        difference,
        *(
            numbers.length(value).removesuffix(" mm")
            for value in (
                row.found_largest_mm,
                row.reference_largest_mm,
                row.found_field_mm,
                row.reference_field_mm,
            )
        ),
        numbers.figure(row.dice),
        numbers.length(row.hausdorff95_mm).removesuffix(" mm"),
    )
    return (
        Cell(row.slide_id, href=quote(row.report) if row.report else ""),
        Cell(row.patient_id),
        *(Cell(_short(one)) for one in words),
    )


def _short(words: str) -> str:
    return "\u2013" if words == numbers.not_defined() else words
