"""What is known of slides before a run, and how long their steps take here -> seconds and bytes foreseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from batchscan.domain.records import SlideOutcome, SlideStatus

# How a slide's last step and its folder grow with its tissue: fitted to the 20 whole mounts of the public set
# (docs/planning.md). Only the shape is taken from here, how this machine and these slides differ is measured.
_FINISH_S, _FINISH_S_PER_MM2 = 0.75, 0.00125
_RESULT_BYTES, _RESULT_BYTES_PER_MM2, _RESULT_BYTES_PER_PATCH = 450_000, 5_500, 25
# Beside the slides' own folders: a line each in ledger, summary and index page.
_TABLE_BYTES = 4_000
# What a calibration of seconds can't show of a night: other work on the machine, slides unlike those it saw.
_BEYOND_CALIBRATION = 0.25
_DUPLICATE = "duplicate"


class SlideAction(StrEnum):
    """What a run would do with a slide: everything, its numbers and report only, or nothing."""

    SCAN = "scan"
    REPORT = "report"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SlidePlan:
    """What a run would find of a slide that it can use.

    Parameters
    ----------
    slide_id
        Whose it is.
    action
        What a run would do with it.
    n_patches, n_blocks
        Patches with tissue, and the parts in which they are read; of a slide that isn't scanned, what its result has.
    tissue_mm2
        Area of the cells of these patches.
    predicted
        Whether the patches are those of a slide store that is still to be made, and so may differ by a few.
    store_px
        Level-0 pixels of that store; 0 for a slide that has one.
    survey_s
        Seconds that it took to see all this.
    contents
        Fingerprints by which the same slide is known under another name.
    remark
        What is to be said of it although it can be used; None for nothing.
    """

    slide_id: str
    action: SlideAction
    n_patches: int
    n_blocks: int
    tissue_mm2: float
    predicted: bool
    store_px: int
    survey_s: float
    contents: tuple[str, ...]
    remark: SlideOutcome | None = None

    @property
    def blocks(self) -> tuple[()]:
        """Nothing is scanned for a plan."""
        return ()

    @property
    def seconds(self) -> Mapping[str, float]:
        """Nothing is timed by stage for a plan."""
        return {}


@dataclass(frozen=True, slots=True)
class Sample:
    """What the steps of one slide took on a worker while the other workers were as busy.

    Parameters
    ----------
    n_patches, tissue_mm2
        Of the slide that the result was made of.
    n_scored, scan_s
        Patches that got a score, and the seconds for reading and scoring them.
    finish_s
        Seconds for the slide's last step.
    begin_s
        Seconds that the worker needed for both when it did them for the first time, beyond what they take otherwise.
    result_bytes
        What the result takes on the disk.
    store_px, store_s, store_bytes
        Level-0 pixels of a part of a slide file that was made a store, seconds and bytes for it; 0 for a slide store.
    """

    n_patches: int
    tissue_mm2: float
    n_scored: int
    scan_s: float
    finish_s: float
    begin_s: float
    result_bytes: int
    store_px: int = 0
    store_s: float = 0.0
    store_bytes: int = 0

    @property
    def blocks(self) -> tuple[()]:
        """A sample is taken in one step."""
        return ()

    @property
    def seconds(self) -> Mapping[str, float]:
        """Nor is it timed by the stages of a run."""
        return {}

    @property
    def work_s(self) -> float:
        """Scan and last step."""
        return self.scan_s + self.finish_s


@dataclass(frozen=True, slots=True)
class Rates:
    """What one worker needs while all are busy: seconds and bytes a patch, a stored pixel, and by a slide's tissue.

    `finish_scale` is how many times longer the last step takes than the fitted shape says, `result_bytes_beyond` how
    many more bytes a result has: pictures of finer slides are larger, and a slide has only so many.
    """

    scan_s_per_patch: float
    finish_scale: float
    result_bytes_beyond: float
    store_s_per_px: float
    store_bytes_per_px: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Rates:
        """The rates of all samples together; what none shows is 0, and the scale 1: see `uncalibrated`."""
        beyond = [each.result_bytes - _result_shape(each.tissue_mm2, each.n_patches) for each in samples]
        return cls(
            scan_s_per_patch=_ratio([(each.scan_s, each.n_scored) for each in samples], 0.0),
            finish_scale=_ratio([(each.finish_s, _finish_shape(each.tissue_mm2)) for each in samples], 1.0),
            result_bytes_beyond=_ratio([(each, 1.0) for each in beyond], 0.0),
            store_s_per_px=_ratio([(each.store_s, each.store_px) for each in samples], 0.0),
            store_bytes_per_px=_ratio([(each.store_bytes, each.store_px) for each in samples], 0.0),
        )

    def seconds(self, slide: SlidePlan, workers: int = 1) -> float:
        """A slide's own work; from its first step to its last, where `workers` share the steps that can be shared."""
        if slide.action is SlideAction.NONE:
            return slide.survey_s
        finish_s = self.finish_scale * _finish_shape(slide.tissue_mm2)
        if slide.action is SlideAction.REPORT:
            return slide.survey_s + finish_s
        scan_s = self.scan_s_per_patch * slide.n_patches / max(1, min(workers, slide.n_blocks))
        return slide.survey_s + self.store_s_per_px * slide.store_px + scan_s + finish_s

    def sample_s(self, sample: Sample) -> float:
        """What a sample's scan and last step would have taken at these rates."""
        return self.scan_s_per_patch * sample.n_scored + self.finish_scale * _finish_shape(sample.tissue_mm2)

    def result_bytes(self, slide: SlidePlan) -> float:
        """What a slide's new result takes."""
        if slide.action is SlideAction.NONE:
            return 0.0
        return max(0.0, _result_shape(slide.tissue_mm2, slide.n_patches) + self.result_bytes_beyond)

    def store_bytes(self, slide: SlidePlan) -> float:
        """What a slide's new store takes."""
        return self.store_bytes_per_px * slide.store_px


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time that a run is expected to take, and the range that it may well end up in."""

    low: float
    expected: float
    high: float


def foreseen_seconds(slides: Iterable[SlidePlan], samples: Sequence[Sample], workers: int, start_s: float) -> Seconds:
    """Wall time of a run.

    Parameters
    ----------
    slides
        All that can be used.
    samples
        From workers that were all busy at once; may be empty if no slide has anything to do.
    workers
        How many there are.
    start_s
        Until the workers are there, and their end.

    Returns
    -------
    Seconds
        Work / workers, but no less than the longest slide takes; the range goes by the fastest and the slowest
        sample, and 25 % beyond.
    """
    slides, rates = tuple(slides), Rates.of(samples)
    begin_s = start_s + max((each.begin_s for each in samples), default=0.0)
    work_s = sum(rates.seconds(slide) for slide in slides) / workers
    longest_s = max((rates.seconds(slide, workers) for slide in slides), default=0.0)
    spread = [each.work_s / rates.sample_s(each) for each in samples] or [1.0]
    low, expected, high = (begin_s + max(work_s, longest_s) * factor for factor in (min(spread), 1.0, max(spread)))
    return Seconds(low * (1 - _BEYOND_CALIBRATION), expected, high * (1 + _BEYOND_CALIBRATION))


def foreseen_bytes(slides: Iterable[SlidePlan], samples: Sequence[Sample]) -> tuple[int, int]:
    """What new results take on the disk, and what new slide stores take."""
    rates = Rates.of(samples)
    slides = tuple(slides)
    results = sum(rates.result_bytes(slide) + _TABLE_BYTES for slide in slides)
    return round(results), round(sum(rates.store_bytes(slide) for slide in slides))


def uncalibrated(slides: Iterable[SlidePlan], samples: Sequence[Sample]) -> str:
    """Why seconds and bytes can't be foreseen, in words; empty if they can."""
    slides = tuple(slides)
    if any(slide.store_px for slide in slides) and not any(each.store_px for each in samples):
        return "no part of a slide file could be stored to see how long that takes"
    if any(slide.n_patches and slide.action is not SlideAction.NONE for slide in slides) and not samples:
        return "no slide's steps could be timed"
    return ""


def chosen_for_samples(slides: Iterable[SlidePlan], n: int) -> list[SlidePlan]:
    """`n` of the slides that have something to do, small and large ones; the same again where there are fewer.

    One that is to be stored first is among them if there is any.
    """
    able = sorted((s for s in slides if s.n_patches and s.action is not SlideAction.NONE), key=lambda s: s.n_patches)
    if not able:
        return []
    chosen = [able[(2 * index + 1) * len(able) // (2 * n)] for index in range(n)]
    files = [slide for slide in able if slide.store_px]
    if files and not any(slide.store_px for slide in chosen):
        chosen[-1] = files[len(files) // 2]
    return chosen


def duplicates(slides: Iterable[SlidePlan]) -> Iterator[SlideOutcome]:
    """A remark on each slide that is the same, by content, as one before it."""
    first: dict[str, str] = {}
    for slide in slides:
        known = {first[content]: None for content in slide.contents if content in first}
        for content in slide.contents:
            first.setdefault(content, slide.slide_id)
        if known:
            yield SlideOutcome(
                slide.slide_id,
                SlideStatus.DONE,
                _DUPLICATE,
                f"is the same slide as {', '.join(known)}, under another name: it would be scanned and counted twice; "
                "leave one of them out",
            )


def _finish_shape(tissue_mm2: float) -> float:
    return _FINISH_S + _FINISH_S_PER_MM2 * tissue_mm2


def _result_shape(tissue_mm2: float, n_patches: int) -> float:
    return _RESULT_BYTES + _RESULT_BYTES_PER_MM2 * tissue_mm2 + _RESULT_BYTES_PER_PATCH * n_patches


def _ratio(pairs: Sequence[tuple[float, float]], otherwise: float) -> float:
    """Sum over sum: a pair counts by its size."""
    below = sum(second for _, second in pairs)
    return sum(first for first, _ in pairs) / below if below else otherwise
