"""Latency percentiles over a bounded window."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LatencySummary:
    """``count`` and ``misses`` (over the limit) since the start; p50, p99, max [s] of the window (NaN when empty)."""

    count: int
    misses: int
    p50: float
    p99: float
    max: float


class LatencyStatistics:
    """A ring of the last ``window`` durations [s]; ``limit`` [s] is what counts as a miss. Safe between threads."""

    def __init__(self, limit: float, window: int = 1000) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._ring = np.zeros(window)
        self._count = 0
        self._misses = 0

    def add(self, duration: float) -> None:
        """Record one duration [s]."""
        with self._lock:
            self._ring[self._count % len(self._ring)] = duration
            self._count += 1
            self._misses += duration > self.limit

    def summary(self) -> LatencySummary:
        """Percentiles of the window, counts since the start."""
        with self._lock:
            count, misses = self._count, self._misses
            window = self._ring[: min(count, len(self._ring))].copy()
        if not count:
            return LatencySummary(0, 0, float("nan"), float("nan"), float("nan"))
        p50, p99 = np.percentile(window, [50, 99])
        return LatencySummary(count, misses, float(p50), float(p99), float(window.max()))
