from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from batchscan.domain.errors import OutputError
from batchscan.stores.staging import check_writable, staged_folder


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fail(folder: Path, error: BaseException) -> None:
    (folder / "y").touch()
    raise error


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "a") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a").exists()
        assert folder.parent == tmp_path
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a" / "x").read_text() == "1"


def test_an_old_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for name in ("x", "y"):
        with staged_folder(tmp_path / "a") as folder:
            (folder / name).touch()
    assert names(tmp_path / "a") == ["y"]
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    with staged_folder(tmp_path / "a") as folder:
        (folder / "x").touch()
    with pytest.raises(error), staged_folder(tmp_path / "a") as folder:
        fail(folder, error())
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["x"]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    said = r"a can't be written \(No space left on device\)"
    with pytest.raises(OutputError, match=said), staged_folder(tmp_path / "a") as folder:
        fail(folder, OSError(28, "No space left on device"))
    assert names(tmp_path) == []


KILLED = """
import os, sys
from pathlib import Path
from batchscan.stores.staging import staged_folder
with staged_folder(Path(sys.argv[1])) as folder:
    (folder / "half").touch()
    os._exit(9)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False)
    (left,) = names(tmp_path)
    assert left.startswith(".a.")
    assert left.endswith(".partial")
    with staged_folder(tmp_path / "a"):
        pass
    assert names(tmp_path) == ["a"]


def test_two_makers_of_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "a") as one:
        (one / "one").touch()
        with staged_folder(tmp_path / "a") as other:
            (other / "other").touch()
            assert (one / "one").exists()
        assert names(tmp_path / "a") == ["other"]
    assert names(tmp_path / "a") == ["one"]
    assert names(tmp_path) == ["a"]


def test_a_folder_that_can_not_be_written_is_found_before_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "archive")
    assert names(tmp_path / "new" / "archive") == []
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "archive"):
        with pytest.raises(OutputError, match="choose another one"):
            check_writable(path)
