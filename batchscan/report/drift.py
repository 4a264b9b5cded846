"""Profiles of slides, and of a model's training -> how far a run, and each of its slides, lies from the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchscan.domain.profile import PROFILE_EDGES, Profile, population_stability, summed

STABLE, CHANGED = 0.1, 0.25
"""Customary bands of the population stability index: below the first nothing has changed, above the second much has."""

_CHANCE = STABLE / 2
"""An index says something where chance alone would give less than this."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is counted of every slide: in training, in the run, and how far these lie apart.

    Parameters
    ----------
    name
        In `PROFILE_EDGES`.
    training, run
        Counts in its bins; `run` is all zeros where nothing was counted.
    psi
        Population stability index; None where the run has nothing.
    enough
        Whether the run has so many values that the index says more than chance does.
    """

    name: str
    training: tuple[int, ...]
    run: tuple[int, ...]
    psi: float | None
    enough: bool


def comparable(profile: Profile | None) -> Profile:
    """The part of a profile that has something in it, in the bins of this program."""
    return {
        name: tuple(counts)
        for name, counts in (profile or {}).items()
        if name in PROFILE_EDGES and len(counts) == len(PROFILE_EDGES[name]) - 1 and any(counts)
    }


def run_drift(training: Profile, run: Profile) -> tuple[Drift, ...]:
    """How far the run lies from the training, in the order of `PROFILE_EDGES`; what either lacks is left out."""
    return tuple(
        Drift(
            name, training[name], found, population_stability(training[name], found), _is_enough(training[name], found)
        )
        for name in PROFILE_EDGES
        if name in training
        for found in [tuple(run.get(name, (0,) * len(training[name])))]
    )


def slide_drift(training: Profile, slide: Profile) -> tuple[str, float] | None:
    """What of a slide lies furthest from the training, and its index; None where there are too few values to say.

    Parameters
    ----------
    training
        A comparable one.
    slide
        One slide's.

    Notes
    -----
    Of two samples of n and m values of the same kind in B bins the index is, to second order, (1/n + 1/m) times a
    chi-square of B - 1 degrees of freedom (doi:10.48550/arXiv.2307.11878 on why fixed bands mislead for small n), so
    that chance alone gives (B - 1)(1/n + 1/m) on average.
    """
    counted = comparable(slide)
    found = {
        name: psi
        for name, counts in training.items()
        if name in counted and _is_enough(counts, counted[name])
        if (psi := population_stability(counts, counted[name])) is not None
    }
    if not found:
        return None
    name = max(found, key=lambda name: found[name])
    return name, found[name]


def _is_enough(training: tuple[int, ...], found: tuple[int, ...]) -> bool:
    return bool(sum(found)) and (len(found) - 1) * (1 / sum(found) + 1 / sum(training)) < _CHANCE


class RunProfile:
    """The profile of all slides together, added one by one."""

    def __init__(self) -> None:
        self.n_slides = 0
        self._total: dict[str, tuple[int, ...]] = {}

    def add(self, slide: Profile) -> None:
        """Add a slide's; one without any doesn't count."""
        counted = comparable(slide)
        if counted:
            self.n_slides += 1
            self._total = summed([self._total, counted])

    @property
    def counts(self) -> Mapping[str, tuple[int, ...]]:
        """Name -> counts in its bins."""
        return self._total
