"""A value becomes the words that stand on a page: sensible digits, its unit, and never more certainty than it has.

Zero, 0 % and 100 % are printed only when the value is exactly that; None is printed as "not defined". Words and
separators are those of the language that the page is printed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from batchscan.report.language import say, spoken

TIMES = "\u00d7"
_MINUS = "\u2212"
_SECONDS_A_MINUTE = _MINUTES_AN_HOUR = 60
# Two sums over the same cells may differ by this much and still be the same number.
_SUMMED = 1e-9
# Steps of float32 near one, and the decimals that tell any two such values apart.
_FLOAT32, _MOST_DECIMALS = 1e-7, 9


def not_defined() -> str:
    """What stands in place of a number that there isn't."""
    return say("not-defined")


def area(value_mm2: float | None) -> str:
    """Square millimetres, three digits: `236 mm²`, `25.9 mm²`, `0.16 mm²`, `<0.01 mm²`."""
    return _with_unit(value_mm2, "mm²", digits=3, most_decimals=2)


def length(value_mm: float | None) -> str:
    """Millimetres to a tenth: a focus is made of cells of some tenths of a millimetre."""
    if value_mm is not None and value_mm > 0 and round(value_mm, 1) == 0:
        return f"<{_digits('0.1')} mm"
    if value_mm is None:
        return not_defined()
    return f"{_digits(f'{value_mm:,.1f}')} mm" if value_mm else "0 mm"


def dimensions(greatest_mm: float | None, perpendicular_mm: float | None) -> str:
    """Greatest by perpendicular, one unit: `8.2 x 3.1 mm`, with a true multiplication sign."""
    if greatest_mm is None or perpendicular_mm is None:
        return not_defined()
    return f"{length(greatest_mm).removesuffix(' mm')} {TIMES} {length(perpendicular_mm)}"


def percent(fraction: float | None) -> str:
    """A fraction as percent; 0 % and 100 % only when exact, else `<1 %` and `>99 %`."""
    if fraction is None:
        return not_defined()
    if fraction == 0:
        return "0 %"
    if math.isclose(fraction, 1, abs_tol=_SUMMED):
        return "100 %"
    if fraction < 0.01:  # noqa: PLR2004 - one percent, as the text says
        return "<1 %"
    if fraction > 0.99:  # noqa: PLR2004 - ninety-nine percent, as the text says
        return ">99 %"
    return f"{_significant(fraction * 100, digits=2, most_decimals=1)} %"


def probability(value: float | None) -> str:
    """Three decimals; 0.000 and 1.000 only when exact."""
    if value is None or math.isnan(value):
        return not_defined()
    if value > 0 and round(value, 3) == 0:
        return _digits("<0.001")
    if value < 1 and round(value, 3) == 1:
        return _digits(">0.999")
    return _digits(f"{value:.3f}")


def probability_beside(value: float, limit: float, *, positive: bool) -> str:
    """A probability with as many decimals, three at least, as it needs to stand on its own side of the threshold.

    Parameters
    ----------
    value
        p_idc of a patch.
    limit
        The threshold.
    positive
        The verdict, which was made on float32 values.
    """
    for decimals in range(3, _MOST_DECIMALS):
        rounded = round(value, decimals)
        if (rounded >= limit) == positive and (rounded != limit or math.isclose(value, limit, abs_tol=_FLOAT32)):
            return probability(value) if decimals == 3 else _digits(f"{value:.{decimals}f}")  # noqa: PLR2004 - as said
    return _digits(f"{value:.{_MOST_DECIMALS}f}")


def score(value: float) -> str:
    """Two decimals; 0.00 and 1.00 only when exact."""
    if value > 0 and round(value, 2) == 0:
        return _digits("<0.01")
    if value < 1 and round(value, 2) == 1:
        return _digits(">0.99")
    return _digits(f"{value:.2f}")


def fine_score(value: float) -> str:
    """As `score`, but next to 0 and 1 with as many decimals as tell it from them: `0.0004`, `0.99995`."""
    from_end = min(value, 1 - value)
    if from_end <= 0 or round(from_end, 2) > 0:
        return score(value)
    decimals = -math.floor(math.log10(from_end))
    return _digits(f"{value:.{decimals}f}") if decimals <= _MOST_DECIMALS else score(value)


def figure(value: float | None) -> str:
    """Three decimals of a number that may be negative; 0.000 and 1.000 only when exact."""
    if value is None:
        return not_defined()
    if value >= 0:
        return probability(value)
    return f"\u2212{probability(-value)}" if round(value, 3) else _digits(">\u22120.001")


def difference(value: float | None, unit: str = "", *, decimals: int = 3) -> str:
    """A difference with its sign, and decimals as said: `+3.1 mm²`; 0 only when exact, else `<+0.1`, `>\u22120.1`."""
    if value is None:
        return not_defined()
    sign = "" if not value else "+" if value > 0 else "\u2212"
    words = f"{sign}{abs(value):,.{decimals}f}"
    if value and not round(value, decimals):
        words = f"{'<' if value > 0 else '>'}{sign}{10**-decimals:.{decimals}f}"
    return f"{_digits(words)} {unit}".rstrip()


def of_hundred(fraction: float) -> str:
    """How many of a hundred, in whole numbers: `89`; 0 and 100 only when exact."""
    if fraction in (0, 1):
        return f"{fraction * 100:.0f}"
    if round(fraction * 100) in (0, 100):
        return "fewer than 1" if fraction < 0.5 else "more than 99"  # noqa: PLR2004 - the nearer end
    return f"{fraction * 100:.0f}"


def threshold(value: float) -> str:
    """A setting as it was set, at most six digits: `0.5`."""
    return setting(value)


def setting(value: float, digits: int = 6) -> str:
    """A number as it was set or fitted, with a true minus sign and no digits that it doesn't need."""
    return f"{'' if value >= 0 else _MINUS}{_digits(f'{abs(value):.{digits}g}')}"


def spacing(um_per_px: float) -> str:
    """Micrometres a pixel, at most five digits: `0.499 µm/px`."""
    return f"{_digits(f'{um_per_px:.5g}')} µm/px"


def micrometres(value_um: float) -> str:
    """Micrometres, at most four digits: `400 µm`."""
    return f"{_digits(f'{value_um:.4g}')} µm"


def count(value: int | None, noun: str = "", plural: str = "") -> str:
    """A whole number with thousands apart and its noun: `1 focus`, `1,642 patches`."""
    if value is None:
        return not_defined()
    words = noun if value == 1 else plural or f"{noun}s" if noun else ""
    return f"{_digits(f'{value:,}')} {words}".rstrip()


def counted(value: int | None, things: str) -> str:
    """So many of what the message `things` names, in the page's language: `1 focus`, `1,642 foci`."""
    return not_defined() if value is None else say(things, n=value, count=count(value))


def duration(seconds: float | None) -> str:
    """Seconds; minutes and seconds from two minutes on, hours and minutes from two hours on."""
    if seconds is None:
        return not_defined()
    if seconds < 2 * _SECONDS_A_MINUTE:
        return _with_unit(seconds, "s", digits=3, most_decimals=2)
    minutes, rest = divmod(round(seconds), _SECONDS_A_MINUTE)
    if minutes >= 2 * _MINUTES_AN_HOUR:
        hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes:,} min {rest:02d} s"


def rate(value: float | None, unit: str = "") -> str:
    """So many a second, an hour, ...: three digits and the unit, as `2,550 patches/s`."""
    return _with_unit(value, unit, digits=3, most_decimals=2).rstrip()


def fact(name: str, value: Any) -> tuple[str, str]:
    """A named fact as label and value; the suffix of its name (`_share`, `_mm2`, ...) says how it is written."""
    stem, label_end = name, ""
    write: Callable[[Any], str] = _plain
    for suffix, (writer, words) in _SUFFIXES.items():
        if name.endswith(suffix):
            stem, write, label_end = name.removesuffix(suffix), writer, words
            break
    label = stem.replace("_", " ").strip() + label_end
    return label[:1].upper() + label[1:], not_defined() if value is None else write(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return _digits(f"{value:.3g}")
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _rgb(value: Any) -> str:
    red, green, blue = map(str, value)
    return say("red-green-blue", red=red, green=green, blue=blue)


def _with_unit(value: float | None, unit: str, *, digits: int, most_decimals: int) -> str:
    if value is None:
        return not_defined()
    if value > 0 and round(value, most_decimals) == 0:
        return f"<{_digits(f'{10**-most_decimals:.{most_decimals}f}')} {unit}"
    return f"{_significant(value, digits=digits, most_decimals=most_decimals)} {unit}"


def _significant(value: float, *, digits: int, most_decimals: int) -> str:
    """At least the whole part; decimals while there are fewer than `digits` digits, `most_decimals` at most."""
    if value == 0:
        return "0"
    for decimals in range(most_decimals, 0, -1):
        whole_digits = len(str(int(round(value, decimals))))
        if whole_digits + decimals <= digits:
            return _digits(f"{value:,.{decimals}f}")
    return _digits(f"{value:,.0f}")


def _digits(number: str) -> str:
    return spoken().digits(number)


_SUFFIXES: dict[str, tuple[Callable[[Any], str], str]] = {
    "_share": (percent, ", share of slide"),
    "_fraction": (percent, ""),
    "_mm2": (area, ""),
    "_mm": (length, ""),
    "_um_per_px": (spacing, ", spacing"),
    "_um": (micrometres, ""),
    "_rgb": (_rgb, " colour"),
    "_seconds": (duration, ""),
}
