from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import killable_tasks
import pytest

from batchscan.workflow.killable import Died, Killables, Stalled, memory_for

STALL_S = 60.0
SOON_S = 0.3


@pytest.fixture
def processes() -> Iterator[Killables]:
    with Killables("killable_tasks", 1 << 30) as killables:
        yield killables


def has_ended(pid: int) -> bool:
    """Wait until a process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(20_000))
    finally:
        os.close(handle)


def test_values_errors_and_progress_come_back_and_the_process_is_kept(processes: Killables) -> None:
    told: list[int] = []
    assert processes.run(killable_tasks.add, 3, 4, stall_s=STALL_S, on_progress=told.append) == 7
    assert told == [0, 1, 2]
    with pytest.raises(ValueError, match="seven") as caught:
        processes.run(killable_tasks.fail, "seven", stall_s=STALL_S)
    assert "in fail" in "".join(caught.value.__notes__)
    with pytest.raises(RuntimeError, match="Odd: odd"):
        processes.run(killable_tasks.fail_unpicklably, stall_s=STALL_S)
    first = processes.run(killable_tasks.pid, stall_s=STALL_S)
    assert first != os.getpid()
    assert processes.run(killable_tasks.pid, stall_s=STALL_S) == first


def test_a_process_that_dies_is_said_how_and_replaced(processes: Killables) -> None:
    first = processes.run(killable_tasks.pid, stall_s=STALL_S)
    with pytest.raises(Died, match="signal SIGSEGV"):
        processes.run(killable_tasks.crash_here, stall_s=STALL_S)
    assert processes.run(killable_tasks.pid, stall_s=STALL_S) != first
    with pytest.raises(Died, match="exit status 3"):
        processes.run(killable_tasks.exit_with, 3, stall_s=STALL_S)


def test_a_process_without_progress_is_killed_and_one_with_progress_is_not(processes: Killables) -> None:
    told: list[int] = []
    with pytest.raises(Stalled, match=r"no progress within 0\.3 s"):
        processes.run(killable_tasks.hang_said, stall_s=SOON_S, on_progress=told.append)
    assert has_ended(told[0])


def test_more_memory_than_allowed_is_refused_and_the_next_process_is_a_fresh_one(processes: Killables) -> None:
    first = processes.run(killable_tasks.pid, stall_s=STALL_S)
    with pytest.raises(MemoryError):
        processes.run(killable_tasks.ask_for, 2 << 30, stall_s=STALL_S)
    assert processes.run(killable_tasks.ask_for, 1 << 28, stall_s=STALL_S) == 1 << 28
    assert processes.run(killable_tasks.pid, stall_s=STALL_S) != first


def test_closing_ends_also_those_at_work(processes: Killables) -> None:
    at_work = threading.Event()
    told: list[int] = []

    def note(pid: int) -> None:
        told.append(pid)
        at_work.set()

    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(processes.run, killable_tasks.hang_said, stall_s=STALL_S, on_progress=note)
        assert at_work.wait(30)
        processes.close()
        with pytest.raises(CancelledError):
            waits.result(30)
    assert has_ended(told[0])
    with pytest.raises(CancelledError):
        processes.run(killable_tasks.pid, stall_s=STALL_S)


def test_nothing_of_the_current_folder_is_imported_and_ctrl_c_does_not_reach_it(processes: Killables) -> None:
    safe, group, pid = processes.run(killable_tasks.environment, stall_s=STALL_S)
    assert safe == "1"
    assert group == pid != os.getpgid(0)


def test_a_process_ends_with_the_one_that_started_it_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import killable_tasks\n"
        "from batchscan.workflow.killable import Killables\n"
        "processes = Killables('killable_tasks', 1 << 30)\n"
        "processes.run(killable_tasks.hang_said, stall_s=600, on_progress=lambda pid: print(pid, flush=True))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        assert has_ended(child)


def test_memory_is_shared_out_but_never_less_than_reading_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchscan.workflow.killable.memory_bytes", lambda: 10 << 30)
    assert memory_for(n_threads=1, n_processes=2) == 4 << 30
    assert memory_for(n_threads=4, n_processes=40) == (1 << 30) + 4 * (192 << 20)
