"""The one local clock of the controller."""

from __future__ import annotations

import time


def now() -> float:
    """Return the local time [s] since boot, suspended time included; it never goes back.

    ``time.monotonic`` stands still while the computer sleeps: a robot left alone for a minute would seem a moment old.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
