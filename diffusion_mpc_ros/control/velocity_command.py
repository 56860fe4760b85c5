"""The velocity command that is planned for: one of several sources, bounded, and never changing abruptly.

Pure: time is an argument, [s] of any clock that does not go back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.gamepad import GamepadState

# Who asks for a velocity, first whom the others give way to. The remote in the operator's hand comes before all.
REMOTE, JOY, CMD_VEL = SOURCES = ("remote", "joy", "cmd_vel")
# Between two calls the command changes by no more than in this time [s], however long ago the last call was: to a
# planner that has been held up, a large step is a step all the same.
MAX_ELAPSED = 0.1


class VelocityCommand:
    """Takes what the sources ask for, ``(3,)``: vx, vy [m/s], yaw rate [rad/s]; says what to plan for.

    The first of ``SOURCES`` wins that is younger than ``timeout`` [s] and asks for anything but standing still; without
    one the command is zero. So a stick outside its deadband wins, and a remote out of reach does not: Unitree calls it
    lost after 3 s of zeros, but its sticks read zero from the first of them.
    ``bound (3,)``: largest velocities; ``rate (3,)``: largest change of the command [1/s of those]; ``deadband``: part
    of a stick's range in [0, 1). Raises ConfigurationError where they make no sense.
    """

    def __init__(self, bound: Sequence[float], rate: Sequence[float], deadband: float, timeout: float) -> None:
        self._bound, self._rate = _limits("max_command", bound), _limits("max_command_rate", rate)
        if not 0.0 <= deadband < 1.0 or not 0.0 < timeout < np.inf:
            raise ConfigurationError(
                f"command_deadband {deadband} must be in [0, 1), cmd_vel_timeout {timeout} a positive time [s]"
            )
        self._deadband, self._timeout = deadband, timeout
        self._asked: dict[str, tuple[np.ndarray, float]] = {}
        self._command, self._time = np.zeros(3), np.inf
        self.source = ""  # whose velocity the last command followed; "" for nobody's
        self.rejected: Counter[str] = Counter()  # by source, how often what it asked for could not be used

    def ask(self, source: str, velocity: np.ndarray | None, now: float) -> None:
        """``source`` asks for ``velocity (3,)`` from now on; None or not finite: zero, and counted as rejected."""
        if velocity is None or not np.isfinite(velocity).all():
            self.rejected[source] += 1
            velocity = np.zeros(3)
        self._asked[source] = np.clip(velocity, -self._bound, self._bound), now

    def ask_by_sticks(self, source: str, state: GamepadState | None, now: float) -> None:
        """``source`` asks with its sticks, left vx and vy, right yaw rate; None or not valid as in :meth:`ask`."""
        if state is None or not state.sticks_valid:
            self.ask(source, None, now)
            return
        # Sticks count to the right, velocities to the left (REP 103).
        sticks = np.array([state.left_y, -state.left_x, -state.right_x])
        self.ask(source, self._beyond_deadband(sticks) * self._bound, now)

    def get(self, now: float) -> np.ndarray:
        """The command to plan for now ``(3,)``, moved towards what is asked for as far as the rate allows."""
        elapsed = min(max(now - self._time, 0.0), MAX_ELAPSED)
        self._time = now
        step = self._rate * elapsed  # (3,)
        self._command = np.clip(self._wanted(now), self._command - step, self._command + step)
        return self._command

    def _wanted(self, now: float) -> np.ndarray:
        for source in SOURCES:
            velocity, received = self._asked.get(source, (np.zeros(3), -np.inf))
            if now - received <= self._timeout and velocity.any():
                self.source = source
                return velocity
        self.source = ""
        return np.zeros(3)

    def _beyond_deadband(self, sticks: np.ndarray) -> np.ndarray:
        """Zero within the deadband, from there on linear up to the stop, so that there is no jump at its edge."""
        return np.sign(sticks) * np.maximum(np.abs(sticks) - self._deadband, 0.0) / (1.0 - self._deadband)


def _limits(name: str, values: Sequence[float]) -> np.ndarray:
    limits = np.array(values, dtype=np.float64)
    if limits.shape != (3,) or not np.isfinite(limits).all() or (limits < 0.0).any():
        raise ConfigurationError(f"{name} {list(values)} must be three finite numbers >= 0: vx, vy, yaw rate")
    return limits
