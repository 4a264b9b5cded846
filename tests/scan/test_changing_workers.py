"""A run on a scheduler whose workers come and go: real `dask scheduler` and `dask worker` processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen

import pytest
from dask_processes import scheduler, wait_until, worker
from distributed import Client
from gated_slides import STEPS, Gated

from batchscan.domain.errors import ClusterError, ModelError
from batchscan.scan import underway
from batchscan.scan.cluster import connect
from batchscan.scan.dispatch import run_slides
from batchscan.scan.slide_events import Event, SlideFinished, SlideRetried, SlideStopped, WorkersChanged
from batchscan.scan.workforce import Workforce


@dataclass(frozen=True)
class Stage:
    """A scheduler with worker "one", and slides that wait at a gate; whatever is started ends with the test."""

    address: str
    client: Client
    one: Popen[bytes]
    folder: Path
    processes: contextlib.ExitStack
    threads: ThreadPoolExecutor
    events: list[Event] = field(default_factory=list)

    def join(self, name: str, *words: str, code: Path | None = None) -> Popen[bytes]:
        return self.processes.enter_context(worker(self.address, "--name", name, *words, code=code))

    def slides(self, n: int) -> list[Gated]:
        return [Gated(f"s{i:02}", self.folder / "gate", self.folder / "waiting") for i in range(n)]

    def run(self, n: int) -> Future[list[Event]]:
        """Begin to run so many slides; returns as soon as worker "one" waits at the gate."""
        run = self.threads.submit(self.follow, self.slides(n))
        self.wait_for("one")
        return run

    def follow(self, slides: Iterable[Gated]) -> list[Event]:
        self.events.extend(run_slides(self.client, slides, STEPS))
        return self.events

    def wait_for(self, *names: str) -> None:
        """Until each of the workers waits at the gate."""
        wait_until(lambda: set(names) <= self.at_gate().keys())

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def workers(self) -> set[str]:
        return {str(each["name"]) for each in self.client.scheduler_info(n_workers=-1)["workers"].values()}

    def at_gate(self) -> dict[str, int]:
        """Worker -> process id."""
        return {name: int(pid) for name, pid, _ in self._waiting()}

    def begun(self) -> list[tuple[str, str]]:
        """(worker, block) of every scan that was begun; a block is named by its slide and first row."""
        return [(name, block) for name, _, block in self._waiting()]

    def _waiting(self) -> list[list[str]]:
        return [path.name.split(maxsplit=2) for path in (self.folder / "waiting").iterdir()]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with scheduler() as (address, _):
        yield address


@pytest.fixture(autouse=True)
def _each_block_is_a_step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Unless the parameter says that a slide is done in one go."""
    wanted = bool(getattr(request, "param", True))
    if wanted:
        monkeypatch.setattr(underway, "PATCHES_TOGETHER", 0)
        monkeypatch.setattr(Workforce, "is_of_one_kind", property(lambda _: False))
    return wanted


@pytest.fixture
def stage(address: str, tmp_path: Path) -> Iterator[Stage]:
    with _stage(address, tmp_path) as stage:
        yield stage


@contextlib.contextmanager
def _stage(address: str, folder: Path) -> Iterator[Stage]:
    (folder / "waiting").mkdir()
    with contextlib.ExitStack() as processes, ThreadPoolExecutor(2) as threads:
        one = processes.enter_context(worker(address, "--name", "one"))
        client = processes.enter_context(connect(address, 1))
        try:
            yield Stage(address, client, one, folder, processes, threads)
        finally:
            (folder / "gate").touch()


def _finished(events: list[Event]) -> list[SlideFinished[tuple[str, int, list[tuple[int, float]]]]]:
    stopped = [event for event in events if isinstance(event, SlideStopped)]
    assert stopped == []
    return [event for event in events if isinstance(event, SlideFinished)]


@pytest.mark.parametrize("_each_block_is_a_step", [True, False], indirect=True)
def test_workers_join_leave_and_die_and_the_results_are_those_of_a_quiet_run(
    stage: Stage, *, _each_block_is_a_step: bool
) -> None:
    run = stage.run(10)
    stage.join("two")
    stage.join("three", "--no-nanny")
    stage.wait_for("two", "three")
    killed = dict(stage.begun())["three"]
    os.kill(stage.at_gate()["three"], signal.SIGKILL)
    wait_until(lambda: stage.workers() == {"one", "two"})
    retired = stage.threads.submit(stage.client.retire_workers, names=["one"])
    stage.open_gate()
    finished = _finished(run.result(60))
    assert len(retired.result(60)) == 1
    assert stage.one.wait(60) == 0
    assert (stage.workers(), finished[-1].end.worker) == ({"two"}, "two")
    # The steps that "one" and "three" were at are done again; only a death counts as its slide's accident.
    left = {block for worker, block in stage.begun() if worker in {"one", "three"}}
    again = {block for block, n in Counter(block for _, block in stage.begun()).items() if n > 1}
    assert again - left == set()
    assert len(again if _each_block_is_a_step else {block.split()[0] for block in again}) == 2
    (retried,) = [event for event in run.result() if isinstance(event, SlideRetried)]
    assert (retried.accident, retried.slide_id) == (True, killed.split()[0])
    quiet = _finished(list(run_slides(stage.client, stage.slides(10), STEPS)))
    assert {event.end.worker for event in quiet} == {"two"}
    assert sorted(event.result for event in finished) == sorted(event.result for event in quiet)
    assert len(quiet) == 10


def test_a_worker_that_is_terminated_leaves_its_step_to_another(stage: Stage) -> None:
    run = stage.run(3)
    stage.join("two")
    stage.wait_for("two")
    stage.one.send_signal(signal.SIGTERM)
    wait_until(lambda: stage.workers() == {"two"})
    stage.open_gate()
    assert {event.end.worker for event in _finished(run.result(60))} == {"two"}
    assert not any(isinstance(event, SlideRetried) for event in run.result())
    assert stage.one.wait(60) == 0


def test_without_any_worker_the_run_waits_for_the_next(stage: Stage) -> None:
    run = stage.run(3)
    stage.one.kill()
    wait_until(lambda: WorkersChanged(0) in stage.events)
    stage.open_gate()
    assert not run.done()
    stage.join("two", "--no-nanny")
    assert [event.end.worker for event in _finished(run.result(60))] == ["two"] * 3
    assert [event.n_threads for event in run.result() if isinstance(event, WorkersChanged)] == [0, 1]


def test_more_workers_have_more_slides_under_way(stage: Stage) -> None:
    taken: list[Gated] = []

    def works() -> Iterator[Gated]:
        for slide in stage.slides(20):
            taken.append(slide)
            yield slide

    run = stage.threads.submit(stage.follow, works())
    stage.wait_for("one")
    assert len(taken) == 2 * 1 + 1
    stage.join("two", "--no-nanny")
    stage.join("three", "--no-nanny")
    wait_until(lambda: len(taken) == 2 * 3 + 1)
    stage.open_gate()
    events = run.result(60)
    assert [event.n_threads for event in events if isinstance(event, WorkersChanged)][-1] == 3
    assert len(_finished(events)) == 20


def test_a_scheduler_that_dies_stops_the_run_with_the_remedy(tmp_path: Path) -> None:
    with scheduler() as (address, process), _stage(address, tmp_path) as stage:
        run = stage.run(3)
        process.kill()
        with pytest.raises(ClusterError, match="start the same command again"):
            run.result(60)


def test_a_worker_with_another_model_is_dismissed_unless_it_is_the_only_one(stage: Stage) -> None:
    slides = [replace(slide, unfit="two") for slide in stage.slides(6)]
    run = stage.threads.submit(stage.follow, slides)
    two = stage.join("two")
    stage.wait_for("one", "two")
    stage.open_gate()
    assert {event.end.worker for event in _finished(run.result(60))} == {"one"}
    assert not any(isinstance(event, SlideRetried) for event in run.result())
    assert two.wait(60) == 0
    with pytest.raises(ModelError, match="another model"):
        stage.follow([replace(slide, unfit="one") for slide in slides])


def test_a_worker_with_another_batchscan_or_none_is_let_in_only_between_runs(stage: Stage) -> None:
    other = stage.folder / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import batchscan\nbatchscan.__version__ = '0.0.1'\n")
    none = stage.folder / "none"
    none.mkdir()
    (none / "batchscan.py").write_text("raise ImportError('not installed here')\n")
    run = stage.run(4)
    joining = [stage.join("other", code=other), stage.join("none", code=none)]
    assert [process.wait(60) for process in joining] == [1, 1]
    stage.open_gate()
    assert {event.end.worker for event in _finished(run.result(60))} == {"one"}
    with connect(stage.address, 1):
        pass
    stage.join("other", code=other)
    wait_until(lambda: "other" in stage.workers())
    says = r"workers run another \(tcp://\S+: 0\.0\.1\); install the same version on all"
    with pytest.raises(ClusterError, match=says), connect(stage.address, 1):
        pass
