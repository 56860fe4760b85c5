"""Real-time scheduling of a thread with deadlines."""

from __future__ import annotations

import os


def schedule_realtime(priority: int) -> bool:
    """Ask for SCHED_FIFO at ``priority`` for the calling thread; False for 0 or where the system does not grant it.

    Threads that it makes afterwards inherit it. Granted with CAP_SYS_NICE or an ``rtprio`` limit
    (``/etc/security/limits.d``).
    """
    if priority == 0:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError):  # no permission; not Linux
        return False
    return True
