from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchscan.domain.errors import OutputError
from batchscan.stores.staging import check_writable, remove_abandoned, staged_folder, swap_in, sync_tree


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


def test_a_folder_that_is_taken_for_abandoned_before_its_lock_is_on_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def late(handle: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            monkeypatch.setattr(fcntl, "flock", flock)
            remove_abandoned(tmp_path / "a")
            assert names(tmp_path) == []
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with staged_folder(tmp_path / "a") as folder:
        (folder / "x").touch()
    assert names(tmp_path) == ["a"]


def test_what_is_abandoned_is_removed_under_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has just made it waits for the lock, and then sees that it is gone."""
    left = tmp_path / ".a.0.partial"
    left.mkdir()
    rmtree, removed = shutil.rmtree, []

    def watched(folder: Path, **how: bool) -> None:
        handle = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        rmtree(folder, **how)
        removed.append(folder)

    monkeypatch.setattr(shutil, "rmtree", watched)
    remove_abandoned(tmp_path / "a")
    assert (removed, left.exists()) == ([left], False)


def _made(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    for part in ("one", "two"):
        (folder / part).write_text(name)
    return folder


def _whole(folder: Path) -> str:
    """Whose folder it is; it must be of one alone."""
    (name,) = {(folder / part).read_text() for part in ("one", "two")}
    return name


@pytest.mark.parametrize("there", [False, True], ids=["nothing there", "an older one there"])
@pytest.mark.parametrize("other", ["has taken the old one away", "is done"])
@pytest.mark.parametrize("before", [0, 1], ids=["before the first rename", "before the second rename"])
def test_of_two_who_swap_at_once_neither_fails_and_the_last_ones_folder_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, other: str, *, there: bool
) -> None:
    """The other comes between what is looked at and what is then renamed."""
    final = _made(tmp_path, "final") if there else tmp_path / "final"
    mine, theirs = _made(tmp_path, "mine"), _made(tmp_path, "theirs")
    rename, renames = Path.rename, iter(range(10))

    def renamed(self: Path, target: Path) -> Path:
        if next(renames) == before:
            monkeypatch.setattr(Path, "rename", rename)
            if other == "is done":
                swap_in(theirs, final)
            elif final.exists():
                shutil.rmtree(final)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renamed)
    swap_in(mine, final)
    assert _whole(final) == "mine"
    assert not mine.exists()
    assert not [name for name in names(tmp_path) if name.endswith(".partial")]


def test_many_who_swap_one_name_at_once_leave_a_whole_folder_and_nothing_else(tmp_path: Path) -> None:
    def swaps(maker: int) -> None:
        for i in range(20):
            with staged_folder(tmp_path / "final") as folder:
                for part in ("one", "two"):
                    (folder / part).write_text(f"{maker} {i}")

    with ThreadPoolExecutor(4) as makers:
        list(makers.map(swaps, range(4)))
    assert _whole(tmp_path / "final").endswith(" 19")
    assert names(tmp_path) == ["final"]


KILLED_BETWEEN = """
import os, sys
from pathlib import Path
from batchscan.stores import staging
rename = Path.rename
def renamed(self, target):
    if target.name == "a":
        os._exit(9)
    return rename(self, target)
Path.rename = renamed
with staging.staged_folder(Path(sys.argv[1])) as folder:
    (folder / "new").touch()
"""


def test_who_is_killed_between_the_renames_leaves_no_folder_of_that_name_and_the_next_one_clears_up(
    tmp_path: Path,
) -> None:
    with staged_folder(tmp_path / "a") as folder:
        (folder / "old").touch()
    assert subprocess.run([sys.executable, "-c", KILLED_BETWEEN, str(tmp_path / "a")], check=False).returncode == 9
    # The old one is out of the way, the new one hasn't its name yet.
    assert not (tmp_path / "a").exists()
    assert len(names(tmp_path)) == 2
    with staged_folder(tmp_path / "a") as folder:
        (folder / "next").touch()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["next"]


def test_all_of_a_tree_is_on_the_disk_and_folders_after_what_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{folder}f{i}" for folder in ("", "a/", "a/b/", "c/") for i in range(12)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    steps: list[int] = []
    sync_tree(tmp_path, lambda: steps.append(len(synced)))
    place = {path: synced.index(path.stat().st_ino) for path in (tmp_path, *tmp_path.rglob("*"))}
    assert len(synced) == len(place) == len(names) + 4
    assert all(place[path] < place[path.parent] for path in place if path != tmp_path)
    assert len(steps) == len(names)


def test_a_file_that_the_disk_does_not_take_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        (tmp_path / f"f{i}").touch()
    refused = (tmp_path / "f17").stat().st_ino

    def fsync(handle: int) -> None:
        if os.fstat(handle).st_ino == refused:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        sync_tree(tmp_path)
