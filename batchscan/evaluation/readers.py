"""What several readers say of the same cells -> one reference, and how far they agree with one another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import UsageError
from batchscan.domain.evaluated import ReaderPair, Readers
from batchscan.domain.joined import IDC, NOT_IDC, UNDECIDED, CellLabels, Int8Array
from batchscan.domain.records import Float64Array
from batchscan.evaluation.agreement import Pairs, agreement
from batchscan.evaluation.intervals import Bootstrap, cluster_intervals
from batchscan.evaluation.metrics import Confusion, confusion
from batchscan.evaluation.weighted import call_measures

RULES = {
    "majority": "what most of the readers say who labelled a cell; at a tie it is left out",
    "any": "IDC where any reader says so, of those who labelled the cell",
    "all": "IDC where all readers say so, of those who labelled the cell",
}
UNNAMED = "reference"
"""What the reader of the column `reference`, whose name is "", is called."""

# Of patches, so F1 is Dice.
_AGREEMENT = ("kappa", "accuracy", "f1")


def reader_name(reader: str) -> str:
    """A reader's name for people and for the option."""
    return reader or UNNAMED


def named_reader(rule: str) -> str:
    """The reader whom a rule names that isn't one of `RULES`."""
    return "" if rule == UNNAMED else rule


def check_rule(rule: str, readers: Sequence[str]) -> None:
    """Refuse a rule that is none, and no reader's name.

    Raises
    ------
    UsageError
        If it isn't; the text names those that are.
    """
    names = [reader_name(reader) for reader in readers]
    if rule not in (*RULES, *names):
        raise UsageError(
            f"readers {rule!r}: is no rule and no reader of the manifest; expected one of {', '.join((*RULES, *names))}"
        )


def rule_words(rule: str) -> str:
    """How several readers become one reference, for people."""
    return RULES.get(rule, f"what reader {rule} says")


@dataclass(frozen=True)
class Consensus:
    """The labels of several readers as one; `n_tied` cells have none because readers are at a tie."""

    labels: CellLabels
    n_tied: int


def consensus(by_reader: Mapping[str, CellLabels], rule: str) -> Consensus:
    """Make one reference of what readers say of the cells of one grid.

    A reader who doesn't decide a cell has no vote on it. Where nobody decides, the cell is as near to a decision as
    any reader is: ambiguous rather than undecided, undecided rather than without a label.

    Parameters
    ----------
    by_reader
        At least one; with the rule of a reader's name, that reader.
    rule
        Of `RULES`, or a reader's name (`reader_name`).
    """
    if rule not in RULES:
        return Consensus(by_reader[named_reader(rule)], 0)
    of = np.stack([labels.of for labels in by_reader.values()])
    for_idc, against = (of == IDC).sum(axis=0), (of == NOT_IDC).sum(axis=0)
    decided = (for_idc + against) > 0
    tied = decided & (for_idc == against) & (rule == "majority")
    idc = {"majority": for_idc > against, "any": for_idc > 0, "all": against == 0}[rule]
    undecided: Int8Array = np.where(tied, UNDECIDED, of.max(axis=0)).astype(np.int8)
    labels = np.where(decided & ~tied, np.where(idc, IDC, NOT_IDC), undecided).astype(np.int8)
    return Consensus(CellLabels(labels), int(tied.sum()))


@dataclass(frozen=True)
class _Seen:
    """A slide that two readers labelled: whose it is, their table (the first calls), and either's IDC in mm2."""

    patient_id: str
    outcomes: Confusion
    first_mm2: float
    second_mm2: float


class ReaderTallies:
    """How far readers agree, added one slide at a time; a few numbers a slide and pair are held."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._pairs: dict[tuple[str, str], list[_Seen]] = {}
        self._n_tied = 0

    def add(self, patient_id: str, by_reader: Mapping[str, CellLabels], tissue_mm2: Float64Array, n_tied: int) -> None:
        """Add a slide.

        Parameters
        ----------
        by_reader
            What each says of its cells.
        tissue_mm2
            (n_rows, n_cols) float64, tissue area of each cell.
        n_tied
            Cells without a label because readers were at a tie.
        """
        self._names |= set(by_reader)
        self._n_tied += n_tied
        for first, second in itertools.combinations(sorted(by_reader), 2):
            one, other = by_reader[first], by_reader[second]
            both = one.decided & other.decided
            if both.any():
                seen = _Seen(
                    patient_id,
                    confusion(other.idc[both], one.idc[both]),
                    float(tissue_mm2[both & one.idc].sum()),
                    float(tissue_mm2[both & other.idc].sum()),
                )
                self._pairs.setdefault((first, second), []).append(seen)

    def readers(self, rule: str, bootstrap: Bootstrap) -> Readers | None:
        """Who labelled, and how far every two agree on what both labelled; None with one reader.

        Kappa, agreement and Dice are of patches, areas of the tissue of those patches, slide by slide: the first
        reader's less the second's. Patients are redrawn, those of each pair's slides.
        """
        if len(self._names) < 2:  # noqa: PLR2004 - one agrees with nobody
            return None
        return Readers(
            names=tuple(reader_name(reader) for reader in sorted(self._names)),
            rule=rule_words(rule),
            pairs=tuple(_pair(*names, slides, bootstrap) for names, slides in sorted(self._pairs.items())),
            n_undecided=self._n_tied,
        )


def _pair(first: str, second: str, slides: Sequence[_Seen], bootstrap: Bootstrap) -> ReaderPair:
    areas = [(slide.first_mm2, slide.second_mm2, slide.patient_id) for slide in slides]
    pairs = Pairs.of(*(list(column) for column in zip(*areas, strict=True)))
    outcomes = _by_patient(slides, pairs.patient)
    kappa, same, dice = cluster_intervals(
        lambda weights: call_measures(weights @ outcomes, _AGREEMENT),
        replace(bootstrap, n_patients=pairs.n_patients),
        ("correlation", "share", "share"),
    )
    n = int(outcomes.sum())
    return ReaderPair(
        first=reader_name(first),
        second=reader_name(second),
        n_patches=n,
        n_slides=len(slides),
        kappa=kappa.measured(n),
        agreement=same.measured(n),
        dice=dice.measured(n),
        area=agreement("idc_mm2", pairs, bootstrap),
    )


def _by_patient(slides: Sequence[_Seen], patient: NDArray[np.intp]) -> Float64Array:
    """(P, 4) float64: TP, FP, FN, TN."""
    outcomes = np.zeros((int(patient.max()) + 1, 4))
    for slide, of in zip(slides, patient.tolist(), strict=True):
        counts = slide.outcomes
        outcomes[of] += (counts.tp, counts.fp, counts.fn, counts.tn)
    return outcomes
