"""Only plain arrays of a size that was looked at come out of an .npz file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from batchscan.stores.array_files import read_arrays

A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4, dtype=np.uint8)


def npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.lib.format.write_array(target, array)
    return target.getvalue()


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_out_as_asked_for(save: Callable[..., None], tmp_path: Path) -> None:
    save(tmp_path / "x.npz", a=A, b=B)
    b, a = read_arrays(tmp_path / "x.npz", ("b", "a"), 1000)
    assert np.array_equal(a, A)
    assert np.array_equal(b, B)
    assert (a.dtype, b.dtype) == (A.dtype, B.dtype)


def test_columns_first_is_understood(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.asfortranarray(A))
    assert np.array_equal(read_arrays(tmp_path / "x.npz", ("a",), 1000)[0], A)


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c"), ("a", "c")])
def test_more_or_less_than_asked_for_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=A, b=B)
    with pytest.raises(ValueError, match=f"expected exactly the arrays {', '.join(names)}"):
        read_arrays(tmp_path / "x.npz", names, 1000)


def test_objects_are_refused_unread(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickled objects"):
        read_arrays(tmp_path / "x.npz", ("a",), 10_000)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """50 MB of zeros in some 50 kB of file."""
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(50_000_000, np.uint8))
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    with pytest.raises(ValueError, match="unpacks to 50000128 bytes: at most 1000000"):
        read_arrays(tmp_path / "x.npz", ("a",), 1_000_000)


def test_a_shape_that_claims_more_than_there_is_allocates_nothing(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999,), }"
    claims = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234"
    with pytest.raises(ValueError, match="says shape"):
        read_arrays(write(tmp_path / "x.npz", {"a.npy": claims}), ("a",), 1000)


def test_a_negative_shape_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -2), }"
    claims = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234"
    with pytest.raises(ValueError, match="shape"):
        read_arrays(write(tmp_path / "x.npz", {"a.npy": claims}), ("a",), 1000)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY\x01\x00\x05\x00{'(", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x09\x00", b"\x80\x04K\x01."],
    ids=["empty", "cut header", "short header", "version", "pickle"],
)
def test_damaged_arrays_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_arrays(write(tmp_path / "x.npz", {"a.npy": content}), ("a",), 1000)


def test_a_damaged_stream_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.random.default_rng(0).integers(0, 9, 5000).astype(np.uint8))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[200:260] = bytes(60)
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_arrays(tmp_path / "x.npz", ("a",), 10_000)


def test_other_compressions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compressed as NumPy never does"):
        read_arrays(write(tmp_path / "x.npz", {"a.npy": npy(A)}, zipfile.ZIP_BZIP2), ("a",), 1000)


@pytest.mark.parametrize(
    "header",
    [
        b"(" * 9000,
        b"-" * 9000 + b"1",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 10" + b"0" * 40 + b"), }",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (True, 4), }",
        b"{'descr': [], 'fortran_order': False, 'shape': (4,), }",
        b"{'descr': [('a',)], 'fortran_order': False, 'shape': (4,), }",
    ],
    ids=["brackets", "signs", "a large shape", "truth", "no type", "half a type"],
)
def test_headers_that_defeat_the_parser_are_refused(header: bytes, tmp_path: Path) -> None:
    claims = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234"
    with pytest.raises(ValueError, match=r"."):
        read_arrays(write(tmp_path / "x.npz", {"a.npy": claims}), ("a",), 10_000)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x05\x06"])
def test_what_is_no_npz_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_arrays(tmp_path / "x.npz", ("a",), 1000)
