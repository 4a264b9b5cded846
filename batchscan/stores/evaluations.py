"""An evaluation <-> its folder: evaluation.json and the table of patches, written slide by slide, read back so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batchscan.domain.errors import DamagedResult
from batchscan.domain.evaluated import Evaluation
from batchscan.domain.joined import JoinedSlide
from batchscan.domain.records import BoolArray
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter, as_cells
from batchscan.stores.record_files import check_replaceable, read_record, write_record

EVALUATION, PATCHES, TABLE = "evaluation.json", "patches.parquet", "patches.csv"
REPORT, PAGE, DISCORDANT, SUSPECTS = "report.pdf", "index.html", "discordant", "suspects.csv"
_SUSPECT_COLUMNS = ("slide_id", "patient_id", "row", "col", "x_px", "y_px", "side_px", "label", "p_idc")

_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("slide_id", pa.string()),
    ("patient_id", pa.string()),
    ("row", pa.int32()),
    ("col", pa.int32()),
    ("x_px", pa.float64()),
    ("y_px", pa.float64()),
    ("side_px", pa.float64()),
    ("label", pa.bool_()),
    ("p_raw", pa.float32()),
    ("p_idc", pa.float32()),
    ("threshold", pa.float64()),
    ("positive", pa.bool_()),
    ("scanned", pa.bool_()),
    ("readable", pa.bool_()),
    ("tissue_mm2", pa.float64()),
)
_SCHEMA = pa.schema([pa.field(name, kind) for name, kind in _FIELDS])
_CONSTANT = ("slide_id", "patient_id", "side_px", "threshold")
_SCORES = ("p_raw", "p_idc")
_OUTCOMES = np.array(["TN", "FP", "FN", "TP", "not read"])
_NOT_READ = 4


@dataclass(frozen=True, slots=True)
class EvaluationFolder:
    """The places in the folder of an evaluation."""

    path: Path

    def check_free(self) -> None:
        """See that the folder may be made, or replaced because it holds an evaluation and nothing else is lost.

        Raises
        ------
        OutputError
            If something else is there.
        """
        check_replaceable(self.path, EVALUATION, "an evaluation")

    def read(self) -> Evaluation:
        """What evaluation.json says.

        Raises
        ------
        DamagedResult
            If it is missing, damaged or of another schema.
        """
        return read_record(self.path / EVALUATION, Evaluation, "evaluate the run again into a new folder")

    def digest(self) -> str:
        """That of the evaluation that is there; empty where there is none that can be read."""
        try:
            return self.read().digest
        except DamagedResult:
            return ""

    def write(self, evaluation: Evaluation) -> None:
        """Write evaluation.json.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        write_record(self.path / EVALUATION, evaluation)

    def write_suspects(self, suspects: Callable[[JoinedSlide], BoolArray]) -> None:
        """Write suspects.csv, the patches of the table that `suspects` says, in its order, one slide at a time.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        with write_atomically(self.path / SUSPECTS) as stream:
            writer = TableWriter(stream)
            writer.writerow(_SUSPECT_COLUMNS)
            for slide in self.patches():
                for i in np.flatnonzero(suspects(slide)).tolist():
                    cells = (getattr(slide, name) for name in _SUSPECT_COLUMNS)
                    writer.writerow([_written(cell if isinstance(cell, str | float) else cell[i]) for cell in cells])

    def patches(self) -> Iterator[JoinedSlide]:
        """Every slide's labelled patches, one slide in memory at a time, in the order of their ids.

        Raises
        ------
        DamagedResult
            If the table is missing or damaged.
        """
        path = self.path / PATCHES
        try:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    yield _joined(file.read_row_group(group))
        except (OSError, KeyError, IndexError, pa.ArrowInvalid) as error:
            raise DamagedResult(f"{path}: can't be read ({error}): evaluate the run again into a new folder") from error


class PatchTables:
    """patches.parquet and patches.csv in the making (`writing`): slides are added in the order of their ids."""

    def __init__(self, parquet: pq.ParquetWriter, discordant: pa_csv.CSVWriter, rest: pa_csv.CSVWriter) -> None:
        self._parquet, self._discordant, self._rest = parquet, discordant, rest
        self._last = ""

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator[Self]:
        """Both tables below `folder`, there when the block ends well and not there at all when it doesn't.

        patches.csv has the discordant patches first, slide by slide, each slide's surest first; then all others.

        Raises
        ------
        OutputError
            If they can't be written.
        """
        schema = _csv_table(_SCHEMA.empty_table()).schema
        headless = pa_csv.WriteOptions(include_header=False)
        with (
            write_atomically(folder / PATCHES, binary=True) as columns,
            write_atomically(folder / TABLE, binary=True) as text,
            TemporaryFile(dir=folder) as later,
        ):
            with (
                pq.ParquetWriter(columns, _SCHEMA, compression="zstd") as parquet,
                pa_csv.CSVWriter(text, schema) as discordant,
                pa_csv.CSVWriter(later, schema, write_options=headless) as rest,
            ):
                yield cls(parquet, discordant, rest)
            later.seek(0)
            shutil.copyfileobj(later, text)

    def add(self, slide: JoinedSlide) -> None:
        """Write one slide's patches; one without any adds nothing.

        Raises
        ------
        ValueError
            If the slides aren't in the order of their ids.
        """
        if slide.slide_id <= self._last:
            raise ValueError(f"slide {slide.slide_id} after {self._last}")
        self._last = slide.slide_id
        if not len(slide):
            return
        table = _table(slide)
        text, discordant = _csv_table(table), _surest_discordant(slide)
        others = np.ones(len(slide), dtype=np.bool_)
        others[discordant] = False
        self._parquet.write_table(table, row_group_size=len(slide))
        self._discordant.write_table(text.take(discordant))
        self._rest.write_table(text.filter(pa.array(others)))


def _written(value: Any) -> str | int | float:
    """As a spreadsheet has it: truths as 0 and 1, float32 with its own digits."""
    if isinstance(value, str | float):
        return value
    return int(value) if value.dtype.kind in "bi" else float(str(value))


def _table(slide: JoinedSlide) -> pa.Table:
    columns: list[Any] = []
    for name, kind in _FIELDS:
        values = getattr(slide, name)
        if name in _CONSTANT:
            columns.append(pa.array([values] * len(slide), kind))
        else:
            columns.append(pa.array(values, kind, mask=np.isnan(values) if name in _SCORES else None))
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _csv_table(table: pa.Table) -> pa.Table:
    """For people and spreadsheets: truth as 0 and 1, and what became of the patch."""
    label, positive, readable = (
        table[name].to_numpy(zero_copy_only=False).astype(np.bool_) for name in ("label", "positive", "readable")
    )
    outcome = np.where(readable, label * 2 + positive, _NOT_READ).astype(np.intp)
    for i, name in enumerate(table.column_names):
        if table.schema.field(i).type == pa.bool_():
            table = table.set_column(i, name, pc.cast(table[name], pa.int8()))
        elif table.schema.field(i).type == pa.string():
            table = table.set_column(i, name, as_cells(table[name]))
    return table.append_column("outcome", pa.array(_OUTCOMES[outcome], pa.string()))


def _surest_discordant(slide: JoinedSlide) -> NDArray[np.intp]:
    wrong = np.flatnonzero(slide.readable & (slide.positive != slide.label))
    how_wrong = np.abs(slide.p_idc[wrong].astype(np.float64) - slide.label[wrong])
    return wrong[np.argsort(-how_wrong, kind="stable")]


def _joined(table: pa.Table) -> JoinedSlide:
    facts: dict[str, Any] = {name: table[name][0].as_py() for name in _CONSTANT}
    for name, kind in _FIELDS:
        if name not in _CONSTANT:
            # Missing scores come as NaN, truths as objects.
            facts[name] = table[name].to_numpy(zero_copy_only=False).astype(kind.to_pandas_dtype())
    return JoinedSlide(**facts)
