"""A file's bytes, and a random generator -> the file with something wrong, and what was done to it in a word."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.originals import Kind

Mutate = Callable[[bytearray, np.random.Generator], str]

# What programs trip over: edges of number ranges, nothing, and far too much.
NASTY = (0, 1, 2, 3, 7, 8, 127, 255, 256, 4097, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
DIMENSIONS = (256, 257, 322, 323)
OFFSETS = (273, 324)
COUNTS = (279, 325)
TAGS = (*DIMENSIONS, *OFFSETS, *COUNTS, 254, 258, 259, 262, 274, 277, 278, 282, 283, 284, 296, 317, 339, 347, 530)
FIELD_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
ZIP_HEADER_BYTES = 46


def flip_bits(content: bytearray, rng: np.random.Generator) -> str:
    """One to sixteen bits, anywhere."""
    for _ in range(int(rng.integers(1, 17))):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return "bits"


def flip_head(content: bytearray, rng: np.random.Generator) -> str:
    """The same near an end, where formats keep what matters."""
    for _ in range(int(rng.integers(1, 9))):
        place = int(rng.integers(min(1024, len(content))))
        content[place if rng.integers(2) else -place - 1] ^= 1 << int(rng.integers(8))
    return "head"


def truncate(content: bytearray, rng: np.random.Generator) -> str:
    """Cut off anywhere."""
    del content[int(rng.integers(len(content))) :]
    return "cut"


def spoil_block(content: bytearray, rng: np.random.Generator) -> str:
    """Zero, repeat, swap or scramble some blocks."""
    size = int(rng.integers(1, max(2, len(content) // 8)))
    one, other = (int(rng.integers(max(1, len(content) - size))) for _ in range(2))
    way = ("zero", "repeat", "swap", "scramble")[int(rng.integers(4))]
    if way == "zero":
        content[one : one + size] = bytes(len(content[one : one + size]))
    elif way == "repeat":
        content[one:one] = content[other : other + size]
    elif way == "swap":
        first, second = bytes(content[one : one + size]), bytes(content[other : other + size])
        content[other : other + len(first)] = first
        content[one : one + len(second)] = second
    else:
        content[one : one + size] = rng.bytes(len(content[one : one + size]))
    return way


@dataclass(frozen=True, slots=True)
class _Entry:
    """A TIFF tag: where its twelve (or twenty) bytes are, and where its value is."""

    tag: int
    place: int
    value_place: int
    value_bytes: int


def _entries(content: bytes) -> tuple[str, list[_Entry], list[int]]:
    """(byte order, the tags of all directories, places of pointers to the next directory)."""
    order = ">" if content[:2] == b"MM" else "<"
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43  # noqa: PLR2004 - BigTIFF's number
    pointer, count, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    entries: list[_Entry] = []
    pointers = [8 if big else 4]
    seen: set[int] = set()
    while (start := struct.unpack_from(order + pointer, content, pointers[-1])[0]) and start not in seen:
        seen.add(start)
        n_entries = struct.unpack_from(order + count, content, start)[0]
        place = start + struct.calcsize(count)
        for each in range(place, place + n_entries * size, size):
            tag, kind = struct.unpack_from(f"{order}HH", content, each)
            n_values = struct.unpack_from(order + pointer, content, each + 4)[0]
            width, at = FIELD_BYTES.get(kind, 1), each + 4 + struct.calcsize(pointer)
            if n_values * width > struct.calcsize(pointer):
                at = struct.unpack_from(order + pointer, content, at)[0]
            entries.append(_Entry(tag, each, at, width))
        pointers.append(place + n_entries * size)
    return order, entries, pointers


def edit_tag(content: bytearray, rng: np.random.Generator) -> str:
    """Another value, type, count or number for a tag, or a directory that follows itself."""
    try:
        order, entries, pointers = _entries(bytes(content))
    except struct.error:
        return flip_head(content, rng)
    known = [entry for entry in entries if entry.tag in TAGS]
    if not known or rng.integers(20) == 0:
        _put(content, int(rng.choice(pointers)), 4, order, _nasty(rng, len(content)))
        return "tag next"
    group = [g for g in (DIMENSIONS, OFFSETS, COUNTS, TAGS) if any(e.tag in g for e in known)]
    wanted = group[int(rng.integers(len(group)))]
    entry = [e for e in known if e.tag in wanted][int(rng.integers(sum(e.tag in wanted for e in known)))]
    way = int(rng.integers(10))
    if way == 0:
        _put(content, entry.place, 2, order, int(rng.integers(65536)))
    elif way == 1:
        _put(content, entry.place + 2, 2, order, int(rng.integers(19)))
    elif way == 2:  # noqa: PLR2004 - one way in ten
        _put(content, entry.place + 4, 4, order, _nasty(rng, len(content)))
    else:
        _put(content, entry.value_place, entry.value_bytes, order, _nasty(rng, len(content)))
    return f"tag {entry.tag}"


def _nasty(rng: np.random.Generator, size: int) -> int:
    choices = (*NASTY, size, size - 1, size // 2, int(rng.integers(2**16)), int(rng.integers(2**32)))
    return choices[int(rng.integers(len(choices)))]


def _put(content: bytearray, place: int, width: int, order: str, value: int) -> None:
    if 0 <= place <= len(content) - width:
        value %= 1 << (8 * width)
        content[place : place + width] = value.to_bytes(width, "little" if order == "<" else "big")


def edit_zip(content: bytearray, rng: np.random.Generator) -> str:
    """Another number in one of a zip's headers."""
    signature = ZIP_SIGNATURES[int(rng.integers(3))]
    places = list(_places(bytes(content), signature))
    if not places:
        return flip_head(content, rng)
    start = places[int(rng.integers(len(places)))]
    place = start + 4 + 2 * int(rng.integers((ZIP_HEADER_BYTES - 4) // 2))
    _put(content, place, int(rng.choice([2, 4])), "<", _nasty(rng, len(content)))
    return "zip header"


def _places(content: bytes, signature: bytes) -> Iterator[int]:
    place = content.find(signature)
    while place >= 0:
        yield place
        place = content.find(signature, place + 1)


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 3, 0.0, -0.5, 1e-300, 1e300, 2**31, 2**63, 2**70, "", "x", "..", "../..", "/etc/passwd",
    "\0", "uint16", "|O", "pickle", "zstd", "micrometer", "parsec", [], [0], [1, 1, 1], {}, {"id": "pickle"},
    [[]], "9" * 5000, float("nan"), float("inf"),
)  # fmt: skip


def edit_json(content: bytearray, rng: np.random.Generator) -> str:
    """Another value somewhere in a JSON document, or one left out."""
    try:
        document = json.loads(bytes(content))
    except ValueError:
        return flip_bits(content, rng)
    places = list(_leaves(document))
    if not places:
        return flip_bits(content, rng)
    holder, key = places[int(rng.integers(len(places)))]
    way = int(rng.integers(6))
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif isinstance(holder[key], int) and way < 4:  # noqa: PLR2004 - two ways in six
        holder[key] = _nasty(rng, 1000)
    else:
        holder[key] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    content[:] = json.dumps(document).encode()
    return "json"


def _leaves(node: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value in it."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _leaves(node[key])


PLAIN: tuple[Mutate, ...] = (flip_bits, flip_head, truncate, spoil_block)
WAYS: dict[Kind, tuple[Mutate, ...]] = {
    Kind.TIFF: (*PLAIN, *[edit_tag] * 6),
    Kind.DICOM: PLAIN,
    Kind.PATCHES: (*PLAIN, *[edit_zip] * 4),
}


def mutate_file(path: Path, ways: tuple[Mutate, ...], rng: np.random.Generator) -> str:
    """Damage a file in place, mostly in one way; what was done."""
    content = bytearray(path.read_bytes())
    n_ways = 1 + int(rng.integers(4) == 0)
    done = [ways[int(rng.integers(len(ways)))](content, rng) for _ in range(n_ways) if content]
    path.write_bytes(content)
    return "+".join(done)


def mutate_store(store: Path, rng: np.random.Generator) -> str:
    """Damage one file of a zarr folder, or take it away."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    documents = [path for path in files if path.name == "zarr.json"]
    chosen = documents if rng.integers(2) else files
    path = chosen[int(rng.integers(len(chosen)))]
    if rng.integers(20) == 0:
        path.unlink()
        return "file gone"
    what = "document " if path in documents else "chunk "
    return what + mutate_file(path, (*PLAIN, *[edit_json] * 8) if path in documents else PLAIN, rng)
