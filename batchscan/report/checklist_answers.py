"""An evaluation becomes what it can say itself to the topics of reporting guidelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batchscan.domain.evaluated import Evaluation
from batchscan.report import measured, numbers
from batchscan.report.evaluation_words import listed, model_name, reader_name

_REST = "To be provided"


def _objectives(evaluation: Evaluation) -> str:
    gates = listed([one.text for one in evaluation.gates])
    asked = f"Acceptance gates that were set: {gates}." if gates else "No acceptance gates were set."
    return f"{asked} {_REST}: hypotheses, and whether they were stated before the labels were seen."


def _goal(_: Evaluation) -> str:
    return "Finished models are measured against reference labels; none is made or changed."


def _sources(evaluation: Evaluation) -> str:
    made = evaluation.provenance
    return (
        f"Manifest {made.manifest} (sha256 {made.manifest_sha256[:12]}), {len(made.references):,} label files. "
        f"{_REST}: "
        "where slides and patients come from, and why these."
    )


def _eligible(evaluation: Evaluation) -> str:
    left = numbers.count(len(evaluation.exclusions), "slide")
    return f"{left} excluded, with reasons, in the table of exclusions. {_REST}: clinical criteria."


def _where(evaluation: Evaluation) -> str:
    sites = sorted({row.attributes.get("site", "") for row in evaluation.extent.per_slide} - {""})
    said = f"Sites by the manifest: {listed(sites)}. " if sites else ""
    return f"{said}{_REST}: dates, series (consecutive, random or by convenience)."


def _devices(evaluation: Evaluation) -> str:
    scanners = sorted({row.attributes.get("scanner", "") for row in evaluation.extent.per_slide} - {""})
    said = f"Scanners by the manifest: {listed(scanners)}. " if scanners else ""
    return f"{said}Each slide\u2019s report has its spacing and who states it. {_REST}: staining, scanning protocol."


def _prepared(_: Evaluation) -> str:
    return (
        "Pixels are read at the model\u2019s spacing, tissue is found by a mask, patches are cut on a grid: each "
        "slide\u2019s "
        "report says how, with measures of quality."
    )


def _subsets(evaluation: Evaluation) -> str:
    labelled = numbers.count(evaluation.flow.patches_labelled, "labelled patch", "labelled patches")
    return f"{evaluation.flow.patches_analysed:,} of {labelled} are analysed; the flow diagram says which are not."


def _deidentified(_: Evaluation) -> str:
    return (
        f"Slide stores hold no label or macro image. {_REST}: whether the identifiers in the manifest are pseudonyms."
    )


def _missing(evaluation: Evaluation) -> str:
    flow = evaluation.flow
    return (
        f"Unreadable: {flow.patches_unreadable:,} labelled patches, in no figure. Left out by the tissue mask: "
        f"{flow.patches_not_scanned:,}, counted as called not IDC. Without a label: {flow.cells_unlabelled:,} cells. "
        "Nothing is imputed."
    )


def _undecided(evaluation: Evaluation) -> str:
    cells = numbers.count(evaluation.flow.cells_ambiguous, "cell")
    return f"Every readable patch is called or not. Labels: {cells} undecided by outlines or readers, in no figure."


def _reference(evaluation: Evaluation) -> str:
    rules = [one for one in (evaluation.settings.outline_rule, evaluation.settings.reader_rule) if one]
    said = f"Rules: {'; '.join(rules)}. " if rules else ""
    return f"{said}{_REST}: what the labels are of, and how they were obtained."


def _labelled_by(evaluation: Evaluation) -> str:
    readers = evaluation.readers
    said = f"Readers: {', '.join(map(reader_name, readers.names))}. " if readers else "One reference a slide. "
    return f"{said}{_REST}: qualification and experience, in routine or for this study."


def _agree(evaluation: Evaluation) -> str:
    pairs = evaluation.readers.pairs if evaluation.readers else ()
    if not pairs:
        return "Not measured: nobody labelled a slide twice."
    kappas = [f"{measured.in_words(one.kappa, numbers.figure)}" for one in pairs]
    return f"Between readers, Cohen\u2019s kappa {listed(kappas)}. {_REST}: within readers."


def _blind(_: Evaluation) -> str:
    return f"The model reads pixels only, no label and nothing clinical. {_REST}: what readers knew."


def _predictors(_: Evaluation) -> str:
    return "The pixels of each patch and, where the model averages them, its neighbours; none were selected."


def _partitions(evaluation: Evaluation) -> str:
    counts = [f"{model_name(one)} {one.n_training_patients:,}" for one in evaluation.models]
    return f"Training patients: {listed(counts)}; test: {evaluation.flow.patients_analysed:,}. Model cards name them."


def _disjoint(evaluation: Evaluation) -> str:
    found = evaluation.leakage
    if found.found:
        people = len({one.patient_id for one in found.found})
        return f"NOT disjoint: {numbers.count(people, 'patient')} known to a model (--allow-seen)."
    looked = f"Looked for: {', '.join(found.checked)}; nothing found." if found.checked else "Not looked for."
    return f"{looked} Not looked for: {'; '.join(found.not_checked)}." if found.not_checked else looked


def _size(evaluation: Evaluation) -> str:
    flow = evaluation.flow
    return (
        f"{flow.patients_analysed:,} patients, {flow.slides_analysed:,} slides. {_REST}: how the size was arrived at."
    )


def _numbers(evaluation: Evaluation) -> str:
    flow = evaluation.flow
    return (
        f"{flow.patients_analysed:,} patients, {flow.slides_analysed:,} slides, {flow.patches_analysed:,} patches "
        f"({flow.patches_positive:,} IDC); every figure has its own n."
    )


def _model(evaluation: Evaluation) -> str:
    named = [f"{model_name(one)} (sha256 {one.sha256[:12]})" for one in evaluation.models]
    return f"{listed(named)}; \u201cbatchscan model card\u201d prints architecture and weights\u2019 identity."


def _software(evaluation: Evaluation) -> str:
    versions = [f"{name} {version}" for name, version in evaluation.provenance.versions.items()]
    return f"batchscan {evaluation.provenance.batchscan_version}; {listed(versions, 12)}".rstrip("; ") + "."


def _made(_: Evaluation) -> str:
    return "Start, training, choice among models and averaging: on the models\u2019 cards."


def _rare(evaluation: Evaluation) -> str:
    flow = evaluation.flow
    share = numbers.percent(flow.patches_positive / flow.patches_analysed) if flow.patches_analysed else "not defined"
    return f"{share} of the patches are IDC; nothing is re-weighted here but predictive values at stated prevalences."


def _thresholds(evaluation: Evaluation) -> str:
    said = [
        f"{model_name(one)} {numbers.threshold(one.threshold)} ({one.threshold_words.rstrip('.')})"
        for one in evaluation.models
    ]
    return f"p(IDC) of each patch. Thresholds: {listed(said)}. Other thresholds on these pages are post hoc."


def _calculated(evaluation: Evaluation) -> str:
    engines = sorted({one.engine for one in evaluation.models})
    return f"By \u201cbatchscan scan\u201d, engine {listed(engines)}; the command is under \u201cProvenance\u201d."


def _updated(evaluation: Evaluation) -> str:
    tuned = evaluation.settings.tuned_threshold
    if tuned is None:
        return "None."
    where = evaluation.settings.tuned_on or "other slides"
    return f"The threshold only, to {numbers.threshold(tuned)}, on {where}, after the fact."


def _measures(_: Evaluation) -> str:
    return "Defined under \u201cMethods\u201d: calls, ranks, probabilities, decision curve, agreement of extents."


def _uncertain(evaluation: Evaluation) -> str:
    settings = evaluation.settings
    return (
        f"95 % intervals, over patients by {settings.replicates:,} resamplings, seed {settings.seed}: see "
        "\u201cMethods\u201d."
    )


def _robust(evaluation: Evaluation) -> str:
    changed = [one.name for one in evaluation.robustness]
    said = f"Changed pixels: {listed(changed)}." if changed else "Not measured: pixels were not changed."
    groups = sorted({one.column for one in evaluation.subgroups})
    return f"{said} Subgroups: {listed(groups)}; exploratory." if groups else f"{said} No subgroups."


def _clusters(_: Evaluation) -> str:
    return "Patients are the clusters: design effects, means over slides and a row a slide. Sites: see the subgroups."


def _explained(_: Evaluation) -> str:
    return "Heat maps of p(IDC) in the slides\u2019 reports; their use to readers was not tested."


def _tested(_: Evaluation) -> str:
    return f"{_REST}: whether this cohort is internal or external, and how it differs from the training data."


def _flow(_: Evaluation) -> str:
    return "Flow diagram and table of exclusions."


def _people(evaluation: Evaluation) -> str:
    columns = sorted({name for row in evaluation.extent.per_slide for name in row.attributes})
    said = f"Columns of the manifest: {listed(columns)}. " if columns else ""
    return f"{said}{_REST}: age, stage, grade and other diagnoses."


def _tabulated(_: Evaluation) -> str:
    return "Confusion matrices of patches, slides and patients, as far as they are labelled; a row a slide."


def _performance(evaluation: Evaluation) -> str:
    level = evaluation.levels.patch or evaluation.levels.slide
    found = level.metrics.get("auroc") if level else None
    area = (
        f"AUROC, {level.unit} by {level.unit}: {measured.in_words(found, numbers.figure)}. " if level and found else ""
    )
    return f"{area}All measures with intervals and n; by subgroup where there are enough patients."


def _errors(evaluation: Evaluation) -> str:
    discordant = numbers.count(evaluation.failures.n_discordant, "discordant patch", "discordant patches")
    return f"{discordant}: galleries, worst slides, doubtful labels."


def _fair(evaluation: Evaluation) -> str:
    groups = sorted({one.column for one in evaluation.subgroups})
    said = f"Figures by {listed(groups)}. " if groups else "No subgroups were measured. "
    return f"{said}{_REST}: groups of people, and what follows from the differences."


def _limits(_: Evaluation) -> str:
    return f"\u201cBefore you rely on this\u201d on page 1. {_REST}: those of the study itself."


def _poor(_: Evaluation) -> str:
    return "Unreadable patches get no prediction; slides without usable spacing are refused; reports show quality."


def _available(evaluation: Evaluation) -> str:
    return (
        f"Figures in evaluation.json ({evaluation.digest[:19]}), patches in patches.csv and patches.parquet. {_REST}: "
        "access to slides, labels, weights and code."
    )


def _audited(_: Evaluation) -> str:
    return (
        "Yes: every patch\u2019s probability, label and place, and every slide\u2019s result and report, with digests."
    )


ANSWERS: Mapping[str, Callable[[Evaluation], str]] = {
    "Objectives and hypotheses": _objectives,
    "Goal of the study": _goal,
    "Sources of the data": _sources,
    "Who and what was eligible": _eligible,
    "How, where and when patients were found": _where,
    "Devices, acquisition and spacing": _devices,
    "Preparation of the data and its quality": _prepared,
    "Selection of parts of the data": _subsets,
    "De-identification": _deidentified,
    "Missing data": _missing,
    "Results that are neither yes nor no": _undecided,
    "Reference standard": _reference,
    "Who labelled, with what training": _labelled_by,
    "How far readers agree": _agree,
    "Blinding": _blind,
    "Predictors": _predictors,
    "How patients were assigned to partitions": _partitions,
    "At which level partitions are disjoint": _disjoint,
    "Intended size of the study": _size,
    "Numbers in each analysis": _numbers,
    "The model": _model,
    "Software": _software,
    "How the model was made": _made,
    "Rare classes": _rare,
    "Output and thresholds": _thresholds,
    "How predictions were calculated": _calculated,
    "Updating of the model": _updated,
    "Measures and plots": _measures,
    "Uncertainty": _uncertain,
    "Robustness and variability": _robust,
    "Differences between clusters": _clusters,
    "Explanations": _explained,
    "Internal and external testing": _tested,
    "Flow of patients and slides": _flow,
    "Characteristics of the patients": _people,
    "Cross tabulation": _tabulated,
    "Performance with intervals, subgroups": _performance,
    "Analysis of errors": _errors,
    "Bias and fairness": _fair,
    "Limitations": _limits,
    "Poor or missing input": _poor,
    "Availability of data, model and code": _available,
    "Whether outputs are kept and can be audited": _audited,
}
"""By topic; a topic that isn't here is people's to write."""
