"""What lies in a package's folder beside the package itself: tables, the history's figure, the card as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.card import Example, History
from batchscan.domain.errors import OutputError
from batchscan.evaluation.held_out import Judged, worst_calls
from batchscan.report.model_card import render_model_card
from batchscan.stores.atomic import write_atomically
from batchscan.stores.packages import ModelPackage
from batchscan.training.dataset import LabelledPatches
from batchscan.training.history_figure import draw_history
from batchscan.workflow.cross_validation import CrossValidated
from batchscan.workflow.folds import Slide
from batchscan.workflow.training_events import CardNotPrinted, Report
from batchscan.workflow.training_tables import (
    CROSS_VALIDATION_FILE,
    HISTORY_FILE,
    OUT_OF_FOLD_FILE,
    write_cross_validation,
    write_history,
    write_out_of_fold,
)

EXAMPLES_AT_MOST = 12
HISTORY_FIGURE = "history.png"
CARD_PAGE, CARD_PDF = "card.html", "card.pdf"


@dataclass(frozen=True)
class Files:
    """What they are made of.

    Parameters
    ----------
    found
        None without cross-validation: its tables are left out then.
    cell_mm2
        Area of a patch's cell.
    report
        Is told when the PDF can't be made.
    """

    patches: LabelledPatches
    history: History
    found: CrossValidated | None
    cell_mm2: float
    report: Report

    def write_beside(self, package: ModelPackage) -> None:
        """Write them into the folder of a package that has no name yet.

        Raises
        ------
        OutputError
            If one can't be written.
        """
        folder = package.path
        if self.found:
            write_cross_validation(folder / CROSS_VALIDATION_FILE, self.found, self.cell_mm2)
            write_out_of_fold(folder / OUT_OF_FOLD_FILE, self.found, self.patches)
        write_history(folder / HISTORY_FILE, self.history)
        with write_atomically(folder / HISTORY_FIGURE, binary=True) as stream:
            draw_history(self.history, stream)
        examples = package.examples()
        render_model_card(package.card, examples, html=folder / CARD_PAGE)
        try:
            render_model_card(package.card, examples, pdf=folder / CARD_PDF)
        except OutputError as error:
            # Pango may be missing: no reason to lose a training. A full disk will be noticed by what follows.
            self.report(CardNotPrinted(str(error)))


def worst_examples(
    left_out: Sequence[tuple[Slide, Judged]], patches: LabelledPatches
) -> tuple[list[Example], NDArray[np.int64]]:
    """The surest mistakes on slides that were left out, false positives first, and their places in the patch set.

    The slides give theirs in turn, each its worst first, until there are 12 of a kind.
    """
    examples: list[Example] = []
    rows: list[int] = []
    kinds: tuple[Literal["positive", "negative"], ...] = ("positive", "negative")
    for called in kinds:
        by_slide = [worst_calls(judged, called, EXAMPLES_AT_MOST) for _, judged in left_out]
        in_turn = sorted(
            (rank, number, place) for number, places in enumerate(by_slide) for rank, place in enumerate(places)
        )
        for _, number, place in in_turn[:EXAMPLES_AT_MOST]:
            slide, judged = left_out[number]
            row = int(slide.rows[place])
            rows.append(row)
            examples.append(
                Example(
                    patient_id=slide.name,
                    x_px=float(patches.x_px[row]),
                    y_px=float(patches.y_px[row]),
                    label=1 if slide.label[place] else 0,
                    p_idc=float(judged.p_idc[place]),
                )
            )
    return examples, np.array(rows, dtype=np.int64)
