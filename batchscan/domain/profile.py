"""A slide's values -> counts in fixed bins, and how far two such spreads lie apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

PROFILE_EDGES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "haematoxylin_od": tuple(np.linspace(0.0, 0.8, 21).round(3).tolist()),
        "eosin_od": tuple(np.linspace(0.0, 0.3, 21).round(3).tolist()),
        "tissue_fraction": tuple(np.linspace(0.0, 1.0, 11).round(3).tolist()),
        "p_raw": tuple(np.linspace(0.0, 1.0, 21).round(3).tolist()),
    }
)
"""What is counted of every slide, and the bins' edges: a value on an edge belongs above it, one beyond the ends to
the bin at that end."""

Profile = Mapping[str, tuple[int, ...]]
"""Name in `PROFILE_EDGES` -> how many values in each bin. A name may be missing: nothing is known of it."""


@dataclass(frozen=True)
class TrainingProfile:
    """What a model was made with, counted like a slide, to hold slides against.

    Parameters
    ----------
    counts
        Over all patients of `patients` together.
    patients
        Name in `PROFILE_EDGES` -> whose values are counted; not the same for each.
    ranges
        Name of a stain's measure (`domain/quality.py`) -> its 5th and 95th percentile over the training patients.
    how_made
        Which values of whom, in plain words.
    """

    counts: Profile
    patients: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, tuple[float, float]]
    how_made: str


def histogram(name: str, values: NDArray[np.floating]) -> tuple[int, ...]:
    """Counts of the values (any shape, NaN left out) in the bins of `name`."""
    inner = np.asarray(PROFILE_EDGES[name][1:-1])
    is_finite = np.isfinite(values)
    finite = values.ravel() if is_finite.all() else values[is_finite]
    # Where it ends between two values, an edge is the same as the upper one; comparing like with like is quicker.
    rounded = inner.astype(finite.dtype)
    edges = np.where(rounded < inner, np.nextafter(rounded, np.inf, dtype=rounded.dtype), rounded)
    reached = [finite.size, *(int(np.count_nonzero(finite >= edge)) for edge in edges), 0]
    return tuple(more - fewer for more, fewer in itertools.pairwise(reached))


def summed(profiles: Iterable[Profile]) -> dict[str, tuple[int, ...]]:
    """The profile of all of them together."""
    total: dict[str, NDArray[np.int64]] = {}
    for profile in profiles:
        for name, counts in profile.items():
            total[name] = total.get(name, np.zeros(len(counts), np.int64)) + np.asarray(counts)
    return {name: tuple(counts.tolist()) for name, counts in total.items()}


def population_stability(reference: Sequence[int], found: Sequence[int]) -> float | None:
    """Population stability index: sum over bins of (f - r) ln(f / r), f and r being shares of `found` and `reference`.

    By custom below 0.1 nothing has changed, above 0.25 much has; the index is the symmetrised Kullback-Leibler
    divergence (doi:10.1214/aoms/1177729694). Half a count is added to each bin, so that an empty one stays finite.

    Returns
    -------
    None if there is nothing in either.
    """
    r, f = (np.asarray(counts, dtype=np.float64) for counts in (reference, found))
    if not r.sum() or not f.sum():
        return None
    r, f = ((counts + 0.5) / (counts + 0.5).sum() for counts in (r, f))
    return float(((f - r) * np.log(f / r)).sum())
