"""The lease of whoever launched a process: the process ends in order when its launcher has ended, however that ended.

A launcher names itself in the environment of what it starts. A process started by hand has none.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Mapping
from pathlib import Path

from diffusion_mpc_ros.core.errors import ConfigurationError

# PID:STARTTIME; the second as in field 22 of /proc/PID/stat, because a process id is given again to another process.
VARIABLE = "DIFFUSION_MPC_LAUNCHER"
_STATE, _START_TIME = 0, 19  # among the fields behind the name, which may hold spaces and parentheses
_ENDED = ("Z", "X", "x")


def lease_environment() -> dict[str, str]:
    """Return the variable that makes this process the launcher of those it starts; empty without /proc."""
    lease = lease_of(os.getpid())
    return {VARIABLE: lease} if lease else {}


def lease_of(pid: int) -> str:
    """Return what names the process ``pid`` as a launcher; empty without /proc."""
    fields = _stat(pid)
    return f"{pid}:{fields[_START_TIME]}" if fields else ""


class Launcher:
    """The process that ``environment`` names as the launcher, watched without a thread; none: it is never gone.

    Raises ConfigurationError for a variable that names no process.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        lease = environment.get(VARIABLE, "")
        pid, colon, self._start_time = lease.partition(":")
        if lease and not (pid.isdecimal() and colon and self._start_time.isdecimal()):
            raise ConfigurationError(f"{VARIABLE}={lease!r} is no PID:STARTTIME of a launcher; unset it")
        self.pid = int(pid) if lease else None
        self._gone = False
        # The handle before the first look at the start time: it then belongs to the process that was looked at.
        self._handle = self._open_handle()
        self._gone = self.pid is not None and self._other_process()

    @property
    def gone(self) -> bool:
        """Whether there was a launcher and it has ended; cheap enough for every turn of a loop."""
        if self.pid is not None and not self._gone:
            self._gone = self._other_process() if self._handle is None else bool(self._handle.poll(0))
        return self._gone

    def _open_handle(self) -> select.poll | None:
        """Poll of a pidfd, or None without one: an old kernel, a launcher that has ended."""
        if self.pid is None or not hasattr(os, "pidfd_open"):
            return None
        with contextlib.suppress(OSError, OverflowError):
            handle = select.poll()
            handle.register(os.pidfd_open(self.pid), select.POLLIN)
            return handle
        return None

    def _other_process(self) -> bool:
        """Return whether the process id belongs to no living process, or to another one than the launcher."""
        fields = [] if self.pid is None else _stat(self.pid)
        return not fields or fields[_STATE] in _ENDED or fields[_START_TIME] != self._start_time


def _stat(pid: int) -> list[str]:
    """Return the fields of a process behind its name; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
