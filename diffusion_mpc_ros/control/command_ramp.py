"""The velocity command that is planned for: bounded, and never changing abruptly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.control.authority import velocity_bounds

# Between two calls the command changes by no more than in this time [s], however long ago the last call was: to a
# planner that has been held up, a large step is a step all the same.
MAX_ELAPSED = 0.1


class CommandRamp:
    """Follows what is asked for within ``bound (3,)`` at ``rate (3,)``: vx, vy, yaw rate [m/s, m/s, rad/s, per second].

    Raises ConfigurationError where they make no sense. Pure: time is an argument, [s].
    """

    def __init__(self, bound: Sequence[float], rate: Sequence[float]) -> None:
        self._bound, self._rate = velocity_bounds("max_command", bound), velocity_bounds("max_command_rate", rate)
        self._command, self._time = np.zeros(3), np.inf

    def get(self, asked: np.ndarray, now: float) -> np.ndarray:
        """Return the command ``(3,)`` at ``now``, moved towards ``asked (3,)`` as far as bounds and rate allow."""
        step = self._rate * min(max(now - self._time, 0.0), MAX_ELAPSED)
        self._time = now
        wanted = np.clip(asked, -self._bound, self._bound)
        self._command = np.clip(wanted, self._command - step, self._command + step)
        return self._command
