"""The last plan, which is a candidate of the next one, and what it corrected of the prior."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import NUM_JOINTS


class LastPlan:
    """Joint targets ``(B, R, 12)`` [rad] and the tick of their first row; the levels of a ladder share one.

    ``kept``: what is left of a correction for each tick that has passed. A robot that is heavier than the prior knows
    needs the same correction again; one that nothing is wrong with has forgotten it after a few ticks.
    """

    def __init__(self, kept: float) -> None:
        self.kept = kept
        self.clear()

    def keep(self, rows: np.ndarray, correction: np.ndarray, begin: int) -> None:
        """Remember ``rows (B, R, 12)`` [rad], the first for tick ``begin``, and how far they are from the prior's."""
        self._rows, self._correction, self._begin = rows, correction, begin

    def at(self, begin: int, proposed: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the plan from tick ``begin`` on, and its correction, both of the shape of ``proposed (B, R, 12)``.

        Beyond its end the plan goes on with the rows ``proposed``, and the correction with its last row. None where
        nothing of them, or of other robots, is remembered.
        """
        elapsed, known = begin - self._begin, self._rows.shape[1]
        if len(self._rows) != len(proposed) or not 0 <= elapsed < known:
            return None
        rows = elapsed + np.arange(proposed.shape[1])
        within = np.minimum(rows, known - 1)
        plan = np.where((rows < known)[:, None], self._rows[:, within], proposed)
        return plan, self.kept**elapsed * self._correction[:, within]

    def take_over(self, before: LastPlan) -> None:
        """Remember what ``before`` does."""
        self.keep(before._rows, before._correction, before._begin)

    def clear(self) -> None:
        """Forget them."""
        self._rows = self._correction = np.empty((0, 0, NUM_JOINTS))
        self._begin = 0
