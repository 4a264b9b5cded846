"""A model's card and what it was made with, beside a cohort's slides -> what of the cohort the model has seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import ManifestError, SeenInTraining
from batchscan.domain.evaluated import Leakage, Seen
from batchscan.domain.pixel_hash import NO_HASH, Uint64Array
from batchscan.stores.seen import SeenSet

FEWEST_ALIKE = 1
"""So many patches of a slide must be a model's, pixel by pixel, to count: one is no chance, since patches with hardly
any picture are not compared (`domain/pixel_hash.py`)."""
_NAMED = 8


@dataclass(frozen=True)
class SlideFacts:
    """By what a slide is known again.

    Parameters
    ----------
    slide_id, patient_id
        Whose it is.
    fingerprint
        Of its store, `sha256:<hex>`.
    pixel_hash
        (n,) uint64 of its scanned patches; None where there are none.
    """

    slide_id: str
    patient_id: str
    fingerprint: str
    pixel_hash: Uint64Array | None


def seen_by(card: ModelCard, seen: SeenSet | None, slide: SlideFacts) -> tuple[Seen, ...]:
    """What of a slide the model that scanned it was made with: its patient, the slide itself, some of its patches.

    Parameters
    ----------
    card
        Of the model; its patients are those that it was fitted to and that something was chosen on, its parents' too.
    seen
        The package's list; None where it has none, and patients alone can be compared.
    """
    model = f"{card.name} {card.version}"
    found: list[Seen] = []

    def add(kind: str, n: int, sentence: str) -> None:
        who = {"slide_id": slide.slide_id, "patient_id": slide.patient_id, "model": model}
        found.append(Seen.model_validate({"kind": kind, **who, "n": n, "sentence": sentence}))

    served = _served(card, slide.patient_id)
    if served:
        add("patient", 1, f"patient {slide.patient_id} is among the {served} patients of {model}")
    if seen is None:
        return tuple(found)
    if slide.fingerprint in seen.slides:
        add("slide", 1, f"slide {slide.slide_id} is, by its fingerprint, one that {model} was made with")
    hashes = slide.pixel_hash
    if hashes is not None and (n := seen.count(hashes)) >= FEWEST_ALIKE:
        n_compared = int((hashes != NO_HASH).sum())
        what = f"{n} of {n_compared} patches of slide {slide.slide_id}"
        add("patches", n, f"{what} are, pixel by pixel, among those that {model} was made with")
    return tuple(found)


def _served(card: ModelCard, patient_id: str) -> str:
    if patient_id in card.training_patients:
        return "training"
    return "validation" if patient_id in card.validation_patients else ""


def leakage(found: Iterable[Seen], models: Sequence[tuple[ModelCard, SeenSet | None]], *, allowed: bool) -> Leakage:
    """What the guard says in the end.

    Parameters
    ----------
    found
        Of all slides, each by the model that scanned it.
    models
        Those that scanned slides of the cohort.
    allowed
        Whether `--allow-seen` was given.
    """
    names = [f"{card.name} {card.version}" for card, _ in models]
    checked = []
    for name, (card, _) in zip(names, models, strict=True):
        n_patients = len({*card.training_patients, *card.validation_patients})
        checked.append(f"patient ids, against the {n_patients} that {name} was made with")
    lists = [(name, seen) for name, (_, seen) in zip(names, models, strict=True) if seen is not None]
    for name, seen in lists:
        checked.append(f"patches pixel by pixel, against {len(seen.patches):,} that {name} was made with")
        if seen.slides:
            checked.append(f"slide fingerprints, against {len(seen.slides):,} that {name} was made with")
    without = [name for name, (_, seen) in zip(names, models, strict=True) if seen is None]
    nameless = [name for name, seen in lists if not seen.slides]
    partial = [name for name, seen in lists if not seen.complete]
    reasons = (
        (without, "slides and patches, as the package has no list of those it was made with"),
        (nameless, "slide fingerprints, as it was made with patches that name no slide store"),
        (partial, "patches of the package that it started from, which has no list of them"),
    )
    not_checked = [f"{what} ({', '.join(who)})" for who, what in reasons if who]
    if models:
        not_checked.append("patches that were turned, shifted, compressed or scanned again: only the same pixels count")
    return Leakage(allowed=allowed, found=tuple(found), checked=tuple(checked), not_checked=tuple(not_checked))


def check_unseen(guard: Leakage) -> None:
    """Refuse a cohort that a model has seen, unless that was allowed.

    Raises
    ------
    SeenInTraining
        With every patient (up to a number) and why.
    """
    if guard.allowed or not guard.found:
        return
    patients = sorted({seen.patient_id for seen in guard.found})
    why = [seen.sentence for seen in guard.found]
    more = f"; and {len(why) - _NAMED} more such findings" if len(why) > _NAMED else ""
    raise SeenInTraining(
        f"{', '.join(patients)} served to make the model that is to be measured on them ({'; '.join(why[:_NAMED])}"
        f"{more}): such figures say nothing of new patients; leave them out of the manifest, scan with a model that "
        "hasn't seen them, or give --allow-seen, which marks every page"
    )


def overlap(tuning: Iterable[str], testing: Iterable[str]) -> tuple[str, ...]:
    """Patients on both sides, sorted."""
    return tuple(sorted(set(tuning) & set(testing)))


def check_tuning(split: str, tuning: Iterable[str], testing: Iterable[str]) -> None:
    """Refuse to choose a threshold on patients that it is then measured on.

    Parameters
    ----------
    split
        Value of the manifest's column `split` that the threshold is tuned on.
    tuning, testing
        Patient ids of that split, and of the slides that are measured.

    Raises
    ------
    ManifestError
        With every patient on both sides.
    """
    both = overlap(tuning, testing)
    if both:
        raise ManifestError(
            f"--tune-on {split}: {', '.join(both)} would be tuned on and measured: a patient has one split in the "
            "manifest; correct the column split, or leave --tune-on out"
        )
