"""The velocity that a planner follows: what command_publisher says, for as long as it says something."""

from __future__ import annotations

import math

import numpy as np

from diffusion_mpc_ros.control.command_ramp import CommandRamp

# A command_publisher that says nothing for longer than this [s] moves nothing: its velocity counts as zero.
HEARD_WITHIN = 0.2


class HeardCommand:
    """The velocity command_publisher said last, ramped; zero once it is silent. Pure: times [s] are of one clock."""

    def __init__(self, ramp: CommandRamp) -> None:
        self._ramp = ramp
        self._velocity, self._heard, self._follows_plans = np.zeros(3), -math.inf, False

    def hear(self, velocity: np.ndarray, follows_plans: bool, now: float) -> None:
        """Take ``velocity (3,)``: vx, vy [m/s], yaw rate [rad/s]; ``follows_plans``: a plan's row was sent with it."""
        self._velocity, self._follows_plans, self._heard = velocity, follows_plans, now

    def at(self, now: float) -> tuple[np.ndarray, bool]:
        """Return the velocity ``(3,)`` to plan for at ``now``, and whether the robot follows plans."""
        heard = now - self._heard <= HEARD_WITHIN
        return self._ramp.get(self._velocity if heard else np.zeros(3), now), heard and self._follows_plans
