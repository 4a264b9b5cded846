"""Where the real slides and patches are that lie beside a checkout; tests that need them are skipped without."""

from __future__ import annotations

from pathlib import Path

import pytest

_DATA = Path(__file__).parents[2] / "shared" / "data"


def _there(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def slides() -> Path:
    return _there(_DATA / "slides")


@pytest.fixture(scope="session")
def patches_zip() -> Path:
    return _there(_DATA / "idc_patches.zip")
