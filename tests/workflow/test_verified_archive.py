"""Where the archive that `--archive` names doesn't have a slide's store, verify says what is the matter with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from store_files import Pixels, noise, write_own
from verified_runs import true_result, verified_run

from batchscan.domain.verified import Verdict, Verified
from batchscan.stores.pyramids import open_store
from batchscan.stores.results import RunFolder
from batchscan.workflow.verify import verify_run

MANIFEST = "manifest.csv"
HEADER = "slide_id,path,patient_id\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return verified_run(tmp_path_factory.mktemp("archived") / "run", "S1", printed=False)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive-of-jane-doe"
    folder.mkdir()
    return folder


def of_slide(run: RunFolder, archive: Path | None) -> tuple[Verdict, str]:
    (verified,) = (one for one in verify_run(run.path, archive=archive) if isinstance(one, Verified))
    (found,) = (one for one in verified.findings if one.what == "slide on disk")
    assert "jane" not in found.words
    return found.verdict, found.words


def nothing(_: Path) -> None: ...


def no_csv(archive: Path) -> None:
    (archive / MANIFEST).write_bytes(b"\xff\xfe\0")


def wrong_rows(archive: Path) -> None:
    (archive / MANIFEST).write_text(HEADER + "S1,../outside.ome.zarr,P1\n")


def another_slide(archive: Path) -> None:
    (archive / MANIFEST).write_text(HEADER + "S9,S9.ome.zarr,P9\n")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (nothing, "the archive has no manifest.csv, nor is it a store; "),
        (no_csv, "the archive's manifest can't be read, or has wrong rows; "),
        (wrong_rows, "the archive's manifest can't be read, or has wrong rows; "),
        (another_slide, "its store isn't in the archive; "),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(
    run: RunFolder, archive: Path, fill: Callable[[Path], None], words: str
) -> None:
    fill(archive)
    verdict, said = of_slide(run, archive)
    assert verdict is Verdict.NOT_CHECKED
    assert said.startswith(words)


def test_where_no_archive_is_named_it_is_asked_for(run: RunFolder) -> None:
    assert of_slide(run, None) == (Verdict.NOT_CHECKED, "its store isn't here; name its archive with --archive")


def test_another_slide_under_its_id_differs_in_its_fingerprint(run: RunFolder, archive: Path) -> None:
    store = write_own(archive / "S1.ome.zarr", Pixels(noise(20, 20)))
    (archive / MANIFEST).write_text(HEADER + "S1,S1.ome.zarr,P1\n")
    of_store, of_result = open_store(store).fingerprint, true_result("S1").slide.fingerprint
    assert of_slide(run, archive) == (Verdict.DIFFERS, f"fingerprint {of_store}; the result has {of_result}")
