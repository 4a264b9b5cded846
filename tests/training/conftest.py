"""A patch set that is learnt in two epochs."""

from __future__ import annotations

from pathlib import Path

import pytest
from patch_folders import write_patch_set


@pytest.fixture(scope="session")
def patch_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, a, b and c."""
    return write_patch_set(tmp_path_factory.mktemp("patches"), "abc")
