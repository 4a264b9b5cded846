"""The slides asked for -> the order in which they are scanned: those that take longest first, suspects last."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from batchscan.domain.errors import BatchscanError
from batchscan.domain.places import Place
from batchscan.domain.records import SlideRequest
from batchscan.stores.ngff import parse_image
from batchscan.stores.remote_trees import tree_of
from batchscan.stores.zarr_documents import read_array_document, read_group_attributes

_AT_ONCE = 8
_PATIENCE_S = 60.0
# Order and time left depend on these, nothing else: a vendor's pixel has about two bits in the file and is decoded at
# 25 MPix/s; a patch of 0.16 mm2 takes a millisecond.
_VENDOR_S_PER_BYTE = 4 / 25e6
_STORE_S_PER_UM2 = 1e-3 / 160_000


def in_turn(requests: Sequence[SlideRequest], suspects: Collection[str]) -> list[tuple[SlideRequest, float]]:
    """Largest first, so that none is left to one worker when the others have finished; alike ones as asked for.

    Parameters
    ----------
    requests
        The slides.
    suspects
        Ids of slides that go last: they were under way when a runner was killed, and one of them may have killed it.

    Returns
    -------
    Each slide with the seconds that it takes, very roughly.
    """
    seconds = _rough_seconds([request.path for request in requests])
    return sorted(zip(requests, seconds, strict=True), key=lambda pair: (pair[0].slide_id in suspects, -pair[1]))


def _rough_seconds(paths: Sequence[Place]) -> list[float]:
    """What each slide takes, roughly; 0 for those that can't be looked at, or don't answer in time."""
    found = [0.0] * len(paths)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(paths)):
        waiting.put(index)

    def look() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            found[index] = _seconds(paths[index])

    # A folder that doesn't answer must not keep the run from starting, nor the process from ending.
    lookers = [threading.Thread(target=look, daemon=True) for _ in range(min(_AT_ONCE, len(paths)))]
    for looker in lookers:
        looker.start()
    end = time.monotonic() + _PATIENCE_S
    for looker in lookers:
        looker.join(max(0.0, end - time.monotonic()))
    return list(found)


def _seconds(path: Place) -> float:
    try:
        tree = tree_of(path)
        attributes = read_group_attributes(tree)
        if attributes is None:
            return path.stat().st_size * _VENDOR_S_PER_BYTE if isinstance(path, Path) else 0.0
        finest = parse_image(path, attributes).datasets[0]
        height, width = read_array_document(tree, finest.path).shape[-2:]
        return height * width * finest.scale_x * finest.scale_y * _STORE_S_PER_UM2
    except (BatchscanError, OSError, ValueError):
        return 0.0
