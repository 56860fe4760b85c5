"""Velocity commands that change at random while a robot walks: what it does under many is worth learning from."""

from __future__ import annotations

import math

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.training.velocity_commands import CommandRanges, CommandSampler

# More than config/planner.yaml plans for: a robot that is slower than asked has to be asked for more than it is to
# learn, as far as planner.max_command lets it. Each is held for 2 to 4 s, several steps.
RANGES = CommandRanges(
    vx=(-1.3, 1.3), vy=(-0.6, 0.6), yaw_rate=(-1.3, 1.3), standing=0.05, single_axis=0.6, resample_ticks=(100, 200)
)


class Wander:
    """Draws velocity commands ``(3,)``: vx, vy [m/s], yaw rate [rad/s]; the same ``seed`` gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._sampler = CommandSampler(1, RANGES, np.random.default_rng(seed))
        self._begun = math.nan  # [s], of the clock that :meth:`at` is given
        self._ticks = 0

    def at(self, now: float) -> np.ndarray:
        """Return the command at ``now`` [s], of any clock that does not go back; it begins with the first call."""
        if math.isnan(self._begun):
            self._begun = now
        due = int((now - self._begun) / CONTROL_DT)
        for _ in range(due - self._ticks):
            self._sampler.step()
        self._ticks = max(due, self._ticks)
        return self._sampler.command[0].copy()
