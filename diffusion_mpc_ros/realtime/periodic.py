"""A periodic loop with absolute deadlines: 50 Hz stays 50 Hz whatever a step costs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.core import clock

# A phase correction moves one period by at most this [s], so that alignment never looks like a missed deadline.
MAX_PHASE_STEP = 0.5e-3
# Longer than this [s] the loop does not make whoever stops it wait.
LONG_WAIT = 0.05


@dataclass(frozen=True)
class Deadline:
    """One turn of the loop: when it was due [s, core.clock], how late it started [s], deadlines skipped so far."""

    time: float
    lateness: float
    skipped: int


class PeriodicLoop:
    """Calls ``step(Deadline)`` at ``start + n * period``; a deadline a whole period past is skipped
    and counted, a smaller delay is made up for.

    ``between()``, if given, is called ``parts - 1`` times on the way from one step to the next, at equal distances; one
    that comes late is left out.
    ``monotonic`` and ``wait`` stand in for the clock in tests; ``wait(seconds)`` returns True when the loop shall end.
    An exception of ``step`` leaves :meth:`run`: what to do then is the owner's decision.
    """

    def __init__(
        self,
        period: float,
        step: Callable[[Deadline], None],
        *,
        between: Callable[[], None] | None = None,
        parts: int = 1,
        monotonic: Callable[[], float] = clock.now,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._period = period
        self._step = step
        self._between, self._parts = (lambda: None, 1) if between is None else (between, parts)
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._wait = wait or self._sleep
        self._target: float | None = None
        self.skipped = 0

    def align(self, target: float) -> None:
        """Pull the deadlines towards ``target + n * period`` [s], by at most 0.5 ms a period, so as to follow drift."""
        self._target = target

    def run(self) -> None:
        """Loop in the calling thread until :meth:`stop`."""
        deadline = self._monotonic()
        while not self._stop.is_set():
            if self._wait_for(deadline):
                return
            self._step(Deadline(deadline, max(0.0, self._monotonic() - deadline), self.skipped))
            deadline = self._next(deadline)

    def stop(self) -> None:
        """End :meth:`run` after the running step; callable from any thread and from ``step``."""
        self._stop.set()

    def _sleep(self, seconds: float) -> bool:
        """Wait; whether the loop shall end. For a short time sleeping costs half of waiting for the event."""
        if seconds > LONG_WAIT:
            return self._stop.wait(seconds)
        time.sleep(seconds)
        return self._stop.is_set()

    def _wait_for(self, deadline: float) -> bool:
        """Wait, with what is to be done on the way; whether the loop shall end."""
        part = self._period / self._parts
        for left in range(self._parts - 1, 0, -1):
            due = deadline - left * part
            pause = due - self._monotonic()
            if pause > 0.0:
                if self._wait(pause):
                    return True
                if self._monotonic() - due < part:
                    self._between()
        return self._wait_until(deadline)

    def _wait_until(self, due: float) -> bool:
        """Wait until ``due`` by the loop's own clock; whether the loop shall end.

        A wait may end too soon by that clock: after a pause of the whole computer the step has to leave the time that
        was left to whoever reads what the robot says by now.
        """
        while not self._wait(max(0.0, due - self._monotonic())):
            if self._monotonic() >= due:
                return False
        return True

    def _next(self, deadline: float) -> float:
        overdue = self._monotonic() - (deadline + self._period)
        skipped = max(0, math.floor(overdue / self._period))
        self.skipped += skipped
        return deadline + (skipped + 1) * self._period + self._phase_step(deadline)

    def _phase_step(self, deadline: float) -> float:
        if self._target is None:
            return 0.0
        # Signed distance to the nearest aligned deadline, in [-period / 2, period / 2].
        error = math.remainder(self._target - deadline, self._period)
        return min(max(error, -MAX_PHASE_STEP), MAX_PHASE_STEP)
