"""How fast each stage of the work is on one machine, and how near it comes to its ceiling: what a bench has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from batchscan.domain.records import EngineInfo

SCHEMA_VERSION = 1
RUNS = {
    "scan": "slide stores, with the engine that a run takes by itself",
    "scan_one": "one slide store alone, with the same engine",
    "scan_fastest": "slide stores, with the fastest engine",
    "from_file": "slide files, ingested and scanned together",
    "from_file_coarse": "slide files, stored no finer than the model's spacing",
}
"""Real runs, in this order: what they are of, and how."""

# What a desktop or a server does without anybody's asking.
_IDLE_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """So many units (patches, pixels, bytes) in so many seconds of wall time."""

    n: float
    seconds: float

    @property
    def per_s(self) -> float:
        """Units a second."""
        return self.n / self.seconds

    def as_json(self) -> dict[str, float]:
        """Count, seconds and rate."""
        return {"n": self.n, "seconds": self.seconds, "per_s": self.per_s}


def ratio(pace: Pace | None, ceiling: Pace | float | None) -> float | None:
    """What share of a ceiling is reached; None where one of them isn't known."""
    if pace is None or not ceiling:
        return None
    return pace.per_s / (ceiling.per_s if isinstance(ceiling, Pace) else ceiling)


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """One engine from patches in memory, on all workers at once: the ceiling of every scan with it.

    Parameters
    ----------
    name, precision
        Which.
    patches_per_s
        Sum of all workers' rates; None where there is none, and `why` says why.
    """

    name: str
    precision: str
    patches_per_s: float | None
    why: str = ""

    @property
    def info(self) -> EngineInfo:
        """As a run records it."""
        return EngineInfo(self.name, self.precision)


@dataclass(frozen=True, slots=True)
class RunSpeed:
    """A real run.

    Parameters
    ----------
    n_slides, engine
        Slides that were done, and what ran the network.
    steady
        Patches, from the moment that the workers are there to the end of the last slide.
    whole
        Patches, from before the workers are started until the run has ended.
    onward
        Patches scanned from the moment that as many slides have ended as there are workers, when as good as all have
        opened the model and loaded their libraries, to the end of the last slide; None where that is hardly anything.
    blocks
        All patches of a slide alone, from the moment that its blocks are known until the last is scanned: without what
        one worker does alone before and after. None for several slides.
    beside_s
        Median over slides of the seconds that their steps took on the workers besides reading pixels and inference;
        where slides are files, making their stores is part of it.
    tissue_s, write_s
        Of that, finding the tissue, and everything after the last block.
    """

    n_slides: int
    engine: EngineInfo
    steady: Pace
    whole: Pace
    onward: Pace | None
    blocks: Pace | None
    beside_s: float
    tissue_s: float
    write_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """What stands where something couldn't be measured: the reason."""

    why: str


@dataclass(frozen=True, slots=True)
class IngestSpeed:
    """A slide file made a slide store.

    Parameters
    ----------
    level
        Which of its levels was read.
    ingest, openslide
        Pixels of that level: made a store, and only read, by OpenSlide on as many threads.
    """

    level: int
    ingest: Pace
    openslide: Pace


@dataclass(frozen=True, slots=True)
class PdfSpeed:
    """Seconds for the first report, whose libraries are loaded meanwhile, and the median of those after it."""

    first_s: float
    next_s: float


@dataclass(frozen=True, slots=True)
class StartUp:
    """Seconds until the command has printed its help, and a run's status."""

    help_s: float
    status_s: float


@dataclass(frozen=True, slots=True)
class BenchSlide:
    """The slide that everything is measured on.

    Parameters
    ----------
    side_mm, um_per_px, seed
        What it was made with.
    width_px, height_px
        Level 0.
    n_bytes
        The file's size.
    """

    side_mm: float
    um_per_px: float
    seed: int
    width_px: int
    height_px: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What it ran on. `flags`: instructions that decide how fast a network runs; None where they can't be read."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    flags: Mapping[str, bool] | None


@dataclass(frozen=True, slots=True)
class Place:
    """When and where a bench ran, and what of.

    Parameters
    ----------
    date
        When it began, ISO 8601 in UTC.
    machine, versions
        Where, and with which versions of what does the work.
    commit
        Of batchscan, with a `+` where files differ from it; None outside a git checkout.
    load
        How many processes, of others that is, were at work on average in the minute before it.
    """

    date: str
    machine: Machine
    versions: Mapping[str, str]
    commit: str | None
    load: float

    @property
    def is_busy(self) -> bool:
        """Whether so much else was going on that the figures are too low, and their ratios chance."""
        return self.load > _IDLE_LOAD


@dataclass(frozen=True, slots=True)
class WorkerSpeeds:
    """What all workers do at once, each with the same slide store.

    Parameters
    ----------
    workers, cluster_s
        How many, and the seconds until they were there.
    n_patches
        Patches of the slide with tissue.
    read_bytes_per_s
        Boxes at the model's spacing.
    cut_patches_per_s
        Read, cut, hashed and judged for sharpness: a scan without its network.
    engines
        From patches in memory.
    chosen
        The engine that a run takes by itself; None if there is none.
    """

    workers: int
    cluster_s: float
    n_patches: int
    read_bytes_per_s: float
    cut_patches_per_s: float
    engines: tuple[EngineSpeed, ...]
    chosen: EngineInfo | None

    @property
    def fastest(self) -> EngineInfo | None:
        """The fastest engine; None if there is none."""
        able = [each for each in self.engines if each.patches_per_s]
        return max(able, key=lambda each: each.patches_per_s or 0.0).info if able else None

    def rate(self, engine: EngineInfo | None) -> float | None:
        """Patches a second of an engine; None where it wasn't measured."""
        return next((each.patches_per_s for each in self.engines if each.info == engine), None)


@dataclass(frozen=True)
class BenchRecord:
    """All that one bench has found, in one run on one machine.

    Parameters
    ----------
    place
        Where and when.
    model
        Name and version.
    slide
        What it was measured on.
    together
        The ceilings of a scan; an ingest has as many threads as there are workers.
    runs
        Real runs, without reports, by their name in `RUNS`; no `scan_fastest` where that is the engine anyway.
    ingest, pdf, start
        See there.
    peak_mib
        By stage, the most resident memory (MiB) of all its processes together; None where it can't be seen.
    seconds
        The whole bench.
    """

    place: Place
    model: str
    slide: BenchSlide
    together: WorkerSpeeds
    runs: Mapping[str, RunSpeed | Unknown]
    ingest: IngestSpeed
    pdf: PdfSpeed | Unknown
    start: StartUp
    peak_mib: Mapping[str, float | None]
    seconds: float

    def ceiling(self, run: RunSpeed | Unknown) -> float | None:
        """Patches a second of the engine that a run used; None where it wasn't measured."""
        return None if isinstance(run, Unknown) else self.together.rate(run.engine)

    @property
    def is_whole(self) -> bool:
        """Whether every run came to its end; an engine that isn't there is no failure."""
        return not any(isinstance(run, Unknown) for run in self.runs.values())

    def as_json(self) -> dict[str, Any]:
        """For `bench --json`; what isn't known is null, with a reason beside it."""
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self.place),
            "busy": self.place.is_busy,
            "workers": self.together.workers,
            "model": self.model,
            "slide": {**asdict(self.slide), "n_patches": self.together.n_patches},
            "read_mb_per_s": self.together.read_bytes_per_s / 1e6,
            "cut_patches_per_s": self.together.cut_patches_per_s,
            "engines": [asdict(each) for each in self.together.engines],
            "engine_chosen": self.together.chosen and asdict(self.together.chosen),
            "runs": {name: self._run_json(run) for name, run in self.runs.items()},
            "ingest": {
                "level": self.ingest.level,
                "mpx_per_s": self.ingest.ingest.per_s / 1e6,
                "seconds": self.ingest.ingest.seconds,
                "openslide_mpx_per_s": self.ingest.openslide.per_s / 1e6,
                "ratio_to_openslide": ratio(self.ingest.ingest, self.ingest.openslide),
            },
            "pdf": asdict(self.pdf),
            "start_up": {**asdict(self.start), "cluster_s": self.together.cluster_s},
            "peak_mib": dict(self.peak_mib),
            "seconds": self.seconds,
            "reasons": dict(self._reasons()),
        }

    def _reasons(self) -> Iterator[tuple[str, str]]:
        """Why what is null is null, where it isn't said beside it."""
        if self.place.commit is None:
            yield "commit", "batchscan doesn't run from a git checkout, or git isn't there"
        if self.place.machine.flags is None:
            yield "machine.flags", "the system has no /proc/cpuinfo that lists them"
        if self.together.chosen is None:
            yield "engine_chosen", "no engine can run the model: see engines"
        if None in self.peak_mib.values():
            yield "peak_mib", "the system has no /proc that lists processes"

    def _run_json(self, run: RunSpeed | Unknown) -> dict[str, Any]:
        ceiling = self.ceiling(run)
        if isinstance(run, Unknown):
            return asdict(run)
        return {
            **asdict(run),
            "steady": run.steady.as_json(),
            "whole": run.whole.as_json(),
            "onward": run.onward.as_json() if run.onward else None,
            "blocks": run.blocks.as_json() if run.blocks else None,
            "ceiling_patches_per_s": ceiling,
            "ratio_to_ceiling": ratio(run.steady, ceiling),
            "onward_ratio_to_ceiling": ratio(run.onward, ceiling),
            "blocks_ratio_to_ceiling": ratio(run.blocks, ceiling),
            "why": None if ceiling else "its engine wasn't measured",
        }
