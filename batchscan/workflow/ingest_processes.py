"""Slides are recognised, opened and written in killable processes; one that spoils its process costs itself alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TypeVar

from batchscan.domain.errors import (
    BatchscanError,
    HungrySlide,
    HungSlide,
    SlideDefect,
    SlideError,
    UnreadableSlide,
    WorkerDied,
)
from batchscan.domain.places import Place
from batchscan.stores.atomic import remove_temporaries
from batchscan.stores.crew import Crew
from batchscan.stores.slides import VendorSlide, vendor_of
from batchscan.stores.staging import remove_abandoned
from batchscan.workflow.ingest_sources import Recognised, Source
from batchscan.workflow.ingest_steps import OnPixels, Step, Write, patch_labels_path, plan_step, store_path
from batchscan.workflow.killable import Killables, LostProcess, Stalled, memory_for

log = logging.getLogger(__name__)

TRIES = 2
STALL_S = 300.0
"""Longest time without progress if nobody says another."""
OPENING_SHARE = 0.4
"""Of the longest time without progress, how much opening may take: it is one step."""

T = TypeVar("T")


def ingest_processes(n_threads: int, n_processes: int) -> Killables:
    """Processes that recognise, open and write slides, on so many threads each at most."""
    # What libraries print is of interest to who looks for a defect; else it may tell who a slide is of.
    return Killables(__name__, memory_for(n_threads, n_processes), quiet=not log.isEnabledFor(logging.DEBUG))


class SlideReaders:
    """What is done to slides, each thing tried at most twice.

    Parameters
    ----------
    processes
        From `ingest_processes`.
    archive
        Where stores go.
    stall_s
        Longest time without progress, in seconds.
    """

    def __init__(self, processes: Killables, archive: Path, stall_s: float) -> None:
        self._processes = processes
        self._archive = archive
        self._stall_s = stall_s

    def stop(self) -> None:
        """End all processes at once; what waits for them gets a CancelledError."""
        self._processes.close()

    def recognise(self, path: Path) -> Recognised:
        """What OpenSlide says of a file. One that spoils the process counts as a slide: opening it says more."""
        try:
            return self._processes.run(_recognise, path, stall_s=self._stall_s * OPENING_SHARE)
        except (LostProcess, MemoryError):
            return Recognised(is_slide=True)

    def plan(self, source: Source, finest_um_per_px: float) -> Step:
        """Open a source and see what there is to do.

        Raises
        ------
        SlideError
            If the slide can't be used.
        """
        opening_s = self._stall_s * OPENING_SHARE
        return self._twice(
            source,
            opening_s,
            lambda stall_s: self._processes.run(_plan, source, self._archive, finest_um_per_px, stall_s=stall_s),
        )

    def write(self, source: Source, write: Write, n_threads: int, on_pixels: OnPixels) -> None:
        """Make a source's store; pixels of a try that came to nothing are taken back from `on_pixels`.

        Raises
        ------
        SlideError, PatchSetError
            If the slide can't be read.
        OutputError
            If the store can't be written.
        """
        n_read = 0

        def count(n_px: int) -> None:
            nonlocal n_read
            n_read += n_px
            if n_px:
                on_pixels(n_px)

        def once(stall_s: float) -> None:
            nonlocal n_read
            try:
                self._processes.run(_write, write, n_threads, stall_s=stall_s, on_progress=count)
            except LostProcess:
                on_pixels(-n_read)
                n_read = 0
                raise

        self._twice(source, self._stall_s, once)

    def _twice(self, source: Source, stall_s: float, once: Callable[[float], T]) -> T:
        lost: LostProcess | None = None
        for _ in range(TRIES):
            try:
                return once(stall_s)
            except LostProcess as error:
                lost = error
                log.debug("%s: %s", source.slide_id, error)
                self._clear(source.slide_id)
            except MemoryError as error:
                self._clear(source.slide_id)
                raise _hungry(source.request.path, self._processes.memory_bytes) from error
            except CancelledError:
                self._clear(source.slide_id)
                raise
            except BatchscanError:
                raise
            except OSError as error:
                raise _not_readable(source.request.path, error) from error
            except Exception as error:
                log.debug("%s: went wrong", source.slide_id, exc_info=error)
                raise _defect(source.request.path, error) from error
        assert lost is not None
        raise _gone(source.request.path, lost, stall_s)

    def _clear(self, slide_id: str) -> None:
        """A process that was killed removes nothing itself."""
        remove_abandoned(store_path(self._archive, slide_id))
        remove_temporaries(patch_labels_path(self._archive, slide_id))


def _recognise(path: Path, report: OnPixels) -> Recognised:
    del report
    vendor = vendor_of(path)
    if vendor != "dicom":
        return Recognised(vendor is not None)
    try:
        with VendorSlide(path) as slide:
            return Recognised(is_slide=True, one_of=slide.quickhash)
    except (SlideError, OSError):
        return Recognised(is_slide=True)


def _plan(source: Source, archive: Path, finest_um_per_px: float, report: OnPixels) -> Step:
    del report
    return plan_step(source, archive, finest_um_per_px)


def _write(write: Write, n_threads: int, report: OnPixels) -> None:
    with Crew(n_threads) as crew:
        write(crew, report)


def _gone(path: Place, lost: LostProcess, stall_s: float) -> SlideError:
    if isinstance(lost, Stalled):
        return HungSlide(
            f"{path}: reading it got no further for {stall_s:g} s, twice, and was ended; expected progress: the file "
            "is damaged or its disk hangs: copy it again from the scanner, or give --stall more seconds"
        )
    return WorkerDied(
        f"{path}: the process that read it died ({lost}), twice: a library crashed on it; expected an intact slide: "
        "copy the file again from the scanner, or export OME-Zarr"
    )


def _hungry(path: Place, memory_bytes: int) -> HungrySlide:
    return HungrySlide(
        f"{path}: reading it takes more than the {memory_bytes / 2**30:.1f} GiB of memory that it may have here; "
        "expected tiles of at most some megapixels: export the slide again with smaller tiles, or use a larger machine"
    )


def _not_readable(path: Place, error: OSError) -> UnreadableSlide:
    return UnreadableSlide(
        f"{path}: can't be read ({error.strerror or type(error).__name__}): check its permissions and disk"
    )


def _defect(path: Place, error: Exception) -> SlideDefect:
    """Without the error's own text, which may repeat what the file says."""
    return SlideDefect(
        f"{path}: {type(error).__name__} while it was read: a defect of batchscan or of a library; the slide is left "
        "out: report it with what --debug prints"
    )
