"""When a new plan is started (arXiv 2510.04234, IV-D)."""

from __future__ import annotations

from diffusion_mpc_ros.core.types import Timing


class ReplanSchedule:
    """A plan is due R ticks after the last one was started; with R = H - D that is the paper's rule."""

    def __init__(self, timing: Timing) -> None:
        self.interval = timing.replan_interval
        self._last_start: int | None = None

    def due(self, tick: int) -> bool:
        """Return whether a plan should start from the observation of ``tick``; also when the clock went backwards."""
        if self._last_start is None:
            return True
        elapsed = tick - self._last_start
        return elapsed < 0 or elapsed >= self.interval

    def start(self, tick: int) -> None:
        """Note that a plan was started from the observation of ``tick``."""
        self._last_start = tick

    def reset(self) -> None:
        """Make a plan due at the next tick (mode change, clock restart)."""
        self._last_start = None
