"""A velocity that lives as long as a person keeps it alive.

Pure: time is an argument, [s] of any clock that does not go back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# After its end a velocity is zero for so long [s]; then there is none, and somebody else may drive.
ZERO_TIME = 0.5


class HeldVelocity:
    """Velocity ``(3,)``: vx, vy [m/s], yaw rate [rad/s], changed in steps of ``step (3,)`` up to ``bound (3,)``.

    It ends ``keep_alive`` [s] after it was last changed or kept. Any thread may call, none waits for another.
    """

    def __init__(self, step: Sequence[float], bound: Sequence[float], keep_alive: float) -> None:
        self._step, self._bound, self._keep_alive = np.array(step), np.array(bound), keep_alive
        # Velocity and the time of its end, replaced together: whoever reads one has the other that belongs to it.
        self._held = np.zeros(3), -math.inf

    def change(self, index: int, sign: int, now: float) -> None:
        """Add a step to one component; from zero when the last velocity has ended."""
        velocity, end = self._held
        velocity = velocity.copy() if now < end else np.zeros(3)
        velocity[index] += sign * self._step[index]
        # Steps of 0.1 add up to 0.30000000000000004.
        velocity = np.clip(velocity, -self._bound, self._bound).round(6) + 0.0
        self._held = velocity, now + self._keep_alive

    def take(self, velocity: Sequence[float], now: float) -> None:
        """Hold another velocity ``(3,)``, within the bound."""
        self._held = np.clip(np.array(velocity, dtype=float), -self._bound, self._bound), now + self._keep_alive

    def keep(self, now: float) -> None:
        """Keep the velocity alive; one that has ended stays so."""
        velocity, end = self._held
        if now < end:
            self._held = velocity, now + self._keep_alive

    def drop(self, now: float) -> None:
        """End the velocity now."""
        velocity, end = self._held
        self._held = velocity, min(end, now)

    def get(self, now: float) -> np.ndarray | None:
        """Return the velocity to be sent now ``(3,)``; zero for a while after its end, then None for nothing."""
        velocity, end = self._held
        if now < end:
            return velocity
        return np.zeros(3) if now < end + ZERO_TIME else None
