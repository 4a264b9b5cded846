"""A function -> what it returns from a process of its own, which is ended when it stands still, dies or swells.

Readers of scanner files are C code that may crash, hang or swell on a damaged file. The pools of `concurrent.futures`
break as a whole when one process dies, and other libraries' time limits count from a task's start: a large slide has
no such limit, only a longest time without progress.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, TypeVar

from batchscan.domain.errors import BatchscanError
from batchscan.stores.machine import memory_bytes
from batchscan.workflow.killable_process import Kind

T = TypeVar("T")

START_S = 120.0
"""Within which a process has to be there: it loads its modules meanwhile, from a slow disk at worst."""

_MEMORY_SHARE = 0.8
_SMALLEST_BYTES = 1 << 30
# A thread's buffers: a tile as the file has it, as RGB and as a shard, and what decodes it.
_BYTES_A_THREAD = 192 << 20
# As in the worker processes of a scan: one thread each for arithmetic, so that memory doesn't grow with the cores.
_ENVIRONMENT = {"PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_COMMAND = """\
import sys
sys.path[:] = {path!r}
import {module}
from batchscan.workflow.killable_process import serve
serve({handle}, {memory_bytes})
"""


class LostProcess(BatchscanError):
    """A process ended before what it was to do; the text says how."""


class Stalled(LostProcess):
    """It made no progress, and was ended."""


class Died(LostProcess):
    """It died of its own."""


class Killables:
    """Processes that each do one thing at a time and are kept for the next; ends as a context manager.

    They end with this one, however it ends: when it is gone they see it. What is typed at the terminal doesn't reach
    them.

    Parameters
    ----------
    module
        Name of the module that has the functions; it is loaded before a process counts as started.
    memory_bytes
        A process that asks for more gets a MemoryError or dies; see `memory_for`.
    quiet
        Whether what libraries print on stderr is thrown away: it may repeat what a file says of a patient.
    """

    def __init__(self, module: str, memory_bytes: int, *, quiet: bool = True) -> None:
        self.memory_bytes = memory_bytes
        self._module = module
        self._quiet = quiet
        self._lock = threading.Lock()
        self._idle: list[_Killable] = []
        self._all: set[_Killable] = set()
        self._closed = False

    def run(
        self,
        function: Callable[..., T],
        *arguments: Any,
        stall_s: float,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> T:
        """Call `function(*arguments, report)` in a process; safe from several threads, each has a process then.

        Parameters
        ----------
        function
            Importable by its name; `report(n)` of a whole number says that it goes on, from any of its threads.
        arguments
            What can be pickled.
        stall_s
            Seconds without a report after which the process is ended.
        on_progress
            Told what is reported, on the calling thread.

        Raises
        ------
        Stalled, Died
            If the process stood still or died; it is gone then, and nothing of it goes on.
        CancelledError
            After `close`.
        Exception
            What the function raised.
        """
        process = self._take()
        try:
            value: T = process.run(function, arguments, stall_s, on_progress)
        except LostProcess as error:
            if self._closed:
                raise CancelledError from error
            raise
        finally:
            self._put_back(process)
        return value

    def close(self) -> None:
        """End all processes at once, also those at work."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
            at_work = tuple(self._all)
        for process in at_work:
            # Who waits for it sees that it is gone, and puts it away.
            process.kill()
        for process in idle:
            process.end()

    def _take(self) -> _Killable:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        process = _Killable(self._module, self.memory_bytes, quiet=self._quiet)
        with self._lock:
            if not self._closed:
                self._all.add(process)
                return process
        process.end()
        raise CancelledError

    def _put_back(self, process: _Killable) -> None:
        with self._lock:
            if process.is_reusable and not self._closed:
                self._idle.append(process)
                return
            self._all.discard(process)
        process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Killable:
    """One process, started when made; whoever has it is the only one that uses it, but for `kill`."""

    def __init__(self, module: str, memory_bytes: int, *, quiet: bool) -> None:
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        with theirs:
            self._process = _started(theirs.fileno(), module, memory_bytes, quiet=quiet)
        self._ending = threading.Lock()
        self._is_started = False
        self.is_reusable = False

    def run(
        self, function: Callable[..., T], arguments: tuple[Any, ...], stall_s: float, on_progress: Callable[[int], None]
    ) -> T:
        self.is_reusable = False
        if not self._is_started:
            self._receive(START_S)
            self._is_started = True
        try:
            self._connection.send_bytes(pickle.dumps((function, arguments)))
        except OSError as error:
            raise Died(self._how_it_ended()) from error
        kind, value = self._receive(stall_s)
        while kind is Kind.PROGRESS:
            on_progress(value)
            kind, value = self._receive(stall_s)
        # After a lack of memory nobody knows what is still held.
        self.is_reusable = not isinstance(value, MemoryError)
        if kind is Kind.RAISED:
            raise value
        result: T = value
        return result

    def kill(self) -> None:
        """Kill it and wait until it is gone, with whatever it held."""
        with self._ending:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Kill it, and let go of it."""
        self.kill()
        self._connection.close()

    def _receive(self, stall_s: float) -> tuple[Kind, Any]:
        try:
            if not self._connection.poll(stall_s):
                raise Stalled(f"no progress within {stall_s:g} s")
            kind, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise Died(self._how_it_ended()) from error
        return kind, value

    def _how_it_ended(self) -> str:
        with self._ending:
            code = self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def memory_for(n_threads: int, n_processes: int) -> int:
    """How much memory (bytes) each of several processes may ask for: an equal share of 80 % of the machine's.

    At least what decoding on so many threads takes.
    """
    share = int(_MEMORY_SHARE * memory_bytes() / n_processes)
    return max(share, _SMALLEST_BYTES + n_threads * _BYTES_A_THREAD)


def _started(handle: int, module: str, memory_bytes: int, *, quiet: bool) -> subprocess.Popen[bytes]:
    """A fresh interpreter, no copy of this one: threads and locks don't survive a fork."""
    path = [folder for folder in sys.path if folder]
    command = _COMMAND.format(path=path, handle=handle, memory_bytes=memory_bytes, module=module)
    return subprocess.Popen(  # noqa: S603 - this very interpreter, and nothing of a file's in the words
        [sys.executable, "-c", command],
        pass_fds=(handle,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        # Ctrl-C goes to the terminal's process group; what it means is the starter's to say.
        process_group=0,
        env={**os.environ, **_ENVIRONMENT},
    )
