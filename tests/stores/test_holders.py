from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batchscan.stores.holders import REBOOT_S, SILENT_S, Holder

NOON = datetime(2025, 11, 23, 12, tzinfo=UTC)
ME = Holder.this_process(NOON.isoformat())

pytestmark = pytest.mark.skipif(not ME.boot, reason="the system doesn't tell one boot from another")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["a live process's", "nobody's"])
@pytest.mark.parametrize(
    ("silent_s", "is_gone"), [(-5, False), (0, False), (REBOOT_S - 1, False), (REBOOT_S + 1, True), (SILENT_S, True)]
)
def test_one_of_this_machines_name_but_another_boot_goes_by_its_silence(
    pid: int, silent_s: float, *, is_gone: bool
) -> None:
    """Containers and clones of one name: neither the number nor the birth of a process here says anything of it."""
    assert replace(ME, pid=pid, boot="another boot").is_gone(after(silent_s)) is is_gone


def test_one_of_another_boot_that_never_gave_a_sign_of_life_is_gone() -> None:
    assert replace(ME, boot="another boot", beat="").is_gone(NOON)


def test_one_of_this_boot_goes_by_its_process_however_long_it_is_silent() -> None:
    assert not ME.is_gone(after(10 * SILENT_S))
    assert replace(ME, began="17").is_gone(NOON)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert replace(ME, pid=ended.pid).is_gone(NOON)


def test_one_of_another_machine_is_waited_for_much_longer() -> None:
    there = replace(ME, host=f"not-{socket.gethostname()}")
    assert [there.is_gone(after(seconds)) for seconds in (REBOOT_S + 1, SILENT_S - 1, SILENT_S + 1)] == [
        False, False, True,
    ]  # fmt: skip
