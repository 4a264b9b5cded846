"""A process and all that it starts -> the most resident memory that they have had together."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 0.2
_PROC = Path("/proc")


class TreeMemory:
    """Looks every fifth of a second, as long as it is entered; `peaks_mib` has what was seen, by stage.

    Pages that processes share (libraries, mostly) count for each of them: it is rather too much than too little.
    """

    def __init__(self) -> None:
        self.peaks_mib: dict[str, float | None] = {}
        self._stage = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is seen while the block runs is of this stage."""
        self._stage = name
        self._look()
        try:
            yield
        finally:
            self._look()
            self._stage = ""

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        name = self._stage
        if name:
            seen = tree_rss_mib(os.getpid())
            known = [each for each in (seen, self.peaks_mib.get(name)) if each is not None]
            self.peaks_mib[name] = max(known, default=None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def tree_rss_mib(pid: int) -> float | None:
    """Resident memory (MiB) of a process and all below it; None where the system doesn't list them (no /proc)."""
    if not (_PROC / "self").exists():
        return None
    parents, resident = {}, {}
    for folder in _PROC.glob("[0-9]*"):
        # A process may end at any moment.
        with suppress(OSError, ValueError, IndexError):
            child = int(folder.name)
            # Its name, in parentheses, may hold anything.
            parents[child] = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            resident[child] = int((folder / "statm").read_text("ascii").split()[1])
    pages = sum(n for child, n in resident.items() if _is_below(child, pid, parents))
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _is_below(child: int, pid: int, parents: dict[int, int]) -> bool:
    seen = set[int]()
    while child != pid:
        # A process that was listed later may have the number of one that has ended.
        if child in seen or child not in parents:
            return False
        seen.add(child)
        child = parents[child]
    return True
