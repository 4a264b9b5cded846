"""Inside a killable process: functions that come through a pipe are called, and what becomes of them goes back."""

from __future__ import annotations

import os
import pickle
import queue
import resource
import threading
import traceback
from enum import Enum, auto
from multiprocessing.connection import Connection
from typing import Any, NoReturn


class Kind(Enum):
    """What a message is: the process is there, goes on, or the function returned or raised."""

    READY = auto()
    PROGRESS = auto()
    RETURNED = auto()
    RAISED = auto()


def serve(handle: int, memory_bytes: int) -> NoReturn:
    """Call what comes, one function after the other, until the other side is gone.

    Parameters
    ----------
    handle
        File descriptor of a socket to the process that asks.
    memory_bytes
        Limit of what this process may ask the system for.
    """
    # A core dump would leave a slide's pixels in some folder.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What is asked for and could be written, not addresses: threads and libraries reserve gigabytes of those.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    connection = Connection(handle)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, asked), daemon=True).start()
    answers = _Answers(connection)
    answers.send(Kind.READY, None)
    while True:
        _call(asked.get(), answers)


def _listen(connection: Connection, asked: queue.SimpleQueue[bytes]) -> None:
    """Also while a function is busy or hangs: when the other side dies, nobody would ever end this process."""
    try:
        while True:
            asked.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


class _Answers:
    """Messages of several threads, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, kind: Kind, value: Any) -> None:
        message = pickle.dumps((kind, value))
        with self._lock:
            self._connection.send_bytes(message)

    def progress(self, n: int) -> None:
        self.send(Kind.PROGRESS, n)


def _call(message: bytes, answers: _Answers) -> None:
    try:
        function, arguments = pickle.loads(message)  # noqa: S301 - of the process that started this one
        answers.send(Kind.RETURNED, function(*arguments, answers.progress))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
        answers.send(Kind.RAISED, _sendable(error))


def _sendable(error: Exception) -> Exception:
    """The error, or if it can't be pickled one that says the same; a traceback doesn't travel, so it is a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was made just now
    except Exception:  # noqa: BLE001 - foreign errors have constructors of all kinds
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
