"""An evaluation becomes its sections on patches, slides and patients: counts, measures, curves, probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.levels import FEWEST_PATIENTS, Level, Levels, OperatingPoint
from batchscan.report import measured, numbers
from batchscan.report.blocks import Block, Bullets, Cell, Chart, Charts, Matrices, Matrix, Section, Table, Words
from batchscan.report.evaluation_words import printed, units

_TITLES = {"patch": "Patch by patch", "slide": "Slide by slide", "patient": "Patient by patient"}
_WIDTHS = (38.0, 16.0, 30.0, 18.0, 34.0, 18.0)


def measures(evaluation: Evaluation) -> tuple[Section, ...]:
    """Confusion matrices of all levels, then each level's measures."""
    levels = evaluation.levels
    sections = [Section("Called right and wrong", tuple(_counts(levels)))]
    sections += [Section(_TITLES[level.unit], tuple(_level(level))) for level in _known(levels)]
    return tuple(sections)


def probabilities(evaluation: Evaluation) -> Section:
    """How far p is to be believed, and what other thresholds would come to."""
    return Section("Probabilities and thresholds", tuple(_probabilities(evaluation)))


def _known(levels: Levels) -> tuple[Level, ...]:
    return tuple(one for one in (levels.patch, levels.slide, levels.patient) if one is not None)


def _counts(levels: Levels) -> Iterator[Block]:
    known = _known(levels)
    if known:
        yield Matrices(
            "",
            tuple(_matrix(level) for level in known),
            "Numbers of units. Grey: called as labelled.",
        )
        yield _by_class(known)
        prevalences = _at_prevalence(known)
        if prevalences.rows:
            yield prevalences
    yield from (Words(f"{_TITLES.get(unit, unit)}: {why.rstrip('.')}.") for unit, why in levels.why.items())


def _matrix(level: Level) -> Matrix:
    found = level.confusion
    cells = {name: Cell(numbers.count(getattr(found, name))) for name in ("tp", "fp", "fn", "tn")}
    return Matrix(f"{_TITLES[level.unit]}, {units(level, level.n)}", **cells)


def _by_class(known: Sequence[Level]) -> Table:
    rows = tuple(
        (
            Cell(_TITLES[level.unit] if i == 0 else ""),
            Cell(one.name),
            *(Cell(numbers.figure(value)) for value in (one.precision, one.recall, one.f1)),
            Cell(numbers.count(one.support)),
        )
        for level in known
        for i, one in enumerate(level.per_class)
    )
    return Table(
        "By class, as published work tabulates it",
        ("Unit", "Class", "Precision", "Recall", "F1", "Support"),
        rows,
        n_text=2,
        note="Recall of the class IDC is the sensitivity, that of the other class the specificity.",
    )


def _at_prevalence(known: Sequence[Level]) -> Table:
    rows = tuple(
        (
            Cell(_TITLES[level.unit] if i == 0 else ""),
            Cell(numbers.percent(one.prevalence)),
            measured.cell(one.ppv),
            measured.cell(one.npv),
        )
        for level in known
        for i, one in enumerate(level.at_prevalence)
    )
    return Table(
        "Predictive values where IDC is rarer or more common than here",
        ("Unit", "Share with IDC", "Positive predictive value", "Negative predictive value"),
        rows,
        note="By Bayes\u2019 rule from sensitivity and specificity, which are taken to be the same there. Intervals: "
        "95 %.",
    )


def _level(level: Level) -> Iterator[Block]:
    yield Words(f"Ranked by: {printed(level.score)}. Called IDC: {printed(level.called)}.")
    if level.n_patients < FEWEST_PATIENTS:
        yield Words(
            f"From {numbers.count(level.n_patients, 'patient')} only: with fewer than {FEWEST_PATIENTS} no interval "
            "can be trusted."
        )
    yield _table(level)
    missing = measured.reasons((measured.named(name), found) for name, found in measured.ordered(level.metrics))
    means = measured.reasons((measured.named(name), found) for name, found in measured.ordered(level.macro))
    missing += tuple(f"Means over slides: {one}" for one in means if one not in missing)
    if missing:
        yield Bullets(missing)
    charts = tuple(_curves(level))
    if charts:
        yield Charts(charts)


def _table(level: Level) -> Table:
    columns = ["", "Pooled" if level.macro else "Value", "95 % interval", "n", "Interval by", "Design effect"]
    rows = []
    for name, found in measured.ordered(level.metrics):
        row = [
            Cell(measured.named(name)),
            Cell(measured.written(found)),
            measured.interval_cell(found),
            Cell(numbers.count(found.n)),
            Cell("" if found.low is None else measured.METHODS[found.method]),
            Cell("" if found.design_effect is None else f"{found.design_effect:.3g}"),
        ]
        if level.macro:
            mean = level.macro.get(name)
            row.append(Cell("") if mean is None else measured.cell(mean, with_n=True))
        rows.append(tuple(row))
    note = (
        "n: what the number rests on: units with IDC for sensitivity, without for specificity, those called so for the "
        "predictive values, else all. Design effect: how many times the variance is what it would be if the units were "
        "independent. Bootstrap: whole patients redrawn, as the methods say."
    )
    if level.macro:
        columns.append("Mean over slides")
        note += " Mean over slides: every slide counts once, n slides where the measure is defined."
    widths = _WIDTHS if level.macro else _WIDTHS[:1]
    return Table("", tuple(columns), tuple(rows), note=note, widths=widths)


def _curves(level: Level) -> Iterator[Chart]:
    auroc, auprc = level.metrics.get("auroc"), level.metrics.get("auprc")
    band = " Shaded: 95 % interval at each point of the axis." if level.roc_band else ""
    if level.roc:
        words = measured.in_words(auroc, numbers.figure) if auroc else numbers.not_defined()
        yield Chart(
            f"roc_{level.unit}",
            f"ROC, {level.unit} by {level.unit}",
            f"AUROC {words}. Square: as called in this evaluation. Dotted: chance.{band}",
            f"ROC curve of {units(level, level.n)}: sensitivity against false-positive rate; AUROC {words}.",
        )
    if level.pr:
        words = measured.in_words(auprc, numbers.figure) if auprc else numbers.not_defined()
        yield Chart(
            f"pr_{level.unit}",
            f"Precision and recall, {level.unit} by {level.unit}",
            f"AUPRC {words}. Dotted: chance, the share with IDC ({numbers.percent(level.prevalence)}).{band}",
            f"Precision against sensitivity of {units(level, level.n)}; AUPRC {words}.",
        )


def _probabilities(evaluation: Evaluation) -> Iterator[Block]:
    patch = evaluation.levels.patch
    charts = tuple(_reliability(patch)) if patch is not None else ()
    yield Charts(charts) if charts else Words("Whether p(IDC) can be read as a probability was not measured.")
    points = [(level, one) for level in _known(evaluation.levels) for one in level.operating]
    if points:
        yield _operating(points)
    if patch is not None and patch.decision:
        yield Charts((_decision(),))


def _reliability(patch: Level) -> Iterator[Chart]:
    if not patch.reliability:
        return
    n = numbers.count(sum(one.n for one in patch.reliability), "patch", "patches")
    slope, intercept = patch.metrics.get("calibration_slope"), patch.metrics.get("calibration_intercept")
    fitted = "".join(
        f" {words} {measured.in_words(found, numbers.figure)}."
        for words, found in (("Slope", slope), ("Intercept", intercept))
        if found is not None
    )
    yield Chart(
        "reliability",
        "How far a probability is to be believed",
        f"Share of IDC among patches of about the same p. On the dotted diagonal p is what it says; below it p is too "
        f"high.{fitted}",
        f"Reliability diagram of {n}.{fitted}",
    )
    yield Chart(
        "distribution",
        "How many patches have which probability",
        f"{n}, in 15 bins, those labelled IDC beside the others; the scale is logarithmic. Where a bin has few, the "
        "figure beside it says little.",
        f"Number of patches by p and label; {n} together.",
    )


def _operating(points: Sequence[tuple[Level, OperatingPoint]]) -> Table:
    rows = tuple(
        (
            Cell(_TITLES[level.unit] if i == 0 or points[i - 1][0] is not level else ""),
            Cell(f"{one.held} \u2265 {numbers.percent(one.at_least)}"),
            Cell("none holds it" if one.threshold is None else numbers.figure(one.threshold), "post hoc"),
            measured.cell(one.sensitivity),
            measured.cell(one.specificity),
        )
        for i, (level, one) in enumerate(points)
    )
    return Table(
        "What other thresholds would come to (post hoc)",
        ("Unit", "Held", "Least score called", "Sensitivity", "Specificity"),
        rows,
        n_text=2,
        note="These thresholds were found on the labels of this very cohort. They show what trade-offs the scores "
        "allow; "
        "they are no promise for other patients, and no threshold to set. Intervals: 95 %, the rate that is held has "
        "none.",
    )


def _decision() -> Chart:
    return Chart(
        "decision",
        "Is calling at a threshold worth it?",
        "Net benefit: TP \u2212 FP \u00d7 t \u00f7 (1 \u2212 t), a patch, where t is the threshold: what one is "
        "ready to "
        "take in false calls for a true one (Vickers 2006, doi:10.1177/0272989X06295361). Higher is better; at the "
        "prevalence of this cohort.",
        "Net benefit by threshold, of the model, of calling every patch IDC, and of calling none.",
    )
