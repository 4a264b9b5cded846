"""A model card becomes its sections on what was measured: cross-validation, curves, held-out patients, failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchscan.domain.card import (
    Calibration,
    CrossValidation,
    Example,
    FoldFigures,
    HeldOutPerformance,
    History,
    ModelCard,
)
from batchscan.report import measures, numbers
from batchscan.report.blocks import (
    Block,
    Cell,
    Chart,
    Charts,
    Command,
    Gallery,
    Matrices,
    Matrix,
    Picture,
    Section,
    Table,
    Words,
)
from batchscan.report.language import say

POOLED = "Pooled"
_DECISIONS = ("auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity")
_AMOUNTS = ("brier", "ece", "idc_mm2_error", "idc_mm2_relative_error", "idc_mm2_absolute_error")
_PICTURES_A_GROUP = 18


def cross_validation(card: ModelCard) -> Section:
    """What networks of this recipe come to on slides that they never saw."""
    found = card.cross_validation
    if found is None:
        return Section(
            "Cross-validation",
            (
                Words(
                    "Not measured: no networks of this recipe were trained with each slide left out in turn. How far "
                    "the figures below vary from slide to slide and from training to training is not known."
                ),
            ),
        )
    return Section("Cross-validation", tuple(_cross_validated(found)))


def curves(card: ModelCard) -> Section:
    """How ranks, thresholds, probabilities and epochs behave; what isn't there is said in a sentence each."""
    pairs = ((_roc(card.cross_validation), _threshold(card)), _reliability(card.calibration), _history(card.history))
    rows = [tuple(one for one in pair if isinstance(one, Chart)) for pair in pairs]
    absent = [one for pair in pairs for one in pair if isinstance(one, str)]
    return Section("Curves", (*(Charts(row) for row in rows if row), *map(Words, absent)))


def own_patients(card: ModelCard) -> Section:
    """What this very network measured on patients that it was not fitted to."""
    title = "This network on its own held-out patients"
    if not card.performance:
        return Section(title, (Words("Not measured: no patient was held out of the training of this very network."),))
    table = Table(
        "",
        ("Patient", "Used for", "Patches", "IDC", *(measures.LABELS[name] for name in measures.OF_ONE_NETWORK)),
        tuple(_own_row(one) for one in card.performance),
        n_text=2,
        note=" ".join(_own_worth(card.performance)),
    )
    return Section(title, (table,))


def failures(card: ModelCard) -> Section:
    """Left-out patches that were called wrong."""
    title = "Known failure modes"
    if not card.examples:
        return Section(title, (Words("No pictures: the card holds no patches that were called wrong."),))
    side = numbers.micrometres(card.patch_px * card.scale.um_per_px)
    lead = (
        f"Patches of left-out slides that were called wrong, as the network sees them, each {side} wide. They were "
        "picked for being wrong: they show what kinds of error there are, not how often these happen. Labels may be "
        "wrong too."
    )
    numbered = list(enumerate(card.examples))
    groups = (
        _gallery("Called IDC, labelled not IDC (false positives)", [one for one in numbered if one[1].label == 0]),
        _gallery("Called not IDC, labelled IDC (false negatives)", [one for one in numbered if one[1].label == 1]),
    )
    return Section(title, (Words(lead), *(group for group in groups if group.pictures)))


def _cross_validated(found: CrossValidation) -> Iterator[Block]:
    seeds = numbers.count(len(found.seeds), "seed")
    yield Words(found.note)
    yield _figures(
        "How well patches are told apart",
        found,
        _DECISIONS,
        f"Mean over {seeds} ({', '.join(map(str, found.seeds))}), with the least and the greatest. Decimals as far as "
        "the seeds agree. Pooled: the patches of all left-out slides together, each judged as on its own slide.",
        with_patches=True,
    )
    yield _figures(
        "How far probabilities and areas are right",
        found,
        _AMOUNTS,
        "Areas are those of whole patches, called and labelled alike; + is too much, \u2212 too little.",
    )
    yield _matrices(found)
    yield Words(f"Made by the following command, in {numbers.duration(found.seconds)} of training:")
    yield Command(found.command)


def _figures(
    title: str, found: CrossValidation, names: Sequence[str], note: str, *, with_patches: bool = False
) -> Table:
    folds = (*found.slides, found.pooled)
    columns: dict[str, Sequence[Cell]] = {
        "Left-out slide": [Cell(fold.slide) for fold in found.slides] + [Cell(POOLED)]
    }
    if with_patches:
        columns["Patches"] = [Cell(numbers.count(fold.n_patches)) for fold in folds]
        columns["IDC"] = [Cell(numbers.count(fold.n_positive)) for fold in folds]
        columns["Threshold"] = [measures.thresholds(fold) for fold in folds]
    units = dict.fromkeys(("idc_mm2_error", "idc_mm2_absolute_error"), ", mm\u00b2")
    for name in names:
        columns[f"{measures.LABELS[name]}{units.get(name, '')}"] = measures.column(name, folds)
    return Table(title, tuple(columns), tuple(zip(*columns.values(), strict=True)), note=note, emphasis=1)


def _matrices(found: CrossValidation) -> Matrices:
    folds = [(fold.slide, fold) for fold in found.slides] + [(POOLED, found.pooled)]
    note = f"Numbers of patches, seed {found.seeds[0]}"
    note += ", with the least and the greatest over the seeds." if len(found.seeds) > 1 else "."
    return Matrices("Confusion matrices", tuple(_matrix(title, fold) for title, fold in folds), note)


def _matrix(title: str, fold: FoldFigures) -> Matrix:
    called = fold.confusions
    cells = {name: measures.counts([getattr(one, name) for one in called]) for name in ("tp", "fp", "fn", "tn")}
    return Matrix(title, **cells)


def _roc(found: CrossValidation | None) -> Chart | str:
    folds = [fold for fold in (*found.slides, found.pooled) if fold.roc] if found else []
    if found is None or not folds:
        return "ROC of left-out slides: not measured."
    areas = ", ".join(f"{_name(fold, found)} {_mean(fold, 'auroc')}" for fold in folds)
    return Chart(
        "roc",
        "ROC of each left-out slide",
        f"Seed {found.seeds[0]}. A mark is what came out at the slide\u2019s threshold, which was chosen without it. "
        "Dotted: chance.",
        f"ROC curves, sensitivity against false-positive rate. Area: {areas}.",
    )


def _threshold(card: ModelCard) -> Chart | str:
    threshold = card.threshold
    if not threshold.curve:
        return "Sensitivity, specificity and F1 by threshold: not recorded on this card."
    nearest = min(threshold.curve, key=lambda point: abs(point.threshold - threshold.value))
    at, near = numbers.threshold(threshold.value), numbers.threshold(nearest.threshold)
    return Chart(
        "threshold",
        "What a threshold comes to",
        f"Mean over left-out slides and seeds. Vertical line: the chosen threshold, {at}. It was chosen on these very "
        "predictions, which makes the curves optimistic there.",
        f"Sensitivity, specificity and F1 by threshold. At {near}, the point of the curves nearest to the threshold "
        f"{at}: sensitivity {numbers.score(nearest.sensitivity)}, "
        f"specificity {numbers.score(nearest.specificity)}, F1 {numbers.score(nearest.f1)}.",
    )


def _reliability(calibration: Calibration) -> tuple[Chart | str, ...]:
    bins = calibration.after or calibration.before
    if not bins:
        return ("Reliability of probabilities: not measured.",)
    both = calibration.before and calibration.after and calibration.method != "none"
    said = "before and after calibration" if both else "not calibrated"
    fitted = " Calibration was fitted to these very predictions: \u201cafter\u201d is optimistic." if both else ""
    patches = numbers.count(sum(one.n for one in bins), "prediction")
    return (
        Chart(
            "reliability",
            "How far a probability is to be believed",
            f"Share of IDC among patches of about the same p, {said}; slides weigh the same. On the dotted "
            f"diagonal p is what it says.{fitted}",
            f"Reliability diagram, {said}, of {patches}.",
        ),
        Chart(
            "distribution",
            "How many patches have which probability",
            f"{patches} of left-out slides, each patch once a seed, {said}. Where a bin has few, the figure beside it "
            "says little.",
            f"Number of patches by p, {said}; {patches} together.",
        ),
    )


def _history(history: History | None) -> tuple[Chart | str, ...]:
    if history is None or not history.epochs:
        return ("Loss and accuracy by epoch: not recorded on this card.",)
    last, who = history.epochs[-1], _watched(history)
    common = f"{who} Vertical line: epoch {history.kept_epoch}, which was kept ({history.how_kept})."
    pairs = (
        (
            "accuracy",
            "Accuracy by epoch",
            "Share of patches called right at 0.5",
            last.training_accuracy,
            last.watched_accuracy,
        ),
        ("loss", "Loss by epoch", "Cross-entropy, nats", last.training_loss, last.watched_loss),
    )
    return tuple(
        f"{title}: not recorded on this card."
        if training is None and watched is None
        else Chart(
            name,
            title,
            f"{what}, weighted by patient and class; training patches as they were varied. {common}",
            f"{title}, {len(history.epochs)} epochs. Last: "
            + ", ".join(
                f"{whose} {numbers.score(value)}"
                for whose, value in (("training", training), ("watched", watched))
                if value is not None
            )
            + ".",
        )
        for name, title, what, training, watched in pairs
    )


def _watched(history: History) -> str:
    if not history.watched_patients:
        return "Nobody was watched: there are no patients beside those in training."
    who = f"{history.watched} {_patients(history.watched_patients)}"
    if history.watched == "validation":
        return f"Watched: {who}; what was chosen on them makes their curve optimistic."
    return f"Watched: {who}; no epoch was chosen on them."


def _patients(names: Sequence[str], at_most: int = 8) -> str:
    if len(names) <= at_most:
        return ", ".join(names)
    return f"{', '.join(names[:at_most])} and {len(names) - at_most} more"


def _own_row(one: HeldOutPerformance) -> tuple[Cell, ...]:
    values = (getattr(one, name) for name in measures.OF_ONE_NETWORK)
    return (
        Cell(one.patient_id),
        Cell("validation (optimistic)" if one.used_for == "validation" else "test"),
        Cell(numbers.count(one.n_patches)),
        Cell(numbers.count(one.n_positive)),
        *(Cell(numbers.probability(value)) for value in values),
    )


def _own_worth(performance: Sequence[HeldOutPerformance]) -> Iterator[str]:
    roles = {one.used_for for one in performance}
    yield "At the model\u2019s threshold, patch by patch. One training, one seed: no range."
    if "test" in roles:
        yield f"\u201cTest\u201d: {say('untouched')}."
    if "validation" in roles:
        yield (
            "\u201cValidation\u201d: epoch or threshold was chosen on this patient, which makes its figures optimistic."
        )
    if any(getattr(one, name) is None for one in performance for name in measures.OF_ONE_NETWORK):
        yield "\u201cNot defined\u201d: the patient lacks patches of one of the two classes."


def _gallery(title: str, examples: Sequence[tuple[int, Example]]) -> Gallery:
    worst_first = sorted(examples, key=lambda one: -one[1].p_idc if one[1].label == 0 else one[1].p_idc)
    shown, hidden = worst_first[:_PICTURES_A_GROUP], worst_first[_PICTURES_A_GROUP:]
    note = f"{len(hidden):,} more in the package\u2019s examples.npz." if hidden else ""
    return Gallery(title, tuple(_picture(number, example) for number, example in shown), note)


def _picture(number: int, example: Example) -> Picture:
    p, place = numbers.probability(example.p_idc), f"x {example.x_px:.0f}, y {example.y_px:.0f}"
    labelled = "IDC" if example.label else "not IDC"
    return Picture(
        number,
        f"p {p}",
        (f"patient {example.patient_id}", place),
        f"Patch of patient {example.patient_id} at {place} px, labelled {labelled}, p(IDC) {p}.",
    )


def _name(fold: FoldFigures, found: CrossValidation) -> str:
    return POOLED.lower() if fold is found.pooled else fold.slide


def _mean(fold: FoldFigures, name: str) -> str:
    spread = fold.figures.get(name)
    return numbers.probability(spread.mean if spread else None)
