"""An export is made once a model, kept whole or not at all, and never trusted beyond the user's own folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ModelError
from batchscan.scan import exports
from batchscan.scan.exports import Export, cache_folder, exported
from batchscan.stores.packages import ModelPackage, open_package

MADE = Export(b"<net/>", bytes(range(200)))


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return open_package(DEFAULT_MODEL)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "batchscan"


@pytest.fixture
def count(monkeypatch: Any) -> Callable[[], int]:
    calls: list[int] = []

    def make(_: ModelPackage, batch: int) -> Export:
        calls.append(batch)
        # So long that others come meanwhile.
        time.sleep(0.01)
        return MADE

    monkeypatch.setattr(exports, "_made", make)
    return lambda: len(calls)


def test_an_export_survives_its_bytes() -> None:
    assert Export.from_bytes(MADE.to_bytes()) == MADE


@pytest.mark.parametrize("place", [0, 35, 41, -1])
def test_any_changed_byte_is_noticed(place: int) -> None:
    stored = bytearray(MADE.to_bytes())
    stored[place] ^= 1
    assert Export.from_bytes(bytes(stored)) is None


@pytest.mark.parametrize("length", [0, 10, 39, 100])
def test_a_cut_file_is_noticed(length: int) -> None:
    assert Export.from_bytes(MADE.to_bytes()[:length]) is None


def test_it_is_made_once(package: ModelPackage, cache: Path, count: Callable[[], int]) -> None:
    assert exported(package, 32, "2026.1.0-7") == exported(package, 32, "2026.1.0-7") == MADE
    assert count() == 1
    (kept,) = cache.iterdir()
    assert package.info.sha256 in kept.name
    assert "2026.1.0" in kept.name


def test_another_openvino_or_batch_makes_its_own(package: ModelPackage, cache: Path, count: Callable[[], int]) -> None:
    for batch, version in ((32, "2026.1.0"), (32, "2026.2.0"), (16, "2026.1.0")):
        exported(package, batch, version)
    assert count() == len(list(cache.iterdir())) == 3


def test_a_damaged_export_is_made_again(package: ModelPackage, cache: Path, count: Callable[[], int]) -> None:
    exported(package, 32, "2026.1.0")
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert exported(package, 32, "2026.1.0") == MADE
    assert count() == 2
    assert Export.from_bytes(kept.read_bytes()) == MADE


def test_many_at_once_make_one_whole_export(package: ModelPackage, cache: Path, count: Callable[[], int]) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: exported(package, 32, "2026.1.0").xml, range(32))) == {MADE.xml}
    assert count() == 1
    (kept,) = cache.iterdir()
    assert Export.from_bytes(kept.read_bytes()) == MADE


def test_a_disk_without_locks_costs_exports_only(
    package: ModelPackage, cache: Path, monkeypatch: Any, count: Callable[[], int]
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("batchscan.scan.exports.fcntl.flock", refused)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: exported(package, 32, "2026.1.0").xml, range(8))) == {MADE.xml}
    assert count() >= 1
    (kept,) = cache.iterdir()
    assert Export.from_bytes(kept.read_bytes()) == MADE


def test_a_lock_that_is_never_given_back_is_not_waited_for_long(
    package: ModelPackage, cache: Path, monkeypatch: Any, count: Callable[[], int]
) -> None:
    cache.mkdir(mode=0o700)
    held = os.open(cache, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    monkeypatch.setattr(exports, "_LOCK_SECONDS", 0.1)
    try:
        assert exported(package, 32, "2026.1.0") == MADE
    finally:
        os.close(held)
    assert count() == 1


def test_a_cache_that_cannot_be_made_costs_an_export_only(
    package: ModelPackage, tmp_path: Path, monkeypatch: Any, count: Callable[[], int]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert exported(package, 32, "2026.1.0") == exported(package, 32, "2026.1.0") == MADE
    assert count() == 2


@pytest.mark.usefixtures("count")
def test_a_cache_that_cannot_be_written_costs_an_export_only(
    package: ModelPackage, cache: Path, monkeypatch: Any
) -> None:
    def refused(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("batchscan.scan.exports.tempfile.mkstemp", refused)
    assert exported(package, 32, "2026.1.0") == MADE
    assert list(cache.iterdir()) == []


def test_a_cache_that_others_may_write_to_is_not_used(cache: Path, caplog: Any) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    assert cache_folder() is None
    assert "others may write to it" in caplog.text


def test_a_new_cache_is_the_users_alone(cache: Path) -> None:
    assert cache_folder() == cache
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_relative_cache_home_is_ignored_as_its_standard_says(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "batchscan"


def test_another_users_cache_is_not_used(cache: Path, monkeypatch: Any) -> None:
    cache.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    assert cache_folder() is None


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo warning >&2; echo 'ValueError: no such shape' >&2; exit 1", "ValueError: no such shape"),
        ("exit 0", "no reason given"),
    ],
)
def test_a_failing_export_says_why_in_one_line(
    package: ModelPackage, cache: Path, tmp_path: Path, monkeypatch: Any, script: str, told: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(ModelError, match=f"can't be exported for openvino: {told}; use --engine keras") as caught:
        exported(package, 32, "2026.1.0")
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("stated", [None, "", f"{os.pathsep}/nowhere"])
def test_what_lies_in_the_current_folder_is_never_run(
    package: ModelPackage, tmp_path: Path, monkeypatch: Any, stated: str | None
) -> None:
    """The export gets as far as its network, which isn't there, without any of the planted modules."""
    for name in ("json.py", "keras.py", "openvino.py", "batchscan/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"open({str(tmp_path / 'witness')!r}, 'w')\nraise ImportError('planted')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if stated is not None:
        monkeypatch.setenv("PYTHONPATH", stated)
    with pytest.raises(ModelError, match=r"isn't a \.keras archive"):
        exports._made(replace(package, path=tmp_path / "none"), 32)
    assert not (tmp_path / "witness").exists()
