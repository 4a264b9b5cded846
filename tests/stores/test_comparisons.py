"""The folder of a comparison: what may be replaced, and what isn't one. tests/workflow/test_compare.py has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.stores.comparisons import ComparisonFolder


def test_a_new_an_empty_and_an_own_folder_are_free(tmp_path: Path) -> None:
    ComparisonFolder(tmp_path / "new").check_free()
    ComparisonFolder(tmp_path).check_free()
    (tmp_path / "comparison.json").write_text("{}")
    (tmp_path / "other").write_text("")
    ComparisonFolder(tmp_path).check_free()


def test_anything_else_is_not(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("")
    for path in (tmp_path, tmp_path / "thesis.doc"):
        with pytest.raises(OutputError, match="isn't the folder of a comparison: give --out a new name"):
            ComparisonFolder(path).check_free()


@pytest.mark.parametrize("text", ["{", "{}", '{"schema_version": 2}'])
def test_another_record_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedResult, match=r"comparison\.json"):
        ComparisonFolder(tmp_path).read()
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(DamagedResult, match="compare the evaluations again"):
        ComparisonFolder(tmp_path).read()
