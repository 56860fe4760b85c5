"""Random velocity commands for training and collection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CommandRanges:
    """Ranges of (vx, vy) [m/s] and yaw rate [rad/s], the share of standing robots, and the interval [ticks]."""

    vx: tuple[float, float] = (-1.0, 1.3)
    vy: tuple[float, float] = (-0.6, 0.6)
    yaw_rate: tuple[float, float] = (-1.2, 1.2)
    standing: float = 0.1
    single_axis: float = 0.45
    resample_ticks: tuple[int, int] = (100, 300)


class CommandSampler:
    """Holds one command per robot, ``command (B, 3)``, and redraws it after a random number of ticks."""

    def __init__(self, robots: int, ranges: CommandRanges, rng: np.random.Generator) -> None:
        self.ranges = ranges
        self._rng = rng
        self.command = np.zeros((robots, 3))
        self._ticks_left = np.zeros(robots, dtype=np.intp)
        self.redraw(np.ones(robots, dtype=bool))

    def redraw(self, mask: np.ndarray) -> None:
        """New commands for the robots of ``mask (B,)``: standing, along one axis, or along all three."""
        rng, count = self._rng, int(mask.sum())
        low, high = np.array([self.ranges.vx, self.ranges.vy, self.ranges.yaw_rate]).T
        command = rng.uniform(low, high, size=(count, 3))
        kind = rng.uniform(size=count)
        # Forward and backward is what a robot is asked for most: half of the single-axis commands.
        axis = rng.choice(3, p=[0.5, 0.25, 0.25], size=count)
        alone = kind < self.ranges.standing + self.ranges.single_axis
        command[alone] *= np.eye(3)[axis[alone]]
        command[kind < self.ranges.standing] = 0.0
        self.command[mask] = command
        self._ticks_left[mask] = rng.integers(*self.ranges.resample_ticks, size=count)

    def step(self) -> None:
        """Count one tick and redraw where the time is up."""
        self._ticks_left -= 1
        expired = self._ticks_left <= 0
        if expired.any():
            self.redraw(expired)
