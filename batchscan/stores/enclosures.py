"""The files of a committed result and its model's card -> what its report encloses, bound together by one digest.

SHA256SUMS lists the sha256 of each of the others, as `sha256sum -c` reads it; its own sha256 is the data digest that is
printed on every page: who has a page on paper can tell whether these files are those that it was printed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batchscan.domain.card import ModelCard
from batchscan.domain.errors import DamagedResult
from batchscan.stores.results import PATCHES, REGIONS, RESULT, json_text

CARD, SUMS = "card.json", "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Enclosed:
    """What a reader is told of an enclosed file; `relationship` is PDF's AFRelationship."""

    description: str
    media_type: str
    relationship: str


ENCLOSED: Mapping[str, Enclosed] = {
    SUMS: Enclosed(
        "sha256 of the other attachments; its own is the data digest on each page", "text/plain", "Supplement"
    ),
    CARD: Enclosed("The model's card", "application/json", "Supplement"),
    PATCHES: Enclosed("Every scanned patch with its probability", "application/vnd.apache.parquet", "Data"),
    REGIONS: Enclosed("Outlines of the foci, level-0 pixels", "application/geo+json", "Data"),
    RESULT: Enclosed("The slide's result", "application/json", "Data"),
}
"""In the order of their names, which a PDF asks for."""


@dataclass(frozen=True)
class Enclosures:
    """The content of each file but SHA256SUMS, by name."""

    files: Mapping[str, bytes]

    @property
    def sums(self) -> bytes:
        """SHA256SUMS."""
        lines = (f"{_sha256(self.files[name])}  {name}\n" for name in sorted(self.files))
        return "".join(lines).encode()

    @property
    def digest(self) -> str:
        """The data digest, 64 hex digits."""
        return _sha256(self.sums)

    @property
    def all(self) -> Mapping[str, bytes]:
        """SHA256SUMS too, in the order of their names."""
        everything = {**self.files, SUMS: self.sums}
        return {name: everything[name] for name in sorted(everything)}


def read_enclosures(folder: Path, card: ModelCard) -> Enclosures:
    """What the report of the result in `folder` encloses.

    Raises
    ------
    DamagedResult
        If a file is missing.
    """
    try:
        files = {name: (folder / name).read_bytes() for name in (PATCHES, REGIONS, RESULT)}
    except OSError as error:
        raise DamagedResult(f"{folder}: the result has no readable {error.filename}; scan the slide again") from error
    return Enclosures({**files, CARD: json_text(card.model_dump(mode="json")).encode()})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
