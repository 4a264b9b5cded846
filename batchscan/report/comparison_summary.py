"""A comparison becomes what its first page says: the answer in plain words, what must be known first, the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.compared import ComparedLevel, Comparison, Difference, Noninferiority
from batchscan.domain.levels import FEWEST_PATIENTS
from batchscan.report import evaluation_cautions, numbers
from batchscan.report.comparison_words import (
    better,
    figure_label,
    interval,
    label,
    p_value,
    side_name,
    with_interval,
)
from batchscan.report.evaluation_words import has, listed
from batchscan.report.words import Fact

_MANY = (
    "Many differences are looked at: where two models are equal, about one in twenty 95 % intervals still leaves out "
    "0. None is corrected for that; decide beforehand which one counts."
)
_ALWAYS = (
    "The intervals cover chance among patients like these, not other laboratories, stains, scanners, or other "
    "trainings of the networks."
)
_ON_PAGE_ONE = ("auroc", "sensitivity", "specificity", "f1")
_TENTH = 0.1


def headline(comparison: Comparison) -> str:
    """What B does with a hundred units of either class that A doesn't, of the finest kind of unit that there is."""
    levels = comparison.levels
    level = levels.patch or levels.slide or levels.patient
    if level is None:
        return "Nothing could be compared: the two have no labelled unit in common."
    noun = "patches" if level.unit == "patch" else f"{level.unit}s"
    return " ".join(
        (
            _of_hundred(level.differences["sensitivity"], f"{noun} labelled IDC", "calls {n} IDC"),
            _of_hundred(level.differences["specificity"], f"{noun} labelled not IDC", "leaves {n} alone"),
        )
    )


def summary(comparison: Comparison) -> tuple[str, ...]:
    """Who was compared on what, what came out, and what the margins say."""
    return tuple(_summary(comparison))


def cautions(comparison: Comparison) -> tuple[str, ...]:
    """What must be known before a difference is believed, the gravest first; a sentence or two each."""
    return (
        *_seen(comparison),
        *_patients(comparison),
        *_rules(comparison),
        *_left_out(comparison),
        *_margins(comparison),
        _MANY,
        _ALWAYS,
    )


def mark(comparison: Comparison) -> str:
    """What stands on every page when an evaluation let patients through that its model was made with; else empty."""
    marks = (
        (side, evaluation_cautions.mark(found.leakage))
        for side, found in (("A", comparison.first), ("B", comparison.second))
    )
    return " ".join(f"{side}: {words}" for side, words in marks if words)


def figures(comparison: Comparison) -> tuple[Fact, ...]:
    """The numbers of page one."""
    level = comparison.levels.patch or comparison.levels.slide or comparison.levels.patient
    facts = [] if level is None else [_of_level(level, name) for name in _ON_PAGE_ONE]
    return (*facts, *(_fact(f"{label(name)}, B \u2212 A", found) for name, found in _extents(comparison)))


def _of_level(level: ComparedLevel, name: str) -> Fact:
    return _fact(f"{label(name).partition(' (')[0]}, {level.unit}, B \u2212 A", level.differences[name])


def _extents(comparison: Comparison) -> Iterator[tuple[str, Difference]]:
    found = ((name, comparison.extent.get(name)) for name in ("area_error_mm2", "dice"))
    yield from ((name, one) for name, one in found if one is not None and one.value is not None)


def verdict(found: Noninferiority) -> str:
    """Shown, not shown, or worse."""
    return "shown" if found.shown else "worse" if found.worse else "not shown"


def _of_hundred(found: Difference, whose: str, said: str) -> str:
    if found.value is None:
        return f"How many {whose} B calls otherwise can\u2019t be said: {found.why.rstrip('.')}."
    words = said.format(n=_more(found.value))
    than = "as A" if not found.value else "than A"
    if found.low is None or found.high is None:
        return f"Of 100 {whose} B {words} {than} (no interval)."
    ends = [f"{_sign(end)}{_tenths(end)}" for end in (found.low, found.high)]
    doubt = ", not to be trusted" if not found.trusted else ", which chance may explain" if _may_be_none(found) else ""
    return f"Of 100 {whose} B {words} {than} (95 % interval: {ends[0]} to {ends[1]}{doubt})."


def _more(value: float) -> str:
    if not value:
        return "as many"
    return f"{_tenths(value)} {'more' if value > 0 else 'fewer'}"


def _sign(value: float) -> str:
    return "\u2212" if value < 0 else "+" if value else ""


def _tenths(value: float) -> str:
    """How many of a hundred, without a sign, to a tenth; 0.0 only when exact."""
    hundredth = abs(value) * 100
    return "<0.1" if 0 < hundredth < _TENTH else f"{hundredth:.1f}"


def _may_be_none(found: Difference) -> bool:
    return found.low is not None and found.high is not None and found.low <= 0 <= found.high


def _summary(comparison: Comparison) -> Iterator[str]:
    levels, patch = comparison.levels, comparison.levels.patch
    cohort = f"{numbers.count(comparison.n_slides, 'slide')} of {numbers.count(comparison.n_patients, 'patient')}"
    on = cohort if patch is None else (
        f"{numbers.count(patch.n, 'labelled patch', 'labelled patches')}, {patch.first.tp + patch.first.fn:,} of them "
        f"IDC, of {cohort}"
    )  # fmt: skip
    yield (
        f"A is {side_name(comparison.first)}, B is {side_name(comparison.second)}. Both judged the same {on}. Every "
        "difference is B less A; whole patients are redrawn for both at once, so that what is hard for both goes out "
        "of the interval."
    )
    if patch is not None:
        yield _ranked(patch)
    if levels.slide is not None:
        yield _called(levels.slide)
    if levels.patient is not None and not (levels.slide and levels.slide.independent):
        yield _called(levels.patient)
    area = comparison.extent.get("area_error_mm2")
    if area is not None and area.first is not None and area.second is not None:
        yield (
            f"The area called IDC is off by {numbers.area(area.first)} on average with A and by "
            f"{numbers.area(area.second)} with B, over {numbers.count(area.n, 'slide')}: B less A is "
            f"{with_interval(area)} mm\u00b2."
        )
    yield from map(_judged, comparison.noninferiority)


def _ranked(patch: ComparedLevel) -> str:
    found = patch.differences["auroc"]
    changed = [patch.idc, patch.not_idc]
    gained, lost = (sum(getattr(one, name) for one in changed) for name in ("only_second", "only_first"))
    calls = (
        f"B calls {numbers.count(gained + lost, 'patch', 'patches')} otherwise than A: {gained:,} rightly, {lost:,} "
        "wrongly."
    )
    if found.value is None:
        return calls
    winner = better(found, "auroc")
    said = f"{winner} ranks patches better" if winner else "That one ranks patches better is not shown"
    return (
        f"{said}: AUROC {numbers.figure(found.first)} with A, {numbers.figure(found.second)} with B, difference "
        f"{with_interval(found)}. {calls}"
    )


def _called(level: ComparedLevel) -> str:
    noun = "Slide by slide" if level.unit == "slide" else "Patient by patient"
    right = [numbers.count(one.tp + one.tn) for one in (level.first, level.second)]
    found = level.differences["accuracy"]
    test = f", McNemar\u2019s exact p {p_value(found.p)}" if found.test == "mcnemar" else ""
    return (
        f"{noun}: A is right on {right[0]}, B on {right[1]} of {level.n:,} (difference of the shares "
        f"{with_interval(found)}{test})."
    )


def _judged(found: Noninferiority) -> str:
    what = f"{figure_label(found.figure)}, margin {found.margin:g}"
    if found.shown:
        how = f": {found.why}" if found.limit is None else f": the interval ends at {numbers.difference(found.limit)}"
        return f"B is shown to be worse than A by no more than the margin ({what}){how}."
    end = f"the interval ends at {numbers.difference(found.limit)}"
    if found.worse:
        return f"B is worse than A by more than the margin ({what}): all of the interval lies beyond it, {end}."
    return f"That B is no worse than A by more than the margin is not shown ({what}): {found.why.rstrip('.') or end}."


def _fact(words: str, found: Difference) -> Fact:
    values = f"A {numbers.figure(found.first)}, B {numbers.figure(found.second)}"
    doubt = ", not to be trusted" if found.low is not None and not found.trusted else ""
    return Fact(words, numbers.difference(found.value), "; ".join(filter(None, (interval(found) + doubt, values))))


def _seen(comparison: Comparison) -> Iterator[str]:
    seen = {
        side: {one.patient_id for one in found.leakage.found}
        for side, found in (("A", comparison.first), ("B", comparison.second))
    }
    for side, known in seen.items():
        if known:
            words = f"{numbers.count(len(known), 'patient')} of its cohort ({listed(sorted(known))})"
            yield (
                f"Not independent: {side} was made with {words}. On them it does better than on new patients"
                + ("." if seen["A"] == seen["B"] else ": where the other was made without, the comparison favours it.")
            )


def _patients(comparison: Comparison) -> Iterator[str]:
    if comparison.n_patients < FEWEST_PATIENTS:
        yield (
            f"Only {numbers.count(comparison.n_patients, 'patient')}: with fewer than {FEWEST_PATIENTS} no interval "
            "can be trusted, however many patches there are."
        )


def _rules(comparison: Comparison) -> Iterator[str]:
    first, second = comparison.first, comparison.second
    if first.digest == second.digest:
        yield "A and B are the same evaluation: there is nothing to compare."
    for side, found in (("A", first), ("B", second)):
        if not all(one.locked for one in found.models):
            yield f"{side} was called at a threshold that is not its package\u2019s own, perhaps chosen afterwards."
    if (first.slide_score, first.slide_called) != (second.slide_score, second.slide_called):
        yield (
            "Slides are ranked or called by different rules in A and B: their differences are of the rules as well as "
            "of the models."
        )


def _left_out(comparison: Comparison) -> Iterator[str]:
    left = comparison.unpaired
    if left.slides_only_first or left.slides_only_second or left.patches_only_first or left.patches_only_second:
        yield (
            "Compared is what both have (--intersection). Left out: "
            f"{numbers.count(len(left.slides_only_first), 'slide')} and "
            f"{numbers.count(left.patches_only_first, 'patch', 'patches')} that only A has, "
            f"{numbers.count(len(left.slides_only_second), 'slide')} and "
            f"{numbers.count(left.patches_only_second, 'patch', 'patches')} that only B has. If these were the hard "
            "ones for one of them, the comparison favours it."
        )
    if left.patches_unreadable:
        n = left.patches_unreadable
        yield f"{numbers.count(n, 'patch', 'patches')} that A or B could not read {has(n)} left out of both."


def _margins(comparison: Comparison) -> Iterator[str]:
    if comparison.noninferiority:
        yield (
            "A margin says something only when it was stated, with its reasons, before the figures were known. That it "
            "was can\u2019t be seen from here."
        )
