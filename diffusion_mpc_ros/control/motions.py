"""Scripted joint motions: standing up, sitting down, settling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class PoseMotion:
    """Goes from ``start (12,)`` [rad] through ``(pose (12,) [rad], duration [s])`` waypoints, at rest at each."""

    def __init__(self, start: np.ndarray, waypoints: Sequence[tuple[np.ndarray, float]]) -> None:
        self._poses = [np.asarray(start), *(pose for pose, _ in waypoints)]
        self._durations = [duration for _, duration in waypoints]

    @property
    def duration(self) -> float:
        """Time [s] until the last waypoint."""
        return sum(self._durations)

    def at(self, elapsed: float) -> np.ndarray:
        """Pose ``(12,)`` [rad] after ``elapsed`` [s]; the last waypoint from then on."""
        for start, end, duration in zip(self._poses, self._poses[1:], self._durations, strict=False):
            if elapsed < duration:
                phase = max(elapsed, 0.0) / duration
                return start + (3.0 - 2.0 * phase) * phase**2 * (end - start)
            elapsed -= duration
        return self._poses[-1]
