"""How often 95 % intervals hold the true value, in simulated cohorts of clustered patients: Markdown tables on stdout.

    python benchmarks/interval_coverage.py [COHORTS]

The true value is the same measure of 200,000 patients without chance in their patches. docs/intervals.md explains.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr
from scipy.stats import binom

from batchscan.domain.records import Float64Array
from batchscan.evaluation.calibration import recalibration
from batchscan.evaluation.interval_limits import Method, Scale, limits
from batchscan.evaluation.intervals import (
    SCALES,
    Bootstrap,
    delong_difference,
    delong_interval,
    exact,
    redrawn,
    wilson,
)
from batchscan.evaluation.weighted import Ranked, call_measures

PATIENTS = (5, 10, 20, 50, 100, 160)
METHODS: Sequence[Method] = ("percentile", "bca", "expanded", "t")
COHORTS = 2000
REPLICATES = 1000
REFERENCE_PATIENTS = 200_000

CALLED = ("sensitivity", "specificity", "precision", "npv", "f1", "balanced_accuracy", "mcc", "kappa")
PATCH = (*CALLED, "auroc", "auprc", "brier", "ece", "sensitivity at 95 % specificity")
EDGES = np.linspace(-4.0, 4.0, 39)
CUT = 20  # the first bin of scores above 0
# What a score says: right for patients who don't differ.
P_IDC = expit(1.5 * np.concatenate([[-4.1], (EDGES[1:] + EDGES[:-1]) / 2, [4.1]]) - 1.0)


@dataclass(frozen=True)
class Design:
    """Patients of one kind: scores are normal, 1 wide, `apart` between the classes, moved by the patient.

    `spread` is the standard deviation of a patient's own shift, one for each class; `failing` of the patients are
    shifted by 2 towards negative beside; sizes are log-normal with `sizes` on the log; IDC shares are logit-normal with
    `shares`, and `without` of the patients have none.
    """

    words: str
    apart: float
    spread: float
    sizes: float = 0.6
    shares: float = 1.0
    without: float = 0.0
    failing: float = 0.0


DESIGNS = (
    Design("alike: patients differ little", 2.5, 0.3),
    Design("different: patients differ much", 3.0, 0.8),
    Design("near perfect: few errors, in few patients", 4.5, 0.6),
    Design("unequal: much different sizes and shares, a fifth without IDC", 3.0, 1.0, 0.8, 1.3, 0.2),
    Design("failing: in a tenth of the patients the model fails", 4.0, 0.3, failing=0.1),
)


@dataclass(frozen=True)
class Patients:
    """Arrays of any one shape: patches, share of IDC, and the means of both classes' scores."""

    n: Float64Array
    share: Float64Array
    mean: tuple[Float64Array, Float64Array]


def patients(design: Design, draw: np.random.Generator, shape: tuple[int, ...]) -> Patients:
    """Draw patients, 300 patches on average."""
    n = np.ceil(draw.lognormal(np.log(300) - design.sizes**2 / 2, design.sizes, shape))
    share = expit(draw.normal(-1.0, design.shares, shape)) * (draw.random(shape) >= design.without)
    failed = -2.0 * (draw.random(shape) < design.failing)
    shift = design.spread * draw.normal(size=(2, *shape)) + failed
    return Patients(n, share, (shift[0] - design.apart / 2, shift[1] + design.apart / 2))


def of_bins(mean: Float64Array) -> Float64Array:
    """(..., K) probability of each bin of the score."""
    below = ndtr(EDGES - mean[..., None])
    return np.diff(below, axis=-1, prepend=0.0, append=1.0)


def cohorts(design: Design, draw: np.random.Generator, n_cohorts: int, n_patients: int) -> Float64Array:
    """(cohorts, patients, 2, K) patches of each class by score."""
    drawn = patients(design, draw, (n_cohorts, n_patients))
    positive = draw.binomial(drawn.n.astype(np.int64), drawn.share)
    counts = (drawn.n.astype(np.int64) - positive, positive)
    return np.stack([draw.multinomial(n, of_bins(mean)) for n, mean in zip(counts, drawn.mean, strict=True)], axis=2)


def patch_measures(counts: Float64Array) -> Float64Array:
    """(n, 2, K) patches by class and score -> (n, 13), `PATCH`."""
    negative, positive = counts[:, 0], counts[:, 1]
    calls = np.stack([half.sum(1) for one in (positive, negative) for half in (one[:, CUT:], one[:, :CUT])], axis=1)
    ranked = Ranked.of(negative, positive)
    n = counts.sum((1, 2))
    brier = (positive @ (1 - P_IDC) ** 2 + negative @ P_IDC**2) / n
    place = np.minimum((P_IDC * 15).astype(int), 14)
    into = (place[:, None] == np.arange(15)).astype(float)
    ece = np.abs((positive - (positive + negative) * P_IDC) @ into).sum(1) / n
    tp, fp, fn, tn = calls.T
    called = call_measures(np.stack([tp, fp, fn, tn], axis=1), CALLED)
    others = [ranked.auroc(), ranked.auprc(), brier, ece, ranked.operating(np.array([0.95]))[:, 0]]
    return np.column_stack([called, *others])


def total_counts(design: Design, draw: np.random.Generator) -> Float64Array:
    """(2, K) patches by class and score of very many patients."""
    drawn = patients(design, draw, (REFERENCE_PATIENTS,))
    totals = np.zeros((2, len(P_IDC)))
    for part in np.array_split(np.arange(REFERENCE_PATIENTS), 20):
        share = drawn.share[part]
        for label, of_label in enumerate((1 - share, share)):
            totals[label] += (drawn.n[part] * of_label) @ of_bins(drawn.mean[label][part])
    return totals


def slide_cohorts(design: Design, draw: np.random.Generator, n_cohorts: int, n_patients: int) -> Float64Array:
    """(cohorts, patients, 2) slides with IDC, and those found; 1 to 4 a patient, their log odds alike by patient."""
    shape = (n_cohorts, n_patients)
    slides = draw.integers(1, 5, shape)
    found = draw.binomial(slides, expit(design.apart + 2 * design.spread * draw.normal(size=shape)))
    return np.stack([slides, found], axis=2).astype(np.float64)


def slide_measures(counts: Float64Array) -> Float64Array:
    """(n, 2) -> (n, 1)."""
    return np.asarray((counts[:, 1] / counts[:, 0])[:, None], dtype=np.float64)


AGREED = ("bias", "lower limit of agreement", "ICC(A,1)", "concordance")


def area_cohorts(relative: float, draw: np.random.Generator, n_cohorts: int, n_patients: int) -> Float64Array:
    """(cohorts, patients, 6) sums over slides of 1, x, y, x2, y2, xy: found and reference areas; 1 to 4 slides.

    Areas are log-normal, the patient explains half; errors are normal, in part in proportion to the area.
    """
    shape = (n_cohorts, n_patients, 4)
    kept = np.arange(4) < draw.integers(1, 5, shape[:2])[..., None]
    truth = np.exp(2 + 0.55 * draw.normal(size=shape) + 0.55 * draw.normal(size=shape[:2])[..., None])
    own = 0.6 * draw.normal(size=shape[:2])[..., None] + 0.8 * draw.normal(size=shape)
    found = truth + (1.0 + relative * truth) * own
    columns = (np.ones(shape), found, truth, found**2, truth**2, found * truth)
    return np.stack([(one * kept).sum(2) for one in columns], axis=2)


def area_measures(sums: Float64Array) -> Float64Array:
    """(n, 6) -> (n, 4), `AGREED`."""
    n, x, y, xx, yy, xy = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = (x - y) / n
        var_x, var_y, cov = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - x * y / n**2
        sd = np.sqrt((var_x + var_y - 2 * cov) * n / (n - 1))
        rows, error = (var_x + var_y + 2 * cov) / 2 * n / (n - 1), sd**2 / 2
        icc = (rows - error) / (rows + error + 2 / n * (n * bias**2 / 2 - error))
        concordance = 2 * cov / (var_x + var_y + bias**2)
    return np.column_stack([bias, bias - 1.96 * sd, icc, concordance])


CALIBRATION = ("calibration_slope", "calibration_intercept")
CALIBRATION_COHORTS = 500  # each redraw is a fit


def calibration_measures(counts: Float64Array) -> Float64Array:
    """(n, 2, K) patches by class and score -> (n, 2), `CALIBRATION`."""
    return np.column_stack(recalibration(logit(P_IDC), counts[:, 0], counts[:, 1]))


def paired_cohorts(draw: np.random.Generator, n_cohorts: int, n_patients: int) -> Float64Array:
    """(cohorts, patients, 3) patches with IDC, and those that each of two models finds; the second finds more."""
    drawn = patients(DESIGNS[1], draw, (n_cohorts, n_patients))
    positive = draw.binomial(drawn.n.astype(np.int64), drawn.share)
    found = [
        draw.binomial(positive, ndtr(drawn.mean[1] + better + 0.3 * draw.normal(size=positive.shape)))
        for better in (0.0, 0.2)
    ]
    return np.stack([positive, *found], axis=2).astype(np.float64)


def paired_measures(counts: Float64Array) -> Float64Array:
    """(n, 3) -> (n, 1): how much greater the second sensitivity is."""
    return np.asarray(((counts[:, 2] - counts[:, 1]) / counts[:, 0])[:, None], dtype=np.float64)


class Coverage:
    """Counts how often intervals hold the true value: shares by method, measure and patients, and lengths."""

    def __init__(self, names: Sequence[str], scales: Sequence[Scale]) -> None:
        self.names, self.scales = names, scales
        self.share: dict[tuple[Method, str, int], float] = {}
        self.length: dict[tuple[Method, str, int], float] = {}

    def add(self, tallies: Float64Array, measures: Callable[[Float64Array], Float64Array], true: Float64Array) -> None:
        """Cohorts of one size: (cohorts, patients, ...) tallies that add up."""
        n_cohorts, n_patients = tallies.shape[:2]
        flat = np.ascontiguousarray(np.swapaxes(tallies, 0, 1).reshape(n_patients, -1), dtype=np.float64)

        def statistic(weights: Float64Array) -> Float64Array:
            summed = (weights @ flat).reshape(len(weights) * n_cohorts, *tallies.shape[2:])
            return np.moveaxis(measures(summed).reshape(len(weights), n_cohorts, -1), 1, 2).reshape(len(weights), -1)

        drawn = redrawn(statistic, Bootstrap(n_patients, REPLICATES), chunk=20)
        for m, (name, scale) in enumerate(zip(self.names, self.scales, strict=True)):
            mine = slice(m * n_cohorts, (m + 1) * n_cohorts)
            value, replicates, jackknife = (part[..., mine] for part in drawn)
            fit = np.isfinite(value) & (np.nanstd(replicates, axis=0) > 0)
            for method in METHODS:
                low, high = limits(method, value[fit], replicates[:, fit], jackknife[:, fit], [scale] * fit.sum())
                kept = np.isfinite(low) & np.isfinite(high)
                key = (method, name, n_patients)
                self.share[key] = float(((low <= true[m]) & (true[m] <= high))[kept].mean())
                self.length[key] = float(np.median((high - low)[kept]))

    def print_table(self, method: Method = "t") -> None:
        """Coverage of one method, a row a measure."""
        print(f"\n| % covered, `{method}` | " + " | ".join(f"{n} patients" for n in PATIENTS) + " |")
        print("|---|" + "---:|" * len(PATIENTS))
        for name in self.names:
            print(f"| {name} | " + " | ".join(f"{100 * self.share[method, name, n]:.1f}" for n in PATIENTS) + " |")


def print_methods(coverages: Sequence[Coverage]) -> None:
    """The least and greatest coverage of each method over measures and designs, and lengths beside percentiles'."""
    print("\n| least - greatest % covered | " + " | ".join(f"{n} patients" for n in PATIENTS) + " |")
    print("|---|" + "---:|" * len(PATIENTS))
    lengths = {}
    for method in METHODS:
        row = []
        for n in PATIENTS:
            keys = [(one, (method, name, n)) for one in coverages for name in one.names if name != "ece"]
            shares = [100 * one.share[key] for one, key in keys]
            row.append(f"{min(shares):.1f} - {max(shares):.1f}")
            ratios = [one.length[key] / one.length["percentile", *key[1:]] for one, key in keys]
            lengths[method, n] = float(np.median(ratios))
        print(f"| `{method}` | " + " | ".join(row) + " |")
    print("\n| median length beside `percentile` | " + " | ".join(f"{n} patients" for n in PATIENTS) + " |")
    print("|---|" + "---:|" * len(PATIENTS))
    for method in METHODS:
        print(f"| `{method}` | " + " | ".join(f"{lengths[method, n]:.2f}" for n in PATIENTS) + " |")


def print_proportions() -> None:
    """Exact coverage of Wilson's and Clopper and Pearson's interval: mean and least over true shares of .5 to .99."""
    shares = np.linspace(0.5, 0.99, 50)
    print("\n| independent units: mean (least) % covered | " + " | ".join(map(str, PATIENTS)) + " |")
    print("|---|" + "---:|" * len(PATIENTS))
    for make in (wilson, exact):
        row = []
        for n in PATIENTS:
            made = [make(k, n) for k in range(n + 1)]
            low, high = (np.array([getattr(one, end) for one in made]) for end in ("low", "high"))
            chance = binom.pmf(np.arange(n + 1)[:, None], n, shares)
            covered = 100 * (chance * ((low[:, None] <= shares) & (shares <= high[:, None]))).sum(0)
            row.append(f"{covered.mean():.1f} ({covered.min():.1f})")
        print(f"| {make.__name__} | " + " | ".join(row) + " |")


def print_delong(n_cohorts: int) -> None:
    """Coverage of DeLong's intervals; half of the units are positive, their scores normal."""
    print("\n| independent units, DeLong: % covered (% without interval) | " + " | ".join(map(str, PATIENTS)) + " |")
    print("|---|" + "---:|" * len(PATIENTS))
    draw = np.random.default_rng(77)
    for area, apart in ((0.8, 1.190), (0.95, 2.326)):
        rows: Mapping[str, list[str]] = {f"area {area}": [], f"difference of two scores of area {area}": []}
        for n in PATIENTS:
            labels = np.arange(n) % 2 == 0
            covered: tuple[list[bool], list[bool]] = ([], [])
            for _ in range(n_cohorts):
                common = draw.normal(size=n)
                first, second = (common * 0.7**0.5 + draw.normal(size=n) * 0.3**0.5 + labels * apart for _ in range(2))
                one, two = delong_interval(labels, first), delong_difference(labels, first, second)
                if one.low is not None and one.high is not None:
                    covered[0].append(bool(one.low <= ndtr(apart / 2**0.5) <= one.high))
                if two is not None and two.low is not None and two.high is not None:
                    covered[1].append(two.low <= 0 <= two.high)
            for row, held in zip(rows.values(), covered, strict=True):
                row.append(f"{100 * np.mean(held):.1f} ({100 - 100 * len(held) / n_cohorts:.1f})")
        for name, row in rows.items():
            print(f"| {name} | " + " | ".join(row) + " |")


def patch_coverage(n_cohorts: int) -> list[Coverage]:
    """A table for each design."""
    done = []
    for seed, design in enumerate(DESIGNS):
        draw = np.random.default_rng([20, seed])
        tallies = cohorts(design, draw, n_cohorts, PATIENTS[-1])
        true = patch_measures(total_counts(design, draw)[None])[0]
        coverage = Coverage(PATCH, [SCALES.get(name, "share") for name in PATCH])
        for n in PATIENTS:
            coverage.add(tallies[:, :n], patch_measures, true)
        print(f"\nPatches, {design.words}: " + ", ".join(f"{a} {b:.3f}" for a, b in zip(PATCH, true, strict=True)))
        coverage.print_table()
        done.append(coverage)
    return done


def other_coverage(n_cohorts: int) -> list[Coverage]:
    """Calibration, differences, slides, areas: a table each."""
    calibration, pairs = (
        Coverage(CALIBRATION, ("plain", "plain")),
        Coverage(("difference of sensitivities",), ("plain",)),
    )
    slides = Coverage(("sensitivity of slides",), ("share",))
    areas = Coverage(AGREED, ("plain", "plain", "correlation", "correlation"))
    draw = np.random.default_rng(21)
    of_slides = slide_cohorts(DESIGNS[1], draw, 1, 2_000_000)[0].sum(0)
    of_areas = area_cohorts(0.15, draw, 1, 2_000_000)[0].sum(0)
    of_pairs = paired_cohorts(draw, 1, 2_000_000)[0].sum(0)
    patches = cohorts(DESIGNS[1], draw, min(n_cohorts, CALIBRATION_COHORTS), PATIENTS[-1])
    of_patches = total_counts(DESIGNS[1], draw)
    for n in PATIENTS:
        calibration.add(patches[:, :n], calibration_measures, calibration_measures(of_patches[None])[0])
        pairs.add(paired_cohorts(draw, n_cohorts, n), paired_measures, paired_measures(of_pairs[None])[0])
        slides.add(slide_cohorts(DESIGNS[1], draw, n_cohorts, n), slide_measures, slide_measures(of_slides[None])[0])
        areas.add(area_cohorts(0.15, draw, n_cohorts, n), area_measures, area_measures(of_areas[None])[0])
    n_fitted = min(n_cohorts, CALIBRATION_COHORTS)
    print(f"\nCalibration of patches ({n_fitted} cohorts), two models, slides and areas (1 to 4 a patient):")
    for coverage in (calibration, pairs, slides, areas):
        coverage.print_table()
    return [calibration, pairs, slides, areas]


def main(n_cohorts: int) -> None:
    """Print all tables."""
    print(f"{n_cohorts} cohorts a cell, {REPLICATES} redraws")
    done = patch_coverage(n_cohorts)
    print("\nAll measures of patches but ece, the first four kinds of patients:")
    print_methods(done[:4])
    print("\nThe same, a tenth failing:")
    print_methods(done[4:])
    others = other_coverage(n_cohorts)
    print("\nCalibration, differences, slides and areas:")
    print_methods(others)
    print_proportions()
    print_delong(n_cohorts)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COHORTS)
