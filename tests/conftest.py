"""The real slides and patches that lie beside a checkout, tests that need no paper, and which files begin first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from paper import printed, unprinted

_TESTS = Path(__file__).parent
_DATA = _TESTS.parents[1] / "shared" / "data"

_FIRST = (".", "reliability", "scan", "workflow", "cli", "training")
"""Folders with long files, longest first: what is left for the end is short, so that no process waits for another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.parent.relative_to(_TESTS).as_posix()
    return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)


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


@pytest.fixture(scope="module")
def no_paper() -> Iterator[None]:
    """For `usefixtures` of a whole module: PDFs are tokens, except in tests that ask for `on_paper`."""
    with unprinted():
        yield


@pytest.fixture
def on_paper() -> Iterator[None]:
    """In such a module, for a test that looks at the PDF."""
    with printed():
        yield


@pytest.fixture(autouse=True)
def _as_loud_as_at_first() -> None:
    """The command, called in another test, makes the package quieter for good."""
    logging.getLogger("batchscan").setLevel(logging.NOTSET)
