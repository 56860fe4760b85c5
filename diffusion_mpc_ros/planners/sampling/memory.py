"""The last plan's knots, from which the next search begins: Algorithm 1, line 10."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.planners.sampling.knots import Knots


class Memory:
    """Knots ``(B, K, A)`` of the last plan and the tick of their first row; the levels of a ladder share one."""

    def __init__(self) -> None:
        self._knots, self._begin = np.empty((0, 0, 0)), 0

    def keep(self, knots: np.ndarray, begin: int) -> None:
        """Remember ``knots (B, K, A)``, whose row 0 is of tick ``begin``."""
        self._knots, self._begin = knots, begin

    def at(self, knots: Knots, begin: int, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the same rows from tick ``begin`` on, those beyond them 0; None where none of them, or no such robots.

        ``shape``: ``(B, K, A)``, what is wanted.
        """
        elapsed = begin - self._begin
        if self._knots.shape != shape or not 0 <= elapsed < knots.horizon:
            return None
        return knots.shifted(self._knots, elapsed, np.zeros(shape[-1]))

    def clear(self) -> None:
        """Forget them."""
        self._knots, self._begin = np.empty((0, 0, 0)), 0
