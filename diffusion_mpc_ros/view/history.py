"""The last seconds of a few numbers, for plots."""

from __future__ import annotations

import numpy as np


class History:
    """Rows of ``columns`` numbers, the newest ``length`` of them; before there are so many, NaN."""

    def __init__(self, columns: int, length: int) -> None:
        self._rows = np.full((length, columns + 1), np.nan)
        self._rows[:, 0] = np.arange(-length, 0) * 1e-3

    def add(self, time: float, *values: float) -> None:
        """Add a row at ``time`` [s], which does not go back."""
        self._rows[:-1] = self._rows[1:]
        self._rows[-1] = time, *values

    def columns(self) -> tuple[np.ndarray, ...]:
        """Seconds before the newest row, then each column, all of one length."""
        times = self._rows[:, 0]
        known = np.isfinite(self._rows[:, 1:]).any(axis=1)
        seconds = np.where(known, times - times[-1], np.nan)
        rows = self._rows[known] if known.any() else self._rows[-1:]
        return (seconds[known] if known.any() else np.zeros(1), *rows[:, 1:].T.copy())
