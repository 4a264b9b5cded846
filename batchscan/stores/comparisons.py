"""A comparison <-> its folder with comparison.json and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.compared import Comparison
from batchscan.stores.record_files import check_replaceable, read_record, write_record

COMPARISON, REPORT, PAGE = "comparison.json", "report.pdf", "index.html"


@dataclass(frozen=True, slots=True)
class ComparisonFolder:
    """The places in the folder of a comparison."""

    path: Path

    def check_free(self) -> None:
        """See that the folder may be made, or replaced because it holds a comparison or nothing.

        Raises
        ------
        OutputError
            If something else is there.
        """
        check_replaceable(self.path, COMPARISON, "a comparison")

    def read(self) -> Comparison:
        """What comparison.json says.

        Raises
        ------
        DamagedResult
            If it is missing, damaged or of another schema.
        """
        return read_record(self.path / COMPARISON, Comparison, "compare the evaluations again")

    def write(self, comparison: Comparison) -> None:
        """Write comparison.json.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        write_record(self.path / COMPARISON, comparison)
