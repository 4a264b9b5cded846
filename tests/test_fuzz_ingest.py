"""The fuzzer of the ingest, over 200 damaged slides that it makes itself; the long run is for its script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_ingest.py"


def test_200_damaged_slides_cause_no_crash_no_hang_and_no_wrong_success(tmp_path: Path) -> None:
    words = ["--mutations", "200", "--seed", "7", "--table", str(tmp_path / "table.md")]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    table = (tmp_path / "table.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()]
    rows = {row[0]: int(row[-1]) for row in cells if row[-1].isdigit()}
    assert rows["all"] == 200
    # Damage of all kinds was tried: some of it was found, some did no harm.
    assert rows["unopenable"] > 20
    assert rows["unreadable"] > 5
    assert rows["done, pixels of the undamaged"] > 5
    assert "200 mutations, 0 with something wrong" in table
