"""Any number of patches, from any thread of a process -> p_raw, through a network that takes a fixed number at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import positive_probability

Logits = Callable[[Uint8Array], NDArray[np.float32]]
"""(batch, p, p, 3) uint8 -> (batch, 2) float32."""


@dataclass(eq=False)
class _Asked:
    """Patches of one thread, of which the first `n_taken` have been through the network or are in it."""

    patches: Uint8Array
    n_taken: int = 0
    n_done: int = 0
    p_raw: Float32Array = field(init=False)
    network_s: float = 0.0
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.p_raw = np.empty(len(self.patches), dtype=np.float32)

    @property
    def is_over(self) -> bool:
        return self.error is not None or self.n_done == len(self.patches)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Patches of one thread that are in a batch."""

    of: _Asked
    start: int
    stop: int


class _Spent(threading.local):
    seconds = 0.0


class SharedNetwork:
    """One network for all threads of a process, one batch at a time.

    Whichever thread finds the network free works off what waits, in the order it was asked for, until its own patches
    are done. So blocks, and slides, share batches, and only a batch that finds too little waiting is padded.

    Parameters
    ----------
    patch_px
        Side of a patch.
    logits
        The network; never called by two threads at once.
    batch
        How many patches it takes now.
    mended
        Asked what to do when the network raised with so many patches: None to try again, with what `batch` says then,
        or the error to raise.
    """

    def __init__(
        self,
        patch_px: int,
        logits: Logits,
        batch: Callable[[], int],
        mended: Callable[[int, Exception], Exception | None] = lambda _, error: error,
    ) -> None:
        self._patch_px, self._logits, self._batch, self._mended = patch_px, logits, batch, mended
        # Guards the two below; whoever waits is woken after each batch.
        self._turn = threading.Condition()
        self._is_busy = False
        self._waiting: deque[_Asked] = deque()
        self._spent = _Spent()

    @property
    def seconds(self) -> float:
        """How long the network has worked for this thread: of each batch the share that its patches had in it."""
        return self._spent.seconds

    def predict(self, patches: Uint8Array) -> Float32Array:
        """p_raw of patches (n, p, p, 3) uint8, (n,) float32.

        Raises
        ------
        ValueError
            If the array isn't such patches.
        """
        side = self._patch_px
        if patches.dtype != np.uint8 or patches.ndim != 4 or patches.shape[1:] != (side, side, 3):  # noqa: PLR2004 - (n, row, col, channel)
            raise ValueError(f"patches are {patches.dtype} {patches.shape}: expected uint8 (n, {side}, {side}, 3)")
        asked = _Asked(patches)
        with self._turn:
            if len(patches):
                self._waiting.append(asked)
            while not asked.is_over:
                if self._is_busy:
                    self._turn.wait()
                else:
                    self._next_batch()
        self._spent.seconds += asked.network_s
        if asked.error is not None:
            raise asked.error
        return asked.p_raw

    def _next_batch(self) -> None:
        """With the turn held; let go of while the network works."""
        batch, clock = self._batch(), time.perf_counter()
        pieces = self._take(batch)
        error: Exception | None = None
        self._is_busy = True
        self._turn.release()
        try:
            p_raw = positive_probability(self._logits(_batch_of(pieces, batch)))
        except Exception as raised:  # noqa: BLE001 - each thread whose patches these are is to have it
            error = raised
        finally:
            self._turn.acquire()
            self._is_busy = False
            self._turn.notify_all()
        if error is None:
            _hand_out(pieces, p_raw, time.perf_counter() - clock)
        else:
            self._fail(pieces, self._mended(batch, error))

    def _take(self, batch: int) -> list[_Piece]:
        """Up to a batch of what waits."""
        pieces: list[_Piece] = []
        while batch and self._waiting:
            asked = self._waiting[0]
            start = asked.n_taken
            asked.n_taken = min(len(asked.patches), start + batch)
            pieces.append(_Piece(asked, start, asked.n_taken))
            batch -= asked.n_taken - start
            if asked.n_taken == len(asked.patches):
                self._waiting.popleft()
        return pieces

    def _fail(self, pieces: Sequence[_Piece], error: Exception | None) -> None:
        """Give all whose patches were in a batch the error; put them back where there is none."""
        for piece in reversed(pieces):
            asked, waits = piece.of, piece.of.n_taken < len(piece.of.patches)
            asked.n_taken, asked.error = piece.start, error
            if error is None and not waits:
                self._waiting.appendleft(asked)
            elif error is not None and waits:
                self._waiting.popleft()


def _hand_out(pieces: Sequence[_Piece], p_raw: Float32Array, seconds: float) -> None:
    a_patch_s = seconds / sum(piece.stop - piece.start for piece in pieces)
    first = 0
    for piece in pieces:
        n = piece.stop - piece.start
        piece.of.p_raw[piece.start : piece.stop] = p_raw[first : first + n]
        piece.of.network_s += a_patch_s * n
        piece.of.n_done += n
        first += n


def _batch_of(pieces: Sequence[_Piece], batch: int) -> Uint8Array:
    """Exactly `batch` patches, contiguous: those of the pieces, then black ones."""
    parts = [piece.of.patches[piece.start : piece.stop] for piece in pieces]
    n_missing = batch - sum(map(len, parts))
    if n_missing:
        parts.append(np.zeros((n_missing, *parts[0].shape[1:]), dtype=np.uint8))
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)


def check_shapes(path: Path, patch_px: int, takes: Sequence[Any], gives: Sequence[Any]) -> None:
    """Refuse a network that takes anything but patches of the card's side, or gives anything but two logits.

    Parameters
    ----------
    path
        Of the network, for the error.
    takes, gives
        Shapes of its input and output, the batch axis first.

    Raises
    ------
    ModelError
        With both shapes.
    """
    if [*takes][1:] != [patch_px, patch_px, 3] or [*gives][1:] != [2]:
        raise ModelError(
            f"{path} takes {[*takes][1:]} and gives {[*gives][1:]}: expected its card's patches "
            f"[{patch_px}, {patch_px}, 3] and two logits [2]; fetch the package again"
        )
