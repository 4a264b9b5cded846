"""What is read of a slide store, wherever it lies: the files of one folder by relative name, and nothing beyond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.places import Place

if TYPE_CHECKING:
    from zarr.abc.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `stop` of the file with a relative name."""

    name: str
    start: int
    stop: int


class Tree(Protocol):
    """A folder with a store; `at_once` is how many files are best read together. Everything may raise OSError."""

    at_once: int

    @property
    def root(self) -> Place:
        """Where the folder is."""

    def is_file(self, name: str) -> bool:
        """Whether there is such a file."""

    def size(self, name: str) -> int:
        """Bytes of a file that is there."""

    def read(self, name: str) -> bytes:
        """All of a document."""

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of each part, in the same order."""

    def names_in(self, folder: str) -> frozenset[str]:
        """What lies right in a folder; nothing if there is none."""

    def files(self) -> Iterator[str]:
        """Every file, those of a folder before those of the folders in it, sorted by name."""

    def check_plain(self) -> None:
        """See that there are files and folders only; raises UnopenableSlide."""

    def array(self, name: str, *, complete: bool) -> Store:
        """One array as zarr reads it, read only and no more at once than a chunk may have.

        `complete` says that each chunk or shard has a file: a missing one is an error. Otherwise it is fill value.
        """


def check_shards(tree: Tree, level: str, n_rows: int, n_cols: int) -> None:
    """See that every shard of a level of a store of ours is there: zarr reads a missing one as fill value.

    Raises
    ------
    UnreadableSlide
        If one is missing.
    """
    for row in range(n_rows):
        folder = f"{level}/c/0/{row}"
        found = tree.names_in(folder)
        missing = next((f"{folder}/{col}" for col in range(n_cols) if str(col) not in found), None)
        if missing:
            raise UnreadableSlide(
                f"{tree.root}: shard {missing} is missing, so the store is damaged: ingest the slide again, or copy "
                "the store again"
            )
