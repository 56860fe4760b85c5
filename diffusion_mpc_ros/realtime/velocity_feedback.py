"""Integral action on the velocity that is walked: it makes up for a load, a slope or a floor that no planner knows of.

One observation does not tell a loaded robot from a slow one, so a prior walks with a bias. The estimated velocity shows
the bias; a command that asks for more takes it away.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RobotState

# The gain [1/s] of what ships: a bias is gone after some seconds, and a push of a fraction of one asks for little.
VELOCITY_FEEDBACK = 0.4
# Each of vx, vy [m/s], yaw rate [rad/s]: the most that is added; the largest error that counts; and what the command
# with it stays within, as far as the command itself does: about what planners were trained for.
LARGEST_ADDED = np.array([0.4, 0.3, 0.4])
LARGEST_ERROR = np.array([0.3, 0.3, 0.5])
LARGEST_AIM = np.array([1.2, 0.6, 1.2])
# Time constant [s] with which a robot takes up a new command; what it lacks on the way is no error.
RESPONSE = 0.3
# States that come further apart than this [control ticks] are of two walks.
LONGEST_GAP = 25


class VelocityFeedback:
    """What to add to the commands of B robots: ``gain`` [1/s] times the integral of their velocity errors.

    ``gain`` 0 adds nothing. The integral of a component begins anew when its command changes sign, and that of all
    where a robot is told to stand, follows no plans, or cannot be believed.
    """

    def __init__(self, gain: float) -> None:
        self._gain = gain
        self.reset()

    def reset(self) -> None:
        """Forget the walk until now."""
        self._tick = -1
        self._added = self._expected = self._command = np.zeros((0, 3))

    def __call__(self, state: RobotState, command: np.ndarray, followed: bool = True) -> np.ndarray:
        """Return what to add to ``command (B, 3)``, ``(B, 3)``: vx, vy [m/s], yaw rate [rad/s], base frame.

        To be called with each ``state`` of the B robots, in order. ``followed``: plans were executed at its tick.
        """
        velocity = np.column_stack([state.base_lin_vel[:, :2], state.base_ang_vel[:, 2]])
        time = (state.tick - self._tick) * CONTROL_DT
        if self._goes_on(state.tick, velocity, command) and followed:
            self._expected = self._expected + min(time / RESPONSE, 1.0) * (command - self._expected)
            error = np.clip(self._expected - velocity, -LARGEST_ERROR, LARGEST_ERROR)
            self._added = self._bounded(self._added + self._gain * time * error, command)
            self._added[np.sign(command) != np.sign(self._command)] = 0.0
            self._added[~command.any(axis=1)] = 0.0
        else:
            self._added, self._expected = np.zeros(command.shape), np.nan_to_num(velocity)
        self._tick, self._command = state.tick, command.copy()
        return self._added.copy()

    def _goes_on(self, tick: int, velocity: np.ndarray, command: np.ndarray) -> bool:
        is_next = self._tick >= 0 and 0 <= tick - self._tick <= LONGEST_GAP and command.shape == self._command.shape
        return bool(is_next and np.isfinite(velocity).all() and np.isfinite(command).all())

    @staticmethod
    def _bounded(added: np.ndarray, command: np.ndarray) -> np.ndarray:
        largest = np.maximum(LARGEST_AIM, np.abs(command))
        return np.clip(np.clip(added, -LARGEST_ADDED, LARGEST_ADDED), -largest - command, largest - command)
