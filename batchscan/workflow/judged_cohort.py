"""A cohort's slides, joined one at a time -> the tables of their patches, and what is kept of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.card import ModelCard
from batchscan.domain.evaluated import Leakage, Perturbed, Seen
from batchscan.domain.joined import CohortSlide
from batchscan.domain.records import EngineInfo
from batchscan.evaluation.failures import FailureCollector
from batchscan.evaluation.joining import cell_tissue_mm2
from batchscan.evaluation.leakage import SlideFacts, check_unseen, leakage, seen_by
from batchscan.evaluation.readers import ReaderTallies
from batchscan.evaluation.tallies import PatientTallies
from batchscan.stores.discordant import write_discordant
from batchscan.stores.evaluations import DISCORDANT, PatchTables
from batchscan.stores.seen import SeenSet
from batchscan.workflow.cohort import AnalysedSlide, Cohort
from batchscan.workflow.cohort_rows import Row
from batchscan.workflow.tuning import Tuning


@dataclass(frozen=True, slots=True)
class SlideJoined:
    """A slide's labels are joined with what was said of it."""

    slide_id: str


class JudgedCohort:
    """What is known of the slides that are judged, without their patches.

    Parameters
    ----------
    cohort
        Who was asked for.
    tuning
        The threshold that was chosen on some of them, who aren't judged.
    final
        The folder that the evaluation will have; links to reports are relative to it.
    n_pictures
        Wrong calls of each kind that are kept to be shown.
    """

    def __init__(self, cohort: Cohort, tuning: Tuning, final: Path, n_pictures: int) -> None:
        self.cohort, self.tuning = cohort, tuning
        self.slides: list[CohortSlide] = []
        self.engines: dict[str, EngineInfo] = {}
        self.cards: dict[str, ModelCard] = {}
        self.tallies, self.readers = PatientTallies(), ReaderTallies()
        self.failures = FailureCollector(n_pictures)
        self.robustness: tuple[Perturbed, ...] = ()
        self.n_readable = 0
        self._final = final
        self._seen_sets: dict[str, SeenSet | None] = {}
        self._seen: list[Seen] = []

    @property
    def rows(self) -> tuple[Row, ...]:
        """Those of the slides that are judged."""
        return tuple(row for row in self.cohort.rows if not self.tuning.serves(row.request))

    def analysed(self) -> Iterator[AnalysedSlide]:
        """The slides that are judged, one at a time, sorted by slide_id."""
        at, out, serves = self.tuning.threshold, self._final, self.tuning.serves
        return self.cohort.slides(threshold=at, out=out, keep=lambda request: not serves(request))

    def join(self, folder: Path) -> Iterator[SlideJoined]:
        """Join the slides: patches go to the tables below `folder`, counts stay.

        Raises
        ------
        DamagedResult
            If a result, or a card of a model, isn't there any more.
        OutputError
            If the tables can't be written.
        """
        for tuning in self.cohort.slides(keep=self.tuning.serves):
            self._look_for_seen(tuning)
        discordant = folder / DISCORDANT
        discordant.mkdir()
        with PatchTables.writing(folder) as tables:
            for analysed in self.analysed():
                self._keep(analysed)
                if analysed.joined is not None:
                    tables.add(analysed.joined)
                    write_discordant(discordant, analysed.joined, analysed.result.table.grid)
                yield SlideJoined(analysed.slide.slide_id)

    def guarded(self, *, allowed: bool) -> Leakage:
        """What the models have seen of the slides, of those that were tuned on too.

        Raises
        ------
        SeenInTraining
            If there is something, and it isn't allowed.
        """
        models = [(self.cards[sha256], seen) for sha256, seen in self._seen_sets.items()]
        found = leakage(self._seen, models, allowed=allowed)
        check_unseen(found)
        return found

    def _keep(self, analysed: AnalysedSlide) -> None:
        slide, result = analysed.slide, analysed.result
        self._look_for_seen(analysed)
        self.slides.append(slide)
        self.engines[slide.slide_id] = result.engine
        self.n_readable += int(result.table.readable.sum())
        if len(analysed.by_reader) > 1:
            tissue_mm2 = cell_tissue_mm2(result.table, result.slide.spacing)
            self.readers.add(slide.patient_id, analysed.by_reader, tissue_mm2, analysed.n_tied)
        if analysed.joined is not None:
            self.tallies.add(analysed.joined)
            self.failures.add(analysed.joined)

    def _look_for_seen(self, analysed: AnalysedSlide) -> None:
        """Whether the model that scanned a slide was made with it."""
        slide, sha256 = analysed.result.slide, analysed.result.model.sha256
        if sha256 not in self.cards:
            self.cards[sha256] = analysed.run.read_card(sha256)
            self._seen_sets[sha256] = analysed.run.read_seen(sha256)
        facts = SlideFacts(slide.slide_id, slide.patient_id, slide.fingerprint, analysed.result.table.pixel_hash)
        self._seen += seen_by(self.cards[sha256], self._seen_sets[sha256], facts)
