"""A patch set -> labelled patches, the parts they are split into by patient, and the weights they count with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import PatchSetError
from batchscan.domain.records import Float64Array, Uint8Array
from batchscan.stores.patchsets import PatchRef, PatchSet
from batchscan.training.architecture import PATCH_PX
from batchscan.training.pixels import Pixels, Undecoded, part_of, stored_pixels

WHITE = 255
NAMED_AT_MOST = 20
PAIRS_AT_MOST = 5
PATCHES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class PatchesRead:
    """So many patches of a set are decoded."""

    done: int
    total: int


@dataclass(frozen=True)
class LabelledPatches:
    """Patches with what is known of each.

    Parameters
    ----------
    pixels
        n patches (p, p, 3) of uint8, read when they are asked for by number; one that the slide's edge cut is padded
        with white.
    label
        (n,) int64: 1 is IDC.
    patient
        (n,) str, the unit of independence.
    x_px, y_px
        (n,) float64, upper left corner in the pixels in which a patch's side is `side_px`.
    side_px
        That side.
    """

    pixels: Pixels
    label: NDArray[np.int64]
    patient: NDArray[np.str_]
    x_px: Float64Array
    y_px: Float64Array
    side_px: float = PATCH_PX

    def __len__(self) -> int:
        return len(self.label)

    def of(self, patients: Iterable[str]) -> LabelledPatches:
        """Those of some patients, in the order they stand in."""
        return self.where(np.isin(self.patient, list(patients)))

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> LabelledPatches:
        """Those that bools or numbers choose; their pixels stay where they are."""
        return LabelledPatches(
            part_of(self.pixels, chosen),
            self.label[chosen],
            self.patient[chosen],
            self.x_px[chosen],
            self.y_px[chosen],
            self.side_px,
        )

    def patients(self) -> tuple[str, ...]:
        """Every patient once, sorted."""
        return tuple(str(name) for name in np.unique(self.patient))

    def counts(self) -> dict[str, tuple[int, int]]:
        """Patient -> patches without and with IDC; patients are sorted."""
        names, number = np.unique(self.patient, return_inverse=True)
        table = np.bincount(2 * number + self.label, minlength=2 * len(names)).reshape(-1, 2)
        return {str(name): (int(row[0]), int(row[1])) for name, row in zip(names, table, strict=True)}

    def has_both_classes(self) -> bool:
        """Whether there are patches with and without IDC."""
        return bool(np.any(self.label == 1) and np.any(self.label == 0))

    def digest(self) -> str:
        """Of everything: labels, patients, places and all pixels, which are read for it."""
        found = hashlib.blake2b(digest_size=16)
        for column in (self.label, self.x_px, self.y_px):
            found.update(np.ascontiguousarray(column).tobytes())
        found.update("\n".join(map(str, self.patient)).encode())
        for start in range(0, len(self), PATCHES_AT_ONCE):
            found.update(self.pixels[start : start + PATCHES_AT_ONCE].tobytes())
        return found.hexdigest()


def load_patches(
    patch_set: PatchSet, state: Path | None = None, report: Callable[[PatchesRead], None] = lambda _: None
) -> LabelledPatches:
    """All patches of a set, decoded into a file; those that the slide's edge cut are padded with white.

    Parameters
    ----------
    patch_set
        Is needed no longer afterwards.
    state
        Folder that keeps the decoded pixels for the next time; None keeps them for this process only.
    report
        Hears how far it is.

    Raises
    ------
    PatchSetError
        If PNGs can't be decoded (all are named, up to a limit), or the same pixels lie in both classes.
    OutputError
        If there is no room for the decoded pixels.
    """
    refs = patch_set.refs
    pixels = stored_pixels(state, _digest(refs), len(refs), PATCH_PX, lambda: _decoded(patch_set, refs, report))
    return replace(undecoded_patches(patch_set), pixels=pixels)


def undecoded_patches(patch_set: PatchSet) -> LabelledPatches:
    """All patches of a set, as `load_patches` gives them, but no pixels: to check names, labels and places on."""
    refs = patch_set.refs
    return LabelledPatches(
        Undecoded(len(refs)),
        np.array([ref.label for ref in refs], dtype=np.int64),
        np.array([ref.patient_id for ref in refs], dtype=np.str_),
        np.array([ref.x_px for ref in refs], dtype=np.float64),
        np.array([ref.y_px for ref in refs], dtype=np.float64),
    )


def _digest(refs: Sequence[PatchRef]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for ref in refs:
        found.update(f"{ref.name} {ref.crc32}\n".encode())
    return found.hexdigest()


def _decoded(
    patch_set: PatchSet, refs: Sequence[PatchRef], report: Callable[[PatchesRead], None]
) -> Iterator[Uint8Array]:
    """The patches of a set, a block at a time; faults are raised when all have been looked at."""
    seen = np.zeros(len(refs), dtype=np.uint64)
    unreadable: list[str] = []
    for start in range(0, len(refs), PATCHES_AT_ONCE):
        part = refs[start : start + PATCHES_AT_ONCE]
        block = np.full((len(part), PATCH_PX, PATCH_PX, 3), WHITE, dtype=np.uint8)
        for number, (patch, ref) in enumerate(zip(block, part, strict=True), start=start):
            try:
                patch[: ref.height_px, : ref.width_px] = patch_set.load_pixels(ref)
            except PatchSetError as error:
                unreadable.append(str(error))
            seen[number] = _mark(patch)
        yield block
        report(PatchesRead(start + len(part), len(refs)))
    if unreadable:
        raise PatchSetError(_all_unreadable(unreadable))
    _check_contradictions(patch_set.path, refs, seen)


def marks(pixels: Pixels) -> NDArray[np.uint64]:
    """(n,) uint64: the same for patches with the same pixels; 0 for bare glass. All of them are read."""
    blocks = (pixels[start : start + PATCHES_AT_ONCE] for start in range(0, len(pixels), PATCHES_AT_ONCE))
    return np.fromiter((_mark(patch) for block in blocks for patch in block), np.uint64, len(pixels))


def _mark(patch: Uint8Array) -> int:
    """The same for the same pixels; 0 for bare glass, which is no patch of either class."""
    if patch.min() == WHITE:
        return 0
    return int.from_bytes(hashlib.blake2b(patch.tobytes(), digest_size=8).digest()) or 1


def _all_unreadable(sentences: Sequence[str]) -> str:
    if len(sentences) == 1:
        return sentences[0]
    more = f"; and {len(sentences) - NAMED_AT_MOST} more" if len(sentences) > NAMED_AT_MOST else ""
    return f"{len(sentences)} PNG files can't be read: {'; '.join(sentences[:NAMED_AT_MOST])}{more}"


def _check_contradictions(path: Path, refs: Sequence[PatchRef], seen: NDArray[np.uint64]) -> None:
    label = np.array([ref.label for ref in refs])
    first = {one: np.unique(seen[label == one], return_index=True) for one in (0, 1)}
    both = np.setdiff1d(np.intersect1d(first[0][0], first[1][0], assume_unique=True), [0])
    if not len(both):
        return
    pairs = []
    for mark in both[:PAIRS_AT_MOST]:
        without, with_idc = (refs[np.flatnonzero((seen == mark) & (label == one))[0]].name for one in (0, 1))
        pairs.append(f"{without} = {with_idc}")
    more = f" and {len(both) - PAIRS_AT_MOST} more" if len(both) > PAIRS_AT_MOST else ""
    raise PatchSetError(
        f"{path}: the same pixels are in class 0 and in class 1 ({', '.join(pairs)}{more}): a patch has one class; "
        "remove the wrong copies"
    )


def balanced_weights(
    patches: LabelledPatches, exponent: float, contrast: float = 0.0, *, balance: bool = True
) -> Float64Array:
    """(n,) weights, mean 1: both classes weigh the same in total, and within a class the patients count.

    Where most patients have one class only, patients and classes are confounded: a patient with many patches of one
    class must not be what that class looks like.

    Parameters
    ----------
    exponent
        A patient's n patches of a class weigh n ** exponent together: 0 makes patients equal, 1 makes patches equal.
    contrast
        How far a patient with both classes weighs the same in both, 0-1: its patches differ by disease alone.
    balance
        Whether any of this is done; otherwise every patch weighs 1.
    """
    if not balance:
        return np.ones(len(patches), dtype=np.float64)
    names, number = np.unique(patches.patient, return_inverse=True)
    group = 2 * number + patches.label
    count = np.bincount(group, minlength=2 * len(names)).reshape(-1, 2)
    shares = np.where(count > 0, np.maximum(count, 1.0) ** exponent, 0.0)
    shares /= np.maximum(shares.sum(axis=0), 1e-300)
    # A patient's two shares, where it has both, are drawn towards their mean.
    both = (count > 0).all(axis=1)
    shares[both] += contrast * (shares[both][:, ::-1] - shares[both]) / 2
    shares /= np.maximum(shares.sum(axis=0), 1e-300)
    weights = (shares / np.maximum(count, 1)).reshape(-1)[group]
    return np.asarray(weights / weights.mean(), dtype=np.float64)


@dataclass(frozen=True)
class Split:
    """Which patient serves for what.

    Raises
    ------
    PatchSetError
        If a patient is in two parts.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        check_apart("training", self.training, "validation", self.validation)
        check_apart("training", self.training, "held out", self.test)
        check_apart("validation", self.validation, "held out", self.test)


def check_apart(one: str, its_patients: Iterable[str], other: str, other_patients: Iterable[str]) -> None:
    """Refuse patients that serve for two things.

    Raises
    ------
    PatchSetError
        Which names them.
    """
    twice = sorted(set(its_patients) & set(other_patients))
    if twice:
        raise PatchSetError(
            f"{_listed(twice)}: both {one} and {other}; a patient serves for one of them only: measured on what was "
            "fitted to, a figure says nothing"
        )


def split_patients(
    patches: LabelledPatches,
    holdout: Sequence[str],
    validation: Sequence[str],
    share: float,
    seed: int,
    *,
    choosing: bool = True,
) -> Split:
    """Patients for fitting, for choosing and for nothing but measuring.

    Parameters
    ----------
    holdout
        Those that are only measured, also if `validation` names them.
    validation
        Those to choose on, or at least to watch.
    choosing
        Whether something is chosen on them: when none is left, patients are then drawn until they have about `share`
        of the patches and both classes. Otherwise none are.

    Raises
    ------
    PatchSetError
        If a named patient isn't there, if fewer than two patients are left, or if a part would lack a class.
    """
    counts = patches.counts()
    check_named(counts, holdout, validation)
    rest = {name: both for name, both in counts.items() if name not in set(holdout)}
    _check_enough(rest)
    chosen = tuple(sorted(set(validation) - set(holdout)))
    if choosing and not chosen:
        _check_two_each(rest)
        chosen = _drawn(rest, share, seed)
    split = Split(tuple(name for name in rest if name not in chosen), chosen, tuple(sorted(set(holdout))))
    for part, names in (("training", split.training), ("validation", split.validation)):
        if (part == "training" or choosing) and not all(_sum(rest, names)):
            raise PatchSetError(
                f"the {part} patients ({_listed(names)}) have patches of one class only: both are needed; name other "
                "validation_patients in a recipe (--recipe), or fewer patients in --holdout"
            )
    return split


_Counts = Mapping[str, tuple[int, int]]


def _sum(counts: _Counts, names: Iterable[str]) -> tuple[int, int]:
    """Patches of some patients without and with IDC."""
    rows = [counts[name] for name in names]
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def check_named(
    known: Iterable[str], holdout: Sequence[str], validation: Sequence[str], folds: Sequence[str] = ()
) -> None:
    """Refuse names of patients that aren't there.

    Raises
    ------
    PatchSetError
        Which says what is there.
    """
    known = list(known)
    _check_named(known, holdout, "--holdout", "give patients of the set")
    _check_named(
        known,
        [name for name in validation if name not in holdout],
        "validation_patients of the recipe (--recipe)",
        "give patients of the set, or leave the key out",
    )
    _check_named(known, folds, "folds of the recipe (--recipe)", "name patients of the set")


def _check_named(known: Iterable[str], named: Sequence[str], where: str, remedy: str) -> None:
    missing = [name for name in named if name not in set(known)]
    if missing:
        raise PatchSetError(
            f"{where} names {_listed(missing)}, which the patch set doesn't have; it has {_listed(list(known))}: "
            f"{remedy}"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return (", ".join(names[:NAMED_AT_MOST]) or "none") + more


def _check_enough(counts: _Counts) -> None:
    total = _sum(counts, counts)
    if not all(total):
        only = f"class {int(total[1] > 0)} only" if any(total) else "none"
        raise PatchSetError(
            f"the patients left for training ({_listed(list(counts))}) have patches of {only}: "
            "both classes, 0 and 1, are needed"
        )
    if len(counts) < 2:  # noqa: PLR2004 - with one there is nothing to tell its stain from the disease by
        raise PatchSetError(
            f"the patch set has a single patient to train with ({', '.join(counts)}): at least two are needed, or a "
            "network learns that slide instead of the disease"
        )


def _check_two_each(counts: _Counts) -> None:
    for label in (0, 1):
        owners = [name for name, both in counts.items() if both[label]]
        if len(owners) == 1:
            raise PatchSetError(
                f"of the patients that aren't held out only {owners[0]} has patches of class {label}: at least two are "
                "needed, one to fit to and one to choose on; add patients, or name fewer in --holdout"
            )


def _drawn(counts: _Counts, share: float, seed: int) -> tuple[str, ...]:
    """Patients in random order while they have at most `share` of the patches, then what brings both classes."""
    order = [str(name) for name in np.random.default_rng(seed).permutation(np.array(list(counts)))]
    chosen: list[str] = []
    left, taken = np.array(_sum(counts, counts)), np.zeros(2, dtype=np.int64)
    most = share * left.sum()
    for wanted in ("share", "class"):
        for name in (one for one in order if one not in chosen):
            own = np.array(counts[name])
            fits = taken.sum() + own.sum() <= most if wanted == "share" else bool(np.any(own[taken == 0]))
            if fits and np.all(left - own > 0):
                chosen.append(name)
                left, taken = left - own, taken + own
    return tuple(sorted(chosen))
