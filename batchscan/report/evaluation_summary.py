"""An evaluation becomes what its first page says: the answer in plain words, the numbers, who was analysed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.evaluated import Flow as EvaluationFlow
from batchscan.domain.levels import Level, Measured
from batchscan.report import measured, numbers
from batchscan.report.blocks import Flow, Step
from batchscan.report.evaluation_words import UNITS, listed, model_name, reason_words, units
from batchscan.report.words import Fact

_ON_PAGE_ONE = ("auroc", "sensitivity", "specificity", "f1")


def headline(evaluation: Evaluation) -> str:
    """How many of a hundred the model calls right, of the finest kind of unit that there is."""
    level = evaluation.levels.patch or evaluation.levels.slide or evaluation.levels.patient
    if level is None:
        return "Nothing could be measured: no analysed slide has a label."
    noun = "patches" if level.unit == "patch" else f"{level.unit}s"
    found, left = level.metrics.get("sensitivity"), level.metrics.get("specificity")
    sentences = [
        _of_hundred(found, f"{noun} labelled IDC", "it calls {n} IDC", f"How many {noun} with IDC it finds"),
        _of_hundred(left, f"{noun} labelled not IDC", "it leaves {n} alone", f"How many {noun} without IDC it calls"),
    ]
    return " ".join(sentences)


def summary(evaluation: Evaluation) -> tuple[str, ...]:
    """What that was measured on, and what else is worth a sentence."""
    return tuple(_summary(evaluation))


def figures(evaluation: Evaluation) -> tuple[Fact, ...]:
    """The numbers of page one."""
    return tuple(_figures(evaluation))


def _asked(found: EvaluationFlow) -> Iterator[str]:
    yield _of_patients(found.slides_asked, found.patients_asked)
    if found.slides_tuned_on:
        yield f"and {numbers.count(found.slides_tuned_on, 'slide')} on which the threshold was tuned, in no figure"


def flow(evaluation: Evaluation) -> Flow:
    """Asked for, excluded with reasons, analysed, and how they were called."""
    found = evaluation.flow
    excluded = Counter(one.reason for one in evaluation.exclusions)
    left = [f"{numbers.count(n, 'slide')}: {reason_words(reason)}" for reason, n in excluded.most_common()]
    analysed = _of_patients(found.slides_analysed, found.patients_analysed)
    steps = [
        Step("Asked for by the manifest", tuple(_asked(found)), tuple(left)),
        Step("Analysed", (analysed,), tuple(_undecided(evaluation))),
    ]
    patch = evaluation.levels.patch
    if patch is None:
        level = evaluation.levels.slide or evaluation.levels.patient
        return Flow(tuple(steps), _ends(level) if level else ())
    dropped = found.patches_not_scanned
    steps += [
        Step(
            "Labelled patches",
            (numbers.count(found.patches_labelled, "patch", "patches"),),
            (f"{numbers.count(found.patches_unreadable, 'patch', 'patches')} without a prediction: not readable",)
            if found.patches_unreadable
            else (),
        ),
        Step(
            "Patches in the figures",
            (
                numbers.count(found.patches_analysed, "patch", "patches"),
                f"{dropped:,} of them left out by the tissue mask, counted as called not IDC",
            ),
        ),
    ]
    return Flow(tuple(steps), _ends(patch))


def _of_hundred(found: Measured | None, whose: str, said: str, otherwise: str) -> str:
    if found is None or found.value is None:
        why = found.why.rstrip(".") if found is not None and found.why else "there are none"
        return f"{otherwise} can\u2019t be said: {why}."
    about = "" if found.value in (0, 1) else "about "
    words = said.format(n=f"{about}{numbers.of_hundred(found.value)}".replace("about fewer", "fewer"))
    words = words.replace("about more", "more")
    if found.low is None or found.high is None:
        return f"Of 100 {whose} {words} (no interval)."
    doubt = "" if found.trusted else ", not to be trusted"
    low, high = numbers.of_hundred(found.low), numbers.of_hundred(found.high)
    return f"Of 100 {whose} {words} (95 % interval: {low} to {high}{doubt})."


def _summary(evaluation: Evaluation) -> Iterator[str]:
    yield _measured_on(evaluation)
    patch = evaluation.levels.patch
    if patch is not None and patch.metrics.get("precision") is not None:
        yield from _believed(patch)
    for level in (evaluation.levels.slide, evaluation.levels.patient):
        if level is not None and level.n:
            yield _called(level)
    yield from _extent(evaluation)


def _measured_on(evaluation: Evaluation) -> str:
    found = evaluation.flow
    models = listed([model_name(one) for one in evaluation.models]) or "no model"
    cohort = _of_patients(found.slides_analysed, found.patients_analysed)
    threshold = "at its package\u2019s own threshold" if len(evaluation.models) == 1 else "at their own thresholds"
    if not all(one.locked for one in evaluation.models):
        threshold = "at a threshold that is not the package\u2019s own"
    if evaluation.levels.patch is None:
        return f"Measured on {cohort}, scanned by {models} {threshold}."
    patches = numbers.count(found.patches_analysed, "labelled patch", "labelled patches")
    return (
        f"Measured on {patches}, {found.patches_positive:,} of them IDC, of {cohort}, scanned by {models} {threshold}. "
        "Intervals say how far the figures might be off had other patients like these been examined."
    )


def _believed(patch: Level) -> Iterator[str]:
    found = patch.metrics["precision"]
    if found.value is None or not patch.prevalence:
        return
    about = "" if found.value in (0, 1) else "about "
    yield (
        (
            f"Of 100 patches that it calls IDC {about}{numbers.of_hundred(found.value)} are labelled IDC. That holds "
            "only "
            f"where as many patches are IDC as here ({numbers.percent(patch.prevalence)}): where IDC is rarer, more "
            "calls "
            "are wrong."
        )
        .replace("about more", "more")
        .replace("about fewer", "fewer")
    )


def _called(level: Level) -> str:
    found = level.confusion
    noun = "Slide by slide" if level.unit == "slide" else "Patient by patient"
    positives, negatives = found.tp + found.fn, found.fp + found.tn
    with_idc = f"of {units(level, positives)} with IDC {found.tp:,} {_was(found.tp)} called so"
    without = f"of {units(level, negatives)} without, {found.fp:,} {_was(found.fp)} called IDC too"
    return (
        f"{noun}: {with_idc if positives else f'there was no {level.unit} with IDC'}; "
        f"{without if negatives else 'there was none without'}."
    )


def _extent(evaluation: Evaluation) -> Iterator[str]:
    extent = evaluation.extent
    bias, low, high = extent.bias_mm2, extent.loa_low_mm2, extent.loa_high_mm2
    if bias.value is None:
        return
    unit = UNITS["mm2"]
    more = "larger" if bias.value > 0 else "smaller"
    between = measured.interval(bias, lambda value: numbers.difference(value, decimals=1))
    doubt = "" if bias.trusted else f", {measured.NO_TRUST}"
    words = (
        f"The area that it calls IDC is on average {numbers.area(abs(bias.value))} {more} than the labelled one"
        f"{f' (95 % interval {between} {unit}{doubt})' if between else ''}, over {numbers.count(extent.n, 'slide')}."
    )
    if low.value is not None and high.value is not None:
        words += (
            f" On a single slide expect anything from {numbers.difference(low.value, unit, decimals=1)} to "
            f"{numbers.difference(high.value, unit, decimals=1)} (limits of agreement"
            f"{'' if low.trusted and high.trusted else f', {measured.NO_TRUST}'})."
        )
    yield words


def _figures(evaluation: Evaluation) -> Iterator[Fact]:
    levels = evaluation.levels
    for level in (levels.patch, levels.slide):
        if level is None:
            continue
        for name in _ON_PAGE_ONE:
            if name in level.metrics:
                found = level.metrics[name]
                label = f"{measured.named(name).partition(' (')[0]}, {level.unit}"
                yield Fact(label, measured.written(found), _note(found, level))
    extent = evaluation.extent
    if extent.n:
        yield Fact("Area, ICC(A,1)", measured.written(extent.icc), _rests_on(extent.icc, "slide"))
        yield Fact("Area, Dice", measured.written(extent.dice), _rests_on(extent.dice, "slide"))


def _note(found: Measured, level: Level) -> str:
    return _rests_on(found, level.unit, "patches" if level.unit == "patch" else "")


def _rests_on(found: Measured, noun: str, plural: str = "") -> str:
    words = measured.interval(found) or ("" if found.value is None else "no interval")
    doubt = "" if found.trusted or found.low is None else f", {measured.NO_TRUST}"
    return ", ".join(filter(None, (words + doubt, numbers.count(found.n, noun, plural))))


def _undecided(evaluation: Evaluation) -> Iterator[str]:
    found = evaluation.flow
    if found.cells_ambiguous:
        yield f"{numbers.count(found.cells_ambiguous, 'cell')} left undecided by outlines or readers: in no figure"
    if found.cells_unlabelled:
        yield f"{numbers.count(found.cells_unlabelled, 'scanned cell')} without any label: in no figure of patches"
    if found.slides_not_asked:
        yield f"{numbers.count(found.slides_not_asked, 'more slide')} of the runs not asked for"


def _ends(level: Level) -> tuple[Step, ...]:
    found = level.confusion
    return (
        Step(
            f"Labelled IDC: {units(level, found.tp + found.fn)}",
            (f"{found.tp:,} called IDC", f"{found.fn:,} not called IDC"),
        ),
        Step(
            f"Labelled not IDC: {units(level, found.fp + found.tn)}",
            (f"{found.fp:,} called IDC", f"{found.tn:,} not called IDC"),
        ),
    )


def _of_patients(slides: int, patients: int) -> str:
    return f"{numbers.count(slides, 'slide')} of {numbers.count(patients, 'patient')}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
