"""Small files that promise, or unpack to, far more than memory has; and what reads them, in a process with little."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openslide
import tifffile
from numcodecs import Zstd
from PIL import Image
from store_files import edit_json, write_foreign

from batchscan.domain.errors import BatchscanError
from batchscan.domain.geometry import Box
from batchscan.stores.patchsets import read_patch_set
from batchscan.stores.pyramids import open_store
from batchscan.stores.slides import VendorSlide

LIMIT_MIB = 512
HUGE_BYTES = 8 << 30
N_ZEROS = 1 << 28
"""What a gzip bomb unpacks to; it is made here, so it is as large as it has to be."""


def zstd_bomb(n_bytes: int = HUGE_BYTES, *, says_size: bool = True) -> bytes:
    """A frame of blocks that repeat one byte, 128 KiB for four bytes each; RFC 8878."""
    block = (128 << 10 << 3) | (1 << 1)
    n_blocks = 1 << 14
    head = struct.pack("<IBQ", 0xFD2FB528, 0xE0, n_bytes) if says_size else struct.pack("<IBB", 0xFD2FB528, 0x00, 0x58)
    return head + n_blocks * (block.to_bytes(3, "little") + b"x") + (1).to_bytes(3, "little")


def blosc_bomb() -> bytes:
    return struct.pack("<BBBBIII", 2, 1, 0x21, 1, 2**31 - 17, 2**31 - 17, 64) + bytes(48)


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1 << 20)
    member = b"".join(packer.compress(zeros) for _ in range(N_ZEROS >> 20)) + packer.flush()
    return 4 * member


def lz4_bomb() -> bytes:
    return struct.pack("<I", 2**31 - 1) + bytes(64)


def store_with_chunk(path: Path, chunk: bytes, codec: str, *, version: str = "0.5") -> Path:
    """A store of one chunk of 64 x 64 px, packed by `codec`, that is `chunk`."""
    write_foreign(path, [np.zeros((3, 64, 64), np.uint8)], version=version, compressors=None)
    place = path / "0" / ("0/0/0" if version == "0.4" else "c/0/0/0")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(chunk)
    if version == "0.4":
        edit_json(path / "0/.zarray", lambda document: document.update(compressor={"id": codec}))
    else:
        configuration = {"zstd": {"level": 1, "checksum": False}, "gzip": {"level": 1}, "blosc": BLOSC}[codec]
        packer = {"name": codec, "configuration": configuration}
        edit_json(path / "0/zarr.json", lambda document: document["codecs"].append(packer))
    return path


BLOSC = {"typesize": 1, "cname": "lz4", "clevel": 5, "shuffle": "noshuffle", "blocksize": 0}


def tiff_that_says(path: Path, **tags: int) -> Path:
    """A tiled file of 256 x 256 px with other numbers in its first directory."""
    tifffile.imwrite(
        path,
        np.zeros((256, 256, 3), np.uint8),
        tile=(128, 128),
        photometric="rgb",
        compression="zlib",
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in tags.items():
            # Numbers may need more bits than the file gave them.
            file.pages.first.tags[name].overwrite(value, dtype="I")
    return path


def dicom_that_says(path: Path, real: Path, rows_cols: int) -> Path:
    """The real file with other Rows and Columns (tags 0028,0010 and 0028,0011, two-byte numbers)."""
    content = real.read_bytes()
    for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        place = content.index(tag) + len(tag)
        content = content[:place] + struct.pack("<H", rows_cols) + content[place + 2 :]
    path.write_bytes(content)
    return path


PATCH = "7/0/7_idx5_x1_y1_class0.png"


def png(width: int = 50, height: int = 50) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 150)).save(stream, "PNG")
    return stream.getvalue()


def png_with_two_heads() -> bytes:
    """The first says 50 x 50, the second what nobody has memory for."""
    content = png()
    second = b"IHDR" + struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + second + struct.pack(">I", zlib.crc32(second))
    return content[:33] + chunk + content[33:]


def zip_of(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return path


def read(path: Path) -> str:
    """What reading all of it came to: the error's class and text, or `read`."""
    try:
        if path.suffix == ".zarr":
            store = open_store(path)
            store.read_box(Box(0, 0, 64, 64), store.spacing.um_per_px)
        elif path.suffix == ".zip":
            with read_patch_set(path) as patches:
                patches.mount(patches.patients[0]).read(0, 0, 50, 50)
        else:
            with VendorSlide(path) as slide:
                slide.read(0, 0, 0, 64, 64)
    except BatchscanError as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def unguarded_zstd(path: Path) -> str:
    return f"{len(Zstd().decode(path.read_bytes()))} bytes"


def unguarded_slide(path: Path) -> str:
    return str(openslide.OpenSlide(path).read_region((0, 0), 0, (64, 64)).size)


def with_little_memory(function: Callable[[Path], str], paths: Sequence[Path]) -> dict[str, str]:
    """What the function says of each path, by its name; or how the process ended."""
    code = (
        f"import json, resource, sys; from pathlib import Path; from bombs import {function.__name__} as f\n"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT_MIB << 20},) * 2)\n"
        "print(json.dumps({Path(p).name: f(Path(p)) for p in sys.argv[1:]}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        return {"ended": f"{done.returncode} {done.stderr[-300:]}"}
    found: dict[str, str] = json.loads(done.stdout)
    return found
