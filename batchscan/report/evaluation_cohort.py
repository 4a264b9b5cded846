"""An evaluation becomes its sections on the cohort: models, gates, exclusions, subgroups, readers, changed pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from batchscan.domain.evaluated import Evaluation, Leakage, ReaderPair, Subgroup
from batchscan.report import measured, numbers
from batchscan.report.blocks import Block, Bullets, Cell, Section, Table, Words
from batchscan.report.evaluation_extent import signed
from batchscan.report.evaluation_words import QUANTITIES, UNITS, model_name, reader_name, reason_words

_GROUPED = ("sensitivity", "specificity", "auroc", "f1")


def cohort(evaluation: Evaluation) -> Section:
    """With what it was scanned, whether the model knew it, who is missing, and whether the gates were met."""
    return Section("Models, gates and exclusions", tuple(_cohort(evaluation)))


def subgroups(evaluation: Evaluation) -> Section:
    """Figures by column of the manifest."""
    if not evaluation.subgroups:
        words = "None: no column of the manifest parts the slides into groups, or none was asked for."
        return Section("Subgroups", (Words(words),))
    fewest = evaluation.settings.min_group_patients
    lead = Words(
        "Patch by patch. Groups were not drawn by chance: what sets one apart may be something else than its name. Of "
        f"several groups some differ by chance alone; with fewer than {numbers.count(fewest, 'patient')} no figures "
        "are given."
    )
    columns = list(dict.fromkeys(one.column for one in evaluation.subgroups))
    tables = (_groups(column, [one for one in evaluation.subgroups if one.column == column]) for column in columns)
    return Section("Subgroups", (lead, *tables))


def robustness(evaluation: Evaluation) -> Section:
    """What changed pixels come to."""
    return Section("When the pixels change", tuple(_robustness(evaluation)))


def readers(evaluation: Evaluation) -> Section:
    """How far people agree on the labels."""
    return Section("Readers", tuple(_readers(evaluation)))


def _cohort(evaluation: Evaluation) -> Iterator[Block]:
    if evaluation.models:
        yield _models(evaluation)
    yield from _leakage(evaluation.leakage)
    yield _gates(evaluation)
    yield _exclusions(evaluation)


def _models(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            Cell(model_name(one), f"sha256 {one.sha256[:12]}"),
            Cell(one.engine),
            Cell(
                numbers.threshold(one.threshold),
                one.threshold_words if one.locked else f"not the package\u2019s own: {one.threshold_words}",
            ),
            Cell(numbers.count(len(one.slides))),
            Cell(numbers.count(one.n_training_patients)),
        )
        for one in evaluation.models
    )
    return Table(
        "Models",
        ("Model", "Engine", "Threshold on p(IDC)", "Slides", "Training patients"),
        rows,
        n_text=3,
        widths=(46.0, 34.0, 66.0, 16.0),
    )


def _leakage(leakage: Leakage) -> Iterator[Block]:
    if leakage.found:
        yield Table(
            "What of the cohort the model has seen before",
            ("Model", "Kind", "Patient", "Slide", "What"),
            tuple(
                (Cell(one.model), Cell(one.kind), Cell(one.patient_id), Cell(one.slide_id), Cell(one.sentence))
                for one in leakage.found
            ),
            n_text=5,
            widths=(30.0, 16.0, 24.0, 30.0),
        )
    if not leakage.checked:
        yield Words("Whether the models have seen the cohort was not looked for.")
    elif not leakage.found:
        yield Words("Nothing of the cohort was found in what the models were made with.")
    looked = [f"Looked for: {one}." for one in leakage.checked]
    looked += [f"Not looked for: {one}." for one in leakage.not_checked]
    if looked:
        yield Bullets(tuple(looked))


def _gates(evaluation: Evaluation) -> Block:
    if not evaluation.gates:
        return Words("No acceptance gates were set: nothing here was to be passed or failed.")
    rows = tuple(
        (Cell(one.text), Cell(numbers.figure(one.value)), Cell("met" if one.passed else "MISSED", one.why))
        for one in evaluation.gates
    )
    return Table("Acceptance gates", ("Gate", "Found", "Verdict"), rows, widths=(80.0, 40.0))


def _exclusions(evaluation: Evaluation) -> Block:
    if not evaluation.exclusions:
        return Words("No slide that was asked for was left out.")
    rows = tuple(
        (Cell(one.slide_id), Cell(one.patient_id), Cell(reason_words(one.reason)), Cell(one.sentence))
        for one in evaluation.exclusions
    )
    return Table(
        "Slides that were asked for and are in no figure",
        ("Slide", "Patient", "Reason", "What happened"),
        rows,
        n_text=4,
        widths=(36.0, 24.0, 30.0),
    )


def _groups(column: str, found: Sequence[Subgroup]) -> Table:
    rows = tuple(
        (
            Cell(one.value or "(empty)", one.note),
            *(Cell(numbers.count(n)) for n in (one.n_patients, one.n_slides, one.n_patches, one.n_positive)),
            *(measured.cell(one.figures[name]) if name in one.figures else Cell("\u2013") for name in _GROUPED),
        )
        for one in found
    )
    labels = (measured.named(name).partition(" (")[0] for name in _GROUPED)
    return Table(
        f"By {column}", (column, "Patients", "Slides", "Patches", "IDC", *labels), rows,
        widths=(38.0, 14.0, 12.0, 16.0, 14.0),
    )  # fmt: skip


def _robustness(evaluation: Evaluation) -> Iterator[Block]:
    found = evaluation.robustness
    if not found:
        yield Words("Not measured: the pixels were not changed to see what it does to the figures (--robustness).")
        return
    names = [name for name in measured.LABELS if any(name in one.figures for one in found)]
    rows = tuple(
        (
            Cell(one.name, one.words),
            *(Cell(numbers.figure(one.figures.get(name)), _change(one.change, name)) for name in names),
            Cell("" if one.flipped is None else numbers.percent(one.flipped)),
        )
        for one in found
    )
    patches = sorted({one.n_patches for one in found})
    counted = " to ".join(f"{n:,}" for n in (patches[0], patches[-1])[: len(patches)])
    yield Table(
        "",
        ("Change", *(measured.named(name).partition(" (")[0] for name in names), "Calls that change"),
        rows,
        note=f"{counted} patches. Below each figure: how far it is from the unchanged pixels. The amounts were "
        "chosen to show which way the model errs; they don\u2019t say how slides of other laboratories differ.",
        widths=(58.0,),
    )


def _change(change: Mapping[str, float | None], name: str) -> str:
    value = change.get(name)
    return "" if value is None else numbers.difference(value)


def _readers(evaluation: Evaluation) -> Iterator[Block]:
    found = evaluation.readers
    if found is None:
        yield Words(
            "One reference a slide: how far people would agree on it is not known, and so neither how well any model "
            "could do."
        )
        return
    names = ", ".join(reader_name(name) for name in found.names)
    undecided = numbers.count(found.n_undecided, "patch", "patches")
    yield Words(
        f"Labels by {names} became one reference: {found.rule}. Undecided, and in no figure: {undecided}. How far they "
        "agree among themselves is the most that a model measured against them can show."
    )
    if found.pairs:
        yield _pairs(found.pairs)
        areas = tuple(_area(one) for one in found.pairs if one.area is not None)
        if areas:
            yield Table(
                "Area by two readers",
                ("Readers", "Slides", "Bias", "Lower limit", "Upper limit", "ICC(A,1)", "Lin\u2019s CCC"),
                areas,
                note="Second less first reader\u2019s area of IDC, mm\u00b2.",
                widths=(50.0, 14.0),
            )
    missing = measured.reasons(
        (f"{_both(one)}, {label}", value)
        for one in found.pairs
        for label, value in (("kappa", one.kappa), ("agreement", one.agreement), ("Dice", one.dice))
    )
    if missing:
        yield Bullets(missing)


def _pairs(pairs: Sequence[ReaderPair]) -> Table:
    rows = tuple(
        (
            Cell(_both(one)),
            Cell(numbers.count(one.n_slides)),
            Cell(numbers.count(one.n_patches)),
            measured.cell(one.kappa),
            measured.cell(one.agreement, numbers.percent),
            measured.cell(one.dice),
        )
        for one in pairs
    )
    return Table(
        "Two readers on the same patches",
        ("Readers", "Slides", "Patches", "Cohen\u2019s kappa", "Same label", "Dice"),
        rows,
        widths=(60.0, 16.0, 20.0),
    )


def _area(one: ReaderPair) -> tuple[Cell, ...]:
    area = one.area
    if area is None:
        return ()
    return (
        Cell(_both(one), f"{QUANTITIES[area.quantity]}, {UNITS[area.unit]}"),
        Cell(numbers.count(area.n)),
        *(measured.cell(value, signed) for value in (area.bias, area.loa_low, area.loa_high)),
        measured.cell(area.icc),
        measured.cell(area.ccc),
    )


def _both(one: ReaderPair) -> str:
    return f"{reader_name(one.first)} and {reader_name(one.second)}"
