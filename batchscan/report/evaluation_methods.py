"""An evaluation becomes its sections on how it was made: rules, definitions, files and versions."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.levels import FEWEST_PATIENTS
from batchscan.report import measured, numbers
from batchscan.report.blocks import Block, Cell, Command, Facts, Section, Table, Words
from batchscan.report.evaluation_words import printed
from batchscan.report.words import Fact

_FILES_SHOWN = 60
_SCORES = {
    "idc_mm2": "the area called IDC, mm\u00b2",
    "largest_focus_mm": "the greatest diameter of the largest focus, mm",
    "max_p": "the greatest p(IDC) of any of its patches",
}


def methods(evaluation: Evaluation) -> Section:
    """The rules that decided the figures, and what each number means."""
    return Section(
        "Methods",
        (Facts(tuple(_rules(evaluation)), "Rules"), Facts(tuple(_definitions()), "What each number means", columns=2)),
    )


def provenance(evaluation: Evaluation) -> Section:
    """What it was made of."""
    return Section("Provenance", tuple(_provenance(evaluation)))


def _rules(evaluation: Evaluation) -> Iterator[Fact]:
    settings = evaluation.settings
    yield Fact("Unit of chance", "the patient", "patches and slides of one patient are not independent")
    yield Fact("Patch called IDC", settings.positive_rule)
    if settings.outline_rule:
        yield Fact("Labels from outlines", settings.outline_rule)
    if settings.reader_rule:
        yield Fact("Several readers", settings.reader_rule)
    yield Fact("Score of a slide", printed(_SCORES.get(settings.slide_score, settings.slide_score)))
    yield Fact("Slide called IDC", settings.slide_called)
    yield Fact("Patient", "score: the greatest of the slides; has IDC, is called IDC: if any slide has, is")
    yield Fact(
        "Not scanned",
        "a labelled patch that the tissue mask left out counts as called not IDC, with p(IDC) 0 in the curves",
    )
    yield Fact("Unreadable", "a labelled patch that could not be read has no prediction and is in no measure")
    yield Fact(
        "Intervals",
        settings.interval,
        f"{numbers.count(settings.replicates, 'resampling')}, seed {settings.seed}; 95 %",
    )
    yield Fact(
        "Not to be trusted", f"an interval over fewer than {FEWEST_PATIENTS} patients, or of too few resamplings"
    )
    if settings.prevalences:
        shares = ", ".join(numbers.percent(one) for one in settings.prevalences)
        yield Fact("Prevalences", shares, "as asked for, for predictive values")
    if settings.tuned_threshold is not None:
        yield Fact(
            "Tuned threshold",
            numbers.threshold(settings.tuned_threshold),
            f"post hoc, chosen on {settings.tuned_on or 'other slides'}",
        )
    yield Fact("Fewest of a subgroup", numbers.count(settings.min_group_patients, "patient"))


def _definitions() -> Iterator[Fact]:
    yield Fact("TP, FN", "labelled IDC and called IDC (true positives), and not called so (false negatives).")
    yield Fact("TN, FP", "labelled not IDC and not called IDC (true negatives), and called IDC (false positives).")
    yield from (Fact(measured.LABELS[name], formula) for name, formula in measured.FORMULAS.items())
    yield Fact(
        "95 % interval",
        "made in a way that covers the true number in 95 of 100 studies like this one; docs/intervals.md shows how "
        "often "
        "it did in simulated cohorts.",
    )
    yield Fact(
        "Bias, limits", "mean difference of found and reference, and mean \u00b1 1.96 standard deviations of it."
    )
    yield Fact(
        "ICC(A,1)",
        "intraclass correlation of single measurements, absolute agreement (McGraw 1996, "
        "doi:10.1037/1082-989X.1.1.30).",
    )
    yield Fact("CCC", "concordance correlation (Lin 1989, doi:10.2307/2532051).")
    yield Fact("Dice", "2 |A and B| \u00f7 (|A| + |B|) of the tissue areas called and labelled IDC.")
    yield Fact("Not defined", "the formula has no answer here, for example a share of nothing; never to be read as 0.")


def _provenance(evaluation: Evaluation) -> Iterator[Block]:
    made = evaluation.provenance
    yield Facts(
        (
            Fact("Evaluation", made.name, evaluation.digest),
            Fact("Made", made.created.replace("T", " ")),
            Fact("Program", f"batchscan {made.batchscan_version}", "research use only"),
            Fact("Runs", ", ".join(made.runs) or "none"),
            Fact("Manifest", made.manifest, f"sha256 {made.manifest_sha256}"),
            Fact("Libraries", ", ".join(f"{name} {version}" for name, version in made.versions.items()) or "not noted"),
            *(Fact("Model", f"{one.name} {one.version}", f"sha256 {one.sha256}") for one in evaluation.models),
        )
    )
    yield Words("Made by the following command:")
    yield Command(made.command)
    if made.references:
        yield _references(evaluation)


def _references(evaluation: Evaluation) -> Table:
    files = sorted(evaluation.provenance.references.items())
    hidden = len(files) - _FILES_SHOWN
    return Table(
        "Reference labels",
        ("Slide and reader", "sha256 of the file"),
        tuple((Cell(name), Cell(sha)) for name, sha in files[:_FILES_SHOWN]),
        n_text=2,
        note=f"{numbers.count(hidden, 'more file')} in evaluation.json." if hidden > 0 else "",
        widths=(70.0, 116.0),
    )
