"""A job file (TOML) or the options of `scan` -> one validated Job; unknown keys are refused, the nearest proposed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import JobError, UsageError
from batchscan.domain.places import Address, Place, place_of

EngineName = Literal["auto", "keras", "openvino"]
Precision = Literal["auto", "f32", "bf16"]
Paper = Literal["a4", "letter"]
Language = Literal["en", "de"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


MIN_TISSUE_FRACTION = 0.1
"""A cell with at least this fraction of tissue is scanned, unless a job says otherwise.

On the three complete whole mounts of the public set this keeps 99.9, 99.3 and 99.8 % of the published patches and every
one with IDC. Twice as much loses about another 1 %; below .05 the rim that closing leaves lets neighbours in.
"""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _place(given: object) -> Place:
    if isinstance(given, Path | Address):
        return given
    if isinstance(given, str):
        return place_of(given)
    raise ValueError("isn't a path or an address")


def _on_a_disk(given: object) -> object:
    if "://" in str(given):
        raise ValueError("is an address, and evaluation reads disks only: copy the manifest and its references to one")
    return given


def _some(sources: tuple[Place, ...]) -> tuple[Place, ...]:
    # Not a length that pydantic asks for: it would miss the ones that are wrong, and repeat them.
    if not sources:
        raise ValueError("is empty: name at least one archive, manifest, store or slide")
    return sources


_Source = Annotated[Place, PlainValidator(_place), PlainSerializer(str)]


class SlidesSection(_Section):
    """Which slides. `sources`: archives, manifests, slide stores or slide files; `s3://` for what is on S3."""

    sources: Annotated[tuple[_Source, ...], AfterValidator(_some)]
    um_per_px: Annotated[float, Field(gt=0.0)] | None = None
    finest_um_per_px: Annotated[float, Field(ge=0.05, le=20.0)] = 1.0


class ModelSection(_Section):
    """Which model and engine. Without `threshold`, `orientations`, `neighbours` the model card's own are used.

    `precision` `auto` is bf16 only where the card says that it is as exact as f32 must be, else f32.
    `neighbours` is the sigma of the average over neighbouring patches, in patch sides; 0 for none.
    """

    package: str = DEFAULT_MODEL
    engine: EngineName = "auto"
    precision: Precision = "auto"
    threshold: Fraction | None = None
    orientations: Literal[1, 2, 4, 8] | None = None
    neighbours: Annotated[float, Field(ge=0.0, le=5.0)] | None = None


class PatchesSection(_Section):
    """Which patches are looked at."""

    stride: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    min_tissue: Annotated[float, Field(gt=0.0, le=1.0)] = MIN_TISSUE_FRACTION
    max_unreadable: Fraction = 0.01


class RunSection(_Section):
    """Where the run is kept, what works on it, and what is borne before a slide is given up.

    Parameters
    ----------
    out
        The run folder.
    workers
        Worker processes on this machine; None: one a core, as memory allows, or one a GPU for Keras.
    scheduler
        An existing Dask scheduler instead.
    attempts
        So many accidents (its worker died, it hung, a defect) end a slide, which is then left out of later runs.
    stall_s
        A step without a sign of life for so long is ended with its worker.
    away_s
        So long a place that can't be reached, and workers, are waited for.
    """

    out: Path
    workers: Annotated[int, Field(ge=1)] | None = None
    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls|ws|wss|inproc)://|^[^/]+:\d+$")] | None = None
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    stall_s: Annotated[float, Field(ge=5.0)] = 600.0
    away_s: Annotated[float, Field(ge=0.0)] = 1800.0


class LimitsSection(_Section):
    """Limits of one measure of quality; one that isn't given stays as it is (docs/quality.md)."""

    review_below: float | None = None
    review_above: float | None = None
    refuse_below: float | None = None
    refuse_above: float | None = None


class QualitySection(_Section):
    """From where on a slide's quality is to be reviewed, and from where on the slide has no numbers."""

    enabled: bool = True
    sharpness: LimitsSection = LimitsSection()
    blurred_share: LimitsSection = LimitsSection()
    pen_share: LimitsSection = LimitsSection()
    dark_share: LimitsSection = LimitsSection()
    overexposed_share: LimitsSection = LimitsSection()
    glass_level: LimitsSection = LimitsSection()
    haematoxylin_od: LimitsSection = LimitsSection()
    eosin_od: LimitsSection = LimitsSection()
    tissue_mm2: LimitsSection = LimitsSection()

    @property
    def overrides(self) -> dict[str, dict[str, float]]:
        """Measure -> limit -> value, of what is given."""
        given = self.model_dump(exclude_none=True, exclude={"enabled"})
        return {measure: limits for measure, limits in given.items() if limits}


class ReportSection(_Section):
    """What is printed.

    Parameters
    ----------
    per_slide
        Whether each slide gets a PDF.
    paper
        What it is for.
    language
        What reports and notices are in.
    templates
        A laboratory's own templates, words and logo for them (docs/templates.md).
    signing_key
        PEM file with the Ed25519 key that each PDF is signed with; read by the runner alone, and never written down.
    """

    per_slide: bool = True
    paper: Paper = "a4"
    language: Language = "en"
    templates: Path | None = None
    signing_key: Path | None = None


SlideScore = Literal["idc_mm2", "largest_focus_mm", "max_p"]


class EvaluationSection(_Section):
    """Against which labels slides are evaluated, and how; without a manifest they aren't.

    Parameters
    ----------
    manifest
        CSV that names the slides with their references.
    out
        Folder of the evaluation; None for `evaluation` in the run folder.
    prevalence
        Shares of IDC to re-weight predictive values to.
    slide_score
        What slides are ranked by; a slide is called positive when it has a focus, or from `slide_threshold` on.
    readers
        How several readers become one reference: `majority`, `any`, `all`, or a reader's name.
    outlines
        Whether what no outline covers is not IDC (`complete`) or not labelled (`partial`).
    by
        Columns of the manifest to report apart; without them, each that has 2 to 12 values.
    min_patients
        A subgroup with fewer has no figures.
    tune_on
        Value of the manifest's column `split`: the threshold is chosen on these slides and judged on all others.
    allow_seen
        Whether slides that a model was made with may be evaluated; every page then says so.
    robustness
        Whether the slides' pixels are read again, changed, and scored.
    models
        Packages for that, by name or folder; without them, those that the runs were made with.
    pictures
        Patches of each kind in the galleries of wrong calls.
    """

    manifest: Annotated[Path, BeforeValidator(_on_a_disk)] | None = None
    out: Path | None = None
    prevalence: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = ()
    slide_score: SlideScore = "idc_mm2"
    slide_threshold: Annotated[float, Field(gt=0.0)] | None = None
    readers: Annotated[str, Field(min_length=1)] = "majority"
    outlines: Literal["complete", "partial"] = "complete"
    by: tuple[str, ...] = ()
    min_patients: Annotated[int, Field(ge=2)] = 5
    tune_on: str | None = None
    allow_seen: bool = False
    replicates: Annotated[int, Field(ge=200, le=100_000)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0
    robustness: bool = False
    models: tuple[str, ...] = ()
    pictures: Annotated[int, Field(ge=0, le=60)] = 12


class GatesSection(_Section):
    """What the figures of the evaluation must reach, such as `sensitivity.low >= 0.85`; a missed one exits with 3."""

    require: tuple[str, ...] = ()


class Job(_Section):
    """Everything that a run is asked to do; paths are absolute."""

    schema_version: Literal[1] = 1
    slides: SlidesSection
    run: RunSection
    model: ModelSection = ModelSection()
    patches: PatchesSection = PatchesSection()
    quality: QualitySection = QualitySection()
    report: ReportSection = ReportSection()
    evaluation: EvaluationSection = EvaluationSection()
    gates: GatesSection = GatesSection()

    @model_validator(mode="after")
    def _gates_need_figures(self) -> Job:
        if self.gates.require and self.evaluation.manifest is None:
            raise ValueError("[gates] needs [evaluation] with a manifest: without labels there is nothing to reach")
        return self


def read_job(path: Path) -> Job:
    """Read a job file; relative paths in it are relative to the file.

    Raises
    ------
    JobError
        If the file can't be read, isn't TOML, or a key is unknown, missing or wrong: all are named.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path}: can't be read ({error.strerror}); check the path of the job file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise JobError(f"{path}: isn't valid TOML: {error}") from error
    return absolute(validated_job(data, str(path)), path.resolve().parent)


def validated_job(data: dict[str, Any], where: str) -> Job:
    """The Job that `data` describes.

    Raises
    ------
    JobError
        Naming every wrong key of `data`, which came from `where`.
    """
    try:
        return Job.model_validate(data)
    except ValidationError as error:
        raise JobError(f"{where}: " + "; ".join(_complaints(error))) from error


def evaluation_section(given: dict[str, Any]) -> EvaluationSection:
    """The section that options come to.

    Raises
    ------
    UsageError
        Naming every wrong one.
    """
    try:
        return EvaluationSection.model_validate(given)
    except ValidationError as error:
        raise UsageError("the options: " + "; ".join(_complaints(error))) from error


def absolute(job: Job, folder: Path) -> Job:
    """The same job with its relative paths taken from `folder`."""
    model = job.model.model_copy(update={"package": _package(job.model.package, folder)})
    sources = tuple(
        (folder / source).resolve() if isinstance(source, Path) else source for source in job.slides.sources
    )
    of_evaluation: dict[str, Any] = {name: _absolute(path, folder) for name, path in _evaluation_paths(job)}
    of_evaluation["models"] = tuple(_package(name, folder) for name in job.evaluation.models)
    return job.model_copy(
        update={
            "model": model,
            "slides": job.slides.model_copy(update={"sources": sources}),
            "run": job.run.model_copy(update={"out": (folder / job.run.out).resolve()}),
            "report": job.report.model_copy(update=_absolute_report(job.report, folder)),
            "evaluation": job.evaluation.model_copy(update=of_evaluation),
        }
    )


def _absolute_report(report: ReportSection, folder: Path) -> dict[str, Path | None]:
    return {name: _absolute(getattr(report, name), folder) for name in ("templates", "signing_key")}


def _absolute(path: Path | None, folder: Path) -> Path | None:
    return path and (folder / path).resolve()


def _package(name: str, folder: Path) -> str:
    """A model package by its shipped name, or by its absolute path."""
    return str((folder / name).resolve()) if "/" in name else name


def _evaluation_paths(job: Job) -> tuple[tuple[str, Path | None], ...]:
    return ("manifest", job.evaluation.manifest), ("out", job.evaluation.out)


def overridden(job: Job, run: Mapping[str, Any]) -> Job:
    """The same job with the keys of its run section that aren't None taken from `run`."""
    given = {key: value for key, value in run.items() if value is not None}
    return validated_job(job.model_copy(update={"run": job.run.model_copy(update=given)}).model_dump(), "the options")


def _complaints(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if not key:
            yield item["msg"].removeprefix("Value error, ")
        elif item["type"] == "value_error":
            yield f"key {key!r} {item['msg'].removeprefix('Value error, ')}"
        elif item["type"] == "extra_forbidden":
            yield f"unknown key {key!r}{_nearest(key)}"
        elif item["type"] == "missing":
            yield f"key {key!r} is missing"
        elif item["type"] == "string_pattern_mismatch":
            yield f"key {key!r} is {_shown(item['input'])}: expected an address such as tcp://host:8786"
        elif item["type"] == "tuple_type":
            yield f"key {key!r} is {_shown(item['input'])}: expected a list, such as [{_shown(item['input'])}]"
        else:
            yield f"key {key!r} is {_shown(item['input'])}: {item['msg'].lower()}"


def _shown(given: object) -> str:
    """What was given, addresses without their rest: a password or a key may be in it."""
    return re.sub(r"://[^'\"]*", "://...", repr(given))


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(known_keys())}"


def _section_keys(name: str, section: type[BaseModel]) -> Iterator[str]:
    for key, field in section.model_fields.items():
        yield f"{name}.{key}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, _Section):
            yield from _section_keys(f"{name}.{key}", inner)


def known_keys() -> tuple[str, ...]:
    """Every key that a job file may have, dotted."""
    keys: list[str] = []
    for name, field in Job.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            keys += [name, *_section_keys(name, section)]
        else:
            keys.append(name)
    return tuple(keys)
