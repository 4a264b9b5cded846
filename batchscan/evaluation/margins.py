"""Margins in words, and a comparison's differences -> whether the second is shown to be worse by no more than that."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from batchscan.domain.compared import LOWER_IS_BETTER, MEASURED_AT, NO_DIRECTION, Difference, Noninferiority
from batchscan.domain.errors import UsageError
from batchscan.domain.levels import FEWEST_PATIENTS

_EXAMPLE = "such as auroc=0.02, slide.sensitivity=0.05 or extent.area_error_mm2=2"
_NEAR = 0.5


class Margin(NamedTuple):
    """The greatest loss in a figure that is taken for none; `figure` as in `Noninferiority`."""

    figure: str
    value: float


def margin_figures() -> tuple[str, ...]:
    """Every figure that a margin can be given for; those of patches are also known without `patch`."""
    return tuple(
        f"{level}.{name}" for level, names in MEASURED_AT.items() for name in names if name not in NO_DIRECTION
    )


def parsed_margins(words: Iterable[str]) -> tuple[Margin, ...]:
    """The margins that words such as `auroc=0.02` state.

    Raises
    ------
    UsageError
        If one isn't FIGURE=NUMBER, its figure is unknown or named twice, or its number isn't above 0.
    """
    margins = tuple(map(_parsed, words))
    figures = [margin.figure for margin in margins]
    for figure in figures:
        if figures.count(figure) > 1:
            raise UsageError(f"--margin {figure} is given twice: state one margin a figure")
    return margins


def judged(
    margins: Iterable[Margin], figures: Mapping[str, Difference], n_patients: int, why: Mapping[str, str]
) -> tuple[Noninferiority, ...]:
    """What the differences say of each margin.

    The second is shown not to be worse where the worse end of the 95 % interval, a one-sided test at 2.5 % (ICH E9;
    Piaggio 2012, doi:10.1001/jama.2012.87802), lies on the better side of the margin. An interval that can't be trusted
    shows nothing.

    Parameters
    ----------
    figures
        Differences by a figure's name.
    n_patients
        Of the cohort.
    why
        Why there are no figures of a unit at all.
    """
    return tuple(_judged(margin, figures.get(margin.figure), n_patients, why) for margin in margins)


def missed_line(verdict: Noninferiority) -> str:
    """What is said of a margin that isn't kept, on one line."""
    words = "worse than the margin allows" if verdict.worse else "not shown"
    said = verdict.why
    if not said and verdict.difference is not None and verdict.limit is not None:
        said = f"B less A is {verdict.difference:+.4g}, the worse end of its interval {verdict.limit:+.4g}"
    return f"non-inferiority {words}: {verdict.figure}, margin {verdict.margin:g}: {said}"


def _parsed(text: str) -> Margin:
    figure, equals, number = text.partition("=")
    figure = figure.strip()
    known = margin_figures()
    name = figure if figure in known else f"patch.{figure}"
    if not equals or name not in known:
        raise UsageError(f"--margin {text!r}: {_what_is_wrong(figure, known, has_value=bool(equals))}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"--margin {text!r}: expected a number above 0 after the sign, {_EXAMPLE}")
    return Margin(name, value)


def _what_is_wrong(figure: str, known: Iterable[str], *, has_value: bool) -> str:
    if not has_value:
        return f"expected FIGURE=NUMBER, {_EXAMPLE}"
    if figure.removeprefix("patch.") in NO_DIRECTION:
        return f"{figure} is best in the middle, so that more isn't worse: a margin says nothing"
    short = [name.removeprefix("patch.") for name in known]
    near = difflib.get_close_matches(figure, [*known, *short], n=3, cutoff=_NEAR)
    proposed = f"did you mean {' or '.join(near)}?" if near else f"expected one {_EXAMPLE}"
    return f"there is no figure {figure!r}; {proposed}"


def _judged(margin: Margin, found: Difference | None, n_patients: int, why: Mapping[str, str]) -> Noninferiority:
    level, _, name = margin.figure.rpartition(".")
    value, limit, shown, worse, said = None, None, False, False, ""
    if found is None or found.value is None:
        said = (found.why if found else why.get(level.removesuffix(".macro"), "")) or "it wasn't measured for both"
    elif found.low is None or found.high is None:
        value, shown = found.value, found.value == 0 and n_patients >= FEWEST_PATIENTS
        said = "the two are alike, whichever patients are drawn" if shown else found.why
    else:
        value, limit = found.value, found.high if name in LOWER_IS_BETTER else found.low
        lost, least = (limit, found.low) if name in LOWER_IS_BETTER else (-limit, -found.high)
        shown, worse = found.trusted and lost < margin.value, found.trusted and least > margin.value
        said = "" if found.trusted else found.why
    return Noninferiority(
        figure=margin.figure, margin=margin.value, difference=value, limit=limit, shown=shown, worse=worse, why=said
    )
