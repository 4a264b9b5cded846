"""Any number of patches, from any thread of a process -> p_raw, through a network that takes a fixed number at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.errors import ModelError
from batchscan.domain.records import Float32Array, Uint8Array
from batchscan.stores.networks import positive_probability

Logits = Callable[[Uint8Array], NDArray[np.float32]]
"""(batch, p, p, 3) uint8 -> (batch, 2) float32."""
Begin = Callable[[Uint8Array], Callable[[], NDArray[np.float32]]]
"""Begins with (batch, p, p, 3) uint8; what it returns waits for the (batch, 2) float32."""


def when_waited_for(logits: Logits) -> Begin:
    """A network that works while it is waited for, and not before."""
    return lambda batch: partial(logits, batch)


@dataclass(eq=False)
class _Asked:
    """Patches of one thread, of which `n_done` have been through the network."""

    patches: Uint8Array
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
    """Patches of one thread that wait or are in a batch."""

    of: _Asked
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class _Begun:
    """A batch that the network has: whose patches, its size, since when, and what waits for it."""

    pieces: Sequence[_Piece]
    batch: int
    since: float
    logits: Callable[[], NDArray[np.float32]]


class _Spent(threading.local):
    seconds = 0.0


class SharedNetwork:
    """One network for all threads of a process, which is given its next batch before it has ended with one.

    Whichever thread finds the network free works off what waits, in the order it was asked for, until its own patches
    are done. So blocks, and slides, share batches, and only a batch that finds too little waiting is padded.

    Parameters
    ----------
    patch_px
        Side of a patch.
    begin
        The network; never called by two threads at once, nor is what it returns, which is called in the same order.
    batch
        How many patches it takes now.
    mended
        Asked what to do when the network raised with so many patches: None to try again, with what `batch` says then,
        or the error to raise.
    ahead
        How many batches it may have been given that it hasn't begun to work on: 1 for a device that fetches its next
        batch meanwhile, 0 for one that works while it is waited for. Only full ones are given ahead.
    """

    def __init__(
        self,
        patch_px: int,
        begin: Begin,
        batch: Callable[[], int],
        mended: Callable[[int, Exception], Exception | None] = lambda _, error: error,
        ahead: int = 0,
    ) -> None:
        self._patch_px, self._begin, self._batch, self._mended = patch_px, begin, batch, mended
        self._most_begun = 1 + ahead
        # Guards all below; whoever waits is woken after each batch.
        self._turn = threading.Condition()
        self._waiting: deque[_Piece] = deque()
        self._begun: deque[_Begun] = deque()
        self._is_waited_for = False
        self._free_since = 0.0
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
                self._waiting.append(_Piece(asked, 0, len(patches)))
            while not asked.is_over:
                if self._may_begin():
                    self._begin_next()
                elif self._begun and not self._is_waited_for:
                    self._end_first()
                else:
                    self._turn.wait()
        self._spent.seconds += asked.network_s
        if asked.error is not None:
            raise asked.error
        return asked.p_raw

    def _may_begin(self) -> bool:
        if not self._begun:
            return bool(self._waiting)
        return len(self._begun) < self._most_begun and sum(map(len, self._waiting)) >= self._batch()

    def _begin_next(self) -> None:
        """With the turn held: to begin takes next to no time, but for the first batch of a size."""
        batch, clock = self._batch(), time.perf_counter()
        pieces = self._take(batch)
        try:
            logits = self._begin(_batch_of(pieces, batch))
        except Exception as raised:  # noqa: BLE001 - each thread whose patches these are is to have it
            self._fail(pieces, self._mended(batch, raised))
        else:
            self._begun.append(_Begun(pieces, batch, clock, logits))

    def _end_first(self) -> None:
        """With the turn held; let go of while the network works."""
        begun = self._begun[0]
        error: Exception | None = None
        self._is_waited_for = True
        self._turn.release()
        try:
            p_raw = positive_probability(begun.logits())
        except Exception as raised:  # noqa: BLE001 - each thread whose patches these are is to have it
            error = raised
        finally:
            self._turn.acquire()
            self._begun.popleft()
            self._is_waited_for = False
            self._turn.notify_all()
        # What it was given ahead it begins with when it is free.
        since, self._free_since = max(begun.since, self._free_since), time.perf_counter()
        if error is None:
            _hand_out(begun.pieces, p_raw, self._free_since - since)
        else:
            self._fail(begun.pieces, self._mended(begun.batch, error))

    def _take(self, batch: int) -> list[_Piece]:
        """Up to a batch of what waits."""
        pieces: list[_Piece] = []
        while batch and self._waiting:
            first = self._waiting.popleft()
            stop = min(first.stop, first.start + batch)
            pieces.append(_Piece(first.of, first.start, stop))
            batch -= stop - first.start
            if stop < first.stop:
                self._waiting.appendleft(_Piece(first.of, stop, first.stop))
        return pieces

    def _fail(self, pieces: Sequence[_Piece], error: Exception | None) -> None:
        """Give all whose patches were in a batch the error; put them back where there is none."""
        if error is None:
            self._waiting.extendleft(reversed(pieces))
            return
        for piece in pieces:
            piece.of.error = error
        self._waiting = deque(piece for piece in self._waiting if piece.of.error is None)


def _hand_out(pieces: Sequence[_Piece], p_raw: Float32Array, seconds: float) -> None:
    a_patch_s = seconds / sum(map(len, pieces))
    first = 0
    for piece in pieces:
        piece.of.p_raw[piece.start : piece.stop] = p_raw[first : first + len(piece)]
        piece.of.network_s += a_patch_s * len(piece)
        piece.of.n_done += len(piece)
        first += len(piece)


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
