from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscan.stores.cells import TableWriter, as_cell, as_cells, from_cell

RUN = ("=1+1", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1+1", "-abc", "=", "'=1", "''@x")  # noqa: RUF001
LEFT = (
    "",
    "a=1",
    "12-3",
    "'quoted'",
    "it's",
    "O'Brien",
    "<script>",
    "-5",
    "+0.5",
    "-1e-9",
    "-.5",
    "'",
    "''",
    "é",
    "😀",
)


@pytest.mark.parametrize("text", RUN)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert as_cell(text) == f"'{text}"
    assert from_cell(as_cell(text)) == text


@pytest.mark.parametrize("text", LEFT)
def test_other_text_and_numbers_stay(text: str) -> None:
    assert as_cell(text) == text
    assert from_cell(text) == text


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n\x00＝a1. e"), max_size=8) | st.text())  # noqa: RUF001
def test_every_text_comes_back_and_no_cell_runs(text: str) -> None:
    cell = as_cell(text)
    assert from_cell(cell) == text
    assert cell == text or cell[0] == "'"


def test_columns_are_treated_as_cells_are() -> None:
    texts = [*RUN, *(text for text in LEFT if text[:1] not in ("-", "+"))]
    assert as_cells(pa.chunked_array([texts])).to_pylist() == [as_cell(text) for text in texts]


def test_rows_are_written_as_csv_reads_them() -> None:
    stream = io.StringIO(newline="")
    writer = TableWriter(stream)
    writer.writerow(("name", "n"))
    writer.writerows([('=a,\n"b"', -1), (None, 2.5)])
    rows = list(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert rows == [["name", "n"], ['\'=a,\n"b"', "-1"], ["", "2.5"]]
