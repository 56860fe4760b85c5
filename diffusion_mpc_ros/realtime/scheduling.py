"""Real-time scheduling of a process with deadlines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def threads() -> frozenset[str]:
    """Return the threads of this process, by their numbers."""
    return frozenset(os.listdir("/proc/self/task"))


def schedule_realtime(priority: int, but: Collection[str] = ()) -> bool:
    """Ask for SCHED_FIFO at ``priority`` for this process; False for 0 or where the system does not grant it.

    All its :func:`threads` but those of ``but`` get it, and whatever they make afterwards. One left behind, the
    middleware's say, could be kept from running while it holds a lock that a thread with a deadline waits for. Granted
    with CAP_SYS_NICE or an ``rtprio`` limit (``/etc/security/limits.d``). Processes started afterwards inherit it too.
    """
    return priority > 0 and _schedule(threads().difference(but), priority)


def schedule_thread_realtime(priority: int) -> bool:
    """Do the same for the calling thread, and what it starts, alone."""
    return priority > 0 and _schedule(["0"], priority)


def schedule_thread_ordinarily() -> None:
    """Take the calling thread, and what it starts, out of real-time scheduling: what it does can wait."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _schedule(numbers: Iterable[str], priority: int) -> bool:
    try:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setscheduler(int(number), os.SCHED_FIFO, os.sched_param(priority))
    except OSError:  # no permission
        return False
    return True
