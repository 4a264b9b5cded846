"""A comparison <-> its folder with comparison.json and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.compared import Comparison
from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.stores.atomic import write_atomically

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
        if not self.path.exists():
            return
        if not self.path.is_dir() or not ((self.path / COMPARISON).is_file() or not any(self.path.iterdir())):
            raise OutputError(
                f"{self.path}: is there already and isn't the folder of a comparison: give --out a new name"
            )

    def read(self) -> Comparison:
        """What comparison.json says.

        Raises
        ------
        DamagedResult
            If it is missing, damaged or of another schema.
        """
        path = self.path / COMPARISON
        try:
            return Comparison.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            said = "; ".join(str(error).split("\n")[:3])
            raise DamagedResult(f"{path}: isn't what this batchscan writes ({said}): compare again") from error

    def write(self, comparison: Comparison) -> None:
        """Write comparison.json.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        with write_atomically(self.path / COMPARISON) as stream:
            stream.write(comparison.model_dump_json(indent=2) + "\n")
