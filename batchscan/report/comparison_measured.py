"""A comparison becomes its sections: margins, each kind of unit, extents, slides, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchscan.domain.compared import LOWER_IS_BETTER, ComparedLevel, Comparison, Difference, Rights, Side
from batchscan.report import measured, numbers
from batchscan.report.blocks import (
    Block,
    Bullets,
    Cell,
    Chart,
    Charts,
    Command,
    Facts,
    Matrices,
    Matrix,
    Section,
    Table,
    Words,
)
from batchscan.report.comparison_summary import verdict
from batchscan.report.comparison_words import (
    METHODS,
    better,
    difference_cell,
    figure_label,
    interval,
    interval_cell,
    label,
    p_value,
)
from batchscan.report.evaluation_words import listed, model_name
from batchscan.report.words import Fact

_TITLES = {"patch": "Patch by patch", "slide": "Slide by slide", "patient": "Patient by patient"}
_WIDTHS = (40.0, 18.0, 18.0, 18.0, 34.0, 14.0, 14.0)
_WIDTHS_MACRO = (36.0, 17.0, 17.0, 17.0, 32.0, 13.0, 14.0, 17.0)
_WIDTHS_SLIDES = (26.0, 15.0, 18.0, 28.0, 28.0, 28.0)
_NOTE = (
    "Better: whose side the whole of a trusted 95 % interval lies on; empty where chance may explain the difference. "
    "n: units with IDC for sensitivity, without for specificity, else all."
)


def margins(comparison: Comparison) -> Section | None:
    """What the stated margins say; None without any."""
    if not comparison.noninferiority:
        return None
    rows = tuple(
        (
            Cell(figure_label(one.figure)),
            Cell(verdict(one), one.why),
            Cell(numbers.threshold(one.margin)),
            Cell(numbers.difference(one.difference)),
            Cell(measured.NONE if one.limit is None else numbers.difference(one.limit)),
        )
        for one in comparison.noninferiority
    )
    note = (
        "Shown: the worse end of the 95 % interval of B \u2212 A lies on the better side of the margin, a one-sided "
        "test at 2.5 % (Piaggio 2012, doi:10.1001/jama.2012.87802). Worse: all of the interval lies beyond it."
    )
    columns = ("Figure", "No worse than the margin", "Margin", "B \u2212 A", "Worse end")
    table = Table("", columns, rows, n_text=2, note=note, widths=(46.0, 74.0, 20.0, 23.0))
    return Section("Is B no worse than A?", (table,))


def levels(comparison: Comparison) -> tuple[Section, ...]:
    """Patches, slides and patients; one that isn't there is said to be so."""
    found = comparison.levels
    sections = []
    for unit, title in _TITLES.items():
        level: ComparedLevel | None = getattr(found, unit)
        if level is None:
            blocks: tuple[Block, ...] = (Words(f"Not compared: {found.why.get(unit, 'there are none in both')}."),)
        elif unit == "patient" and found.slide is not None and found.slide.independent:
            blocks = (Words("Each patient has one slide: what stands above slide by slide holds patient by patient."),)
        else:
            blocks = tuple(_level(level))
        sections.append(Section(title, blocks))
    return tuple(sections)


def extents(comparison: Comparison) -> Section:
    """How far areas and lengths are off."""
    title = "Extents"
    if not any(one.value is not None for one in comparison.extent.values()):
        return Section(title, (Words("Not compared: no slide of both has a reference extent."),))
    return Section(
        title,
        (
            Words(
                "Mean over slides of how far the extent is from the reference, without its sign; less is better but "
                "for Dice, where more is."
            ),
            _differences(comparison.extent, p=False),
            *_missing(comparison.extent),
        ),
    )


def slides(comparison: Comparison) -> Section:
    """Each slide with both."""
    rows = tuple(
        (
            Cell(one.slide_id, one.patient_id if one.patient_id != one.slide_id else ""),
            Cell(numbers.count(one.n), f"{one.n_positive:,} IDC"),
            Cell(numbers.count(one.n_changed)),
            *(_pair(one.first[name], one.second[name]) for name in ("auroc", "balanced_accuracy", "f1")),
            Cell(_area(one.first_mm2)),
            Cell(_area(one.second_mm2)),
            Cell(_area(one.reference_mm2)),
        )
        for one in comparison.per_slide
    )
    if not rows:
        return Section("Each slide", (Words("No slide has patches in both."),))
    columns = (
        *("Slide", "Patches", "Called otherwise", "AUROC", "Balanced accuracy", "F1"),
        *("Area A, mm\u00b2", "Area B, mm\u00b2", "Reference, mm\u00b2"),
    )
    note = "Of the three measures: A \u2192 B."
    charts = Charts(
        (
            Chart(
                "slides",
                "Balanced accuracy of each slide",
                "A mark a slide; above the dotted line B is better. Slides with one class only have none.",
                "Balanced accuracy with B against that with A, a mark a slide.",
            ),
            Chart(
                "areas",
                "Area called IDC on each slide",
                "A mark a slide; above the dotted line B calls more.",
                "Area called IDC with B against that with A, mm\u00b2, a mark a slide.",
            ),
        )
    )
    return Section("Each slide", (charts, Table("", columns, rows, note=note, widths=_WIDTHS_SLIDES)))


def methods(comparison: Comparison) -> Section:
    """How pairs were made and what each number means."""
    left = comparison.unpaired
    common = (
        f"{len(left.slides_only_first):,} and {len(left.slides_only_second):,} slides, "
        f"{left.patches_only_first:,} and {left.patches_only_second:,} patches that only A and only B has"
    )
    rules = (
        Fact("Pairs", "the same patch of the same slide, with the same label, read by both", "checked one by one"),
        Fact("Left out", common if left.intersection else "nothing but unreadable patches: all must be in both"),
        Fact("Unreadable", f"{left.patches_unreadable:,} patches that A or B could not read, left out of both"),
        Fact("Difference", "B less A, of the same weights of the same patients"),
        Fact("Intervals", comparison.interval, f"{comparison.replicates:,} resamplings, seed {comparison.seed}; 95 %"),
        Fact(
            "One unit a patient",
            "shares: Newcombe\u2019s paired interval (1998, method 10) and McNemar\u2019s exact test; areas under ROC "
            "curves: DeLong 1988, paired. Not used for patches, which are not independent",
        ),
        Fact("Errors of extents", "found less reference without its sign, mean over slides"),
    )
    definitions = tuple(Fact(measured.LABELS[name], formula) for name, formula in measured.FORMULAS.items())
    sides = tuple(
        fact for name, side in (("A", comparison.first), ("B", comparison.second)) for fact in _side(name, side)
    )
    return Section(
        "Methods and provenance",
        (
            Facts(sides, "What was compared"),
            Facts(rules, "Rules"),
            Facts(definitions, "What each number means", columns=2),
            Words("Made by the following command:"),
            Command(comparison.command),
        ),
    )


def _level(level: ComparedLevel) -> Iterator[Block]:
    tables = (("A", level.first), ("B", level.second))
    yield Matrices(
        "",
        tuple(
            Matrix(side, *(Cell(numbers.count(getattr(found, name))) for name in ("tp", "fp", "fn", "tn")))
            for side, found in tables
        ),
        f"{numbers.count(level.n, level.unit, 'patches' if level.unit == 'patch' else '')} of "
        f"{numbers.count(level.n_patients, 'patient')}. Grey: called as labelled.",
    )
    yield _rights(level)
    if level.unit == "patch":
        yield Charts(tuple(_charts(level)))
    yield _differences(level.differences, level.macro, p=level.independent)
    yield from _missing({**level.differences, **{f"macro {name}": one for name, one in level.macro.items()}})


def _rights(level: ComparedLevel) -> Table:
    def row(title: str, found: Rights, measure: str) -> tuple[Cell, ...]:
        counts = (found.both, found.only_first, found.only_second, found.neither)
        tested = level.differences[measure]
        cells = (Cell(title), *(Cell(numbers.count(count)) for count in counts))
        return (*cells, Cell(p_value(tested.p) if tested.test == "mcnemar" else "")) if level.independent else cells

    test = ("McNemar\u2019s p",) if level.independent else ()
    note = (
        "McNemar\u2019s exact test of whether one is right more often than the other, two-sided."
        if level.independent
        else "No McNemar test: units of one patient are not independent. The intervals below redraw patients."
    )
    return Table(
        "Who called what right",
        ("", "Both", "Only A", "Only B", "Neither", *test),
        (row("Labelled IDC", level.idc, "sensitivity"), row("Labelled not IDC", level.not_idc, "specificity")),
        note=note,
        widths=(34.0,),
    )


def _differences(found: Mapping[str, Difference], macro: Mapping[str, Difference] | None = None, *, p: bool) -> Table:
    columns = ["", "A", "B", "B \u2212 A", "95 % interval", "Better", "n", "Interval by"]
    columns += ["p"] if p else []
    columns += ["Mean over slides"] if macro else []
    rows = []
    for name, one in found.items():
        row = [
            Cell(label(name), "less is better" if name in LOWER_IS_BETTER and macro is not None else ""),
            Cell(numbers.figure(one.first)),
            Cell(numbers.figure(one.second)),
            Cell(numbers.difference(one.value)),
            interval_cell(one),
            Cell(better(one, name)),
            Cell(numbers.count(one.n)),
            Cell(METHODS[one.method]),
        ]
        row += [Cell(p_value(one.p), one.test if one.p is not None else "")] if p else []
        if macro:
            row.append(difference_cell(macro[name]) if name in macro else Cell(""))
        rows.append(tuple(row))
    note = _NOTE + (
        " Mean over slides: B \u2212 A of the means over the slides where both are defined." if macro else ""
    )
    return Table("", tuple(columns), tuple(rows), note=note, widths=(_WIDTHS_MACRO if macro else _WIDTHS))


def _missing(found: Mapping[str, Difference]) -> Iterator[Bullets]:
    told: dict[tuple[str, str], list[str]] = {}
    for name, one in found.items():
        if one.why:
            macro = name.startswith("macro ")
            words = f"{label(name.removeprefix('macro '))}{', mean over slides' if macro else ''}"
            what = "not defined" if one.value is None else "no interval" if one.low is None else "note"
            told.setdefault((what, one.why), []).append(words)
    if told:
        yield Bullets(
            tuple(f"{', '.join(names)} \u2013 {what}: {why.rstrip('.')}." for (what, why), names in told.items())
        )


def _charts(level: ComparedLevel) -> Iterator[Chart]:
    told = ", ".join(
        f"{label(name)} {numbers.difference(one.value)} ({interval(one)})"
        for name, one in level.differences.items()
        if interval(one)
    )
    yield Chart(
        "differences",
        "B less A, with 95 % intervals",
        "Right of the line B has more. Hollow: not to be trusted. A tick: the margin, where one was stated.",
        f"Differences with 95 % intervals: {told or 'none has an interval'}.",
    )
    area = level.differences["auroc"]
    yield Chart(
        "roc",
        "ROC on the same patches",
        f"AUROC {numbers.figure(area.first)} with A, {numbers.figure(area.second)} with B. Marks: as called. Dotted: "
        "chance.",
        f"ROC curves of A and B; AUROC {numbers.figure(area.first)} and {numbers.figure(area.second)}.",
    )


def _side(name: str, side: Side) -> Iterator[Fact]:
    yield Fact(f"{name}: evaluation", side.name, side.digest)
    for one in side.models:
        locked = "its package\u2019s own" if one.locked else f"not its package\u2019s own: {one.threshold_words}"
        yield Fact(
            f"{name}: model",
            f"{model_name(one)}, engine {one.engine}, threshold {numbers.threshold(one.threshold)} ({locked})",
            f"sha256 {one.sha256}",
        )
    yield Fact(f"{name}: called", f"patches: {side.positive_rule}; slides: {side.slide_called}, by {side.slide_score}")
    if side.leakage.found:
        people = sorted({one.patient_id for one in side.leakage.found})
        yield Fact(f"{name}: seen", listed(people), "patients that its model was made with")


def _pair(first: float | None, second: float | None) -> Cell:
    if first is None and second is None:
        return Cell(numbers.not_defined())
    words = ("\u2013" if value is None else numbers.figure(value) for value in (first, second))
    change = numbers.difference(second - first) if first is not None and second is not None else ""
    return Cell(" \u2192 ".join(words), change)


def _area(value: float | None) -> str:
    return "" if value is None else numbers.area(value).removesuffix(" mm\u00b2")
