"""One small archive, and one run of it that nothing disturbed: what every disturbed run must come to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from night import Night, cut_archive, tables

N_SLIDES = 6


@dataclass(frozen=True)
class Undisturbed:
    archive: Path
    tables: dict[str, Any]
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("night")
    archive = cut_archive(folder, N_SLIDES)
    began = time.monotonic()
    code, text = Night("scan", archive, "--out", folder / "run", "--no-report", "--workers", 2).ends()
    assert code == 0, text
    return Undisturbed(archive, tables(folder / "run"), time.monotonic() - began)


@pytest.fixture(scope="session")
def n_kills() -> int:
    """How many random moments each test takes; BATCHSCAN_KILLS=100 for a long night."""
    return int(os.environ.get("BATCHSCAN_KILLS", "3"))
