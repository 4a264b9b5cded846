"""The tables of an evaluation's patches: what is written slide by slide is read back so."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.domain.joined import JoinedSlide
from batchscan.stores.evaluations import EVALUATION, PATCHES, TABLE, EvaluationFolder, PatchTables


def joined(slide_id: str, label: list[int], p_idc: list[float], scanned: list[int] | None = None) -> JoinedSlide:
    """A row of patches; NaN in p_idc is one that couldn't be read."""
    n = len(label)
    p = np.array(p_idc, dtype=np.float32)
    readable = ~np.isnan(p)
    where = np.arange(n, dtype=np.int32)
    return JoinedSlide(
        slide_id=slide_id,
        patient_id=f"P-{slide_id}",
        row=np.zeros(n, np.int32),
        col=where,
        x_px=where.astype(np.float64) * 50.5,
        y_px=np.zeros(n),
        label=np.array(label, dtype=np.bool_),
        p_raw=p,
        p_idc=p,
        positive=readable & (np.nan_to_num(p) >= 0.5),
        scanned=np.ones(n, np.bool_) if scanned is None else np.array(scanned, dtype=np.bool_),
        readable=readable,
        tissue_mm2=np.full(n, 0.16),
        side_px=50.5,
        threshold=0.5,
    )


A = joined("a", [0, 1, 0, 1, 0, 1], [0.7, 0.9, 0.95, 0.1, 0.2, np.nan])
B = joined("b", [1, 0], [0.0, 0.4], [0, 1])


def write(folder: Path, *slides: JoinedSlide) -> None:
    with PatchTables.writing(folder) as tables:
        for slide in slides:
            tables.add(slide)


def test_slides_come_back_as_they_were_one_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, A, joined("aa", [], []), B)
    found = list(EvaluationFolder(tmp_path).patches())
    assert [slide.slide_id for slide in found] == ["a", "b"]
    for was, now in zip((A, B), found, strict=True):
        for field in dataclasses.fields(JoinedSlide):
            before, after = getattr(was, field.name), getattr(now, field.name)
            np.testing.assert_array_equal(before, after)
            assert np.asarray(before).dtype == np.asarray(after).dtype


def test_the_csv_has_the_discordant_patches_first_each_slides_surest_first(tmp_path: Path) -> None:
    write(tmp_path, A, B)
    with (tmp_path / TABLE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["slide_id"], row["col"], row["outcome"]) for row in rows] == [
        ("a", "2", "FP"),
        ("a", "3", "FN"),
        ("a", "0", "FP"),
        ("b", "0", "FN"),
        ("a", "1", "TP"),
        ("a", "4", "TN"),
        ("a", "5", "not read"),
        ("b", "1", "TN"),
    ]
    unread, dropped = rows[6], rows[3]
    assert (unread["p_idc"], unread["readable"], dropped["scanned"], dropped["label"]) == ("", "0", "0", "1")
    assert float(rows[0]["p_idc"]) == pytest.approx(0.95)
    assert sorted(path.name for path in tmp_path.iterdir()) == [TABLE, PATCHES]


def test_nothing_is_left_of_tables_that_were_not_finished(tmp_path: Path) -> None:
    def interrupted() -> None:
        with PatchTables.writing(tmp_path) as tables:
            tables.add(A)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_without_patches_has_empty_tables(tmp_path: Path) -> None:
    write(tmp_path)
    assert list(EvaluationFolder(tmp_path).patches()) == []
    assert len((tmp_path / TABLE).read_text().splitlines()) == 1


def test_slides_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="slide a after b"):
        write(tmp_path, B, A)


def test_only_an_evaluation_may_be_replaced(tmp_path: Path) -> None:
    EvaluationFolder(tmp_path / "new").check_free()
    EvaluationFolder(tmp_path).check_free()
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(OutputError, match="isn't the folder of an evaluation"):
        EvaluationFolder(tmp_path).check_free()
    (tmp_path / EVALUATION).touch()
    EvaluationFolder(tmp_path).check_free()


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedResult, match=r"evaluation\.json.*evaluate the run again"):
        EvaluationFolder(tmp_path).read()
    (tmp_path / PATCHES).write_bytes(b"PAR1")
    with pytest.raises(DamagedResult, match=r"patches\.parquet"):
        list(EvaluationFolder(tmp_path).patches())
