"""Prints how long [s] the machine stood still at worst, when its standard input ends; for test/conftest.py.

One thread on each core wakes every few milliseconds, above all other threads where the system permits it: only what no
process can help (a hypervisor that gives the core to somebody else, a quota that is used up) makes it late.
"""

import contextlib
import os
import sys
import threading
import time

PERIOD = 0.005
PRIORITY = 95


def watch(core: int, worst: list[float], stopped: threading.Event) -> None:
    """Append each new worst lateness [s] of ``core`` to ``worst``."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    while not stopped.is_set():
        due = time.monotonic() + PERIOD
        time.sleep(PERIOD)
        late = time.monotonic() - due
        if late > worst[-1]:
            worst.append(late)


def main() -> None:
    """Watch until the end of standard input."""
    worst, stopped = [0.0], threading.Event()
    threads = [threading.Thread(target=watch, args=(core, worst, stopped)) for core in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    print(max(worst))


if __name__ == "__main__":
    main()
