from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batchscan.domain.errors import OutputError, ReferenceFileError
from batchscan.stores.references import Reference, read_reference, read_references, write_reference


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    reference = Reference(
        np.array([0.0, 50.0, 801.603206412826]),
        np.array([100.0, 0.0, 2.5]),
        np.full(3, 50.0),
        np.array([True, False, True]),
    )
    write_reference(tmp_path / "labels.csv", reference)
    assert (tmp_path / "labels.csv").read_text().splitlines() == [
        "x_px,y_px,side_px,label",
        "0,100,50,1",
        "50,0,50,0",
        "801.603206412826,2.5,50,1",
    ]
    found = read_reference(tmp_path / "labels.csv")
    for name in ("x_px", "y_px", "side_px", "label"):
        np.testing.assert_array_equal(getattr(found, name), getattr(reference, name))
    assert found.label.dtype == np.bool_
    assert len(found) == 3


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\ufefflabel,note,side_px,y_px,x_px", "1,seen,50,10,20", "0.0,,50,60,20")
    found = read_reference(path)
    assert (found.x_px.tolist(), found.y_px.tolist(), found.label.tolist()) == ([20, 20], [10, 60], [True, False])


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("x,0,50,1", "x_px 'x' isn't a number"),
        ("1,nan,50,1", "y_px 'nan' isn't finite"),
        ("1,2", "side_px '' isn't a number"),
        ("-1,0,50,1", "lies off the slide"),
        ("1,0,0,1", "side_px 0 isn't a size"),
        ("1,0,50,2", "label 2 is neither 0 nor 1"),
        ("0,0,50,0", "also on line 2"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path: Path, row: str, named: str) -> None:
    path = write(tmp_path / "a.csv", "x_px,y_px,side_px,label", "0,0,50,1", row)
    with pytest.raises(ReferenceFileError, match=named) as caught:
        read_reference(path)
    assert "1 wrong row: line 3:" in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_wrong_rows_are_counted_and_the_first_twenty_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x_px,y_px,side_px,label", *(f"{i},0,50,7" for i in range(25)))
    with pytest.raises(ReferenceFileError, match="25 wrong rows") as caught:
        read_reference(path)
    assert "line 21:" in str(caught.value)
    assert "line 22:" not in str(caught.value)
    assert str(caught.value).endswith("and 5 more")


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (("x_px,y_px,label", "0,0,1"), "column side_px is missing"),
        (("x_px,y_px,side_px,label",), "no labels"),
        (("",), "no columns"),
    ],
)
def test_a_file_without_labels_is_refused(tmp_path: Path, lines: tuple[str, ...], named: str) -> None:
    with pytest.raises(ReferenceFileError, match=named):
        read_reference(write(tmp_path / "a.csv", *lines))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\x89PNG\xff\xfe")
    for path in (tmp_path / "a.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(ReferenceFileError, match="can't be read"):
            read_reference(path)


def test_writing_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    reference = Reference(np.zeros(1), np.zeros(1), np.full(1, 50.0), np.ones(1, dtype=np.bool_))
    with pytest.raises(OutputError):
        write_reference(tmp_path / "no such folder" / "a.csv", reference)


REVIEW = ("slide_id,x_px,y_px,side_px,p_idc,label", "A,0,0,50,.9,1", "B,0,0,50,.2,0", "A,50,0,50,.8,", "C,0,0,50,.1, ")


def test_a_review_of_several_slides_gives_each_its_reviewed_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", *REVIEW)
    found = read_references(path)
    assert {name: list(zip(one.x_px, one.label, strict=True)) for name, one in found.items()} == {
        "A": [(0.0, True)],
        "B": [(0.0, False)],
        "C": [],
    }
    assert read_reference(path, "B").label.tolist() == [False]
    for name in ("C", "D"):
        with pytest.raises(ReferenceFileError, match=f"no labels of slide '{name}'"):
            read_reference(path, name)


def test_a_file_of_one_slide_serves_whatever_the_slide_is_called(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x_px,y_px,side_px,label", "0,0,50,1")
    assert read_reference(path, "A").label.tolist() == [True]
    assert list(read_references(path)) == [""]


def test_in_a_review_too_wrong_rows_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", *REVIEW, "A,0,0,50,,0", "B,1,1,50,,maybe")
    with pytest.raises(ReferenceFileError, match="2 wrong rows") as caught:
        read_references(path)
    assert "line 6: (0, 0) is also on line 2" in str(caught.value)
    assert "line 7: label 'maybe' isn't a number" in str(caught.value)


def test_a_file_of_more_than_64_mib_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x_px,y_px,side_px,label", "0,0,50,1")
    with path.open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ReferenceFileError, match="more than 64 MiB"):
        read_reference(path)


def test_a_row_that_is_no_csv_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x_px,y_px,side_px,label", f"0,0,50,{'1' * 140_000}")
    with pytest.raises(ReferenceFileError, match="line 2: isn't CSV"):
        read_reference(path)
