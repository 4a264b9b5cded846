"""A scanned slide's pixels, changed as other scanners and stainers might, scored again -> what becomes of its patches.

The grid, the tissue and the labels stay as they are: only what the network sees of each patch changes, then neighbours
are averaged and calls are made as in the scan.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError, UnreadableSlide
from batchscan.domain.evaluated import Perturbed
from batchscan.domain.geometry import Box, PatchGrid
from batchscan.domain.joined import IDC, NOT_IDC, UNLABELLED, CellLabels, JoinedSlide
from batchscan.domain.records import EngineInfo, Float32Array, ModelInfo, PatchTable, SlideResult, Uint8Array
from batchscan.evaluation.joining import joined_slide
from batchscan.evaluation.patch_level import patch_statistic
from batchscan.evaluation.tallies import PatientTallies, SlideTally, slide_tally
from batchscan.scan.engines import Engine, open_engine
from batchscan.scan.grid import blocks
from batchscan.scan.lost import filled
from batchscan.scan.pipeline import raw_scores, read_patches
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.pyramids import SlideStore
from batchscan.stores.results import RunFolder
from batchscan.training.augment import blurred, recompressed, rescaled, restained
from batchscan.workflow.cohort import AnalysedSlide
from batchscan.workflow.cohort_pixels import open_scanned

FIGURES = ("auroc", "balanced_accuracy", "sensitivity", "specificity", "f1", "brier")
UNCHANGED = "unchanged"

_Change = Callable[[Uint8Array], Uint8Array]


@dataclass(frozen=True)
class Perturbation:
    """One change of what the network sees of a patch.

    Parameters
    ----------
    name
        A code.
    words
        What is changed and by how much, for people.
    change
        (n, p, p, 3) uint8, n > 0 -> the same, changed.
    side
        How wide a piece of the slide is taken for a patch, in patch sides: 1.1 is what a scan takes where the slide's
        pixels are 10 % larger than it says. The network then sees everything smaller.
    """

    name: str
    words: str
    change: _Change = lambda patches: patches
    side: float = 1.0


def _each(change: _Change) -> _Change:
    return lambda patches: np.stack([change(patch) for patch in patches])


def _stained(haematoxylin: float, eosin: float, light: float = 1.0) -> _Change:
    amounts = np.array([[[haematoxylin, eosin, 1.0]]])
    return lambda patches: restained(patches, amounts, np.array([light]), np.ones((1, 1, 3)))


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("spacing_minus_10", "pixels 10 % smaller than the slide says: tissue looks larger", side=0.9),
    Perturbation("spacing_plus_10", "pixels 10 % larger than the slide says: tissue looks smaller", side=1.1),
    Perturbation("jpeg_50", "JPEG of quality 50 at the model's spacing", _each(lambda patch: recompressed(patch, 50))),
    Perturbation("blur_1", "out of focus: Gaussian, sigma 1 pixel of the model's", _each(lambda p: blurred(p, 1.0))),
    Perturbation("stain_minus_25", "both stains 25 % weaker", _stained(0.75, 0.75)),
    Perturbation("stain_plus_25", "both stains 25 % stronger", _stained(1.25, 1.25)),
    Perturbation("stain_shift", "haematoxylin 25 % weaker, eosin 25 % stronger", _stained(0.75, 1.25)),
    Perturbation("light_minus_10", "10 % less light", _stained(1.0, 1.0, 0.9)),
)
"""What a sweep tries; each takes about as long as the slides' scan."""


@dataclass(frozen=True, slots=True)
class SweepBegun:
    """So many patches will be scored again."""

    n_patches: int


@dataclass(frozen=True, slots=True)
class PatchesRescored:
    """So many more were."""

    n_patches: int


def swept(
    slides: Iterable[AnalysedSlide], n_readable: int, packages: Sequence[ModelPackage], threads: int
) -> Generator[SweepBegun | PatchesRescored, None, tuple[Perturbed, ...]]:
    """Score slides again with every change of their pixels.

    Parameters
    ----------
    slides
        Those that are judged.
    n_readable
        Their readable scanned patches.
    packages
        Of the models that scanned them; where one is missing, the one that its run was made with.
    threads
        Of the engines.

    Raises
    ------
    SlideError
        If a slide's store isn't there, has changed, or can't be read.
    ModelError
        If a model isn't at hand, or computes in another way here.
    """
    sweep = RobustnessSweep(packages, threads)
    yield SweepBegun(len(PERTURBATIONS) * n_readable)
    for analysed in slides:
        if analysed.joined is not None:
            sweep.know(analysed.run, analysed.result.model)
            store = open_scanned(analysed.request, analysed.run, analysed.result.slide)
            yield from map(PatchesRescored, sweep.add(analysed.joined, analysed.result, store))
    return sweep.found()


class RobustnessSweep:
    """Collects, slide by slide, what changed pixels come to.

    Parameters
    ----------
    packages
        The models that scanned the slides.
    threads
        Of the engines.
    perturbations
        What is tried.
    """

    def __init__(
        self,
        packages: Sequence[ModelPackage],
        threads: int,
        perturbations: Sequence[Perturbation] = PERTURBATIONS,
    ) -> None:
        self._packages = {package.info.sha256: package for package in packages}
        self._threads = threads
        self._perturbations = tuple(perturbations)
        self._engines: dict[tuple[str, EngineInfo], Engine] = {}
        self._tallies: dict[str, list[SlideTally]] = {one: [] for one in (UNCHANGED, *self._names)}
        self._flipped = dict.fromkeys(self._names, 0)
        self._n = 0

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self._perturbations)

    def add(self, joined: JoinedSlide, result: SlideResult, store: SlideStore) -> Iterator[int]:
        """Score a slide again with every change; yields how many patches were scored since.

        The slide counts once the iteration is over, and not at all if it ends in an error.

        Parameters
        ----------
        joined
            Its labelled patches.
        result
            The scan that they were joined with.
        store
            The slide, as it was scanned.

        Raises
        ------
        ModelError
            If its model isn't there, or the engine that scanned it, or has no finite score for a changed patch.
        UnreadableSlide
            If a patch that the scan could read, or what lies around it, can't be.
        """
        table, slide_id = result.table, result.slide.slide_id
        engine = self._engine(result.model, result.engine)
        scores = {name: np.full(len(table), np.nan, np.float32) for name in self._names}
        try:
            for places, pixels in _pixels(store, result):
                for one in self._perturbations:
                    seen = pixels if one.side == 1.0 else _resized(store, result, places, one.side)
                    scores[one.name][places] = raw_scores(one.change(seen), result.settings.orientations, engine)
                    yield len(places)
        except UnreadableSlide as error:
            raise UnreadableSlide(
                f"{slide_id}: pixels that the scan could read, or some beside them, can't be read now: ingest the "
                "slide again from its source, or leave --robustness out"
            ) from error
        for name, p_raw in scores.items():
            if not np.isfinite(p_raw[table.readable]).all():
                raise ModelError(
                    f"{slide_id}: {result.model.name} has no finite score for some patches changed by {name}, expected "
                    "0 to 1: check the package with `batchscan model verify`, or leave --robustness out"
                )
        self._count(joined, result, scores)

    def know(self, run: RunFolder, model: ModelInfo) -> None:
        """Look for a model where the run found it, unless its package is known."""
        if model.sha256 not in self._packages:
            # If it has gone from there, `add` says what is missing.
            with contextlib.suppress(ModelError):
                package = open_package(run.read_facts()["job"]["model"]["package"])
                self._packages[package.info.sha256] = package

    def found(self) -> tuple[Perturbed, ...]:
        """What all slides added so far come to: the unchanged pixels first, as they were scanned; none without slides.

        Areas are those of scores in bins (`patch_statistic`), for both sides of each change.
        """
        if not self._n:
            return ()
        before = _figures(self._tallies[UNCHANGED])
        unchanged = Perturbed(
            name=UNCHANGED, words="the pixels as scanned", n_patches=self._n, figures=before, change={}, flipped=None
        )
        return (unchanged, *(self._perturbed(one, before) for one in self._perturbations))

    def _perturbed(self, one: Perturbation, before: dict[str, float | None]) -> Perturbed:
        after = _figures(self._tallies[one.name])
        return Perturbed(
            name=one.name,
            words=one.words,
            n_patches=self._n,
            figures=after,
            change={name: _difference(after[name], before[name]) for name in FIGURES},
            flipped=self._flipped[one.name] / self._n,
        )

    def _count(self, joined: JoinedSlide, result: SlideResult, scores: dict[str, Float32Array]) -> None:
        """Only patches that could be read count; those that the tissue mask dropped stay called negative."""
        self._tallies[UNCHANGED].append(slide_tally(joined))
        self._n += int(joined.readable.sum())
        for name, p_raw in scores.items():
            changed = _joined_again(joined, result, p_raw)
            self._tallies[name].append(slide_tally(changed))
            self._flipped[name] += int((changed.positive != joined.positive).sum())

    def _engine(self, model: ModelInfo, info: EngineInfo) -> Engine:
        key = (model.sha256, info)
        if key not in self._engines:
            package = self._packages.get(model.sha256)
            if package is None:
                raise ModelError(
                    f"{model.name} {model.version} (sha256 {model.sha256[:12]}), which scanned the slides, isn't at "
                    "hand: name its package with --model, or leave --robustness out"
                )
            engine = open_engine(package, info.name, self._threads, info.precision)
            if engine.info != info:
                raise ModelError(
                    f"the slides were scanned by {info.name} in {info.precision}, but here it computes in "
                    f"{engine.info.precision}: scan them again on this machine, or leave --robustness out"
                )
            self._engines[key] = engine
        return self._engines[key]


def _pixels(store: SlideStore, result: SlideResult) -> Iterator[tuple[NDArray[np.intp], Uint8Array]]:
    """Places in the table with the (n, p, p, 3) pixels that the network saw, block by block; only readable ones."""
    table, patch = result.table, result.settings.patch
    place_of = np.full((table.grid.n_rows, table.grid.n_cols), -1, dtype=np.intp)
    place_of[table.row, table.col] = np.arange(len(table))
    for block in blocks(table.row[table.readable], table.col[table.readable], patch):
        pixels, readable = read_patches(store, table.grid, block, patch)
        if not readable.all():
            raise UnreadableSlide(f"{result.slide.slide_id}: {int((~readable).sum())} patches can't be read any more")
        yield place_of[block.rows, block.cols], pixels


def _resized(store: SlideStore, result: SlideResult, places: NDArray[np.intp], side: float) -> Uint8Array:
    """(n, p, p, 3) uint8: patches that take in `side` times as much along a side, about the same middles.

    They are read as a scan of such a slide would read them. Where that takes finer pixels than are stored, those that
    are stored are enlarged. What a slide's file couldn't give beside a patch is as what was seen next to it.
    """
    table, patch = result.table, result.settings.patch
    um_per_px = max(patch.um_per_px * side, store.spacing.um_per_px)
    cells = zip(table.row[places].tolist(), table.col[places].tolist(), strict=True)
    read = (filled(*store.read_around(_widened(table.grid, row, col, side), um_per_px)) for row, col in cells)
    return np.stack([rescaled(pixels, patch.patch_px) for pixels in read])


def _widened(grid: PatchGrid, row: int, col: int, side: float) -> Box:
    box = grid.patch_box(row, col)
    more = box.width * (side - 1.0)
    return Box(box.x - more / 2, box.y - more / 2, box.width + more, box.height + more)


def _joined_again(joined: JoinedSlide, result: SlideResult, p_raw: Float32Array) -> JoinedSlide:
    """The same labelled patches with what these raw scores come to."""
    table: PatchTable = replace(result.table, p_raw=p_raw).judged(result.settings)
    of = np.full((table.grid.n_rows, table.grid.n_cols), UNLABELLED, dtype=np.int8)
    of[joined.row, joined.col] = np.where(joined.label, IDC, NOT_IDC)
    return joined_slide(result.slide, table, CellLabels(of), joined.threshold)


def _figures(tallies: Sequence[SlideTally]) -> dict[str, float | None]:
    """`FIGURES` over all patches of the slides; None where not defined."""
    cohort = PatientTallies(tallies)
    values = patch_statistic(cohort, FIGURES)(np.ones((1, len(cohort.patients))))[0]
    return {name: float(value) if math.isfinite(value) else None for name, value in zip(FIGURES, values, strict=True)}


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
