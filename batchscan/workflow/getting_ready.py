"""A worker process loads what the steps of slides need, before a slide waits for it."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchscan.report.styles import ReportStyle


def get_ready(style: ReportStyle | None) -> None:
    """Load what surveys and results need, and for a `style` what prints; what is missing is told when it is used.

    What is loaded stays, so nobody looks for garbage in it: to do so took a sixth of the loading, and later a tenth of
    a second in the middle of a slide.
    """
    was_enabled = gc.isenabled()
    # What is garbage by now, of whatever this process did before, would stay too.
    gc.unfreeze()
    gc.collect()
    gc.disable()
    try:
        importlib.import_module("batchscan.workflow.slide_steps")
        importlib.import_module("batchscan.workflow.printing").get_ready(style)
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
