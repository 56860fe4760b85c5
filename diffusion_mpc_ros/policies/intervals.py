"""95 % intervals: bootstrap over robots, and of shares (scipy.stats)."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

CONFIDENCE, RESAMPLES = 0.95, 2000
PERCENTILES = (2.5, 97.5)


def resampled(statistic: Callable[..., np.ndarray], *samples: np.ndarray, seed: int = 0) -> np.ndarray:
    """``statistic(*samples, axis)`` of robots drawn with replacement, all values of a robot together: ``(RESAMPLES,)``.

    ``samples``: ``(B,)`` each.
    """
    if len(samples[0]) == 1:  # every draw is that robot
        return np.full(RESAMPLES, statistic(*samples, axis=-1))
    # Only here: it takes a second to load.
    from scipy.stats import bootstrap

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Of robots that are all alike, and of draws without a finite value: both are looked at by who asks.
        warnings.simplefilter("ignore")
        drawn = bootstrap(
            samples, statistic, n_resamples=RESAMPLES, vectorized=True, paired=len(samples) > 1, method="percentile",
            confidence_level=CONFIDENCE, rng=np.random.default_rng(seed),
        )  # fmt: skip
    return drawn.bootstrap_distribution


def interval(statistic: Callable[..., np.ndarray], *samples: np.ndarray, seed: int = 0) -> list[float] | None:
    """Of ``statistic``, see :func:`resampled`; None where some draw has no finite one."""
    values = resampled(statistic, *samples, seed=seed)
    return np.percentile(values, PERCENTILES).tolist() if np.isfinite(values).all() else None


def median_interval(values: np.ndarray, seed: int = 0) -> tuple[float | None, list[float | None] | None]:
    """Median of ``values (B,)`` and its bootstrap interval.

    An infinite value stands for "never"; a median or bound that comes out infinite is None. Both None without values.
    Of an even number of values the median is the larger one of the middle two, so that a mean of "never" and a number
    is never formed.
    """
    if not len(values):
        return None, None
    drawn = resampled(_upper_median, values, seed=seed)
    bounds = np.percentile(drawn, PERCENTILES, method="closest_observation")
    return finite(_upper_median(values)), [finite(bound) for bound in bounds]


def wilson_interval(successes: int, trials: int) -> list[float] | None:
    """Wilson's score interval of a share (E. B. Wilson, 1927), within [0, 1]; None without a trial."""
    from scipy.stats import binomtest

    return (
        [float(bound) for bound in binomtest(successes, trials).proportion_ci(CONFIDENCE, "wilson")] if trials else None
    )


def _upper_median(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.sort(values, axis=axis)[..., values.shape[-1] // 2]


def finite(value: float) -> float | None:
    """Return ``value``; None where it is not finite, which JSON cannot say."""
    return float(value) if np.isfinite(value) else None
