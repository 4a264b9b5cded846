"""A slide's result <-> its folder in the run: result.json and patches.parquet; committed by renaming."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.profile import Profile, TrainingProfile
from batchscan.domain.records import (
    SCHEMA_VERSION,
    Counts,
    EngineInfo,
    Float32Array,
    ModelInfo,
    PatchTable,
    ScanSettings,
    SlideInfo,
    SlideResult,
    SlideStatus,
)
from batchscan.stores.atomic import write_atomically, write_staged
from batchscan.stores.extents import extent_json, read_extent
from batchscan.stores.quality import quality_json, read_profile, read_quality, read_quality_settings
from batchscan.stores.seen import SeenSet, read_seen
from batchscan.stores.staging import check_writable, swap_in
from batchscan.stores.training_profile import read_training_profile

RESULT, PATCHES, REGIONS, HEATMAP, REPORT = (
    "result.json",
    "patches.parquet",
    "regions.geojson",
    "heatmap.png",
    "report.pdf",
)
SIGNATURE_SUFFIX = ".sig"
SIGNATURE = REPORT + SIGNATURE_SUFFIX
"""Beside the report, where a lab signs its reports."""
THUMBNAIL = "thumbnail.jpg"
SUMMARY = "summary.csv"
RUN_FACTS, INDEX = "run.json", "index.html"
_PLAIN_SETTINGS = ("min_tissue", "max_unreadable", "threshold", "tolerance", "orientations")
_OF_QUALITY = ("grade", "measures")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places in a run folder."""

    path: Path

    @property
    def ledger(self) -> Path:
        """ledger.sqlite."""
        return self.path / "ledger.sqlite"

    def card(self, model_sha256: str) -> Path:
        """The card of a model that results come from, kept so that reports can be printed without the model."""
        return self.path / "cards" / f"{model_sha256}.json"

    def seen(self, model_sha256: str) -> Path:
        """The seen.npz of such a model."""
        return self.path / "cards" / f"{model_sha256}.seen.npz"

    @property
    def stores(self) -> Path:
        """Slide stores made from vendor files that were scanned without an ingest."""
        return self.path / "stores"

    @property
    def staging(self) -> Path:
        """Results on their way; anything here is nobody's result."""
        return self.path / "slides" / ".staging"

    def slide(self, slide_id: str) -> Path:
        """The folder of a slide's committed result."""
        return self.path / "slides" / slide_id

    @property
    def notices(self) -> Path:
        """Notices of the slides that have no result: never among the results."""
        return self.path / "notices"

    def notice(self, slide_id: str) -> Path:
        """The notice of a slide that failed or was excluded."""
        return self.notices / f"{slide_id}.pdf"

    def profile(self, model_sha256: str) -> Path:
        """The profile.json of such a model."""
        return self.path / "cards" / f"{model_sha256}.profile.json"

    def keep_card(self, card: ModelCard, seen: Path | None = None, profile: Path | None = None) -> None:
        """Store the card of the model that the next results come from, and what its package has of these files."""
        path, sha256 = self.card(card.weights_sha256), card.weights_sha256
        check_writable(path.parent)
        for file, kept in ((seen, self.seen(sha256)), (profile, self.profile(sha256))):
            if file:
                with write_atomically(kept, binary=True) as stream:
                    stream.write(file.read_bytes())
        write_json(path, card.model_dump(mode="json"))

    def read_facts(self, *needed: str) -> dict[str, Any]:
        """What run.json says of the run as a whole.

        Raises
        ------
        DamagedResult
            If it is missing or damaged, or lacks one of those that are needed.
        """
        try:
            facts = json.loads((self.path / RUN_FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DamagedResult(f"{self.path}: has no readable {RUN_FACTS}; run the job again") from error
        if not isinstance(facts, dict):
            raise DamagedResult(f"{self.path}: {RUN_FACTS} isn't what batchscan writes; run the job again")
        if missing := [name for name in needed if name not in facts]:
            raise DamagedResult(f"{self.path}: {RUN_FACTS} lacks {', '.join(missing)}; run the job again")
        return facts

    def results(self) -> list[str]:
        """Ids of the slides with a committed result, sorted."""
        found = (file.parent.name for file in self.path.glob(f"slides/*/{RESULT}"))
        return sorted(name for name in found if not name.startswith("."))

    def read_card(self, model_sha256: str) -> ModelCard:
        """The stored card of a model.

        Raises
        ------
        DamagedResult
            If it is missing or damaged.
        """
        try:
            return _parsed_card(self.card(model_sha256).read_bytes())
        except (OSError, ValueError) as error:
            text = f"{self.path}: has no readable card of model {model_sha256}; run the job again"
            raise DamagedResult(text) from error

    def read_seen(self, model_sha256: str) -> SeenSet | None:
        """What a model was made with; None where its package has no list of that.

        Raises
        ------
        DamagedResult
            If its card or the list is missing or damaged.
        """
        sha256, path = self.read_card(model_sha256).seen_sha256, self.seen(model_sha256)
        try:
            return read_seen(path, sha256) if sha256 else None
        except ValueError as error:
            raise DamagedResult(f"{path} can't be read ({error}); run the job again") from error

    def read_profile(self, model_sha256: str) -> TrainingProfile | None:
        """How what a model was made with is spread; None where its package doesn't say it; raises as `read_seen`."""
        sha256, path = self.read_card(model_sha256).profile_sha256, self.profile(model_sha256)
        try:
            return read_training_profile(path, sha256) if sha256 else None
        except ValueError as error:
            raise DamagedResult(f"{path} can't be read ({error}); run the job again") from error

    def training_counts(self, model_sha256: str) -> Profile | None:
        """The counts of `read_profile` alone."""
        known = self.read_profile(model_sha256)
        return known.counts if known else None

    def create(self) -> None:
        """Make the folder and see that it can be written to.

        Raises
        ------
        OutputError
            If it can't.
        """
        check_writable(self.staging)

    def clear_staging(self) -> None:
        """Drop what a run left half-done, also one that was killed."""
        shutil.rmtree(self.staging, ignore_errors=True)
        for left in (*self.staging.parent.glob(".*.partial"), *self.path.glob(".*.tmp")):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def staging_of(self, slide_id: str) -> Path:
        """Where the attempts at a slide put their results, each in a folder of its own."""
        return self.staging / slide_id

    def commit(self, staged: Path, slide_id: str) -> Path:
        """Give a staged result, which is on the disk, its name; an older result of the slide makes way."""
        final = self.slide(slide_id)
        try:
            swap_in(staged, final)
        except OSError as error:
            raise OutputError(
                f"{final}: can't be written ({error.strerror}); check permissions and free space"
            ) from error
        return final

    def clear_attempts(self, slide_id: str) -> None:
        """Drop what attempts at a slide have left."""
        shutil.rmtree(self.staging_of(slide_id), ignore_errors=True)

    def set_aside(self, slide_id: str) -> None:
        """Take an older result of a slide out of sight: it isn't what the slide comes to now."""
        final = self.slide(slide_id)
        if final.exists():
            place = self.path / "slides" / ".superseded" / slide_id
            shutil.rmtree(place, ignore_errors=True)
            try:
                place.parent.mkdir(exist_ok=True)
                final.rename(place)
            except OSError as error:
                raise OutputError(f"{final}: can't be moved away ({error.strerror}); check permissions") from error


@functools.lru_cache(maxsize=2)
def _parsed_card(content: bytes) -> ModelCard:
    """All slides of a run have the same, and parsing it takes longer than reading it."""
    return parse_card(content)


def write_result(folder: Path, result: SlideResult) -> None:
    """Write result.json and patches.parquet into `folder`, which is nobody's result before `sync_tree`."""
    text = json_text(result_json(result))
    with write_staged(folder / RESULT) as stream:
        stream.write(text)
    _write_table(folder / PATCHES, result)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, indented, atomically; NaN is refused, since an undefined number is null."""
    text = json_text(value)
    with write_atomically(path) as stream:
        stream.write(text)


def json_text(value: Mapping[str, Any]) -> str:
    """One JSON object as this program's files have it; NaN is refused."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def result_json(result: SlideResult) -> dict[str, Any]:
    """What result.json says of a result."""
    slide, settings = result.slide, result.settings
    return {
        "schema_version": SCHEMA_VERSION,
        "status": SlideStatus.DONE.value,
        "slide": {
            "slide_id": slide.slide_id,
            "patient_id": slide.patient_id,
            "width_px": slide.width_px,
            "height_px": slide.height_px,
            "um_per_px": slide.spacing.um_per_px,
            "um_per_px_source": slide.spacing.source.value,
            "fingerprint": slide.fingerprint,
            "source_downsample": slide.source_downsample,
        },
        "model": asdict(result.model),
        "engine": asdict(result.engine),
        "threshold": settings.threshold,
        "tolerance": settings.tolerance,
        "min_tissue": settings.min_tissue,
        "max_unreadable": settings.max_unreadable,
        "orientations": settings.orientations,
        "aggregation": asdict(settings.aggregation),
        "patch": {**asdict(settings.patch), "side_px": result.table.grid.side_px},
        "counts": asdict(result.counts),
        "extent": extent_json(result.extent),
        "quality": asdict(settings.quality),
        "qc": {**result.qc, **quality_json(result.quality)},
        "profile": {name: list(counts) for name, counts in result.profile.items()},
        "seconds": {name: round(value, 4) for name, value in result.seconds.items()},
        "scan_digest": result.scan_digest,
        "digest": result.digest,
    }


def read_result(folder: Path) -> SlideResult:
    """Read a committed result back; outlines of foci stay in regions.geojson, so `rings_px` comes from there.

    Raises
    ------
    DamagedResult
        If a file is missing or isn't what this version writes, or an older one wrote it.
    """
    try:
        data = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        check_schema(folder, data)
        regions = json.loads((folder / REGIONS).read_text(encoding="utf-8"))
        settings = ScanSettings(
            patch=PatchSpec(**{name: data["patch"][name] for name in ("patch_px", "um_per_px", "stride")}),
            aggregation=Aggregation(**data["aggregation"]),
            quality=read_quality_settings(data["quality"]),
            **{name: data[name] for name in _PLAIN_SETTINGS},
        )
        slide = data["slide"]
        spacing = Spacing(slide.pop("um_per_px"), SpacingSource(slide.pop("um_per_px_source")))
        info = SlideInfo(spacing=spacing, **slide)
        return SlideResult(
            slide=info,
            model=ModelInfo(**data["model"]),
            engine=EngineInfo(**data["engine"]),
            settings=settings,
            counts=Counts(**data["counts"]),
            extent=read_extent(data["extent"], regions),
            qc={name: value for name, value in data["qc"].items() if name not in _OF_QUALITY},
            seconds=data["seconds"],
            scan_digest=data["scan_digest"],
            digest=data["digest"],
            table=read_table(folder, PatchGrid.over(info.width_px, info.height_px, spacing.um_per_px, settings.patch)),
            quality=read_quality(data["qc"]),
            profile=read_profile(data["profile"]),
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise DamagedResult(
            f"{folder}: the stored result can't be read ({type(error).__name__}: {error}); scan the slide again"
        ) from error


def check_schema(folder: Path, data: Any) -> None:
    """Refuse the result.json of another schema version; raises DamagedResult."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise DamagedResult(
            f"{folder}: its result has schema version {version}, this batchscan reads {SCHEMA_VERSION}: an older or a "
            "newer one wrote it; scan the slide again"
        )


def read_table(folder: Path, grid: PatchGrid) -> PatchTable:
    """The patch table of a committed result over `grid`."""
    n_patches, n_cells = pq.read_metadata(folder / PATCHES).num_rows, grid.n_rows * grid.n_cols
    if n_patches > n_cells:
        # Before it is unpacked: a small file may hold billions.
        raise ValueError(f"{PATCHES} has {n_patches} patches, the slide's grid {n_cells}")
    table = pq.read_table(folder / PATCHES)
    return PatchTable(
        grid=grid,
        row=table["row"].to_numpy(),
        col=table["col"].to_numpy(),
        tissue_fraction=table["tissue_fraction"].to_numpy(),
        p_raw=_scores(table, "p_raw"),
        p_idc=_scores(table, "p_idc"),
        readable=table["readable"].to_numpy(zero_copy_only=False).astype(np.bool_),
        pixel_hash=table["pixels"].to_numpy(),
        sharpness=_scores(table, "sharpness"),
    )


def _scores(table: pa.Table, name: str) -> Float32Array:
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float32)


def _with_nulls(values: Float32Array | None, n: int) -> Any:
    return pa.nulls(n, pa.float32()) if values is None else pa.array(values, mask=np.isnan(values))


def _write_table(path: Path, result: SlideResult) -> None:
    table, spacing = result.table, result.slide.spacing
    columns = {
        "x_px": table.x_px,
        "y_px": table.y_px,
        "row": table.row,
        "col": table.col,
        "tissue_fraction": table.tissue_fraction,
        "p_raw": pa.array(table.p_raw, mask=~table.readable),
        "p_idc": pa.array(table.p_idc, mask=~table.readable),
        "readable": table.readable,
        "pixels": np.zeros(len(table), np.uint64) if table.pixel_hash is None else table.pixel_hash,
        "sharpness": _with_nulls(table.sharpness, len(table)),
    }
    facts = {
        "side_px": table.grid.side_px,
        "um_per_px": spacing.um_per_px,
        "slide_id": result.slide.slide_id,
        "scan_digest": result.scan_digest,
    }
    metadata = {f"batchscan.{name}": json.dumps(value) for name, value in facts.items()}
    metadata |= {"side_px": repr(table.grid.side_px), "um_per_px": repr(spacing.um_per_px)}
    with write_staged(path, binary=True) as stream:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), stream, compression="zstd")
