"""95 % intervals of medians and of shares."""

from __future__ import annotations

import math

import numpy as np

from diffusion_mpc_ros.policies.comparison import INTERVAL, RESAMPLES

NORMAL_QUANTILE = 1.96


def median_interval(values: np.ndarray, seed: int = 0) -> tuple[float | None, list[float | None] | None]:
    """Median of ``values (B,)`` and its bootstrap interval.

    An infinite value stands for "never"; a median or bound that comes out infinite is None. Both None without values.
    Of an even number of values the median is the larger one of the middle two, so that a mean of "never" and a number
    is never formed.
    """
    if not len(values):
        return None, None
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    medians = _upper_median(values[drawn])
    bounds = np.percentile(medians, INTERVAL, method="closest_observation")
    return _finite(_upper_median(values)), [_finite(bound) for bound in bounds]


def _upper_median(values: np.ndarray) -> np.ndarray:
    return np.sort(values, axis=-1)[..., values.shape[-1] // 2]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def wilson_interval(successes: int, trials: int) -> list[float] | None:
    """Wilson's score interval of a share (E. B. Wilson, 1927), within [0, 1]; None without a trial."""
    if not trials:
        return None
    share, squared = successes / trials, NORMAL_QUANTILE**2
    centre = share + squared / (2.0 * trials)
    half = NORMAL_QUANTILE * math.sqrt(share * (1.0 - share) / trials + squared / (4.0 * trials**2))
    low, high = ((centre + sign * half) / (1.0 + squared / trials) for sign in (-1.0, 1.0))
    # Exactly so but for rounding.
    return [low if successes else 0.0, high if successes < trials else 1.0]
