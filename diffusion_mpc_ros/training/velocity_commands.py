"""Random velocity commands for training and collection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CommandRanges:
    """Ranges of (vx, vy) [m/s] and yaw rate [rad/s], the share of standing robots, and the interval [ticks].

    Each range holds 0 and is reached along its axis alone; of the three together, what is beyond the ellipsoid with
    these half-axes is drawn in onto it. Sideways a foot reaches less far in a stance than forwards. Of the commands
    that follow standing, a share ``slow_starts`` is only ``slow`` of what was drawn: the first step that decides
    between standing and walking is hard to see in what follows a slow command, so it has to be seen often.
    """

    vx: tuple[float, float] = (-1.2, 1.2)
    vy: tuple[float, float] = (-0.8, 0.8)
    yaw_rate: tuple[float, float] = (-1.5, 1.5)
    standing: float = 0.1
    single_axis: float = 0.45
    slow_starts: float = 0.0
    slow: tuple[float, float] = (0.1, 0.5)
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
        """Return new commands for the robots of ``mask (B,)``: standing, along one axis, or along all three."""
        rng, count = self._rng, int(mask.sum())
        low, high = np.array([self.ranges.vx, self.ranges.vy, self.ranges.yaw_rate]).T
        command = rng.uniform(low, high, size=(count, 3))
        kind = rng.uniform(size=count)
        # Forward and backward is what a robot is asked for most: half of the single-axis commands.
        axis = rng.choice(3, p=[0.5, 0.25, 0.25], size=count)
        alone = kind < self.ranges.standing + self.ranges.single_axis
        command[alone] *= np.eye(3)[axis[alone]]
        command[kind < self.ranges.standing] = 0.0
        half_axis = np.maximum(np.where(command > 0.0, high, -low), 1e-9)
        command /= np.maximum(np.linalg.norm(command / half_axis, axis=1, keepdims=True), 1.0)
        stood = ~self.command[mask].any(axis=1)
        slow = stood & (rng.uniform(size=count) < self.ranges.slow_starts)
        command[slow] *= rng.uniform(*self.ranges.slow, size=(int(slow.sum()), 1))
        self.command[mask] = command
        self._ticks_left[mask] = rng.integers(*self.ranges.resample_ticks, size=count)

    def step(self) -> np.ndarray:
        """Count one tick and redraw where the time is up, ``(B,)`` bool."""
        self._ticks_left -= 1
        expired = self._ticks_left <= 0
        if expired.any():
            self.redraw(expired)
        return expired
