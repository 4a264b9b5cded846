"""A process -> the record by which others know that it holds a run, and whether it still does."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

SILENT_S = 600.0
"""A holder on another machine that has given no sign of life for so many seconds is taken for dead."""

REBOOT_S = 90.0
"""The same for one that has this machine's name, but ran before it was started."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a run.

    Parameters
    ----------
    host, pid
        The process.
    token
        Of this hold alone: who has been taken over sees another.
    beat
        Its last sign of life, ISO 8601 in UTC.
    boot, began
        What tells a process from an earlier one of its number: the boot, and its start in clock ticks since then; empty
        where the system doesn't say.
    """

    host: str
    pid: int
    token: str
    beat: str
    boot: str = ""
    began: str = ""

    @classmethod
    def this_process(cls, beat: str) -> Self:
        """The one that runs this, as of now."""
        return cls(socket.gethostname(), os.getpid(), uuid.uuid4().hex, beat, *_birth(os.getpid()))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """What a ledger keeps; what isn't there (an older batchscan's) is empty."""
        text = {name: str(record.get(name, "")) for name in ("host", "token", "beat", "boot", "began")}
        return cls(pid=int(record.get("pid", 0)), **text)

    def is_gone(self, moment: datetime) -> bool:
        """Whether it has ended without letting go: here by its process, of another machine by its silence."""
        if self.host != socket.gethostname():
            return self._silent_s(moment, unknown=0.0) > SILENT_S
        birth = _birth(self.pid)
        boot = _birth(os.getpid())[0]
        if self.boot and boot and self.boot != boot:
            # This machine before it was started again, or another one of the same name: that one would be heard.
            return self._silent_s(moment, unknown=2 * REBOOT_S) > REBOOT_S
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return any(birth) and birth != (self.boot, self.began)

    def _silent_s(self, moment: datetime, *, unknown: float) -> float:
        try:
            return (moment - datetime.fromisoformat(self.beat).astimezone(UTC)).total_seconds()
        except ValueError:
            return unknown


def _birth(pid: int) -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return boot, after_name.split()[19]
    except (OSError, IndexError):
        return "", ""
