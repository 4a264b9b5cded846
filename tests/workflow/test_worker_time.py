from __future__ import annotations

from batchscan.workflow.worker_time import WorkerTime


def test_workers_that_join_and_leave_count_while_they_are_there() -> None:
    there = WorkerTime()
    assert (there.most, there.seconds(1000.0)) == (0, 0.0)
    there.changed(2, 1000.0)
    there.changed(5, 1010.0)
    there.changed(0, 1012.0)
    there.changed(1, 1100.0)
    # 2 for 10 s, 5 for 2 s, none for 88 s, 1 for 3 s.
    assert (there.most, there.seconds(1103.0)) == (5, 20.0 + 10.0 + 3.0)
