"""Robots that change from one demonstrator to another while they walk: data that show the way between their gaits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.policies.demonstrator import GaitPolicy
from diffusion_mpc_ros.policies.gait import GaitCommand


class AlternatingPolicy:
    """Each of B robots follows one of ``policies`` for a random time in ``ticks``, then another; ``which (B,)``.

    A policy with the inputs of one :data:`GaitPolicy`. With a single policy nothing changes and nothing is drawn.
    """

    def __init__(
        self, policies: Sequence[GaitPolicy], robots: int, ticks: tuple[int, int], rng: np.random.Generator
    ) -> None:
        self._policies, self._ticks, self._rng = tuple(policies), ticks, rng
        self._alternates = len(self._policies) > 1
        self.which = np.zeros(robots, dtype=np.intp)
        self._left = np.zeros(robots, dtype=np.intp)
        if self._alternates:
            self.which = rng.integers(len(self._policies), size=robots)
            self._left = rng.integers(*ticks, size=robots, endpoint=True)

    def __call__(self, observation: np.ndarray, gait: GaitCommand, clock: np.ndarray) -> np.ndarray:
        """Joint targets ``(B, 12)`` [rad] of each robot's own policy, for ``observation (B, 45)``."""
        targets = self._policies[0](observation, gait, clock)
        for index, policy in enumerate(self._policies[1:], start=1):
            own = self.which == index
            targets[own] = policy(observation, gait, clock)[own]
        return targets

    def step(self) -> None:
        """One tick; whose time is over goes on with another policy."""
        if not self._alternates:
            return
        self._left -= 1
        over = self._left <= 0
        count = int(over.sum())
        others = self._rng.integers(1, len(self._policies), size=count)
        self.which[over] = (self.which[over] + others) % len(self._policies)
        self._left[over] = self._rng.integers(*self._ticks, size=count, endpoint=True)
