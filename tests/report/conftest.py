"""A file that no report may show: what hostile words point at."""

from __future__ import annotations

from pathlib import Path

import pytest
from bait_file import SECRET


@pytest.fixture(scope="session")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elsewhere") / "bait"
    path.write_text(f"{SECRET}\n")
    return path
