"""A patch set -> labelled pixels, the parts they are split into by patient, and the weights they count with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import PatchSetError
from batchscan.domain.records import BoolArray, Float64Array, Uint8Array
from batchscan.stores.patchsets import PatchSet
from batchscan.training.architecture import PATCH_PX

WHITE = 255
NAMED_AT_MOST = 20


@dataclass(frozen=True)
class LabelledPatches:
    """Patches with what is known of each.

    Parameters
    ----------
    pixels
        (n, p, p, 3) uint8; a patch cut by the slide's edge is padded with white.
    label
        (n,) int64: 1 is IDC.
    patient
        (n,) str, the unit of independence.
    """

    pixels: Uint8Array
    label: NDArray[np.int64]
    patient: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    def of(self, patients: Iterable[str]) -> LabelledPatches:
        """Those of some patients, in the order they stand in."""
        return self.where(np.isin(self.patient, list(patients)))

    def where(self, chosen: BoolArray) -> LabelledPatches:
        """Those that are chosen."""
        return LabelledPatches(self.pixels[chosen], self.label[chosen], self.patient[chosen])

    def patients(self) -> tuple[str, ...]:
        """Every patient once, sorted."""
        return tuple(str(name) for name in np.unique(self.patient))

    def has_both_classes(self) -> bool:
        """Whether there are patches with and without IDC."""
        return bool(np.any(self.label == 1) and np.any(self.label == 0))


def load_patches(patch_set: PatchSet) -> LabelledPatches:
    """All patches of a set, decoded; those that the slide's edge cut are padded with white to the full side.

    Raises
    ------
    PatchSetError
        If a PNG can't be decoded.
    """
    refs = patch_set.refs
    pixels = np.full((len(refs), PATCH_PX, PATCH_PX, 3), WHITE, dtype=np.uint8)
    for row, ref in zip(pixels, refs, strict=True):
        row[: ref.height_px, : ref.width_px] = patch_set.load_pixels(ref)
    return LabelledPatches(
        pixels,
        np.array([ref.label for ref in refs], dtype=np.int64),
        np.array([ref.patient_id for ref in refs], dtype=np.str_),
    )


def balanced_weights(patches: LabelledPatches, exponent: float, contrast: float = 0.0) -> Float64Array:
    """(n,) weights, mean 1: both classes weigh the same in total, and within a class the patients count.

    Where most patients have one class only, patients and classes are confounded: a patient with many patches of one
    class must not be what that class looks like.

    Parameters
    ----------
    exponent
        A patient's n patches of a class weigh n ** exponent together: 0 makes patients equal, 1 makes patches equal.
    contrast
        How far a patient with both classes weighs the same in both, 0-1: its patches differ by disease alone.
    """
    shares = _shares(patches, exponent)
    weights = np.zeros(len(patches))
    for (label, patient), share in _contrasted(shares, contrast).items():
        group = (patches.label == label) & (patches.patient == patient)
        weights[group] = share / np.count_nonzero(group)
    for label in np.unique(patches.label):
        weights[patches.label == label] /= weights[patches.label == label].sum()
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def _shares(patches: LabelledPatches, exponent: float) -> dict[tuple[int, str], float]:
    """What share of its class each patient weighs."""
    groups = Counter(zip(patches.label.tolist(), patches.patient.tolist(), strict=True))
    raw = {group: float(count**exponent) for group, count in groups.items()}
    total = {label: sum(value for group, value in raw.items() if group[0] == label) for label, _ in raw}
    return {group: value / total[group[0]] for group, value in raw.items()}


def _contrasted(shares: Mapping[tuple[int, str], float], contrast: float) -> dict[tuple[int, str], float]:
    """Draw the two shares of a patient towards their mean."""
    return {
        (label, patient): share + contrast * (shares.get((1 - label, patient), share) - share) / 2
        for (label, patient), share in shares.items()
    }


@dataclass(frozen=True)
class Split:
    """Which patient serves for what; no patient is in two."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def split_patients(
    patches: LabelledPatches, holdout: Sequence[str], validation: Sequence[str], share: float, seed: int
) -> Split:
    """Patients for fitting, for choosing and for nothing but measuring.

    Parameters
    ----------
    holdout
        Those that are only measured, also if `validation` names them.
    validation
        Those to choose on. When none is left, patients are drawn until they have about `share` of the patches and both
        classes.

    Raises
    ------
    PatchSetError
        If a named patient isn't there, or if a part would lack a class.
    """
    known = patches.patients()
    _check_named(known, holdout, "--holdout", "give patients of the set")
    _check_named(
        known,
        [name for name in validation if name not in holdout],
        "validation_patients of the recipe (--recipe)",
        "give patients of the set, or leave the key out to have some drawn",
    )
    rest = [name for name in known if name not in set(holdout)]
    _check_enough(patches, rest)
    chosen = tuple(sorted(set(validation) - set(holdout))) or _drawn(patches, rest, share, seed)
    split = Split(tuple(name for name in rest if name not in chosen), chosen, tuple(sorted(set(holdout))))
    for part, names in (("training", split.training), ("validation", split.validation)):
        if not patches.of(names).has_both_classes():
            raise PatchSetError(
                f"the {part} patients ({_listed(names)}) have patches of one class only: both are needed; name other "
                "validation_patients in a recipe (--recipe), or fewer patients in --holdout"
            )
    return split


def _check_named(known: Sequence[str], named: Sequence[str], where: str, remedy: str) -> None:
    missing = [name for name in named if name not in known]
    if missing:
        raise PatchSetError(
            f"{where} names {_listed(missing)}, which the patch set doesn't have; it has {_listed(known)}: {remedy}"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return (", ".join(names[:NAMED_AT_MOST]) or "none") + more


def _check_enough(patches: LabelledPatches, patients: Sequence[str]) -> None:
    part = patches.of(patients)
    if not part.has_both_classes():
        only = "none" if not len(part) else f"class {part.label[0]} only"
        raise PatchSetError(
            f"the patients left for training ({_listed(patients)}) have patches of {only}: "
            "both classes, 0 and 1, are needed"
        )
    if len(patients) < 2:  # noqa: PLR2004 - one to fit, one to choose on
        raise PatchSetError(
            f"the patch set has a single patient to train with ({patients[0]}): at least two are needed, one of them "
            "to choose epoch and threshold on"
        )
    for label in (0, 1):
        owners = part.where(part.label == label).patients()
        if len(owners) == 1:
            raise PatchSetError(
                f"of the patients that aren't held out only {owners[0]} has patches of class {label}: at least two are "
                "needed, one to fit to and one to choose on; add patients, or name fewer in --holdout"
            )


def _drawn(patches: LabelledPatches, patients: Sequence[str], share: float, seed: int) -> tuple[str, ...]:
    """Patients in random order while they have at most `share` of the patches, then what brings both classes."""
    order = [str(name) for name in np.random.default_rng(seed).permutation(np.array(patients))]
    chosen: list[str] = []

    def usable(names: Sequence[str]) -> bool:
        return patches.of([name for name in patients if name not in names]).has_both_classes()

    total = len(patches.of(patients))
    for name in order:
        if usable([*chosen, name]) and len(patches.of([*chosen, name])) <= share * total:
            chosen.append(name)
    for name in order:
        if patches.of(chosen).has_both_classes():
            break
        adds = np.setdiff1d(patches.of([name]).label, patches.of(chosen).label)
        if name not in chosen and adds.size and usable([*chosen, name]):
            chosen.append(name)
    return tuple(sorted(chosen))
